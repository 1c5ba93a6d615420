// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What svcbench explain tells, for programs.
#include "report/explain.h"
#include "report/quantity.h"
#include "run/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

json figure_json(const Cell& cell) {
  return {{"id", cell.id},
          {"scenario", cell.scenario},
          {"plane", cell.plane.empty() ? json() : json(cell.plane)},
          {"services", cell.services == 0 ? json() : json(cell.services)},
          {"what", cell.what},
          {"unit", cell.unit},
          {"value", cell.value},
          {"interval", interval_json(cell.interval)},
          {"samples", cell.samples},
          {"beside", json(cell.also)}};
}

json spread_json(const Spread& spread) {
  return {{"least", spread.least},
          {"quarter", spread.quarter},
          {"three_quarters", spread.three_quarters},
          {"largest", spread.largest},
          {"middle_half", or_null(spread.middle_half)}};
}

json drift_json(const DriftFigure& drift) {
  json slope;
  if (drift.slope) {
    slope = {{"share", drift.slope->share},
             {"interval", interval_json(drift.slope->interval)},
             {"p", drift.slope->p},
             {"resolved", drift.is_resolved()}};
  }
  return {
      {"first_third", drift.first_third}, {"last_third", drift.last_third}, {"slope", std::move(slope)}};
}

json how_json(const Cell& cell, const Explanation& all) {
  const Story& story = *all.story;
  return {{"timed", story.timed},
          {"not_in_it", story.not_timed},
          {"checked", checked_of(cell, story)},
          {"made_of", made_of(cell, story)},
          {"values", cell.values},
          {"spread", all.spread ? spread_json(*all.spread) : json()},
          {"drift", all.drift ? drift_json(*all.drift) : json()},
          {"instrument", each(all.instrument,
                              [](const InstrumentCost& cost) -> json {
                                return {{"what", cost.what},
                                        {"value", cost.value},
                                        {"interval", interval_json(cost.interval)},
                                        {"unit", cost.unit}};
                              })},
          {"second_instruments", all.second_instruments},
          {"could_bias", story.bias},
          {"machine", all.doubts},
          {"notes", all.notes}};
}

json document_of(const Run& run, json figures) {
  return {{"schema_version", explain_schema_version},
          {"run", source_json(run)},
          {"figures", std::move(figures)}};
}

}  // namespace

json explain_json(const Run& run, const Cell& cell) {
  const Explanation all = explain(run, cell);
  json figure = figure_json(cell);
  if (all.story != nullptr) {
    figure["how"] = how_json(cell, all);
  }
  return document_of(run, json::array({std::move(figure)}));
}

json cells_json(const Run& run) { return document_of(run, each(run.cells, figure_json)); }

}  // namespace svcbench
