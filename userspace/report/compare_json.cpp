// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/compare_json.h"

#include "measure/compare_analysis.h"
#include "measure/visit.h"
#include "report/borrowed_report.h"
#include "report/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

json sync_json(const SyncCell& cell) {
  json out{{"plane", cell.plane}, {"services", cell.services}};
  if (!cell.skipped.empty()) {
    out["skipped"] = cell.skipped;
    out["predicted_ns"] = or_null(cell.predicted_ns);
    return out;
  }
  out["p50_ns"] = estimate_json(sync_cost(cell));
  out["repeats"] = to_json(cell.repeats);
  return out;
}

json update_json(const UpdateCell& cell) {
  return {{"plane", cell.plane},
          {"way", cell.way.empty() ? json() : json(cell.way)},
          {"services", cell.services},
          {"operation", to_string(cell.operation)},
          {"p50_ns", estimate_json(update_cost(cell))},
          {"stage_ns", cell.stage_ns},
          {"commit_ns", cell.commit_ns}};
}

json state_json(const StateCell& cell) {
  json out{
      {"plane", cell.plane},
      {"services", cell.services},
      {"conntrack_entries_per_1000_new_flows", or_null(cell.conntrack_per_1000_flows)},
      {"flow_table_entries_per_1000_new_flows", or_null(cell.own_per_1000_flows)},
      {"kernel_bytes", or_null(cell.kernel_bytes)},
      {"kernel_bytes_interval", interval_json(cell.kernel_bytes_interval)},
      {"kernel_bytes_method", cell.kernel_bytes_method.empty() ? json() : json(cell.kernel_bytes_method)},
      {"user_peak", json()}};
  if (cell.user_peak) {
    out["user_peak"] = {{"bytes", cell.user_peak->total()},
                        {"own_bytes", cell.user_peak->own},
                        {"tool_bytes", cell.user_peak->tool},
                        {"method", user_peak_method}};
  }
  return out;
}

json crossing_json(const CrossingFigure& figure) {
  const stats::Crossing& crossing = figure.crossing;
  return {{"what", figure.what},
          {"plane", figure.plane},
          {"beside", figure.beside},
          {"course", to_string(crossing.course)},
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

json missing_json(const MissingPlane& missing) { return {{"plane", missing.plane}, {"why", missing.why}}; }

json behaviours_json(const CompareResults& results) {
  if (!results.behaviours) {
    return {};
  }
  json failed = json::array();
  for (const FailedBehaviour& one : results.behaviours->failed) {
    failed.push_back({{"plane", one.plane},
                      {"behaviour", one.behaviour},
                      {"variants", one.variants},
                      {"evidence", one.evidence}});
  }
  return {{"looked_at", results.behaviours->behaviours},
          {"planes", results.behaviours->planes},
          {"failed", failed},
          {"not_done", results.behaviours->not_done.empty() ? json() : json(results.behaviours->not_done)}};
}

json growth_json(const Series& series) {
  const auto growth = growth_of(series);
  json out{{"plane", series.plane}, {"what", series.what}};
  if (growth) {
    out["exponent"] = growth->exponent;
    out["interval"] = interval_json(growth->interval);
    out["rounds"] = growth->rounds;
    out["trend"] = to_string(classify(*growth));
  }
  out["ns_per_service"] = estimate_json(slope_of(series));
  return out;
}

json growths_json(const CompareResults& results) {
  json out = json::array();
  const auto add = [&out](const Series& series) {
    if (series.sizes.size() > 1) {
      out.push_back(growth_json(series));
    }
  };
  for (const std::string& plane : results.planes) {
    add(sync_series(results, plane));
    for (const std::string& way : ways_of(results, plane)) {
      for (const Operation operation :
           {Operation::change_endpoints, Operation::add_service, Operation::remove_service}) {
        add(update_series(results, plane, way, operation));
      }
    }
    for (const FlowKind flow : every_flow_kind) {
      for (const Position position :
           {Position::first, Position::last, Position::random, Position::missing}) {
        for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
          add(path_series(results, plane, {flow, position, protocol}));
        }
      }
    }
  }
  return out;
}

}  // namespace

json path_json(const PathCell& cell) {
  json histogram = json::array();
  for (const auto& [bucket, count] : cell.latency.buckets()) {
    histogram.push_back({LatencyHistogram::lowest_ns(bucket), count});
  }
  json out{{"plane", cell.plane},
           {"services", cell.services},
           {"flow", to_string(cell.kind.flow)},
           {"position", to_string(cell.kind.position)},
           {"protocol", to_string(cell.kind.protocol)},
           {"family", to_string(cell.family)},
           {"packets", cell.sent},
           {"p50_ns", estimate_json(path_p50(cell))},
           {"volley_p50_ns", cell.p50_ns},
           {"volley_p99_ns", cell.p99_ns},
           {"packets_per_second", cell.packets_per_second},
           {"histogram_relative_error", LatencyHistogram::relative_error},
           {"histogram", std::move(histogram)}};
  for (const auto& [name, p] : {std::pair{"p90_ns", 0.9}, {"p99_ns", 0.99}, {"p999_ns", 0.999}}) {
    out[name] = or_null(cell.latency.quantile(p));
  }
  return out;
}

json to_json(const CompareResults& results) {
  return {{"schema_version", compare_schema_version},
          {"environment", results.environment},
          {"run", results.run},
          {"seconds", results.seconds},
          {"planes", results.planes},
          {"missing", each(results.missing, missing_json)},
          {"syncs", each(results.syncs, sync_json)},
          {"updates", each(results.updates, update_json)},
          {"paths", each(results.paths, path_json)},
          {"states", each(results.states, state_json)},
          {"growth", growths_json(results)},
          {"borrowed", borrowed_json(results)},
          {"behaviours", behaviours_json(results)},
          {"instrument", {{"clock_ns", or_null(results.clock_ns)}}},
          {"crossings", each(all_crossings(results), crossing_json)},
          {"agreements", each(results.agreements, agreement_json)},
          {"sync_checks", each(results.sync_checks, sync_check_json)},
          {"notes", results.notes},
          {"verdicts", verdicts_json(results.verdicts)}};
}

}  // namespace svcbench
