// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/compare_analysis.h"

#include <algorithm>
#include <set>

#include "measure/emulation.h"
#include "measure/find_scaled.h"
#include "plane/registry.h"
#include "service/text.h"
#include "stats/rounds.h"

namespace svcbench {

// Generation and commit of each change, block by block.
Blocks whole_cost(const UpdateCell& cell) {
  Blocks whole = cell.commit_ns;
  for (std::size_t block = 0; block < whole.size() && block < cell.stage_ns.size(); ++block) {
    for (std::size_t i = 0; i < whole[block].size() && i < cell.stage_ns[block].size(); ++i) {
      whole[block][i] += cell.stage_ns[block][i];
    }
  }
  return whole;
}

namespace {

std::vector<double> sync_totals(const SyncCell& cell) {
  std::vector<double> totals;
  for (const SyncCost& cost : cell.repeats) {
    totals.push_back(static_cast<double>(cost.generate_ns + cost.commit_ns));
  }
  return totals;
}

// costs_at(services) has what each repeat at that size cost; none where it was not measured.
template <typename CostsAt>
Series series_of(const CompareResults& results, std::string_view plane, std::string what,
                 CostsAt costs_at) {
  Series series{std::string(plane), std::move(what)};
  std::vector<std::vector<double>> costs;
  for (const std::size_t services : sizes_of(results)) {
    if (std::vector<double> here = costs_at(services); !here.empty()) {
      series.sizes.push_back(static_cast<double>(services));
      costs.push_back(std::move(here));
    }
  }
  series.by_round = stats::beside_each_other(costs);
  return series;
}

// ---- verdicts ----

NamedGrowth named(std::string name, const Series& series) { return {std::move(name), growth_of(series)}; }

// Of the resamples: figures made again from the same cells are the same.
constexpr std::uint64_t crossing_seed = 1;

// Below this nobody scans a list: a rule costs several ns.
constexpr double least_slope_ns = 1;

constexpr std::string_view more_rounds = "more rounds (--rounds, --budget), or a wider sweep";

// Holds when each one's cost rises with every further service; fails when one is flat.
Verdict judge_rising(std::string id, std::string claim, const std::vector<Series>& all,
                     const DisplayUnit& unit) {
  Verdict verdict = open_verdict(std::move(id), std::move(claim));
  bool rises = !all.empty();
  bool flat = false;
  for (const Series& series : all) {
    const auto slope = slope_of(series);
    const NamedGrowth growth = named(fmt::format("{}, {}", series.plane, series.what), series);
    verdict.evidence.push_back(growth_line(growth));
    if (slope) {
      verdict.evidence.push_back(
          fmt::format("{}, {}: {:.1f} {} a further service{}", series.plane, series.what,
                      slope->value / unit.ns, unit.name,
                      slope->interval ? fmt::format(" [{:.1f}, {:.1f}]", slope->interval->low / unit.ns,
                                                    slope->interval->high / unit.ns)
                                      : " [?]"));
    }
    rises = rises && slope && slope->interval && slope->interval->low > 0;
    // A narrow sweep's exponent is flat long before the slope is nothing.
    flat = flat || (slope && slope->interval && slope->interval->high < least_slope_ns);
  }
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

std::vector<Series> new_flow_series(const CompareResults& results, std::string_view claim) {
  std::vector<Series> all;
  for (const std::string& plane : results.planes) {
    if (bears(plane, claim)) {
      all.push_back(
          path_series(results, plane, {FlowKind::fresh, Position::last, usual_protocol(results)}));
    }
  }
  std::erase_if(all, [](const Series& series) { return series.sizes.empty(); });
  return all;
}

std::vector<NamedGrowth> growths_of(const std::vector<Series>& all) {
  std::vector<NamedGrowth> growths;
  for (const Series& series : all) {
    growths.push_back(named(fmt::format("{}, {}", series.plane, series.what), series));
  }
  return growths;
}

// Measured here, and the exponents that were scaled: of all scaled figures they alone decide claims.
std::vector<NamedGrowth> new_flow_growths(const CompareResults& results, std::string_view claim) {
  std::vector<NamedGrowth> growths = growths_of(new_flow_series(results, claim));
  if (results.scaled) {
    for (const std::string& plane : results.scaled->planes) {
      for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
        const Figure figure{.kind = PathKind{FlowKind::fresh, Position::last, protocol},
                            .operation = std::nullopt,
                            .way = ""};
        const auto* found = find_scaled_growth(*results.scaled, plane, figure);
        if (bears(plane, claim) && found != nullptr) {
          growths.push_back({fmt::format("{} ({}), {}", plane, results.scaled->reference.mark, found->what),
                             found->growth});
          break;
        }
      }
    }
  }
  return growths;
}

// What the chapter says of a plane's lookup; which planes it is about is in their rows.
struct PathClaim {
  const char* id;
  const char* claim;
};
constexpr PathClaim iptables_scan{"iptables-scan", "iptables looks a service up by a linear scan"};
constexpr PathClaim ipvs_constant{"ipvs-constant", "IPVS looks a service up in constant time"};
constexpr PathClaim ebpf_constant{"ebpf-constant", "eBPF looks a service up in constant time"};
constexpr std::string_view lookup_path = "lookup-2-5us";

// Claims about planes that ran, where no packets could be sent and no other run gave its figures.
void leave_open(const CompareResults& results, std::vector<Verdict>& verdicts) {
  const auto leave = [&](Verdict verdict) {
    verdict.summary = "inconclusive: the path was not measured: " + results.path_missing;
    verdict.evidence.clear();
    verdict.would_settle = "the same run under a kernel that sends live frames (tests/vm/run boots one)";
    verdicts.push_back(std::move(verdict));
  };
  const auto ran = [&](std::string_view claim) {
    return std::any_of(results.planes.begin(), results.planes.end(),
                       [claim](const std::string& plane) { return bears(plane, claim); });
  };
  for (const PathClaim& one : {iptables_scan, ipvs_constant, ebpf_constant}) {
    const bool judged = std::any_of(verdicts.begin(), verdicts.end(),
                                    [&](const Verdict& verdict) { return verdict.id == one.id; });
    if (ran(one.id) && !judged) {
      leave(open_verdict(one.id, one.claim));
    }
  }
  if (ran(lookup_path)) {
    leave(judge_path({}));
  }
}

void judge_paths(const CompareResults& results, std::vector<Verdict>& verdicts) {
  const DisplayUnit unit = display_unit(emulation_of(results.environment));
  if (const auto iptables = new_flow_series(results, iptables_scan.id); !iptables.empty()) {
    verdicts.push_back(judge_rising(iptables_scan.id, iptables_scan.claim, iptables, unit));
  }
  if (const auto ipvs = new_flow_growths(results, ipvs_constant.id); !ipvs.empty()) {
    verdicts.push_back(judge_constant(ipvs_constant.id, ipvs_constant.claim, ipvs));
  }
  const auto ebpf = new_flow_growths(results, ebpf_constant.id);
  if (ebpf.empty()) {
    return;
  }
  verdicts.push_back(judge_constant(ebpf_constant.id, ebpf_constant.claim, ebpf));

  if (new_flow_series(results, lookup_path).empty()) {
    return;  // scaled exponents, and no time
  }
  std::vector<ProgramFigure> figures;
  const auto sizes = sizes_of(results);
  for (const PathCell& cell : results.paths) {
    const auto p50 = path_p50(cell);
    if (bears(cell.plane, lookup_path) && cell.services == sizes.back() &&
        cell.kind.position != Position::missing && p50) {
      figures.push_back({fmt::format("{}, {}, {} {}, {} services", cell.plane, to_string(cell.kind.flow),
                                     to_string(cell.kind.position), to_string(cell.kind.protocol),
                                     grouped(cell.services)),
                         *p50});
    }
  }
  verdicts.push_back(judge_path(figures, unit));
}

void judge_updates(const CompareResults& results, std::vector<Verdict>& verdicts) {
  std::vector<NamedGrowth> ebpf;
  std::vector<Series> reloads;
  for (const std::string& plane : results.planes) {
    for (const std::string& way : ways_of(results, plane)) {
      for (const Operation operation :
           {Operation::change_endpoints, Operation::add_service, Operation::remove_service}) {
        Series series = update_series(results, plane, way, operation);
        if (series.sizes.empty()) {
          continue;
        }
        if (bears(plane, "update-flat")) {
          ebpf.push_back(named(fmt::format("{}, {}", plane, series.what), series));
        } else if (bears(plane, "iptables-reload") && way == "full" &&
                   operation == Operation::change_endpoints) {
          reloads.push_back(std::move(series));
        }
      }
    }
  }
  if (!ebpf.empty()) {
    verdicts.push_back(judge_flat(ebpf, {}));
  }
  if (!reloads.empty()) {
    verdicts.push_back(judge_rising(
        "iptables-reload", "iptables reloads the whole table at every change, at a cost that grows with it",
        reloads, {}));
  }
}

void judge_conntrack(const CompareResults& results, std::vector<Verdict>& verdicts) {
  Verdict verdict =
      open_verdict("conntrack", "iptables and IPVS depend on connection tracking, eBPF can do without");
  bool holds = true;
  bool some_netfilter = false;
  bool some_ebpf = false;
  for (const StateCell& state : results.states) {
    if (!state.conntrack_per_1000_flows || state.services != sizes_of(results).back()) {
      continue;
    }
    verdict.evidence.push_back(fmt::format(
        "{}: {:.0f} connection tracking entries for 1,000 new flows{}", state.plane,
        *state.conntrack_per_1000_flows,
        state.own_per_1000_flows ? fmt::format(", {:.0f} in its own flow table", *state.own_per_1000_flows)
                                 : ""));
    const bool tracks = *state.conntrack_per_1000_flows > 0;
    if (!bears(state.plane, "conntrack")) {
      continue;
    }
    if (is_netfilter(kind_of(state.plane))) {
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
  verdicts.push_back(std::move(verdict));
}

}  // namespace

Series update_series(const CompareResults& results, std::string_view plane, std::string_view way,
                     Operation operation) {
  return series_of(
      results, plane,
      way.empty() ? std::string(to_string(operation)) : fmt::format("{} ({})", to_string(operation), way),
      [&](std::size_t services) {
        const UpdateCell* cell = find_update(results, plane, way, services, operation);
        return cell == nullptr ? std::vector<double>{} : stats::block_medians(whole_cost(*cell));
      });
}

Series whole_change_series(const CompareResults& results, std::string_view plane) {
  static constexpr std::string_view what = "whole sync, one change";
  return series_of(results, plane, std::string(what), [&](std::size_t services) {
    const auto found = std::find_if(results.cells.begin(), results.cells.end(), [&](const Cell& cell) {
      return cell.plane == plane && cell.services == services && cell.what == what;
    });
    return found == results.cells.end() ? std::vector<double>{} : found->values;
  });
}

Series sync_series(const CompareResults& results, std::string_view plane) {
  return series_of(results, plane, "sync", [&](std::size_t services) {
    const SyncCell* cell = find_sync(results, plane, services);
    return cell == nullptr ? std::vector<double>{} : sync_totals(*cell);
  });
}

Series path_series(const CompareResults& results, std::string_view plane, const PathKind& kind) {
  return series_of(
      results, plane,
      fmt::format("{}, {} {}", to_string(kind.flow), to_string(kind.position), to_string(kind.protocol)),
      [&](std::size_t services) {
        const PathCell* cell = find_path(results, plane, services, kind);
        return cell == nullptr ? std::vector<double>{} : cell->p50_ns;
      });
}

std::optional<stats::Growth> growth_of(const Series& series) {
  return series.sizes.size() < 2 ? std::nullopt : stats::growth(series.sizes, series.by_round);
}

std::optional<stats::Estimate> slope_of(const Series& series) {
  std::vector<double> slopes;
  for (const auto& round : series.by_round) {
    if (const auto line = stats::linear_fit(series.sizes, round)) {
      slopes.push_back(line->slope);
    }
  }
  return stats::median_of(slopes);
}

const UpdateCell* find_update(const CompareResults& results, std::string_view plane, std::string_view way,
                              std::size_t services, Operation operation) {
  const auto found =
      std::find_if(results.updates.begin(), results.updates.end(), [&](const UpdateCell& cell) {
        return cell.plane == plane && cell.way == way && cell.services == services &&
               cell.operation == operation && !cell.commit_ns.empty();
      });
  return found == results.updates.end() ? nullptr : &*found;
}

const SyncCell* find_sync(const CompareResults& results, std::string_view plane, std::size_t services) {
  const auto found = std::find_if(results.syncs.begin(), results.syncs.end(), [&](const SyncCell& cell) {
    return cell.plane == plane && cell.services == services && !cell.repeats.empty();
  });
  return found == results.syncs.end() ? nullptr : &*found;
}

const PathCell* find_path(const CompareResults& results, std::string_view plane, std::size_t services,
                          const PathKind& kind) {
  const auto found = std::find_if(results.paths.begin(), results.paths.end(), [&](const PathCell& cell) {
    return cell.plane == plane && cell.services == services && cell.kind == kind && !cell.p50_ns.empty();
  });
  return found == results.paths.end() ? nullptr : &*found;
}

const StateCell* find_state(const CompareResults& results, std::string_view plane, std::size_t services) {
  const auto found = std::find_if(results.states.begin(), results.states.end(), [&](const StateCell& cell) {
    return cell.plane == plane && cell.services == services;
  });
  return found == results.states.end() ? nullptr : &*found;
}

std::optional<stats::Estimate> update_cost(const UpdateCell& cell) {
  return stats::median_of_blocks(whole_cost(cell));
}

std::optional<stats::Estimate> sync_cost(const SyncCell& cell) {
  return stats::median_of(sync_totals(cell));
}

std::optional<stats::Estimate> path_p50(const PathCell& cell) { return stats::median_of(cell.p50_ns); }

std::vector<std::string> ways_of(const CompareResults& results, std::string_view plane) {
  std::vector<std::string> ways;
  for (const UpdateCell& cell : results.updates) {
    if (cell.plane == plane && std::find(ways.begin(), ways.end(), cell.way) == ways.end()) {
      ways.push_back(cell.way);
    }
  }
  return ways;
}

std::vector<std::size_t> sizes_of(const CompareResults& results) {
  std::set<std::size_t> sizes;
  const auto collect = [&sizes](const auto& cells) {
    for (const auto& cell : cells) {
      sizes.insert(cell.services);
    }
  };
  collect(results.syncs);
  collect(results.updates);
  collect(results.paths);
  collect(results.states);
  return {sizes.begin(), sizes.end()};
}

Protocol usual_protocol(const CompareResults& results) {
  const bool udp = std::any_of(results.paths.begin(), results.paths.end(),
                               [](const PathCell& cell) { return cell.kind.protocol == Protocol::udp; });
  return udp ? Protocol::udp : Protocol::tcp;
}

std::optional<stats::Estimate> path_ratio(const PathCell& over, const PathCell& under) {
  return stats::ratio_by_round(over.p50_ns, under.p50_ns);
}

std::vector<CrossingFigure> all_crossings(const CompareResults& results) {
  const std::string usual_change = fmt::format("{} (usual way)", to_string(Operation::change_endpoints));
  std::vector<std::vector<Series>> kinds(3);
  for (const std::string& plane : results.planes) {
    if (is_floor(plane)) {
      continue;
    }
    kinds[0].push_back(
        path_series(results, plane, {FlowKind::fresh, Position::last, usual_protocol(results)}));
    const auto ways = ways_of(results, plane);
    kinds[1].push_back(
        update_series(results, plane, ways.empty() ? "" : ways.front(), Operation::change_endpoints));
    kinds[2].push_back(whole_change_series(results, plane));
  }
  std::vector<CrossingFigure> figures;
  for (const auto& all : kinds) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t j = i + 1; j < all.size(); ++j) {
        if (all[i].sizes.size() < 2 || all[i].sizes != all[j].sizes) {
          continue;
        }
        const auto crossing =
            stats::crossing(all[i].sizes, all[i].by_round, all[j].by_round, crossing_seed);
        if (crossing) {
          figures.push_back(
              {&all == &kinds[1] ? usual_change : all[i].what, all[i].plane, all[j].plane, *crossing});
        }
      }
    }
  }
  return figures;
}

std::vector<Verdict> judge(const CompareResults& results) {
  std::vector<Verdict> verdicts;
  judge_paths(results, verdicts);
  if (!results.path_missing.empty()) {
    leave_open(results, verdicts);
  }
  judge_updates(results, verdicts);
  judge_conntrack(results, verdicts);
  withhold_absolute(verdicts, emulation_of(results.environment));
  return verdicts;
}

}  // namespace svcbench
