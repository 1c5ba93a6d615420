// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/compare_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "measure/compare_analysis.h"
#include "measure/compare_run.h"
#include "measure/emulation.h"
#include "plane/registry.h"
#include "report/borrowed_report.h"
#include "report/figures.h"
#include "report/path_unit.h"
#include "report/quantity.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

namespace {

using Column = TextTable::Column;
constexpr auto left = TextTable::Align::left;

PathKind new_last(const CompareResults& results) {
  return {FlowKind::fresh, Position::last, usual_protocol(results)};
}
PathKind new_random(const CompareResults& results) {
  return {FlowKind::fresh, Position::random, usual_protocol(results)};
}
PathKind established_random(const CompareResults& results) {
  return {FlowKind::established, Position::random, usual_protocol(results)};
}

constexpr std::array operations{Operation::change_endpoints, Operation::add_service,
                                Operation::remove_service};

std::string_view short_name(FlowKind flow) {
  const std::string_view name = to_string(flow);
  return name.substr(0, name.find(' '));
}

// "iptables-nft, full".
std::string with_way(const std::string& plane, const std::string& way) {
  return way.empty() ? plane : plane + ", " + way;
}

std::string trend_of(const std::optional<stats::Growth>& growth) {
  return growth ? std::string(to_string(classify(*growth))) : "-";
}

// ---- sync ----

std::string sync_table(const CompareResults& results) {
  TextTable table({{"plane", left},
                   {"N"},
                   {"whole sync"},
                   {"generate ms"},
                   {"tool user ms"},
                   {"system ms"},
                   {"input KiB"},
                   {"repeats"}});
  const auto median_of = [](const SyncCell& cell, auto member, double unit) {
    std::vector<double> values;
    for (const SyncCost& cost : cell.repeats) {
      values.push_back(static_cast<double>(cost.*member));
    }
    const auto median = stats::median_of(values);
    return number(median ? std::optional(median->value) : std::nullopt, unit);
  };
  for (const std::string& plane : results.planes) {
    for (const std::size_t services : sizes_of(results)) {
      if (const SyncCell* cell = find_sync(results, plane, services)) {
        const bool tools = cell->repeats.front().tools > 0;
        table.add({plane, grouped(services), figure_with_unit(sync_cost(*cell)),
                   median_of(*cell, &SyncCost::generate_ns, 1e6),
                   tools ? median_of(*cell, &SyncCost::user_us, 1e3) : "-",
                   tools ? median_of(*cell, &SyncCost::system_us, 1e3) : "-",
                   tools ? median_of(*cell, &SyncCost::input_bytes, 1024) : "-",
                   grouped(cell->repeats.size())});
      }
    }
  }
  return table.text();
}

// ---- update ----

std::string update_table(const CompareResults& results) {
  TextTable table({{"plane", left}, {"N"}, {"change"}, {"add"}, {"remove"}});
  for (const std::string& plane : results.planes) {
    for (const std::string& way : ways_of(results, plane)) {
      for (const std::size_t services : sizes_of(results)) {
        std::vector<std::string> row{with_way(plane, way), grouped(services)};
        bool any = false;
        for (const Operation operation : operations) {
          const UpdateCell* cell = find_update(results, plane, way, services, operation);
          any = any || cell != nullptr;
          row.push_back(cell == nullptr ? "-" : figure_with_unit(update_cost(*cell)));
        }
        if (any) {
          table.add(std::move(row));
        }
      }
    }
  }
  return table.text();
}

// ---- path ----

std::vector<std::string> path_names(const CompareResults& results) {
  std::vector<std::string> names;
  for (const PathCell& cell : results.paths) {
    if (std::find(names.begin(), names.end(), cell.plane) == names.end()) {
      names.push_back(cell.plane);
    }
  }
  return names;
}

PathUnit path_unit(const CompareResults& results) {
  return PathUnit::of(emulation_of(results.environment));
}

// Of several planes, at the smaller sizes only what grows; the JSON has all.
std::string path_table(const CompareResults& results) {
  const PathUnit unit = path_unit(results);
  const bool several = results.planes.size() > 2;
  const auto shown = [&](const PathCell& cell) {
    return !several || cell.services == sizes_of(results).back() || cell.kind == new_last(results);
  };
  TextTable table({{"plane", left},
                   {"N"},
                   {"packets", left},
                   {"p50 " + unit.title()},
                   {"p90"},
                   {"p99"},
                   {"p99.9"},
                   {"max"},
                   {"count"}});
  for (const std::string& plane : path_names(results)) {
    for (const std::size_t services : sizes_of(results)) {
      for (const PathCell& cell : results.paths) {
        if (cell.plane != plane || cell.services != services || cell.p50_ns.empty() || !shown(cell)) {
          continue;
        }
        const auto& top = *cell.latency.buckets().rbegin();
        table.add({plane, grouped(services),
                   fmt::format("{}, {} {}", short_name(cell.kind.flow), to_string(cell.kind.position),
                               to_string(cell.kind.protocol)),
                   unit.figure(path_p50(cell)), unit.number(cell.latency.quantile(0.9)),
                   unit.number(cell.latency.quantile(0.99)), unit.number(cell.latency.quantile(0.999)),
                   unit.number(LatencyHistogram::lowest_ns(top.first + 1)), grouped(cell.latency.count())});
      }
    }
  }
  return table.text();
}

// ---- throughput ----

std::string throughput_table(const CompareResults& results) {
  TextTable table({{"plane", left}, {"N"}, {"packets", left}, {"packets a second, thousands"}});
  for (const std::string& plane : path_names(results)) {
    for (const PathCell& cell : results.paths) {
      const auto median = stats::median_of(cell.packets_per_second);
      if (cell.plane == plane && cell.services == sizes_of(results).back() && median) {
        table.add({plane, grouped(cell.services),
                   fmt::format("{}, {} {}", to_string(cell.kind.flow), to_string(cell.kind.position),
                               to_string(cell.kind.protocol)),
                   figure(median, 1e3)});
      }
    }
  }
  return table.text();
}

// ---- growth ----

void add_growth(TextTable& table, const Series& series, const PathUnit& unit) {
  if (series.sizes.size() < 2) {
    return;
  }
  const auto growth = growth_of(series);
  std::string what = series.what;
  for (const std::string_view word : {" flow", " endpoints"}) {  // the columns have no room for them
    if (const std::size_t at = what.find(word); at != std::string::npos) {
      what.erase(at, word.size());
    }
  }
  table.add({series.plane, what, exponent_figure(growth), trend_of(growth), unit.fine(slope_of(series))});
}

std::string growth_table(const CompareResults& results) {
  TextTable table(
      {{"plane", left}, {"what", left}, {"b of cost ~ N^b"}, {"trend", left}, {"a further service"}});
  // Installing and changing waits for files and processes, even where the clock counts instructions.
  const PathUnit time = PathUnit::of("");
  for (const std::string& plane : results.planes) {
    add_growth(table, sync_series(results, plane), time);
    for (const std::string& way : ways_of(results, plane)) {
      add_growth(table, update_series(results, plane, way, Operation::change_endpoints), time);
    }
    for (const PathKind& kind : {new_last(results), new_random(results), established_random(results)}) {
      add_growth(table, path_series(results, plane, kind), path_unit(results));
    }
  }
  return table.text();
}

// ---- curves ----

std::optional<double> value_of(const std::optional<stats::Estimate>& estimate) {
  return estimate ? std::optional(estimate->value) : std::nullopt;
}

// Of an endpoint change in each plane's real way, and of a new flow's packet to the last service.
std::string curves_text(const CompareResults& results, Bars bars) {
  const auto sizes = sizes_of(results);
  const PathUnit unit = path_unit(results);
  CurveGroup update{.title = "change endpoints (usual way)",
                    .told = [](double ns) { return quantity(ns, "ns"); }};
  CurveGroup path{.title = fmt::format("new flow, last {}", to_string(usual_protocol(results))),
                  .told = [unit](double ns) { return unit.plain(ns); }};
  for (const std::string& plane : results.planes) {
    const auto ways = ways_of(results, plane);
    Curve& change = update.curves.emplace_back(Curve{plane});
    Curve& packet = path.curves.emplace_back(Curve{plane});
    for (const std::size_t services : sizes) {
      const UpdateCell* updated =
          ways.empty() ? nullptr
                       : find_update(results, plane, ways.front(), services, Operation::change_endpoints);
      const PathCell* sent = find_path(results, plane, services, new_last(results));
      change.costs.push_back(updated == nullptr ? std::nullopt : value_of(update_cost(*updated)));
      packet.costs.push_back(sent == nullptr ? std::nullopt : value_of(path_p50(*sent)));
    }
  }
  return render_curves(sizes, {update, path}, bars);
}

// ---- Table 4.2 ----

std::string lookup_cell(const CompareResults& results, const std::string& plane) {
  const Series series = path_series(results, plane, new_last(results));
  const auto growth = growth_of(series);
  if (!growth) {
    return borrowed_path_trend(results, plane, new_last(results));
  }
  return fmt::format("{}, b {:.2f}", trend_of(growth), growth->exponent);
}

std::string path_cell(const CompareResults& results, const std::string& plane, std::size_t services,
                      const PathKind& kind) {
  const PathCell* cell = find_path(results, plane, services, kind);
  const PathUnit unit = path_unit(results);
  return cell == nullptr ? borrowed_path(results, plane, services, kind, unit)
                         : unit.with_unit(path_p50(*cell));
}

std::string own_flows_cell(const CompareResults& results, const std::string& plane, std::size_t services) {
  const StateCell* state = find_state(results, plane, services);
  return state == nullptr || !state->own_per_1000_flows ? "-"
                                                        : fmt::format("{:.0f}", *state->own_per_1000_flows);
}

std::string conntrack_cell(const CompareResults& results, const std::string& plane, std::size_t services) {
  const StateCell* state = find_state(results, plane, services);
  return state == nullptr || !state->conntrack_per_1000_flows
             ? borrowed_count(results, plane, services)
             : fmt::format("{:.0f}", *state->conntrack_per_1000_flows);
}

std::string memory_cell(const CompareResults& results, const std::string& plane, std::size_t services) {
  const StateCell* state = find_state(results, plane, services);
  return state == nullptr || !state->kernel_bytes ? "-" : mib_text(*state->kernel_bytes);
}

std::string user_memory_cell(const CompareResults& results, const std::string& plane,
                             std::size_t services) {
  const StateCell* state = find_state(results, plane, services);
  return state == nullptr || !state->user_peak ? borrowed_user_memory(results, plane, services)
                                               : mib_text(state->user_peak->total());
}

std::string update_cell(const CompareResults& results, const std::string& plane, const std::string& way,
                        std::size_t services) {
  const UpdateCell* cell = find_update(results, plane, way, services, Operation::change_endpoints);
  return cell == nullptr ? borrowed_change(results, plane, services) : figure_with_unit(update_cost(*cell));
}

std::string update_trend(const CompareResults& results, const std::string& plane, const std::string& way) {
  const auto growth = growth_of(update_series(results, plane, way, Operation::change_endpoints));
  return growth ? fmt::format("{}, b {:.2f}", trend_of(growth), growth->exponent)
                : borrowed_change_trend(results, plane);
}

// "ebpf-tc [2]": the second plane that fails a behaviour.
std::vector<std::string> failing_planes(const CompareResults& results) {
  std::vector<std::string> planes;
  for (const FailedBehaviour& one :
       results.behaviours ? results.behaviours->failed : std::vector<FailedBehaviour>{}) {
    if (planes.empty() || planes.back() != one.plane) {
      planes.push_back(one.plane);
    }
  }
  return planes;
}

std::string marked(const CompareResults& results, const std::string& plane) {
  const auto planes = failing_planes(results);
  const auto found = std::find(planes.begin(), planes.end(), plane);
  return found == planes.end() ? plane : fmt::format("{} [{}]", plane, found - planes.begin() + 1);
}

std::string behaviour_lines(const CompareResults& results) {
  if (!results.behaviours) {
    return {};
  }
  const BehaviourCheck& check = *results.behaviours;
  if (!check.not_done.empty()) {
    return wrapped(fmt::format("Behaviours were not looked at: {}", check.not_done), 0);
  }
  std::string out;
  const auto planes = failing_planes(results);
  for (const FailedBehaviour& one : check.failed) {
    const auto number = std::find(planes.begin(), planes.end(), one.plane) - planes.begin() + 1;
    out += wrapped(fmt::format("[{}] {} does less than the others: it fails \"{}\" ({}): {}", number,
                               one.plane, one.behaviour, one.variants, one.evidence),
                   4);
  }
  return out + wrapped(fmt::format("Behaviours looked at ({}): {}{}; svcbench verify tries all of them.",
                                   fmt::join(check.planes, ", "), fmt::join(check.behaviours, ", "),
                                   check.failed.empty() ? ": no plane fails one" : ""),
                       0);
}

// A column a plane; as many tables as columns of `across` planes each take.
std::string chapter_table(const CompareResults& results, const std::vector<std::string>& names,
                          std::size_t across) {
  const std::size_t services = sizes_of(results).back();
  std::string out;
  for (std::size_t first = 0; first < names.size(); first += across) {
    const std::size_t end = std::min(first + across, names.size());
    std::vector<Column> columns{{"", left}};
    for (std::size_t i = first; i < end; ++i) {
      columns.push_back({marked(results, names[i]), left});
    }
    TextTable table(columns);
    const auto add = [&](const std::string& title, const auto& cell) {
      std::vector<std::string> row{title};
      for (std::size_t i = first; i < end; ++i) {
        row.push_back(cell(names[i]));
      }
      table.add(std::move(row));
    };
    const auto usual_way = [&](const std::string& plane) {
      const auto ways = ways_of(results, plane);
      return ways.empty() ? std::string() : ways.front();
    };
    add("lookup grows", [&](const std::string& plane) { return lookup_cell(results, plane); });
    add("new, last",
        [&](const std::string& plane) { return path_cell(results, plane, services, new_last(results)); });
    add("new, random",
        [&](const std::string& plane) { return path_cell(results, plane, services, new_random(results)); });
    add("established", [&](const std::string& plane) {
      return path_cell(results, plane, services, established_random(results));
    });
    add("change",
        [&](const std::string& plane) { return update_cell(results, plane, usual_way(plane), services); });
    add("change grows",
        [&](const std::string& plane) { return update_trend(results, plane, usual_way(plane)); });
    add("conntrack", [&](const std::string& plane) { return conntrack_cell(results, plane, services); });
    add("own flows", [&](const std::string& plane) { return own_flows_cell(results, plane, services); });
    add("kernel memory", [&](const std::string& plane) { return memory_cell(results, plane, services); });
    add("user memory",
        [&](const std::string& plane) { return user_memory_cell(results, plane, services); });
    add("kernel needs", [](const std::string& plane) {
      const PlaneRow* row = find_plane(plane);
      return row == nullptr ? std::string("-") : std::string(row->requires_kernel);
    });
    out += (out.empty() ? "" : "\n") + table.text();
  }
  return out;
}

bool fits(std::string_view text) {
  constexpr std::size_t width = 100;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end - begin > width) {
      return false;
    }
    begin = end + 1;
  }
  return true;
}

// Measured planes and borrowed ones in the registry's order, at most four beside each other.
std::string chapter_table(const CompareResults& results) {
  std::vector<std::string> names = results.planes;
  if (results.borrowed) {
    names.insert(names.end(), results.borrowed->planes.begin(), results.borrowed->planes.end());
    std::stable_sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
      return find_plane(a) < find_plane(b);  // rows of one array
    });
  }
  std::string text;
  for (std::size_t across = 4; across > 0; --across) {
    text = chapter_table(results, names, across);
    if (fits(text)) {
      break;
    }
  }
  return text;
}

// ---- crossings ----

// "becomes dearer at 430 [310,620]", "cheaper at every N from 100 to 1,000".
std::string crossing_text(const CrossingFigure& figure) {
  const stats::Crossing& crossing = figure.crossing;
  const auto whole = [](double services) {
    return grouped(static_cast<std::size_t>(std::lround(services)));
  };
  const std::string range =
      fmt::format("from {} to {}", whole(crossing.sizes.low), whole(crossing.sizes.high));
  switch (crossing.course) {
    case stats::Course::becomes_dearer:
    case stats::Course::becomes_cheaper:
      if (crossing.services && crossing.interval) {
        return fmt::format("{} at N = {} [{}, {}]", to_string(crossing.course), whole(*crossing.services),
                           whole(crossing.interval->low), whole(crossing.interval->high));
      }
      break;
    case stats::Course::cheaper_throughout:
      return "cheaper at every N " + range;
    case stats::Course::dearer_throughout:
      return "dearer at every N " + range;
    case stats::Course::undecided:
      break;
  }
  return fmt::format("inconclusive {} ({} rounds)", range, crossing.rounds);
}

std::string crossing_table(const CompareResults& results) {
  const auto figures = all_crossings(results);
  std::string out;
  for (std::size_t first = 0; first < figures.size();) {
    TextTable table({{figures[first].what, left}, {"beside", left}, {"", left}});
    const std::string& what = figures[first].what;
    for (; first < figures.size() && figures[first].what == what; ++first) {
      table.add({figures[first].plane, figures[first].beside, crossing_text(figures[first])});
    }
    out += (out.empty() ? "" : "\n") + table.text();
  }
  return out;
}

std::string agreement_lines(const CompareResults& results) {
  std::string out;
  for (const AgreementFigure& figure : results.agreements) {
    out += wrapped(
        fmt::format("Second instrument (UDP round trips of real sockets), {}, new flows, {} against {} "
                    "services: {}",
                    figure.plane, grouped(figure.more_services), grouped(figure.less_services),
                    summary_of(figure.comparison, path_unit(results).told())),
        0);
  }
  return out;
}

std::string times_text(const std::optional<stats::Estimate>& ratio) {
  return ratio && ratio->interval ? fmt::format(" ({:.3f} x [{:.3f}, {:.3f}] in pairs)", ratio->value,
                                                ratio->interval->low, ratio->interval->high)
                                  : "";
}

std::string sync_check_lines(const CompareResults& results) {
  std::string out;
  for (const SyncCheck& check : results.sync_checks) {
    const std::string what = fmt::format(
        "Second instrument (perf's records of the tools' processes), {}, sync of {} services over a no-op "
        "child",
        check.plane, grouped(check.services));
    if (!check.not_offered.empty()) {
      out += wrapped(fmt::format("{}: not offered: {}", what, check.not_offered), 0);
      continue;
    }
    if (check.ours.sync.wall.empty()) {
      continue;  // the budget held none
    }
    out +=
        wrapped(fmt::format("{}: wall time: {}{}. CPU time: {}{}. A no-op child takes {} by our stopwatch.",
                            what, check.wall().summary, times_text(check.wall_ratio()), check.cpu().summary,
                            times_text(check.cpu_ratio()),
                            figure_with_unit(stats::median_of(check.ours.no_op.wall))),
                0);
  }
  return out;
}

// ---- the instrument ----

// The eBPF planes' kinds of packets beside each other, beside their variants and beside other planes.
std::string ratio_lines(const CompareResults& results) {
  const std::size_t services = sizes_of(results).back();
  std::string out;
  const auto add = [&](std::string_view what, const std::string& plane, FlowKind flow,
                       std::string_view than, const std::string& other, FlowKind other_flow) {
    const auto kind_of = [&](FlowKind one) {
      return PathKind{one, Position::random, usual_protocol(results)};
    };
    const PathCell* over = find_path(results, plane, services, kind_of(flow));
    const PathCell* under = find_path(results, other, services, kind_of(other_flow));
    if (over != nullptr && under != nullptr) {
      out += wrapped(
          fmt::format("{}: {} takes {} times {}", plane, what, figure(path_ratio(*over, *under), 1), than),
          0);
    }
  };
  for (const std::string& plane : results.planes) {
    const PlaneRow* row = find_plane(plane);
    if (row == nullptr || !plane.starts_with("ebpf")) {
      continue;
    }
    add("a flow's later packet", plane, FlowKind::established, "its first", plane, FlowKind::fresh);
    add("a reply", plane, FlowKind::reply, "a later packet of its flow", plane, FlowKind::established);
    std::vector<std::string> others{"iptables-legacy", "iptables-nft", "nftables", "ipvs"};
    if (!row->variant_of.empty()) {
      others = {std::string(row->variant_of)};
      add("a new flow's packet", plane, FlowKind::fresh, others.front() + "'s", others.front(),
          FlowKind::fresh);
    }
    for (const std::string& other : others) {
      add("an established flow's packet", plane, FlowKind::established, other + "'s", other,
          FlowKind::established);
    }
  }
  return out;
}

std::string instrument_lines(const CompareResults& results) {
  std::string out;
  if (results.clock_ns) {
    out += wrapped(fmt::format("The instrument: one reading of its clock takes {}; a latency read from its "
                               "histogram is off by at most {:.1f} %.",
                               path_unit(results).whole_fine(*results.clock_ns),
                               100 * LatencyHistogram::relative_error),
                   0);
  }
  const auto sizes = sizes_of(results);
  const auto compare = [&](const std::string& plane, std::string_view with, std::string_view what) {
    const PathCell* over = find_path(results, plane, sizes.back(), new_last(results));
    const PathCell* under = find_path(results, with, sizes.back(), new_last(results));
    if (over != nullptr && under != nullptr) {
      out += wrapped(fmt::format("{}: {} times {}", plane, figure(path_ratio(*over, *under), 1), what), 0);
    }
  };
  compare("ebpf-xdp", instrument_redirect_xdp, "an XDP program that only redirects to a fixed device");
  compare("ebpf-xdp", instrument_route_xdp, "one that only routes and redirects");
  compare("ebpf-tc", instrument_redirect_tc, "a tc program that only redirects to a fixed device");
  compare("ebpf-tc", instrument_route_tc, "one that only routes and redirects");
  out += ratio_lines(results);
  return out;
}

std::string skipped_lines(const CompareResults& results) {
  std::string out;
  for (const MissingPlane& missing : results.missing) {
    out += wrapped(fmt::format("Not measured: {}: {}", missing.plane, missing.why), 0);
  }
  for (const SyncCell& cell : results.syncs) {
    if (!cell.skipped.empty()) {
      out += wrapped(
          fmt::format("Left out: {}, {} services: {}", cell.plane, grouped(cell.services), cell.skipped),
          0);
    }
  }
  for (const UpdateCell& cell : results.updates) {
    if (cell.commit_ns.empty() && cell.operation == Operation::change_endpoints) {
      out += wrapped(fmt::format("Left out: {}, {} services: no time was left for it in the budget",
                                 with_way(cell.plane, cell.way), grouped(cell.services)),
                     0);
    }
  }
  for (const std::string& note : results.notes) {
    out += wrapped(note, 0);
  }
  return out;
}

constexpr std::string_view path_title =
    "Path, wire to wire, every packet checked at the sink (p50 with its interval over volleys)";
constexpr std::string_view growth_title =
    "Growth with N (flat: the interval lies below 0.1; linear: it reaches 0.8)";

}  // namespace

std::string render_paths(const CompareResults& results, Bars bars) {
  std::string out = results.paths.empty() ? ""
                                          : fmt::format("{}\n{}{}", path_title, path_table(results),
                                                        instrument_lines(results));
  if (sizes_of(results).size() > 1) {
    out += fmt::format("\n{}\n{}", growth_title, growth_table(results));
  }
  const std::string curves = curves_text(results, bars);
  out += curves.empty() ? "" : "\n" + curves;
  const std::string skipped = skipped_lines(results);
  return out + (skipped.empty() || out.empty() ? "" : "\n") + skipped;
}

std::string render_comparison(const CompareResults& results, bool colour, Bars bars) {
  std::string out;
  const auto section = [&out](std::string_view title, const std::string& body) {
    out += fmt::format("{}{}\n{}", out.empty() ? "" : "\n", title, body);
  };
  const bool synced = std::any_of(results.syncs.begin(), results.syncs.end(),
                                  [](const SyncCell& cell) { return !cell.repeats.empty(); });
  if (synced) {
    section("Sync: N services from nothing, median [95 % interval]", sync_table(results));
  }
  if (!results.updates.empty()) {
    section("Update of one service where N exist, generation included", update_table(results));
  }
  if (!results.paths.empty()) {
    section(path_title, path_table(results));
    out += instrument_lines(results);
  }
  const bool batched = std::any_of(results.paths.begin(), results.paths.end(),
                                   [](const PathCell& cell) { return !cell.packets_per_second.empty(); });
  if (batched) {
    section("Throughput on one CPU, generator and sink included (batches of 64, every packet checked)",
            throughput_table(results));
  }
  if (sizes_of(results).size() > 1) {
    section(growth_title, growth_table(results));
  }
  const std::string curves = curves_text(results, bars);
  out += curves.empty() ? "" : "\n" + curves;
  if (sizes_of(results).size() > 1 && !all_crossings(results).empty()) {
    section("Crossing points (a course is told when 97.5 % of 1,000 resamples of the rounds take it)",
            crossing_table(results));
  }
  if (results.planes.size() > 1 && !results.paths.empty()) {
    section(
        fmt::format("Table 4.2, measured at {} services (path: p50; conntrack, own: after 1,000 new flows)",
                    grouped(sizes_of(results).back())),
        chapter_table(results));
  }
  const std::string behaviours = behaviour_lines(results);
  out += behaviours.empty() ? "" : "\n" + behaviours;
  const std::string agreement = agreement_lines(results) + sync_check_lines(results);
  out += agreement.empty() ? "" : "\n" + agreement;
  const std::string skipped = skipped_lines(results);
  out += skipped.empty() ? "" : "\n" + skipped;
  return out + verdict_text(results.verdicts, colour);
}

}  // namespace svcbench
