// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/as_run.h"
#include "run/cells.h"
#include "run/json_parts.h"
#include "run/judge.h"
#include "run/speeds.h"

namespace svcbench {

namespace {

using nlohmann::json;

void add_load(const LoadCell& load, Run& run) {
  Cell cell = chapter_cell(load.backend, load.services, std::string(to_string(load.load)));
  if (!load.skipped.empty()) {
    leave_out(cell, load.skipped, load.predicted_ns);
    return add(run, std::move(cell));
  }
  if (!take(cell, stats::median_of(load.tool.wall_ns))) {
    return;
  }
  cell.values = load.tool.wall_ns;
  take_part(cell, "tool_user_ns", {load.tool.user_ns});
  take_part(cell, "tool_system_ns", {load.tool.system_ns});
  take_part(cell, "generate_ns", {load.generate_ns});
  cell.also["rules"] = static_cast<double>(load.rules);
  cell.also["input_bytes"] = static_cast<double>(load.input_bytes);
  if (const auto chapter = chapter_seconds(load.services)) {
    cell.also["chapter_ns"] = *chapter * 1e9;
  }
  add(run, std::move(cell));
}

void add_floor(const FloorCell& floor, Run& run) {
  Cell cell = floor_cell(floor.name, floor.backend);
  if (!take(cell, floor_figure(floor, &ProcessSamples::wall_ns))) {
    return;
  }
  const auto samples = [&](std::vector<double> ProcessSamples::*which) {
    SampleBlocks blocks;
    for (const ProcessSamples& block : floor.blocks) {
      blocks.push_back(block.*which);
    }
    return blocks;
  };
  take_blocks(cell, samples(&ProcessSamples::wall_ns));
  take_part(cell, "tool_user_ns", samples(&ProcessSamples::user_ns));
  take_part(cell, "tool_system_ns", samples(&ProcessSamples::system_ns));
  add(run, std::move(cell));
}

stats::Estimate slope_of(const stats::LinearFit& line) {
  return {line.slope, line.slope_interval, line.points};
}

// The exponent, and the lines through the medians of all sizes.
void add_growth(const ChapterGrowth& growth, Run& run) {
  Cell cell = chapter_growth_cell(growth.backend, std::string(to_string(growth.load)));
  take_beside(cell, "base_ns", growth.base_ns);
  if (growth.line) {
    take_slope(cell, "ns_per_rule", slope_of(*growth.line));
    cell.also["intercept_ns"] = growth.line->intercept;
    cell.also["worst_residual"] = growth.worst_residual;
  }
  if (growth.cpu_line) {
    take_slope(cell, "cpu_ns_per_rule", slope_of(*growth.cpu_line));
  }
  if (!growth.sizes.empty()) {
    cell.parts["sizes"] = {{growth.sizes.begin(), growth.sizes.end()}};
  }
  if (!take(cell, growth.above_base)) {
    leave_out(cell, "at no two sizes is the load clear of what the table without services takes", {});
  }
  add(run, std::move(cell));
}

json backend_json(const ChapterBackend& backend) {
  const bool here = backend.missing.empty();
  return {{"backend", backend.name},
          {"label", here ? json(backend.label) : json()},
          {"program", here ? json(backend.program) : json()},
          {"is_default", backend.is_default},
          {"missing", here ? json() : json(backend.missing)}};
}

json crossing_json(const ChapterCrossing& crossing) {
  json out{{"what", to_string(crossing.load)},
           {"plane", "iptables-nft"},
           {"beside", "iptables-legacy"},
           {"predicted", json()}};
  if (crossing.measured) {
    out["kind"] = to_string(crossing.measured->kind);
    out["services"] = or_null(crossing.measured->services);
    out["interval"] = interval_json(crossing.measured->interval);
    out["sizes"] = {crossing.measured->sizes.low, crossing.measured->sizes.high};
    out["rounds"] = crossing.measured->rounds;
    out["shares"] = {{"becomes_costlier", crossing.measured->becomes_costlier},
                     {"becomes_cheaper", crossing.measured->becomes_cheaper},
                     {"cheaper_throughout", crossing.measured->cheaper_throughout},
                     {"costlier_throughout", crossing.measured->costlier_throughout},
                     {"changes_back", crossing.measured->changes_back}};
  }
  if (crossing.predicted) {
    out["predicted"] = {{"services", crossing.predicted->services},
                        {"becomes_costlier", crossing.predicted->becomes_costlier}};
  }
  return out;
}

json chapter_json() {
  json rows = json::array();
  for (const ChapterRow& row : chapter_table) {
    rows.push_back({{"services", row.services}, {"rules", row.rules}, {"ns", row.seconds * 1e9}});
  }
  const stats::LinearFit line = chapter_line();
  return {{"rows", rows},
          {"line",
           {{"intercept_ns", line.intercept},
            {"ns_per_rule", line.slope},
            {"ns_per_rule_interval", interval_json(line.slope_interval)}}}};
}

}  // namespace

Run as_run(const ChapterResults& results) {
  Run run = run_of(results.environment, results.run, results.seconds);
  for (const LoadCell& load : results.loads) {
    add_load(load, run);
  }
  for (const FloorCell& floor : results.floors) {
    add_floor(floor, run);
  }
  for (const ChapterGrowth& growth : all_growths(results)) {
    add_growth(growth, run);
  }
  run.details = {{"chapter", chapter_json()},
                 {"backends", each(results.backends, backend_json)},
                 {"crossings", each(crossings_of(results), crossing_json)}};
  add_speeds(run);
  run.verdicts = judge(run);
  return run;
}

}  // namespace svcbench
