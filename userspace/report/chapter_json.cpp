// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/chapter_json.h"

#include "report/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

json backend_json(const ChapterBackend& backend) {
  const bool here = backend.missing.empty();
  return {{"backend", backend.name},
          {"label", here ? json(backend.label) : json()},
          {"program", here ? json(backend.program) : json()},
          {"is_default", backend.is_default},
          {"missing", here ? json() : json(backend.missing)}};
}

json samples_json(const ProcessSamples& samples) {
  return {{"wall_ns", samples.wall_ns}, {"user_ns", samples.user_ns}, {"system_ns", samples.system_ns}};
}

json load_json(const LoadCell& cell) {
  json out{{"backend", cell.backend}, {"load", to_string(cell.load)}, {"services", cell.services}};
  if (!cell.skipped.empty()) {
    out["skipped"] = cell.skipped;
    out["predicted_ns"] = or_null(cell.predicted_ns);
    return out;
  }
  const auto chapter = chapter_seconds(cell.services);
  out["rules"] = cell.rules;
  out["input_bytes"] = cell.input_bytes;
  out["wall_p50_ns"] = estimate_json(stats::median_of(cell.tool.wall_ns));
  out["user_p50_ns"] = estimate_json(stats::median_of(cell.tool.user_ns));
  out["system_p50_ns"] = estimate_json(stats::median_of(cell.tool.system_ns));
  out["generate_p50_ns"] = estimate_json(stats::median_of(cell.generate_ns));
  out["chapter_ns"] = chapter ? json(*chapter * 1e9) : json();
  out["times_chapter"] = estimate_json(times_chapter(cell));
  out.update(samples_json(cell.tool));
  out["generate_ns"] = cell.generate_ns;
  return out;
}

json floor_json(const FloorCell& cell) {
  json blocks = json::array();
  for (const ProcessSamples& block : cell.blocks) {
    blocks.push_back(samples_json(block));
  }
  return {{"name", cell.name},
          {"backend", cell.backend.empty() ? json() : json(cell.backend)},
          {"wall_p50_ns", estimate_json(floor_figure(cell, &ProcessSamples::wall_ns))},
          {"user_p50_ns", estimate_json(floor_figure(cell, &ProcessSamples::user_ns))},
          {"system_p50_ns", estimate_json(floor_figure(cell, &ProcessSamples::system_ns))},
          {"blocks", blocks}};
}

json line_json(const stats::LinearFit& line) {
  return {{"intercept_ns", line.intercept},
          {"ns_per_rule", line.slope},
          {"ns_per_rule_interval", interval_json(line.slope_interval)},
          {"points", line.points}};
}

json growth_json(const ChapterGrowth& growth) {
  json out{{"backend", growth.backend}, {"load", to_string(growth.load)}};
  out["line"] = growth.line ? line_json(*growth.line) : json();
  out["cpu_line"] = growth.cpu_line ? line_json(*growth.cpu_line) : json();
  out["sizes"] = growth.sizes;
  out["worst_residual"] = growth.line ? json(growth.worst_residual) : json();
  out["base_ns"] = or_null(growth.base_ns);
  out["above_base"] = growth.above_base ? json{{"exponent", growth.above_base->exponent},
                                               {"interval", interval_json(growth.above_base->interval)},
                                               {"rounds", growth.above_base->rounds}}
                                        : json();
  return out;
}

json measured_json(const stats::Crossing& crossing) {
  return {{"course", to_string(crossing.course)},
          {"services", or_null(crossing.services)},
          {"interval", interval_json(crossing.interval)},
          {"shares",
           {{"becomes_dearer", crossing.becomes_dearer},
            {"becomes_cheaper", crossing.becomes_cheaper},
            {"cheaper_throughout", crossing.cheaper_throughout},
            {"dearer_throughout", crossing.dearer_throughout},
            {"changes_back", crossing.changes_back}}},
          {"rounds", crossing.rounds},
          {"sizes", json::array({crossing.sizes.low, crossing.sizes.high})}};
}

json crossing_json(const ChapterCrossing& crossing) {
  return {{"load", to_string(crossing.load)},
          {"a", "nft"},
          {"b", "legacy"},
          {"measured", crossing.measured ? measured_json(*crossing.measured) : json()},
          {"predicted", crossing.predicted ? json{{"services", crossing.predicted->services},
                                                  {"becomes_dearer", crossing.predicted->becomes_dearer}}
                                           : json()}};
}

json chapter_rows() {
  json rows = json::array();
  for (const ChapterRow& row : chapter_table) {
    rows.push_back({{"services", row.services}, {"rules", row.rules}, {"ns", row.seconds * 1e9}});
  }
  return {{"rows", rows}, {"line", line_json(chapter_line())}};
}

}  // namespace

json chapter_json(const ChapterResults& results) {
  return {{"schema_version", chapter_schema_version},
          {"environment", results.environment},
          {"run", results.run},
          {"seconds", results.seconds},
          {"chapter", chapter_rows()},
          {"backends", each(results.backends, backend_json)},
          {"loads", each(results.loads, load_json)},
          {"floors", each(results.floors, floor_json)},
          {"growth", each(all_growths(results), growth_json)},
          {"crossings", each(crossings_of(results), crossing_json)},
          {"verdicts", verdicts_json(results.verdicts)}};
}

}  // namespace svcbench
