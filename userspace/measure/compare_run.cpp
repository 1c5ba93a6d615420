// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/compare_run.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <memory>

#include "measure/compare_analysis.h"
#include "measure/path.h"
#include "measure/state.h"
#include "measure/update.h"
#include "measure/visit.h"
#include "measure/wire/agreement.h"
#include "measure/wire/round_trip.h"
#include "plane/ebpf/attached_ebpf.h"
#include "plane/in_namespace.h"
#include "plane/null_plane.h"
#include "service/text.h"
#include "stats/quantile.h"
#include "sys/interrupt.h"
#include "sys/peak_rss.h"
#include "sys/route_socket.h"

namespace svcbench {

namespace {

using stats::fewest_repeats;

// A block of updates takes about so long, in one to so many changes.
constexpr double update_block_seconds = 0.02;
constexpr std::size_t most_changes = 500;
// What one volley costs besides its packets: the kernel sets a run of live frames up.
constexpr double volley_seconds = 0.03;
// A size whose installation alone is predicted to take more than this share of the budget is left out.
constexpr double install_share = 0.08;
// What six repeats of one cell, which an interval needs, may take of the budget; a dearer cell gets fewer.
constexpr double cell_share = 0.06;
// Reading a plane back costs as much as programming it.
constexpr std::size_t verify_every = 5;
// The throughput view: batches, every third visit to a random service.
constexpr std::uint32_t throughput_packets = 4000;
constexpr std::uint32_t throughput_batch = 64;
constexpr std::size_t throughput_every = 3;
// Installations for the kernel's memory, and what of the budget they may take for one plane.
constexpr std::size_t memory_cycles = fewest_repeats;
constexpr double memory_share = 0.1;
constexpr std::uint32_t trips_a_visit = 200;
// The second instrument beside a sync's: it takes the largest size of which six repeats cost no more than
// this share of the budget.
constexpr double sync_check_share = 0.02;
// Half an interval, as a share of its figure, beyond which a cell is visited again while there is time.
constexpr double wide_interval = 0.05;
// Until so much of the budget is used: what comes before and after the run has to fit in, too.
constexpr double repeat_share = 0.85;

std::optional<double> spread_of(const std::optional<stats::Estimate>& estimate) {
  if (!estimate || !estimate->interval || !(estimate->value > 0)) {
    return std::nullopt;
  }
  return (estimate->interval->high - estimate->interval->low) / 2 / estimate->value;
}

// One plane at one size.
struct Cell {
  const PlaneRow* row = nullptr;
  std::size_t services = 0;
  double install_seconds = 0;
  std::string skipped{};
  std::optional<double> predicted_seconds{};
  std::unique_ptr<PathStand> stand{};       // its services never change
  std::unique_ptr<InNamespace> changing{};  // in a namespace without traffic
  std::vector<UpdateSubject> subjects{};    // over `changing`; one a way, in its order
};

// The second instrument beside the wire: one plane with many services and with few, round by round.
struct Agreements {
  std::string plane{};
  std::unique_ptr<RoundTrips> more{};
  std::unique_ptr<RoundTrips> less{};
  std::vector<double> wire_more{}, wire_less{}, trips_more{}, trips_less{};
};

class CompareRun {
 public:
  CompareRun(const Workload& workload, const CompareOptions& options, Clock& clock, Progress& progress)
      : workload_(workload), options_(options), clock_(clock), progress_(progress) {}

  Result<CompareResults> run();

 private:
  Status choose_planes();
  Status choose_scenarios();
  Status make_wire();
  Status install_all();
  Status install(Cell& cell);
  void predict(Cell& cell) const;
  void skip(Cell& cell, double predicted_seconds);
  [[nodiscard]] PlaneSite site() const;
  // In a namespace without traffic, nothing installed.
  [[nodiscard]] Result<std::unique_ptr<InNamespace>> plane_aside(const Cell& cell) const;
  Status make_instruments();
  Status check_state(Cell& cell);
  Status add_memory(Cell& cell, StateCell& state);
  Status add_user_memory(Cell& cell, StateCell& state);
  Status add_agreement_step();
  void finish();
  void tell_wide(const std::vector<std::string>& labels);

  void add_sync_step(Cell& cell);
  void add_sync_checks();
  Status add_update_steps(Cell& cell);
  void add_path_steps(PathStand& stand, const std::string& plane, std::size_t services,
                      std::size_t kinds_limit);
  [[nodiscard]] std::size_t affordable_repeats(double seconds) const {
    const double affordable = options_.budget_seconds * cell_share / std::max(seconds, 1e-6);
    return static_cast<std::size_t>(std::clamp(affordable, 1.0, static_cast<double>(fewest_repeats)));
  }
  [[nodiscard]] std::span<const Service> services(std::size_t count) const {
    return workload_.first(count);
  }

  const Workload& workload_;
  const CompareOptions& options_;
  Clock& clock_;
  Progress& progress_;
  Scenarios scenarios_{};  // those asked for that can be measured here
  bool traffic_ = false;   // whether packets are sent
  CompareResults results_{};
  // Declared in the order in which they need each other.
  std::unique_ptr<Wire> wire_{};
  std::map<std::size_t, PathTargets> targets_{};
  std::map<std::string, std::unique_ptr<PathStand>> instruments_{};
  std::vector<std::unique_ptr<Cell>> cells_{};
  std::vector<Step> steps_{};
  Agreements agreements_{};
};

Status CompareRun::choose_planes() {
  const Scenarios& wanted = options_.scenarios;
  const bool wire_only = wanted.path && !wanted.sync && !wanted.update && !wanted.state;
  for (const auto& [row, not_here] : options_.planes) {
    if (wanted.path && !row->off_wire.empty()) {
      const std::string why = fmt::format("its path is not measured: {}", row->off_wire);
      if (wire_only) {
        results_.missing.push_back({std::string(row->name), why});
        continue;
      }
      results_.notes.push_back(fmt::format("{}: {}", row->name, why));
    }
    if (!not_here.empty()) {
      results_.missing.push_back({std::string(row->name), not_here});
      continue;
    }
    results_.planes.emplace_back(row->name);
    for (const std::size_t size : options_.sweep) {
      cells_.push_back(std::make_unique<Cell>());
      cells_.back()->row = row;
      cells_.back()->services = size;
    }
  }
  if (results_.planes.empty()) {
    const MissingPlane& first = results_.missing.front();
    return failure("no plane can run here; {}: {}", first.plane, first.why);
  }
  return {};
}

Status CompareRun::choose_scenarios() {
  scenarios_ = options_.scenarios;
  traffic_ = scenarios_.path || scenarios_.state;
  if (!traffic_) {
    return {};
  }
  if (const Status sends = options_.live_frames(); !sends) {
    SVCB_CHECK(check_interrupted());
    traffic_ = false;
    scenarios_.path = false;
    results_.path_missing = options_.scenarios.path ? sends.error().message : "";
    results_.notes.push_back(fmt::format("No packets are sent, so that {}: {}",
                                         options_.scenarios.path && options_.scenarios.state
                                             ? "the path and connection tracking are not measured"
                                         : options_.scenarios.path ? "the path is not measured"
                                                                   : "connection tracking is not measured",
                                         sends.error().message));
  }
  return {};
}

Status CompareRun::make_wire() {
  WireCapacity capacity{};
  for (const std::size_t size : options_.sweep) {
    const WireCapacity needs = PathTargets::needs(services(size));
    capacity.targets += needs.targets;
    capacity.backends += needs.backends;
  }
  SVCB_TAKE(wire, Wire::create(capacity));
  wire_ = std::move(wire);
  for (const std::size_t size : options_.sweep) {
    SVCB_TAKE(targets, PathTargets::add(*wire_, services(size), workload_, options_.family, options_.seed));
    targets_.emplace(size, std::move(targets));
  }
  return make_instruments();
}

Status CompareRun::make_instruments() {
  const auto keep = [this](std::string_view name, Result<std::unique_ptr<PathStand>> made) -> Status {
    if (!made) {
      return tl::unexpected(made.error());
    }
    instruments_.emplace(name, std::move(*made));
    return {};
  };
  const auto route = [this](EbpfHook hook) {
    const PathStand::Make make = [hook](const PlaneSite& site) -> Result<std::unique_ptr<DataPlane>> {
      return std::make_unique<AttachedEbpf>(hook, site, false);
    };
    return PathStand::with_plane(*wire_, make, site(), {});
  };
  SVCB_CHECK(keep(instrument_sink, PathStand::with_sink(*wire_)));
  if (std::find(results_.planes.begin(), results_.planes.end(), instrument_null) == results_.planes.end()) {
    SVCB_CHECK(keep(instrument_null, PathStand::with_plane(*wire_, make_null, site(), {})));
  }
  SVCB_CHECK(keep(instrument_redirect_xdp, PathStand::with_redirect(*wire_, Wire::Hook::xdp, 0)));
  SVCB_CHECK(keep(instrument_redirect_tc, PathStand::with_redirect(*wire_, Wire::Hook::tc, 0)));
  SVCB_CHECK(keep(instrument_route_xdp, route(EbpfHook::xdp)));
  SVCB_CHECK(keep(instrument_route_tc, route(EbpfHook::tc)));
  SVCB_TAKE(clock_ns, wire_->clock_ns(instruments_.at(std::string(instrument_sink))->testbed()));
  results_.clock_ns = clock_ns;
  return {};
}

PlaneSite CompareRun::site() const {
  PlaneSite site;
  site.services_capacity = options_.services_capacity;
  site.backends_capacity = options_.backends_capacity;
  site.ebpf = options_.ebpf;
  return site;
}

Result<std::unique_ptr<InNamespace>> CompareRun::plane_aside(const Cell& cell) const {
  SVCB_TAKE(place, namespace_with_loopback());
  SVCB_TAKE(visit, place.enter());
  SVCB_TAKE(plane, cell.row->make(site()));
  return std::make_unique<InNamespace>(std::move(place), std::move(plane));
}

// A power law through the two sizes before. From one size alone nothing can be told but that a larger one
// takes as long: a good part of a small one's time is the start of a process.
void CompareRun::predict(Cell& cell) const {
  std::vector<const Cell*> smaller;
  for (const auto& other : cells_) {
    if (other->row == cell.row && other->services < cell.services) {
      smaller.push_back(other.get());
    }
  }
  if (smaller.empty()) {
    return;
  }
  const Cell& near = *smaller.back();
  if (!near.skipped.empty()) {
    cell.predicted_seconds = near.predicted_seconds.value_or(0) * static_cast<double>(cell.services) /
                             static_cast<double>(near.services);
    return;
  }
  if (smaller.size() < 2) {
    cell.predicted_seconds = near.install_seconds;
    return;
  }
  const Cell& far = *smaller[smaller.size() - 2];
  const double exponent =
      std::max(1.0, std::log(near.install_seconds / far.install_seconds) /
                        std::log(static_cast<double>(near.services) / static_cast<double>(far.services)));
  cell.predicted_seconds =
      near.install_seconds *
      std::pow(static_cast<double>(cell.services) / static_cast<double>(near.services), exponent);
}

void CompareRun::skip(Cell& cell, double predicted_seconds) {
  cell.skipped = fmt::format(
      "installing {} services is predicted to take {:.0f} s, too much of the {:.0f} s budget: raise "
      "--budget to {:.0f}",
      grouped(cell.services), predicted_seconds, options_.budget_seconds,
      std::ceil(predicted_seconds / install_share));
  SyncCell sync{.plane = std::string(cell.row->name), .services = cell.services};
  sync.skipped = cell.skipped;
  sync.predicted_ns = predicted_seconds * 1e9;
  results_.syncs.push_back(std::move(sync));
}

Status CompareRun::install(Cell& cell) {
  progress_.phase(fmt::format("install {} services: {}", grouped(cell.services), cell.row->name));
  SVCB_CHECK(check_interrupted());
  predict(cell);
  if (cell.predicted_seconds && *cell.predicted_seconds > options_.budget_seconds * install_share) {
    skip(cell, *cell.predicted_seconds);
    return {};
  }
  const auto wanted = services(cell.services);
  const std::int64_t begin = clock_.now_ns();
  if (traffic_) {
    SVCB_TAKE(stand, PathStand::with_plane(*wire_, cell.row->make, site(), wanted));
    cell.stand = std::move(stand);
    cell.install_seconds = seconds_between(begin, clock_.now_ns());
    SVCB_TAKE(held, cell.stand->plane()->entries());
    if (held != wanted.size()) {
      return failure("{} holds {} services after {} were installed", cell.row->name, held, wanted.size());
    }
  }
  // Without traffic it is what a plane keeps that is looked at there.
  const bool aside = scenarios_.update || (scenarios_.state && !traffic_);
  if (aside && cell.row->name != "null") {
    SVCB_TAKE(plane, plane_aside(cell));
    cell.changing = std::move(plane);
    const std::int64_t again = clock_.now_ns();
    SVCB_CHECK(cell.changing->install(wanted));
    cell.install_seconds = seconds_between(again, clock_.now_ns());
  }
  return {};
}

Status CompareRun::install_all() {
  for (const std::size_t size : options_.sweep) {
    for (const auto& cell : cells_) {
      if (cell->services == size) {
        SVCB_CHECK(install(*cell));
      }
    }
  }
  return {};
}

void CompareRun::add_sync_step(Cell& cell) {
  results_.syncs.push_back({.plane = std::string(cell.row->name), .services = cell.services});
  const std::size_t index = results_.syncs.size() - 1;
  Step step;
  step.label = fmt::format("sync, {} services, {}", grouped(cell.services), cell.row->name);
  step.seconds = 2 * std::max(cell.install_seconds, 0.005);  // it is taken down again, too
  step.fewest = affordable_repeats(step.seconds);
  step.run = [this, &cell, index](std::size_t repeat) -> Status {
    const auto wanted = services(cell.services);
    SVCB_TAKE(place, namespace_with_loopback());
    SVCB_TAKE(visit, place.enter());
    SVCB_TAKE(plane, cell.row->make(site()));
    SVCB_CHECK(plane->install(wanted));
    if (repeat % verify_every == 0) {
      SVCB_TAKE(held, plane->entries());
      if (held != wanted.size()) {
        return failure("{} holds {} services after {} were installed", cell.row->name, held, wanted.size());
      }
    }
    results_.syncs[index].repeats.push_back(plane->sync_cost());
    return {};
  };
  step.samples = [this, index] { return to_json(results_.syncs[index].repeats.back()); };
  step.restore = [this, index](const nlohmann::json& samples) -> Status {
    SVCB_TAKE(cost, sync_cost_of(samples));
    results_.syncs[index].repeats.push_back(cost);
    return {};
  };
  step.figure = [this, index] {
    const SyncCost& cost = results_.syncs[index].repeats.back();
    return StepFigure{.value = static_cast<double>(cost.generate_ns + cost.commit_ns), .unit = "ns"};
  };
  step.spread = [this, index] { return spread_of(sync_cost(results_.syncs[index])); };
  steps_.push_back(std::move(step));
}

// In steps of their own: what watches processes would otherwise be in the sync's figures.
void CompareRun::add_sync_checks() {
  std::map<const PlaneRow*, const Cell*> chosen;
  for (const auto& cell : cells_) {  // ascending in N
    const bool tools = cell->row->name.starts_with("iptables") || cell->row->name == "nftables";
    const double seconds = fewest_repeats * 2 * cell->install_seconds;
    if (tools && cell->skipped.empty() && seconds <= options_.budget_seconds * sync_check_share) {
      chosen[cell->row] = cell.get();
    }
  }
  for (const auto& cell : cells_) {
    if (const auto found = chosen.find(cell->row); found == chosen.end() || found->second != cell.get()) {
      continue;
    }
    results_.sync_checks.push_back({.plane = std::string(cell->row->name), .services = cell->services});
    const std::size_t index = results_.sync_checks.size() - 1;
    Step step;
    step.label = fmt::format("sync by two instruments, {}", cell->row->name);
    step.seconds = 2 * std::max(cell->install_seconds, 0.005);
    step.fewest = fewest_repeats;
    step.droppable = true;
    step.run = [this, &row = *cell->row, count = cell->services, index](std::size_t) -> Status {
      SVCB_TAKE(place, namespace_with_loopback());
      SVCB_TAKE(visit, place.enter());
      SVCB_TAKE(plane, row.make(site()));
      return add_sync_round(results_.sync_checks[index], [&] { return plane->install(services(count)); });
    };
    steps_.push_back(std::move(step));
  }
}

Status CompareRun::add_update_steps(Cell& cell) {
  SVCB_TAKE(visit, cell.changing->visit());
  const auto ways = cell.changing->inner().ways();
  const std::string plane(cell.row->name);
  // One subject for all ways: what one changes, the next finds.
  cell.subjects.emplace_back(plane, cell.changing->inner(), services(cell.services), workload_,
                             options_.seed);
  UpdateSubject& subject = cell.subjects.front();
  for (std::size_t way = 0; way < ways.size(); ++way) {
    const auto new_cell = [&](Operation operation) {
      UpdateCell made{plane, cell.services, operation};
      made.way = ways.size() > 1 ? std::string(ways[way]) : "";
      results_.updates.push_back(std::move(made));
      return results_.updates.size() - 1;
    };
    const std::size_t change = new_cell(Operation::change_endpoints);
    const std::size_t add = new_cell(Operation::add_service);
    const std::size_t remove = new_cell(Operation::remove_service);
    // A pilot, thrown away: how many changes make a block.
    SVCB_CHECK(cell.changing->inner().choose_way(way));
    UpdateCell pilot{plane, cell.services, Operation::change_endpoints};
    const std::int64_t begin = clock_.now_ns();
    SVCB_CHECK(subject.change_block(1, false, clock_, pilot));
    const double seconds = std::max(seconds_between(begin, clock_.now_ns()), 1e-6);
    const auto count = static_cast<std::size_t>(
        std::clamp(update_block_seconds / seconds, 1.0, static_cast<double>(most_changes)));

    Step step;
    step.label = fmt::format("update, {} services, {}{}{}", grouped(cell.services), plane,
                             ways.size() > 1 ? " " : "", ways.size() > 1 ? ways[way] : "");
    step.seconds = 4 * seconds * static_cast<double>(count);
    step.fewest = affordable_repeats(step.seconds);
    step.droppable = way > 0;
    step.run = [this, &cell, &subject, way, count, change, add, remove](std::size_t repeat) -> Status {
      SVCB_TAKE(inside, cell.changing->visit());
      SVCB_CHECK(cell.changing->inner().choose_way(way));
      const bool verify = repeat % verify_every == 0;
      SVCB_CHECK(subject.change_block(count, verify, clock_, results_.updates[change]));
      return subject.add_remove_block(count, verify, clock_, results_.updates[add],
                                      results_.updates[remove]);
    };
    step.samples = [this, change, add, remove] {
      return last_blocks({&results_.updates[change], &results_.updates[add], &results_.updates[remove]});
    };
    step.restore = [this, change, add, remove](const nlohmann::json& samples) {
      return add_blocks({&results_.updates[change], &results_.updates[add], &results_.updates[remove]},
                        samples);
    };
    step.spread = [this, change] { return spread_of(update_cost(results_.updates[change])); };
    step.figure = [this, change] {
      const auto median = stats::median_of(results_.updates[change].commit_ns.back());
      return median ? std::optional(StepFigure{.value = median->value, .unit = "ns"}) : std::nullopt;
    };
    steps_.push_back(std::move(step));
  }
  return {};
}

void CompareRun::add_path_steps(PathStand& stand, const std::string& plane, std::size_t services,
                                std::size_t kinds_limit) {
  for (const PathKind& kind :
       std::span(options_.kinds).first(std::min(kinds_limit, options_.kinds.size()))) {
    const PathTargets& targets = targets_.at(services);
    // A backend that got its packet wrapped replies by itself: that is no packet of the node's.
    const bool passes = kind.flow != FlowKind::reply || stand.delivery() != Delivery::wrapped;
    if (!passes || !targets.of(kind.position, kind.protocol, stand.delivery())) {
      continue;
    }
    results_.paths.push_back(
        {.plane = plane, .services = services, .kind = kind, .family = options_.family});
    const std::size_t index = results_.paths.size() - 1;
    Step step;
    step.label = fmt::format("path, {} services, {}, {}, {} {}", grouped(services), plane,
                             to_string(kind.flow), to_string(kind.position), to_string(kind.protocol));
    step.seconds = volley_seconds + 3e-5 * options_.packets;
    step.fewest = fewest_repeats;
    const auto last = std::make_shared<PathVisit>();
    step.run = [this, &stand, &targets, kind, index, last](std::size_t repeat) -> Status {
      PathCell& cell = results_.paths[index];
      const auto name = [&] {
        return fmt::format("{}, {} services, {}, {} {}", cell.plane, grouped(cell.services),
                           to_string(kind.flow), to_string(kind.position), to_string(kind.protocol));
      };
      auto arrivals = stand.measure(targets, kind, options_.packets);
      if (!arrivals) {
        SVCB_CHECK(check_interrupted());
        return failure("path, {}: {}", name(), arrivals.error().message);
      }
      *last = PathVisit{arrivals->counts.sent, arrivals->latency, {}};
      if (kind.position == Position::random && kind.flow != FlowKind::reply &&
          repeat % throughput_every == 0) {
        auto batched = stand.measure(targets, kind, throughput_packets, throughput_batch);
        if (!batched) {
          SVCB_CHECK(check_interrupted());
          return failure("throughput, {}: {}", name(), batched.error().message);
        }
        last->packets_per_second = batched->packets_per_second();
      }
      last->add_to(cell);
      return {};
    };
    step.samples = [last] { return last->json(); };
    step.restore = [this, index](const nlohmann::json& samples) -> Status {
      SVCB_TAKE(visit, PathVisit::of(samples));
      visit.add_to(results_.paths[index]);
      return {};
    };
    step.spread = [this, index] { return spread_of(path_p50(results_.paths[index])); };
    step.figure = [this, last] {
      return StepFigure{.word = "p50",
                        .value = last->latency.quantile(0.5).value_or(0) / options_.told_in.ns,
                        .unit = options_.told_in.name};
    };
    steps_.push_back(std::move(step));
  }
}

// Entries of the connection tracker for 1,000 new flows, and what the plane's own accounting knows.
Status CompareRun::check_state(Cell& cell) {
  StateCell state{.plane = std::string(cell.row->name), .services = cell.services};
  for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
    if (cell.stand && cell.row->off_wire.empty() &&
        targets_.at(cell.services).of(Position::random, protocol, cell.stand->delivery())) {
      SVCB_TAKE(entries, conntrack_per_1000_flows(*cell.stand, targets_.at(cell.services), protocol));
      state.conntrack_per_1000_flows = static_cast<double>(entries);
      SVCB_TAKE(own, cell.stand->plane()->flow_table());
      if (own) {
        state.own_per_1000_flows = static_cast<double>(own->entries);
      }
      break;
    }
  }
  const DataPlane* plane = cell.stand ? cell.stand->plane() : cell.changing.get();
  std::optional<std::uint64_t> bytes;
  if (plane != nullptr) {
    SVCB_TAKE(known, plane->kernel_bytes());
    bytes = known;
  }
  if (bytes) {
    state.kernel_bytes = static_cast<double>(*bytes);
    state.kernel_bytes_method = "the maps' own accounting";
  }
  if (!bytes && cell.row->name != "null" && cell.services == options_.sweep.back()) {
    SVCB_CHECK(add_memory(cell, state));
  }
  if (cell.row->name != "null") {
    SVCB_CHECK(add_user_memory(cell, state));
  }
  results_.states.push_back(std::move(state));
  return {};
}

// Of one more installation: it hardly scatters, for nothing else works in these processes.
Status CompareRun::add_user_memory(Cell& cell, StateCell& state) {
  if (cell.install_seconds > options_.budget_seconds * memory_share) {
    results_.notes.push_back(fmt::format(
        "User-space memory of {} at {} services is not measured: it would take {:.0f} s of the {:.0f} s",
        cell.row->name, grouped(cell.services), cell.install_seconds, options_.budget_seconds));
    return {};
  }
  progress_.phase(fmt::format("user-space memory: {}", cell.row->name));
  std::unique_ptr<InNamespace> plane;
  SVCB_TAKE(peak, user_memory_of([&]() -> Status {
              SVCB_TAKE(made, plane_aside(cell));
              plane = std::move(made);
              return plane->install(services(cell.services));
            }));
  if (peak.tool) {
    state.user_peak = {.own = static_cast<double>(peak.own), .tool = static_cast<double>(*peak.tool)};
  } else {
    results_.notes.push_back(
        fmt::format("User-space memory of {} at {} services is not measured: its tools could not be traced",
                    cell.row->name, grouped(cell.services)));
  }
  return {};
}

// Seen from outside: installed and removed again and again. At the largest size, where it is most.
Status CompareRun::add_memory(Cell& cell, StateCell& state) {
  const double seconds = memory_cycles * (0.5 + 2 * cell.install_seconds);
  if (seconds > options_.budget_seconds * memory_share) {
    results_.notes.push_back(
        fmt::format("Kernel memory of {} is not measured: it would take {:.0f} s of the {:.0f} s",
                    cell.row->name, seconds, options_.budget_seconds));
    return {};
  }
  progress_.phase(fmt::format("kernel memory: {}", cell.row->name));
  std::unique_ptr<InNamespace> held;
  const auto install = [&]() -> Status {
    SVCB_TAKE(plane, plane_aside(cell));
    held = std::move(plane);
    return held->install(services(cell.services));
  };
  const auto remove = [&]() -> Status {
    held.reset();
    return {};
  };
  SVCB_TAKE(memory, kernel_memory(install, remove, memory_cycles));
  state.kernel_bytes_method =
      "SUnreclaim + VmallocUsed + Percpu of /proc/meminfo, installed and removed again";
  if (memory.conclusive) {
    state.kernel_bytes = memory.total.value;
    state.kernel_bytes_interval = memory.total.interval;
  } else {
    results_.notes.push_back(fmt::format("Kernel memory of {}: {}", cell.row->name, memory.summary));
  }
  return {};
}

// The plane whose packets N costs most is the one to ask: iptables, where it runs.
Status CompareRun::add_agreement_step() {
  const Cell* more = nullptr;
  const Cell* less = nullptr;
  for (const auto& cell : cells_) {
    if (!cell->row->name.starts_with("iptables") || cell->stand == nullptr) {
      continue;
    }
    if (more == nullptr || more->row != cell->row) {
      less = cell.get();
    }
    more = cell.get();
  }
  if (more == nullptr || less == more) {
    return {};
  }
  const Target* target_more = targets_.at(more->services).last(Protocol::udp, Delivery::translated);
  const Target* target_less = targets_.at(less->services).last(Protocol::udp, Delivery::translated);
  if (target_more == nullptr || target_less == nullptr) {
    return {};
  }
  agreements_.plane = more->row->name;
  SVCB_TAKE(trips_more, RoundTrips::create(more->stand->testbed()));
  SVCB_TAKE(trips_less, RoundTrips::create(less->stand->testbed()));
  agreements_.more = std::move(trips_more);
  agreements_.less = std::move(trips_less);
  results_.agreements.push_back({agreements_.plane, more->services, less->services, {}});
  Step step;
  step.label = fmt::format("round trips, {}", agreements_.plane);
  step.seconds = 0.2;
  step.fewest = fewest_repeats;
  step.droppable = true;
  step.run = [this, more, less, target_more, target_less](std::size_t) -> Status {
    const PathKind kind{FlowKind::fresh, Position::last, Protocol::udp};
    const auto both = [&](const Cell& cell, RoundTrips& trips, const Target& target,
                          std::vector<double>& wire, std::vector<double>& trip) -> Status {
      SVCB_TAKE(arrivals, cell.stand->measure(targets_.at(cell.services), kind, trips_a_visit));
      SVCB_TAKE(samples, trips.measure(target, FlowKind::fresh, trips_a_visit, clock_));
      const auto median = stats::median_of(samples.ns);
      if (!median) {
        return failure("round trips, {}: {}", cell.row->name,
                       samples.not_offered.value_or("none came back"));
      }
      wire.push_back(*arrivals.latency.quantile(0.5));
      trip.push_back(median->value);
      return {};
    };
    SVCB_CHECK(both(*more, *agreements_.more, *target_more, agreements_.wire_more, agreements_.trips_more));
    return both(*less, *agreements_.less, *target_less, agreements_.wire_less, agreements_.trips_less);
  };
  steps_.push_back(std::move(step));
  return {};
}

void CompareRun::tell_wide(const std::vector<std::string>& labels) {
  constexpr std::size_t most = 3;
  if (labels.empty()) {
    return;
  }
  const auto told = std::span(labels).first(std::min(most, labels.size()));
  results_.notes.push_back(fmt::format(
      "Intervals of {} cells stayed wider than {:.0f} % of their figure either way ({}{}): a larger "
      "--budget or "
      "a quieter machine would narrow them",
      labels.size(), 100 * wide_interval, fmt::join(told, "; "), labels.size() > most ? "; ..." : ""));
}

// What is known only when all rounds are over.
void CompareRun::finish() {
  if (!results_.agreements.empty()) {
    results_.agreements.front().comparison = compare_instruments(
        {agreements_.wire_more, agreements_.wire_less}, {agreements_.trips_more, agreements_.trips_less});
  }
  std::size_t overruns = 0;
  for (const auto& cell : cells_) {
    overruns += cell->stand ? cell->stand->overruns() : 0;
  }
  for (const auto& [name, stand] : instruments_) {
    overruns += stand->overruns();
  }
  if (overruns > 0) {
    results_.notes.push_back(fmt::format(
        "{} volleys overran the node's ingress queue (the machine was busy) and were sent again",
        overruns));
  }
}

Result<CompareResults> CompareRun::run() {
  const std::int64_t begin = clock_.now_ns();
  SVCB_CHECK(choose_planes());
  SVCB_CHECK(choose_scenarios());
  if (traffic_) {
    SVCB_CHECK(make_wire());
  }
  SVCB_CHECK(install_all());
  progress_.phase("prepare");
  for (const auto& cell : cells_) {
    if (!cell->skipped.empty()) {
      continue;
    }
    if (scenarios_.sync && cell->row->name != "null") {
      add_sync_step(*cell);
    }
    if (scenarios_.update && cell->changing) {
      SVCB_CHECK(add_update_steps(*cell));
    }
    if (scenarios_.path && cell->row->off_wire.empty()) {
      add_path_steps(*cell->stand, std::string(cell->row->name), cell->services, options_.kinds.size());
    }
    if (scenarios_.state) {
      SVCB_CHECK(check_state(*cell));
    }
  }
  if (scenarios_.path) {
    for (const auto& [name, stand] : instruments_) {
      add_path_steps(*stand, name, options_.sweep.back(), 2);
    }
  }
  if (scenarios_.sync) {
    add_sync_checks();
  }
  if (scenarios_.path) {
    SVCB_CHECK(add_agreement_step());
  }
  const double left = options_.budget_seconds - seconds_between(begin, clock_.now_ns());
  fit_to_budget(steps_, options_.rounds, std::max(left, options_.budget_seconds / 4));
  if (options_.journal != nullptr) {
    SVCB_CHECK(options_.journal->plan(steps_));
  }
  SVCB_CHECK(run_rounds(steps_, options_.rounds, options_.seed, clock_, progress_, options_.journal));
  const double unused = repeat_share * options_.budget_seconds - seconds_between(begin, clock_.now_ns());
  SVCB_TAKE(wide,
            repeat_wide(steps_, wide_interval, unused, options_.seed, clock_, progress_, options_.journal));
  tell_wide(wide);
  progress_.phase("check");
  for (const auto& cell : cells_) {
    for (UpdateSubject& subject : cell->subjects) {
      SVCB_TAKE(visit, cell->changing->visit());
      SVCB_CHECK(subject.verify_whole());
    }
  }
  finish();
  results_.seconds = seconds_between(begin, clock_.now_ns());
  progress_.finished();
  return std::move(results_);
}

}  // namespace

std::vector<PathKind> usual_kinds() {
  std::vector<PathKind> kinds;
  for (const Position position : {Position::last, Position::random, Position::first, Position::missing}) {
    for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
      kinds.push_back({flow, position, Protocol::udp});
    }
  }
  for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
    kinds.push_back({flow, Position::random, Protocol::tcp});
  }
  for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
    kinds.push_back({FlowKind::reply, Position::random, protocol});
  }
  return kinds;
}

std::vector<PathKind> all_kinds() {
  std::vector<PathKind> kinds = usual_kinds();
  for (const Position position : {Position::last, Position::first, Position::missing}) {
    for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
      kinds.push_back({flow, position, Protocol::tcp});
    }
  }
  return kinds;
}

Result<CompareResults> run_compare(const Workload& workload, const CompareOptions& options, Clock& clock,
                                   Progress& progress) {
  return CompareRun(workload, options, clock, progress).run();
}

}  // namespace svcbench
