// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Of compare, path, nftables and ipvs; and the paths of ebpf.
#include <algorithm>
#include <array>
#include <map>

#include "measure/compare_analysis.h"
#include "measure/emulation.h"
#include "run/as_run.h"
#include "run/cells.h"
#include "run/json_parts.h"
#include "run/judge.h"
#include "run/speeds.h"
#include "stats/rounds.h"

namespace svcbench {

namespace {

using nlohmann::json;

// Where the second instrument agreed with the first.
void check_second(Cell& cell, const Comparison& comparison, const char* what) {
  if (comparison.agreement == Agreement::agree) {
    cell.checks.emplace_back(what);
  }
}

void add_sync(const CompareResults& results, const SyncCell& sync, Run& run) {
  Cell cell = sync_cell(sync.plane, sync.services);
  if (!sync.skipped.empty()) {
    leave_out(cell, sync.skipped, sync.predicted_ns);
    return add(run, std::move(cell));
  }
  if (!take(cell, sync_cost(sync))) {
    return;
  }
  std::array<std::vector<double>, 6> parts;
  for (const SyncCost& cost : sync.repeats) {
    cell.values.push_back(static_cast<double>(cost.generate_ns + cost.commit_ns));
    parts[0].push_back(static_cast<double>(cost.generate_ns));
    parts[1].push_back(static_cast<double>(cost.commit_ns));
    parts[2].push_back(static_cast<double>(cost.user_us) * 1e3);
    parts[3].push_back(static_cast<double>(cost.system_us) * 1e3);
    parts[4].push_back(static_cast<double>(cost.input_bytes));
    parts[5].push_back(static_cast<double>(cost.tools));
  }
  constexpr std::array names{"generate_ns",    "commit_ns",   "tool_user_ns",
                             "tool_system_ns", "input_bytes", "tools"};
  for (std::size_t i = 0; i < names.size(); ++i) {
    take_part(cell, names[i], {std::move(parts[i])});
  }
  for (const SyncCheck& check : results.sync_checks) {
    if (check.plane == sync.plane && check.services == sync.services && check.not_offered.empty()) {
      check_second(cell, check.wall(), "the kernel's own records of its processes agree");
    }
  }
  add(run, std::move(cell));
}

// What the plane's controller says itself, where it says anything.
void take_account(Cell& cell, const char* name, SampleBlocks blocks) {
  std::erase_if(blocks, [](const std::vector<double>& block) { return block.empty(); });
  if (!blocks.empty()) {
    take_part(cell, name, std::move(blocks));
  }
}

void add_update(const UpdateCell& update, Run& run) {
  Cell cell =
      update_cell(update.plane, update.services, std::string(to_string(update.operation)), update.way);
  if (!update.skipped.empty()) {
    leave_out(cell, update.skipped, update.predicted_ns);
    return add(run, std::move(cell));
  }
  if (!take(cell, update_cost(update))) {
    leave_out(cell, "no time was left for it in the budget", std::nullopt);
    return add(run, std::move(cell));
  }
  take_blocks(cell, whole_cost(update));
  take_part(cell, "stage_ns", update.stage_ns);
  take_account(cell, "controller_sync_ns", update.controller_sync_ns);
  take_account(cell, "controller_peak_bytes", update.controller_peak_bytes);
  // Its samples are those of the whole less those of the stage.
  if (const auto commit = stats::median_of_blocks(update.commit_ns)) {
    cell.also["commit_ns"] = commit->value;
  }
  add(run, std::move(cell));
}

void add_throughput(Cell cell, const PathCell& path, Run& run) {
  cell.values = path.packets_per_second;
  if (take(cell, stats::median_of(cell.values))) {
    add(run, std::move(cell));
  }
}

void add_path(const CompareResults& results, const PathCell& path, const DisplayUnit& unit, Run& run) {
  Cell cell = path_cell(path.plane, path.services, path.kind, path.family, path_unit(unit));
  if (!path.skipped.empty()) {
    leave_out(cell, path.skipped, path.predicted_ns);
    rescale(cell, unit.ns);
    return add(run, std::move(cell));
  }
  for (const AgreementFigure& figure : results.agreements) {
    if (figure.plane == path.plane) {
      check_second(cell, figure.comparison,
                   "round trips of real sockets agree on what further services add");
    }
  }
  if (!take(cell, path_p50(path))) {
    return add_throughput(throughput_cell(cell), path, run);
  }
  cell.values = path.p50_ns;
  if (!path.p99_ns.empty()) {
    cell.parts["p99"] = {path.p99_ns};
  }
  rescale(cell, unit.ns);
  std::vector<std::pair<double, double>> buckets;
  for (const auto& [bucket, count] : path.latency.buckets()) {
    buckets.emplace_back(LatencyHistogram::lowest_ns(bucket), static_cast<double>(count));
  }
  take_histogram(cell, buckets, unit.ns);
  cell.also["packets"] = static_cast<double>(path.sent);
  Cell throughput = throughput_cell(cell);
  add(run, std::move(cell));
  add_throughput(std::move(throughput), path, run);
}

void add_state(const StateCell& state, Run& run) {
  const auto cell_of = [&](const char* kept, double value) {
    Cell cell = state_cell(state.plane, state.services, kept);
    cell.value = value;
    cell.samples = 1;
    return cell;
  };
  if (state.conntrack_per_1000_flows) {
    add(run, cell_of("conntrack", *state.conntrack_per_1000_flows));
  }
  if (state.own_per_1000_flows) {
    add(run, cell_of("flow-table", *state.own_per_1000_flows));
  }
  if (state.kernel_bytes) {
    Cell cell = cell_of("kernel-memory", *state.kernel_bytes);
    cell.interval = state.kernel_bytes_interval;
    take_method(cell, state.kernel_bytes_method);
    add(run, std::move(cell));
  }
  if (state.user_peak) {
    Cell cell = cell_of("user-memory", state.user_peak->total());
    cell.also = {{"own_bytes", state.user_peak->own}, {"tool_bytes", state.user_peak->tool}};
    take_method(cell, std::string(user_peak_method));
    add(run, std::move(cell));
  }
}

// ---- how costs grow ----

void add_growth(const Series& series, const Cell& of, Run& run) {
  if (series.sizes.size() < 2) {
    return;
  }
  Cell cell = growth_cell(series.plane, series.what, growing(of));
  if (take(cell, growth_of(series))) {
    take_slope(cell, "ns_per_service", slope_of(series));
    add(run, std::move(cell));
  }
}

// Of scenarios that have no type of their own: each plane's cells of one kind, over N.
void add_plain(const std::vector<Cell>& cells, Run& run) {
  std::map<std::pair<std::string, std::string>, std::vector<const Cell*>> over_sizes;
  for (const Cell& cell : cells) {
    add(run, cell);
    if (!cell.values.empty()) {
      over_sizes[{cell.plane, cell.what}].push_back(&cell);
    }
  }
  for (const auto& [name, of] : over_sizes) {
    Series series{name.first, name.second};
    std::vector<std::vector<double>> costs;
    for (const Cell* cell : of) {
      series.sizes.push_back(static_cast<double>(cell->services));
      costs.push_back(cell->values);
    }
    series.by_round = stats::beside_each_other(costs);
    add_growth(series, *of.front(), run);
  }
}

// ---- planes that another run gave ----

class Scaled {
 public:
  Scaled(const CompareResults& results, Run& run)
      : results_(results), run_(run), unit_(display_unit(emulation_of(run.environment))) {
    const auto shape = run.run.find("shape");
    const bool ipv6 =
        shape != run.run.end() && shape->is_object() && shape->value("family", json()) == "ipv6";
    family_ = ipv6 ? Family::ipv6 : Family::ipv4;
  }

  void add_all() {
    const ScaledColumns& scaled = *results_.scaled;
    for (const ScaledCell& one : scaled.cells) {
      Cell cell = cost_cell(one.plane, one.services, one.figure);
      take(cell, one.ns);
      for (const SharedPlane& shared : one.by_way_of) {
        cell.by_way_of.push_back({shared.plane, shared.ratio, shared.here, shared.scaled});
      }
      if (cell.scenario == "path") {
        rescale(cell, unit_.ns);
      }
      add(std::move(cell));
    }
    for (const ScaledGrowth& one : scaled.growths) {
      Cell cell = growth_cell(one.plane, one.what, growing(cost_cell(one.plane, 0, one.figure)));
      take(cell, one.growth);
      add(std::move(cell));
    }
    for (const ScaledCount& one : scaled.counts) {
      add_count(one, "conntrack", one.entries);
      add_count(one, "user-memory", one.user_bytes);
    }
    const ReferenceRun& reference = scaled.reference;
    const auto text = [](const std::string& given) { return given.empty() ? json() : json(given); };
    run_.details["scaled_from"] = {{"file", reference.file},
                                   {"mark", reference.mark},
                                   {"kernel", text(reference.kernel)},
                                   {"kernel_source", text(reference.kernel_source)},
                                   {"emulated", text(reference.emulation)},
                                   {"planes", scaled.planes}};
  }

 private:
  [[nodiscard]] Cell cost_cell(const std::string& plane, std::size_t services, const Figure& figure) const {
    if (figure.kind) {
      return path_cell(plane, services, *figure.kind, family_, path_unit(unit_));
    }
    return figure.operation
               ? update_cell(plane, services, std::string(to_string(*figure.operation)), figure.way)
               : sync_cell(plane, services);
  }

  void add(Cell cell) {
    cell.origin = Origin::scaled;
    cell.checks.clear();
    svcbench::add(run_, std::move(cell));
  }

  void add_count(const ScaledCount& count, const char* kept, const std::optional<double>& value) {
    if (value) {
      Cell cell = state_cell(count.plane, count.services, kept);
      cell.value = *value;
      cell.samples = 1;
      add(std::move(cell));
    }
  }

  const CompareResults& results_;
  Run& run_;
  DisplayUnit unit_;
  Family family_ = Family::ipv4;
};

// ---- details ----

json crossing_json(const CrossingFigure& figure) {
  const stats::Crossing& crossing = figure.crossing;
  return {{"what", figure.what},
          {"plane", figure.plane},
          {"beside", figure.beside},
          {"kind", to_string(crossing.kind)},
          {"services", or_null(crossing.services)},
          {"interval", interval_json(crossing.interval)},
          {"sizes", {crossing.sizes.low, crossing.sizes.high}},
          {"rounds", crossing.rounds}};
}

json agreement_json(const AgreementFigure& figure) {
  return {{"plane", figure.plane},
          {"more_services", figure.more_services},
          {"less_services", figure.less_services},
          {"agreement", to_string(figure.comparison.agreement)},
          {"wire_ns", estimate_json(figure.comparison.first)},
          {"round_trip_ns", estimate_json(figure.comparison.second)},
          {"summary", figure.comparison.summary}};
}

// One of SyncCheck::Reading's two parts.
json two_instruments_json(const SyncCheck& check, const Comparison& comparison,
                          const std::optional<stats::Estimate>& ratio,
                          std::vector<double> SyncCheck::Reading::*what) {
  return {{"agreement", to_string(comparison.agreement)},
          {"ours_ns", estimate_json(comparison.first)},
          {"kernels_ns", estimate_json(comparison.second)},
          {"kernels_over_ours", estimate_json(ratio)},
          {"summary", comparison.summary},
          {"rounds",
           {{"ours_sync_ns", check.ours.sync.*what},
            {"ours_no_op_ns", check.ours.no_op.*what},
            {"kernels_sync_ns", check.kernels.sync.*what},
            {"kernels_no_op_ns", check.kernels.no_op.*what}}}};
}

json sync_check_json(const SyncCheck& check) {
  json out{{"plane", check.plane}, {"services", check.services}};
  if (!check.not_offered.empty()) {
    out["not_offered"] = check.not_offered;
    return out;
  }
  using Reading = SyncCheck::Reading;
  out["wall"] = two_instruments_json(check, check.wall(), check.wall_ratio(), &Reading::wall);
  out["cpu"] = two_instruments_json(check, check.cpu(), check.cpu_ratio(), &Reading::cpu);
  return out;
}

json behaviours_json(const BehaviourCheck& check) {
  return {{"looked_at", check.behaviours},
          {"planes", check.planes},
          {"failed", each(check.failed,
                          [](const FailedBehaviour& one) -> json {
                            return {{"plane", one.plane},
                                    {"behaviour", one.behaviour},
                                    {"variants", one.variants},
                                    {"evidence", one.evidence}};
                          })},
          {"not_done", check.not_done.empty() ? json() : json(check.not_done)}};
}

}  // namespace

Run run_of(json environment, json run, double seconds) {
  Run out;
  out.path = "this run";
  // Of a part of a run, or in a test, there is neither.
  if (environment.is_object()) {
    out.environment = std::move(environment);
  }
  if (run.is_object()) {
    out.command = run.value("command", "");
    out.run = std::move(run);
  }
  out.seconds = seconds;
  return out;
}

json missing_json(const std::vector<MissingPlane>& missing) {
  return each(missing, [](const MissingPlane& one) -> json {
    return {{"plane", one.plane}, {"why", one.why}};
  });
}

void add_paths(const CompareResults& results, Run& run) {
  const DisplayUnit unit = display_unit(emulation_of(run.environment));
  for (const PathCell& path : results.paths) {
    add_path(results, path, unit, run);
  }
  if (results.clock_ns) {
    Cell cell = clock_cell(path_unit(unit));
    cell.value = *results.clock_ns / unit.ns;
    add(run, std::move(cell));
  }
}

void add_path_missing(const CompareResults& results, Run& run) {
  if (!results.path_missing.empty()) {
    run.details["path_missing"] = {{"why", results.path_missing}, {"planes", results.planes}};
  }
}

void add_growths(const CompareResults& results, Run& run) {
  for (const std::string& plane : results.planes) {
    add_growth(sync_series(results, plane), sync_cell(plane, 0), run);
    for (const std::string& way : ways_of(results, plane)) {
      for (const Operation operation :
           {Operation::change_endpoints, Operation::add_service, Operation::remove_service}) {
        add_growth(update_series(results, plane, way, operation),
                   update_cell(plane, 0, std::string(to_string(operation)), way), run);
      }
    }
    for (const FlowKind flow : every_flow_kind) {
      for (const Position position :
           {Position::first, Position::last, Position::random, Position::missing}) {
        for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
          const PathKind kind{flow, position, protocol};
          add_growth(path_series(results, plane, kind), path_cell(plane, 0, kind, Family::ipv4, "ns"), run);
        }
      }
    }
  }
}

Run as_run(const CompareResults& results) {
  Run run = run_of(results.environment, results.run, results.seconds);
  add(run, results.calibration);
  for (const SyncCell& sync : results.syncs) {
    add_sync(results, sync, run);
  }
  for (const UpdateCell& update : results.updates) {
    add_update(update, run);
  }
  add_paths(results, run);
  for (const StateCell& state : results.states) {
    add_state(state, run);
  }
  add_plain(results.cells, run);
  add_growths(results, run);
  run.details = {{"planes", results.planes},
                 {"missing", missing_json(results.missing)},
                 {"crossings", each(all_crossings(results), crossing_json)},
                 {"agreements", each(results.agreements, agreement_json)},
                 {"sync_checks", each(results.sync_checks, sync_check_json)},
                 {"behaviours", results.behaviours ? behaviours_json(*results.behaviours) : json()},
                 {"notes", results.notes}};
  add_path_missing(results, run);
  if (results.scaled) {
    Scaled(results, run).add_all();
  }
  add_speeds(run);
  run.verdicts = judge(run);
  return run;
}

}  // namespace svcbench
