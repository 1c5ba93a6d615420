// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/analysis.h"
#include "run/as_run.h"
#include "run/cells.h"
#include "run/json_parts.h"
#include "run/judge.h"
#include "run/speeds.h"

namespace svcbench {

namespace {

using nlohmann::json;

void add_update(const UpdateCell& update, Run& run) {
  Cell cell = update_cell(update.plane, update.services, std::string(to_string(update.operation)), "");
  if (!update.skipped.empty()) {
    leave_out(cell, update.skipped, update.predicted_ns);
    return add(run, std::move(cell));
  }
  if (!take(cell, stats::median_of_blocks(update.commit_ns))) {
    leave_out(cell, "no time was left for it in the budget", std::nullopt);
    return add(run, std::move(cell));
  }
  take_blocks(cell, update.commit_ns);
  take_part(cell, "stage_ns", update.stage_ns);
  const auto all = pooled(update.commit_ns);
  take_beside(cell, "p99", stats::quantile(all, 0.99));
  cell.also["max"] = all.back();
  if (update.rules != 0) {
    cell.also["rules"] = static_cast<double>(update.rules);
  }
  add(run, std::move(cell));
}

void add_fill(const FillCell& fill, Run& run) {
  Cell cell = fill_cell(fill.services, fill.writes);
  if (take(cell, stats::median_of(fill.ns))) {
    cell.values = fill.ns;
    cell.also = {{"map_bytes", static_cast<double>(fill.map_bytes)},
                 {"backends", static_cast<double>(fill.backends)}};
    if (!fill.batched) {
      cell.at["batched"] = "no";
    }
    add(run, std::move(cell));
  }
}

void add_program(const Results& results, const ProgramCell& program, Run& run) {
  Cell cell = program_cell(program.hook, program.services, program.depth, program.destination,
                           std::string(to_string(program.family)));
  if (!take(cell, stats::median_of_blocks(program.ns_per_packet))) {
    return;
  }
  take_blocks(cell, program.ns_per_packet);
  take_part(cell, "kernel_ns", {program.kernel_ns});
  cell.also["packets_per_sample"] = static_cast<double>(program.packets_per_sample);
  for (const AccountCheck& check : results.account_checks) {
    if (check.hook == program.hook && check.not_offered.empty() &&
        check.compared().agreement == Agreement::agree) {
      cell.checks.emplace_back("the kernel's own account of BPF programs agrees");
    }
  }
  add(run, std::move(cell));
}

void add_growth(const GrowthFigure& figure, Run& run) {
  const std::string operation(to_string(figure.operation));
  Cell cell = growth_cell(figure.plane, operation, growing(update_cell(figure.plane, 0, operation, "")));
  if (take(cell, figure.growth)) {
    if (figure.line) {
      take_slope(cell, "ns_per_service",
                 stats::Estimate{figure.line->slope, figure.line->slope_interval, figure.line->points});
      cell.also["intercept_ns"] = figure.line->intercept;
    }
    add(run, std::move(cell));
  }
}

json account_json(const AccountCheck& check) {
  json out{{"hook", check.hook},
           {"family", to_string(check.family)},
           {"destination", check.destination},
           {"services", check.services}};
  if (!check.not_offered.empty()) {
    out["not_offered"] = check.not_offered;
    return out;
  }
  const Comparison comparison = check.compared();
  out["agreement"] = to_string(comparison.agreement);
  out["summary"] = comparison.summary;
  out["own_clock_ns"] = estimate_json(comparison.first);
  out["account_ns"] = estimate_json(comparison.second);
  out["account_floor_ns"] = estimate_json(stats::median_of(check.account_empty));
  out["cost_of_account_ns"] = estimate_json(check.cost_of_account());
  for (const auto& [name, member] : AccountCheck::rounds) {
    out["rounds"][name] = check.*member;
  }
  return out;
}

}  // namespace

Run as_run(const Results& results, const CompareResults& paths) {
  Run run = run_of(results.environment, results.run, results.seconds);
  add(run, paths.calibration);
  for (const UpdateCell& update : results.updates) {
    add_update(update, run);
  }
  for (const FillCell& fill : results.fills) {
    add_fill(fill, run);
  }
  for (const ProgramCell& program : results.programs) {
    add_program(results, program, run);
  }
  add_paths(paths, run);
  for (const GrowthFigure& growth : all_growths(results)) {
    add_growth(growth, run);
  }
  add_growths(paths, run);
  run.details = {{"missing", missing_json(paths.missing)},
                 {"account_checks", each(results.account_checks, account_json)},
                 {"notes", paths.notes}};
  add_path_missing(paths, run);
  add_speeds(run);
  run.verdicts = judge(run);
  return run;
}

}  // namespace svcbench
