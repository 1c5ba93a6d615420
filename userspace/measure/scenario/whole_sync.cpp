// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whole sync: what a controller does at a sync, in parts, where nothing is there, when it starts again, and
// at one change. Also with one service of many endpoints, and with many flows tracked.
#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "measure/cost.h"
#include "measure/installations.h"
#include "measure/scenario/cell_step.h"
#include "measure/scenario/rows.h"
#include "plane/whole_sync.h"
#include "run/cells.h"
#include "service/text.h"
#include "sys/conntrack.h"

namespace svcbench {

namespace {

// Reading a plane back costs as much as programming it.
constexpr std::size_t read_back_every = 5;
// Flows of the service that changes, which the sync must end.
constexpr std::size_t flows_of_changed = 100;
// A visit to a size that was not tried yet is predicted to take so many times its installation: it is
// installed, started again, and changed.
constexpr double installations_a_visit = 3;
constexpr double seconds_of_tools = 0.5;

// One situation of one plane at one size, as it is measured.
struct Situation {
  Cell cell{};
  std::vector<SyncParts> visits{};
};

nlohmann::json to_json(const SyncParts& parts) {
  nlohmann::json out{{"runs", parts.runs},
                     {"listed_bytes", parts.listed_bytes},
                     {"input_bytes", parts.input_bytes},
                     {"flows_ended", parts.flows_ended}};
  for (const SyncPartRow& row : sync_part_rows) {
    out[row.name] = parts.*row.ns;
  }
  return out;
}

Result<SyncParts> parts_of(const nlohmann::json& json) {
  SyncParts parts;
  const auto take = [&json](const char* name, auto& value) {
    const auto found = json.find(name);
    const bool fits = found != json.end() && found->is_number_integer();
    if (fits) {
      found->get_to(value);
    }
    return fits;
  };
  bool fits = json.is_object();
  fits = fits && take("runs", parts.runs) && take("listed_bytes", parts.listed_bytes) &&
         take("input_bytes", parts.input_bytes) && take("flows_ended", parts.flows_ended);
  for (const SyncPartRow& row : sync_part_rows) {
    fits = fits && take(row.name, parts.*row.ns);
  }
  if (!fits) {
    return failure("a visit of a whole sync has other members than its parts");
  }
  return parts;
}

// ns, each visit's.
std::vector<double> wholes(const std::vector<SyncParts>& visits) {
  std::vector<double> ns;
  for (const SyncParts& parts : visits) {
    ns.push_back(static_cast<double>(parts.whole_ns()));
  }
  return ns;
}

void tell(Situation& situation, Findings& findings) {
  Cell& cell = situation.cell;
  cell.values = wholes(situation.visits);
  if (!take(cell, stats::median_of(cell.values))) {
    if (cell.origin == Origin::measured) {
      leave_out(cell, "no time was left for it in the budget", std::nullopt);
    }
    findings.cells.push_back(std::move(cell));
    return;
  }
  const auto add = [&](const char* name, const auto& of) {
    std::vector<double> samples;
    for (const SyncParts& parts : situation.visits) {
      samples.push_back(static_cast<double>(of(parts)));
    }
    if (std::any_of(samples.begin(), samples.end(), [](double value) { return value != 0; })) {
      take_part(cell, name, {std::move(samples)});
    }
  };
  for (const SyncPartRow& row : sync_part_rows) {
    add(row.name, [&](const SyncParts& parts) { return parts.*row.ns; });
  }
  add("runs", [](const SyncParts& parts) { return parts.runs; });
  add("listed_bytes", [](const SyncParts& parts) { return parts.listed_bytes; });
  add("input_bytes", [](const SyncParts& parts) { return parts.input_bytes; });
  add("flows_ended", [](const SyncParts& parts) { return parts.flows_ended; });
  findings.cells.push_back(std::move(cell));
}

// A plane in a namespace of its own, and what it is to hold.
class Subject {
 public:
  static Result<Subject> make(const Setting& setting, const PlaneAtSize& one,
                              std::vector<Service> services) {
    SVCB_TAKE(plane, setting.planes->another(one));
    return Subject(std::string(one.row->name), std::move(plane), std::move(services));
  }

  [[nodiscard]] Result<NetNamespace::Inside> enter() const { return plane_->enter(); }
  [[nodiscard]] const std::vector<Service>& services() const { return services_; }

  Result<SyncParts> from_nothing() {
    SVCB_CHECK(sync().sync_from_nothing(services_));
    return sync().sync_parts();
  }
  Result<SyncParts> restart() {
    SVCB_CHECK(sync().sync_after_restart());
    return sync().sync_parts();
  }
  Result<SyncParts> change(std::size_t place, Service after) {
    Service& service = services_[place];
    const std::vector<Endpoint> gone = service.endpoints;
    service = std::move(after);
    SVCB_CHECK(sync().sync_change({Operation::change_endpoints, service}, gone));
    return sync().sync_parts();
  }

  Status check_count() const {
    SVCB_TAKE(held, plane_->inner().entries());
    if (held != services_.size()) {
      return failure("{} holds {} services after {} were synced: no figure is given", name_, held,
                     services_.size());
    }
    return {};
  }
  Status check(std::size_t place) const {
    const Service wanted = plane_->inner().programmed(services_[place]);
    SVCB_TAKE(found, plane_->inner().find(wanted.frontend));
    if (!found || found->endpoints != wanted.endpoints) {
      return failure("{}: {} is not as it was synced to be: no figure is given", name_,
                     wanted.frontend.text());
    }
    return {};
  }

 private:
  Subject(std::string name, std::unique_ptr<InNamespace> plane, std::vector<Service> services)
      : name_(std::move(name)), plane_(std::move(plane)), services_(std::move(services)) {}
  [[nodiscard]] WholeSync& sync() { return *plane_->inner().whole_sync(); }

  std::string name_;
  std::unique_ptr<InNamespace> plane_;
  std::vector<Service> services_;
};

// A service of the protocol, another one for each repeat; none: there is none.
std::optional<std::size_t> pick(const std::vector<Service>& services, Protocol protocol,
                                std::size_t repeat) {
  const std::size_t start = repeat * 7919 % services.size();
  for (std::size_t i = 0; i < services.size(); ++i) {
    const std::size_t place = (start + i) % services.size();
    if (services[place].frontend.protocol == protocol && !services[place].endpoints.empty()) {
      return place;
    }
  }
  return std::nullopt;
}

class WholeSyncScenario final : public Scenario {
 public:
  Status prepare(Setting& setting, std::vector<Step>& steps) override {
    setting_ = &setting;
    for (PlaneAtSize* one : setting.planes->there()) {
      // A kube-proxy of the user's makes its syncs itself: its updates are whole ones.
      const bool makes_them =
          one->row->kind == PlaneKind::iptables || one->row->kind == PlaneKind::nftables;
      if (!makes_them || one->row->runs_binary) {
        continue;
      }
      add_sync(*one, steps);
      if (one->services != setting.selection.sweep.front()) {
        continue;
      }
      for (const std::size_t endpoints : setting.selection.endpoints_sweep) {
        SVCB_CHECK(add_endpoints(*one, endpoints, steps));
      }
      for (const std::size_t flows : setting.selection.flows_sweep) {
        SVCB_CHECK(add_flows(*one, flows, steps));
      }
    }
    return {};
  }

  void tell(Findings& findings) override {
    for (Situation& situation : situations_) {
      svcbench::tell(situation, findings);
    }
  }

 private:
  Situation& situation(const PlaneAtSize& one, const std::string& tail, std::string what) {
    Situation& made = situations_.emplace_back();
    made.cell = whole_sync_cell(std::string(one.row->name), one.services, tail, std::move(what));
    made.cell.checks = {"the kernel holds what was synced"};
    return made;
  }

  // A step whose visits fill `all`, each once.
  void add_step(std::string label, double seconds, std::vector<Situation*> all,
                std::function<Result<std::vector<SyncParts>>(std::size_t)> visit,
                std::vector<Step>& steps) {
    Step step;
    step.label = std::move(label);
    step.seconds = seconds;
    step.fewest = affordable_visits(seconds, setting_->selection.budget_seconds);
    step.droppable = true;
    step.run = [all, visit = std::move(visit)](std::size_t repeat) -> Status {
      SVCB_TAKE(parts, visit(repeat));
      for (std::size_t i = 0; i < all.size(); ++i) {
        all[i]->visits.push_back(parts[i]);
      }
      return {};
    };
    step.samples = [all] {
      nlohmann::json samples = nlohmann::json::array();
      for (const Situation* one : all) {
        samples.push_back(to_json(one->visits.back()));
      }
      return samples;
    };
    step.restore = [all](const nlohmann::json& samples) -> Status {
      if (!samples.is_array() || samples.size() != all.size()) {
        return failure("a visit of whole syncs has {} situations, not {}", samples.size(), all.size());
      }
      for (std::size_t i = 0; i < all.size(); ++i) {
        SVCB_TAKE(parts, parts_of(samples[i]));
        all[i]->visits.push_back(parts);
      }
      return {};
    };
    step.spread = [last = all.back()] { return spread_of(stats::median_of(wholes(last->visits))); };
    step.figure = [last = all.back()] {
      return StepFigure{
          .word = "one change", .value = static_cast<double>(last->visits.back().whole_ns()), .unit = "ns"};
    };
    step.leave_out = [all](const std::string& why) {
      for (Situation* one : all) {
        leave_out(one->cell, why, std::nullopt);
      }
    };
    steps.push_back(std::move(step));
  }

  void add_sync(const PlaneAtSize& one, std::vector<Step>& steps) {
    const auto services = setting_->services(one.services);
    std::vector<Situation*> all{&situation(one, "from-nothing", "whole sync, from nothing"),
                                &situation(one, "restart", "whole sync, restart")};
    std::vector<Protocol> protocols;
    for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
      if (pick({services.begin(), services.end()}, protocol, 0)) {
        protocols.push_back(protocol);
        const bool udp = protocol == Protocol::udp;
        all.push_back(&situation(one, udp ? "one-change-udp" : "one-change",
                                 udp ? "whole sync, one change of UDP" : "whole sync, one change"));
      }
    }
    add_step(
        "whole sync, " + name_of(one), installations_a_visit * one.install_seconds + seconds_of_tools, all,
        [this, &one, protocols](std::size_t repeat) { return visit_sync(one, protocols, repeat); }, steps);
  }

  Result<std::vector<SyncParts>> visit_sync(const PlaneAtSize& one, const std::vector<Protocol>& protocols,
                                            std::size_t repeat) {
    const auto services = setting_->services(one.services);
    const bool looks = repeat % read_back_every == 0;
    std::vector<SyncParts> all;
    SVCB_TAKE(subject, Subject::make(*setting_, one, {services.begin(), services.end()}));
    SVCB_TAKE(inside, subject.enter());
    SVCB_TAKE(first, subject.from_nothing());
    all.push_back(first);
    if (looks) {
      SVCB_CHECK(subject.check_count());
    }
    SVCB_TAKE(again, subject.restart());
    all.push_back(again);
    std::uint64_t serial = repeat * 4;
    // A change before, so that the timed ones find chains that it put out of use.
    for (std::size_t i = 0; i <= protocols.size(); ++i) {
      const auto place = pick(subject.services(), protocols[i == 0 ? 0 : i - 1], repeat + 31 * i);
      SVCB_TAKE(parts,
                subject.change(*place, setting_->workload.changed(subject.services()[*place], serial++)));
      if (i > 0) {
        all.push_back(parts);
      }
      if (looks) {
        SVCB_CHECK(subject.check(*place));
      }
    }
    if (looks) {
      SVCB_CHECK(subject.check_count());
    }
    return all;
  }

  // ---- one service of many endpoints ----

  [[nodiscard]] std::vector<Service> with_endpoints(const PlaneAtSize& one, std::size_t endpoints) const {
    const auto services = setting_->services(one.services);
    std::vector<Service> all(services.begin(), services.end());
    const auto place = pick(all, Protocol::tcp, 0).value_or(0);
    std::swap(all.front(), all[place]);
    Service& grown = all.front();
    const std::uint16_t port = grown.endpoints.empty() ? 8080 : grown.endpoints.front().port;
    grown.endpoints.clear();
    for (std::size_t i = 0; i < endpoints; ++i) {
      grown.endpoints.push_back({many_address(grown.frontend.address.family, i), port});
    }
    return all;
  }

  // 172.16.0.0/12, fd00:172:16::/96: nobody's in a workload that is generated.
  static Address many_address(Family family, std::size_t i) {
    const auto number = static_cast<std::uint32_t>(i + 1);
    if (family == Family::ipv4) {
      return Address::from_ipv4(0xAC10'0000U + number);
    }
    Address address{.bytes = {0xfd, 0x00, 0x01, 0x72, 0x00, 0x16}, .family = Family::ipv6};
    for (std::size_t byte = 0; byte < 4; ++byte) {
      address.bytes[12 + byte] = static_cast<std::uint8_t>(number >> (8 * (3 - byte)));
    }
    return address;
  }

  Status add_endpoints(const PlaneAtSize& one, std::size_t endpoints, std::vector<Step>& steps) {
    const std::string words = grouped(endpoints);
    const std::vector<Situation*> all{
        &situation(one, fmt::format("endpoints-{}/from-nothing", endpoints),
                   fmt::format("whole sync, from nothing, a service of {} endpoints", words)),
        &situation(one, fmt::format("endpoints-{}/one-change", endpoints),
                   fmt::format("whole sync, one change, a service of {} endpoints", words))};
    // A pilot a size tells of the next one. Smaller sizes come first.
    CostCurve& curve = endpoint_curves_[one.row];
    const double predicted = curve.at(endpoints).value_or(0);
    const double budget = setting_->selection.budget_seconds;
    SVCB_TAKE(left_out, decided(setting_->selection.journal,
                                fmt::format("whole sync, {} endpoints, {}", words, one.row->name),
                                budget_for(predicted) > budget));
    if (left_out) {
      curve.add(endpoints, predicted);
      for (Situation* each : all) {
        leave_out(each->cell,
                  why_left_out(fmt::format("syncing a service of {} endpoints", words), predicted, budget,
                               budget_for(predicted)),
                  predicted * 1e9);
      }
      setting_->progress.say(fmt::format("{}: {}", one.row->name, all.front()->cell.reason));
      return {};
    }
    setting_->progress.phase(
        fmt::format("whole sync, a service of {} endpoints: {}", words, one.row->name));
    const std::int64_t begin = setting_->clock.now_ns();
    SVCB_CHECK(visit_endpoints(one, endpoints, 0));
    const double seconds = seconds_between(begin, setting_->clock.now_ns());
    curve.add(endpoints, seconds);
    add_step(
        fmt::format("whole sync, a service of {} endpoints, {}", words, one.row->name), seconds, all,
        [this, &one, endpoints](std::size_t repeat) { return visit_endpoints(one, endpoints, repeat); },
        steps);
    return {};
  }

  Result<std::vector<SyncParts>> visit_endpoints(const PlaneAtSize& one, std::size_t endpoints,
                                                 std::size_t repeat) {
    SVCB_TAKE(subject, Subject::make(*setting_, one, with_endpoints(one, endpoints)));
    SVCB_TAKE(inside, subject.enter());
    SVCB_TAKE(first, subject.from_nothing());
    SyncParts changed;
    // One endpoint is replaced; the first time untimed, so that there is a chain out of use.
    for (std::size_t i = 0; i < 2; ++i) {
      Service after = subject.services().front();
      after.endpoints[repeat * 31 % endpoints].address =
          many_address(after.frontend.address.family, 2 * endpoints + i);
      SVCB_TAKE(parts, subject.change(0, std::move(after)));
      changed = parts;
    }
    if (repeat % read_back_every == 0) {
      SVCB_CHECK(subject.check_count());
      SVCB_CHECK(subject.check(0));
    }
    return std::vector<SyncParts>{first, changed};
  }

  // ---- many flows tracked ----

  struct Tracked {
    std::optional<Subject> subject{};
    std::size_t changes = 0;
  };

  Status add_flows(const PlaneAtSize& one, std::size_t flows, std::vector<Step>& steps) {
    Situation& changed =
        situation(one, fmt::format("flows-{}/one-change-udp", flows),
                  fmt::format("whole sync, one change of UDP, {} flows tracked", grouped(flows)));
    changed.cell.checks.emplace_back("the service's stale flows are gone, and no others");
    SVCB_TAKE(limit, conntrack_limit());
    const auto services = setting_->services(one.services);
    if (!pick({services.begin(), services.end()}, Protocol::udp, 0)) {
      leave_out(changed.cell, "no service is UDP (--protocol mixed, or udp)", std::nullopt);
      return {};
    }
    if (flows + 2 * flows_of_changed > limit) {
      leave_out(changed.cell,
                fmt::format("this kernel tracks {} flows at most (sysctl net.netfilter.nf_conntrack_max, "
                            "which svcbench leaves as it is)",
                            grouped(limit)),
                std::nullopt);
      return {};
    }
    Tracked& tracked = tracked_.emplace_back();
    // Filled at the first visit: seconds a flow as they were seen.
    const double seconds = one.install_seconds + 0.2 + 4e-6 * static_cast<double>(flows);
    add_step(
        fmt::format("whole sync, {} flows tracked, {}", grouped(flows), name_of(one)), seconds, {&changed},
        [this, &one, &tracked, flows](std::size_t repeat) {
          return visit_flows(one, tracked, flows, repeat);
        },
        steps);
    return {};
  }

  Result<std::vector<SyncParts>> visit_flows(const PlaneAtSize& one, Tracked& tracked, std::size_t flows,
                                             std::size_t repeat) {
    if (!tracked.subject) {
      const auto services = setting_->services(one.services);
      SVCB_TAKE(subject, Subject::make(*setting_, one, {services.begin(), services.end()}));
      tracked.subject.emplace(std::move(subject));
      SVCB_TAKE(inside, tracked.subject->enter());
      SVCB_CHECK(tracked.subject->from_nothing());
    }
    Subject& subject = *tracked.subject;
    SVCB_TAKE(inside, subject.enter());
    const std::size_t place = *pick(subject.services(), Protocol::udp, repeat);
    const Service before = subject.services()[place];
    SVCB_TAKE(held, conntrack_entries());
    if (held < flows) {
      // To nobody that a service has: they are looked at, and stay.
      SVCB_CHECK(track_flows({.dialled = {bystander(before.frontend.address.family), 53, Protocol::udp},
                              .replier = {bystander(before.frontend.address.family), 53}},
                             0, flows - held));
    }
    SVCB_CHECK(track_flows({.dialled = before.frontend, .replier = before.endpoints.front()},
                           0xF000'0000U + static_cast<std::uint32_t>(repeat * flows_of_changed),
                           flows_of_changed));
    SVCB_TAKE(parts, subject.change(place, setting_->workload.changed(before, tracked.changes++)));
    SVCB_TAKE(after, conntrack_entries());
    if (after > std::max(held, flows) || after + flows_of_changed / 2 < std::max(held, flows)) {
      return failure("{} tracks {} flows after a change that was to end {} of {}: no figure is given",
                     one.row->name, after, flows_of_changed, std::max(held, flows) + flows_of_changed);
    }
    return std::vector<SyncParts>{parts};
  }

  static Address bystander(Family family) { return many_address(family, 0xF'0000); }

  Setting* setting_ = nullptr;
  std::deque<Situation> situations_{};  // steps point at them
  std::deque<Tracked> tracked_{};
  std::map<const PlaneRow*, CostCurve> endpoint_curves_{};
};

}  // namespace

std::unique_ptr<Scenario> make_whole_sync() { return std::make_unique<WholeSyncScenario>(); }

}  // namespace svcbench
