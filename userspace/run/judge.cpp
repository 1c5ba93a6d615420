// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "measure/chapter_results.h"
#include "measure/emulation.h"
#include "plane/registry.h"
#include "run/cells.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::string_view change_endpoints = "change endpoints";

// Below this nobody scans a list: a rule costs several ns.
constexpr double least_slope_ns = 1;

constexpr std::string_view more_rounds = "more rounds (--rounds, --budget), or a wider sweep";

// What the chapter says of a plane's lookup; which planes it is about is in their rows.
struct PathClaim {
  const char* id;
  const char* claim;
};
constexpr PathClaim iptables_scan{"iptables-scan", "iptables looks a service up by a linear scan"};
constexpr PathClaim ipvs_constant{"ipvs-constant", "IPVS looks a service up in constant time"};
constexpr PathClaim ebpf_constant{"ebpf-constant", "eBPF looks a service up in constant time"};
constexpr std::string_view lookup_path = "lookup-2-5us";

// How the cost of what `cell` is one size of grows, under a name of its own.
struct GrowingCost {
  std::string name;
  const Cell* growth = nullptr;  // null: no two sizes were measured

  [[nodiscard]] NamedGrowth named() const {
    if (growth == nullptr) {
      return {name, std::nullopt};
    }
    return {name, stats::Growth{growth->value, growth->interval, growth->samples}};
  }
};

// Addresses of both families are looked up alike: there is one growth.
std::map<std::string, std::string> but_family(std::map<std::string, std::string> at) {
  at.erase("family");
  return at;
}

const Cell* find_growth(const std::vector<Cell>& cells, const Cell& of) {
  const auto at = but_family(growing(of));
  const auto found = std::find_if(cells.begin(), cells.end(), [&](const Cell& one) {
    return one.scenario == "growth" && one.plane == of.plane && but_family(one.at) == at;
  });
  return found == cells.end() ? nullptr : &*found;
}

// "5.1 ns a further service [4.8, 5.3]".
std::string slope_line(const GrowingCost& cost, const stats::Estimate& slope, const DisplayUnit& unit) {
  return fmt::format("{}: {:.1f} {} a further service{}", cost.name, slope.value / unit.ns, unit.name,
                     slope.interval ? fmt::format(" [{:.1f}, {:.1f}]", slope.interval->low / unit.ns,
                                                  slope.interval->high / unit.ns)
                                    : " [?]");
}

// Holds when each one's cost rises with every further service; fails when one is flat.
Verdict judge_rising(const PathClaim& claim, const std::vector<GrowingCost>& costs,
                     const DisplayUnit& unit) {
  Verdict verdict = open_verdict(claim.id, claim.claim);
  std::size_t rising = 0;
  bool flat = false;
  for (const GrowingCost& cost : costs) {
    verdict.evidence.push_back(growth_line(cost.named()));
    if (cost.growth == nullptr) {
      continue;
    }
    if (const auto slope = beside(*cost.growth, "ns_per_service")) {
      verdict.evidence.push_back(slope_line(cost, *slope, unit));
      // A narrow sweep's exponent is flat long before the slope is nothing.
      flat = flat || (slope->interval && slope->interval->high < least_slope_ns);
      rising += slope->interval && slope->interval->low > 0 ? 1 : 0;
    }
  }
  const bool rises = rising > 0 && rising == costs.size();
  if (flat) {
    verdict.outcome = Outcome::does_not_hold;
    verdict.summary = "does not hold: it is flat in N";
  } else if (rises) {
    verdict.outcome = Outcome::holds;
    verdict.summary = "holds: every further service adds to the cost";
  } else {
    verdict.summary = "inconclusive: the cost of a further service is not resolved";
    verdict.would_settle = more_rounds;
  }
  return verdict;
}

// Of a comparison, or of the paths of the main job.
class PlaneJudge {
 public:
  explicit PlaneJudge(const Run& run) : run_(run), unit_(display_unit(emulation_of(run.environment))) {
    for (const Cell& cell : run.cells) {
      add_plane(cell);
      protocol_ = cell.scenario == "path" && cell.coordinate("protocol") == "UDP" ? "UDP" : protocol_;
    }
    for (const auto* cells : {&run.cells, &run.unmeasured}) {
      for (const Cell& cell : *cells) {
        const bool sized = cell.scenario == "sync" || cell.scenario == "update" ||
                           cell.scenario == "path" || cell.scenario == "state";
        largest_ = sized ? std::max(largest_, cell.services) : largest_;
      }
    }
  }

  void judge_paths() {
    if (const auto iptables = new_flows(iptables_scan.id); !iptables.empty()) {
      verdicts_.push_back(judge_rising(iptables_scan, iptables, unit_));
    }
    for (const PathClaim& claim : {ipvs_constant, ebpf_constant}) {
      if (const auto growths = new_flow_growths(claim.id); !growths.empty()) {
        verdicts_.push_back(judge_constant(claim.id, claim.claim, growths));
      }
    }
    if (!new_flows(lookup_path).empty()) {
      judge_lookup_path();
    }
  }

  // Claims about planes that ran, where no packets could be sent and no other run gave its figures.
  void leave_open() {
    const nlohmann::json why = value_at(run_, "/details/path_missing/why");
    if (!why.is_string()) {
      return;
    }
    for (const PathClaim& one : {iptables_scan, ipvs_constant, ebpf_constant}) {
      const bool judged = std::any_of(verdicts_.begin(), verdicts_.end(),
                                      [&](const Verdict& verdict) { return verdict.id == one.id; });
      if (ran(one.id) && !judged) {
        leave_open(open_verdict(one.id, one.claim), why.get<std::string>());
      }
    }
    if (ran(lookup_path)) {
      leave_open(judge_path({}), why.get<std::string>());
    }
  }

  void judge_updates() {
    std::vector<NamedGrowth> ebpf;
    std::vector<GrowingCost> reloads;
    for (const std::string& plane : planes_) {
      for (const Cell* cell : changes_of(plane)) {
        const std::string way(cell->coordinate("way"));
        const std::string operation(cell->coordinate("operation"));
        const GrowingCost cost{
            fmt::format("{}, {}{}", plane, operation, way.empty() ? "" : fmt::format(" ({})", way)),
            find_growth(run_.cells, *cell)};
        if (bears(plane, "update-flat")) {
          ebpf.push_back(cost.named());
        } else if (bears(plane, "iptables-reload") && way == "full" && operation == change_endpoints) {
          reloads.push_back(cost);
        }
      }
    }
    if (!ebpf.empty()) {
      verdicts_.push_back(judge_flat(ebpf, {}));
    }
    if (!reloads.empty()) {
      verdicts_.push_back(
          judge_rising({"iptables-reload",
                        "iptables reloads the whole table at every change, at a cost that grows with it"},
                       reloads, {}));
    }
  }

  void judge_conntrack() {
    Verdict verdict =
        open_verdict("conntrack", "iptables and IPVS depend on connection tracking, eBPF can do without");
    bool holds = true;
    bool some_netfilter = false;
    bool some_ebpf = false;
    for (const Cell& tracked : run_.cells) {
      if (tracked.scenario != "state" || tracked.coordinate("kept") != "conntrack" ||
          tracked.services != largest_) {
        continue;
      }
      const Cell* own = run_.find(state_cell(tracked.plane, tracked.services, "flow-table").id);
      verdict.evidence.push_back(fmt::format(
          "{}: {:.0f} connection tracking entries for 1,000 new flows{}", tracked.plane, tracked.value,
          own == nullptr ? "" : fmt::format(", {:.0f} in its own flow table", own->value)));
      if (!bears(tracked.plane, "conntrack")) {
        continue;
      }
      const bool tracks = tracked.value > 0;
      if (is_netfilter(kind_of(tracked.plane))) {
        some_netfilter = true;
        holds = holds && tracks;
      } else {
        some_ebpf = true;
        holds = holds && !tracks;
      }
    }
    if (!some_netfilter || !some_ebpf) {
      return;
    }
    verdict.outcome = holds ? Outcome::holds : Outcome::does_not_hold;
    verdict.summary =
        holds ? "holds: measured as entries for 1,000 new flows" : "does not hold: see the counts";
    verdicts_.push_back(std::move(verdict));
  }

  [[nodiscard]] std::vector<Verdict> verdicts() && { return std::move(verdicts_); }

 private:
  void add_plane(const Cell& cell) {
    if (!cell.plane.empty() && std::find(planes_.begin(), planes_.end(), cell.plane) == planes_.end()) {
      planes_.push_back(cell.plane);
    }
  }

  [[nodiscard]] bool ran(std::string_view claim) const {
    const nlohmann::json planes = value_at(run_, "/details/path_missing/planes");
    return std::any_of(planes.begin(), planes.end(), [claim](const nlohmann::json& plane) {
      return plane.is_string() && bears(plane.get<std::string>(), claim);
    });
  }

  [[nodiscard]] bool is_new_flow(const Cell& cell) const {
    return cell.scenario == "path" && cell.coordinate("flow") == "new flow" &&
           cell.coordinate("position") == "last" && cell.coordinate("protocol") == protocol_;
  }

  // Of the planes that a claim is about, to the last service.
  [[nodiscard]] std::vector<GrowingCost> new_flows(std::string_view claim) const {
    std::vector<GrowingCost> costs;
    for (const std::string& plane : planes_) {
      const auto cell = std::find_if(run_.cells.begin(), run_.cells.end(), [&](const Cell& one) {
        return one.plane == plane && is_new_flow(one);
      });
      if (bears(plane, claim) && cell != run_.cells.end()) {
        costs.push_back(
            {fmt::format("{}, new flow, last {}", plane, protocol_), find_growth(run_.cells, *cell)});
      }
    }
    return costs;
  }

  // Measured here, and the exponents that were scaled: of all scaled figures they alone decide claims.
  [[nodiscard]] std::vector<NamedGrowth> new_flow_growths(std::string_view claim) const {
    std::vector<NamedGrowth> growths;
    for (const GrowingCost& cost : new_flows(claim)) {
      growths.push_back(cost.named());
    }
    const nlohmann::json scaled = value_at(run_, "/details/scaled_from/planes");
    for (const auto& name : scaled) {
      const std::string plane = name.is_string() ? name.get<std::string>() : "";
      for (const char* protocol : {"UDP", "TCP"}) {
        const Cell* growth =
            find_growth(run_.unmeasured, path_cell(plane, 0, "new flow", "last", protocol, "IPv4", "ns"));
        if (bears(plane, claim) && growth != nullptr) {
          const nlohmann::json mark = value_at(run_, "/details/scaled_from/mark");
          const std::string from = mark.is_string() ? mark.get<std::string>() : "scaled";
          growths.push_back(
              GrowingCost{fmt::format("{} ({}), {}", plane, from, growth->what), growth}.named());
          break;
        }
      }
    }
    return growths;
  }

  void judge_lookup_path() {
    std::vector<ProgramFigure> figures;
    for (const Cell& cell : run_.cells) {
      if (cell.scenario == "path" && bears(cell.plane, lookup_path) && cell.services == largest_ &&
          cell.coordinate("position") != "missing") {
        stats::Estimate ns{cell.value * unit_.ns, cell.interval, cell.samples};
        if (ns.interval) {
          ns.interval = stats::Interval{ns.interval->low * unit_.ns, ns.interval->high * unit_.ns};
        }
        figures.push_back(
            {fmt::format("{}, {} {} {}, {} services", cell.plane, cell.coordinate("flow"),
                         cell.coordinate("position"), cell.coordinate("protocol"), grouped(cell.services)),
             ns});
      }
    }
    verdicts_.push_back(judge_path(figures, unit_));
  }

  void leave_open(Verdict verdict, const std::string& why) {
    verdict.summary = "inconclusive: the path was not measured: " + why;
    verdict.evidence.clear();
    verdict.would_settle = "the same run under a kernel that sends live frames (tests/vm/run boots one)";
    verdicts_.push_back(std::move(verdict));
  }

  // One of each kind of change, in the run's order.
  [[nodiscard]] std::vector<const Cell*> changes_of(const std::string& plane) const {
    std::vector<const Cell*> found;
    for (const Cell& cell : run_.cells) {
      if (cell.scenario == "update" && cell.plane == plane &&
          std::none_of(found.begin(), found.end(),
                       [&cell](const Cell* one) { return one->at == cell.at; })) {
        found.push_back(&cell);
      }
    }
    return found;
  }

  const Run& run_;
  DisplayUnit unit_;
  std::vector<std::string> planes_{};  // in the order of their figures
  std::string_view protocol_ = "TCP";  // UDP, unless no packet of that was sent
  std::size_t largest_ = 0;
  std::vector<Verdict> verdicts_{};
};

// The main job's two, about maps and programs.
std::vector<Verdict> judge_maps(const Run& run) {
  std::vector<NamedGrowth> operations;
  std::optional<NamedGrowth> beside;
  std::vector<ProgramFigure> figures;
  std::size_t largest = 0;
  for (const Cell& cell : run.cells) {
    largest = cell.scenario == "update" ? std::max(largest, cell.services) : largest;
  }
  for (const Cell& cell : run.cells) {
    const std::string_view operation = cell.coordinate("operation");
    if (cell.scenario == "update" && cell.services == largest) {
      const Cell* growth = find_growth(run.cells, cell);
      if (kind_of(cell.plane) == PlaneKind::ebpf) {
        operations.push_back(GrowingCost{fmt::format("eBPF map, {}", operation), growth}.named());
      } else if (kind_of(cell.plane) == PlaneKind::iptables && operation == change_endpoints) {
        beside = GrowingCost{fmt::format("{}-restore, {}", cell.plane, operation), growth}.named();
      }
    }
    const std::string_view depth = cell.coordinate("depth");
    if (cell.scenario == "program" && (depth == "lookup" || depth == "dnat") && cell.services == largest) {
      figures.push_back(
          {fmt::format("{} {}, {}, {}, {} services", cell.coordinate("hook"),
                       depth == "dnat" ? "lookup + DNAT" : "lookup", cell.coordinate("family"),
                       cell.coordinate("destination"), grouped(cell.services)),
           {cell.value, cell.interval, cell.samples}});
    }
  }
  return {judge_flat(operations, beside), judge_lookup(figures)};
}

std::optional<stats::LinearFit> line_of(const Cell& growth) {
  const auto slope = beside(growth, "ns_per_rule");
  const auto intercept = beside(growth, "intercept_ns");
  if (!slope || !intercept) {
    return std::nullopt;
  }
  stats::LinearFit line{};
  line.slope = slope->value;
  line.slope_interval = slope->interval;
  line.intercept = intercept->value;
  return line;
}

// Table 4.1's.
Verdict judge_loads(const Run& run) {
  std::vector<NamedGrowth> loads;
  std::vector<std::string> lines;
  for (const auto* cells : {&run.cells, &run.unmeasured}) {
    for (const Cell& growth : *cells) {
      if (growth.scenario != "growth" || growth.coordinate("of") != "chapter") {
        continue;
      }
      const std::string name =
          fmt::format("{}, {}", growth.coordinate("backend"), growth.coordinate("load"));
      const auto sizes = growth.parts.find("sizes");
      const bool some = sizes != growth.parts.end() && !sizes->second.empty() && !sizes->second[0].empty();
      const bool whole = !some || nlohmann::json(sizes->second[0]) == value_at(run, "/run/sweep");
      NamedGrowth load{
          name + (whole ? ""
                        : fmt::format(" (from {} services)",
                                      grouped(static_cast<std::uint64_t>(sizes->second[0].front())))),
          std::nullopt};
      if (growth.origin == Origin::measured) {
        load.growth = stats::Growth{growth.value, growth.interval, growth.samples};
      }
      loads.push_back(std::move(load));
      if (const auto line = line_of(growth)) {
        const auto residual = beside(growth, "worst_residual");
        lines.push_back(fmt::format("{}: {}, no median further off that line than {:.1f} % of the largest",
                                    name, line_text(*line), residual ? residual->value * 100 : 0));
      }
    }
  }
  Verdict verdict = judge_linear(loads);
  verdict.evidence.insert(verdict.evidence.end(), lines.begin(), lines.end());
  verdict.evidence.push_back("beside it, the chapter's own five figures: " + line_text(chapter_line()));
  return verdict;
}

std::vector<Verdict> by_time(const Run& run) {
  std::vector<Verdict> verdicts;
  if (!value_at(run, "/details/chapter").is_null()) {
    return {judge_loads(run)};
  }
  if (run.command == "churn" || run.command == "verify" || run.command == "connect") {
    return verdicts;
  }
  if (run.command == "ebpf") {
    verdicts = judge_maps(run);
  }
  PlaneJudge planes(run);
  planes.judge_paths();
  planes.leave_open();
  if (run.command != "ebpf") {
    planes.judge_updates();
  }
  planes.judge_conntrack();
  std::vector<Verdict> of_planes = std::move(planes).verdicts();
  verdicts.insert(verdicts.end(), std::make_move_iterator(of_planes.begin()),
                  std::make_move_iterator(of_planes.end()));
  withhold_absolute(verdicts, emulation_of(run.environment));
  return verdicts;
}

}  // namespace

std::vector<Verdict> judge(const Run& run) {
  std::vector<Verdict> verdicts = by_time(run);
  const nlohmann::json of = value_at(run, "/details/counted/of");
  for (Verdict& verdict : verdicts) {
    const nlohmann::json said = value_at(run, "/details/counted/verdicts/" + verdict.id);
    if (of.is_string() && said.is_string()) {
      verdict.evidence.push_back(
          fmt::format("in instructions ({}): {}", of.get<std::string>(), said.get<std::string>()));
    }
  }
  return verdicts;
}

}  // namespace svcbench
