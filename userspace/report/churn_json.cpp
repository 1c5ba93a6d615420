// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/churn_json.h"

#include "report/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

json tally_json(const ChurnTally& tally, const ChurnTally& before) {
  json buckets = json::array();
  for (const auto& [bucket, count] : tally.latency.buckets()) {
    buckets.push_back({LatencyHistogram::lowest_ns(bucket), count});
  }
  return {{"sent", tally.sent},
          {"right", tally.count(Fate::right)},
          {"kept", tally.count(Fate::kept)},
          {"no_endpoint", tally.count(Fate::no_endpoint)},
          {"wrong", tally.count(Fate::wrong)},
          {"half_changed", tally.count(Fate::half_changed)},
          {"damaged", tally.count(Fate::damaged)},
          {"lost", tally.count(Fate::lost)},
          {"reset", tally.count(Fate::reset)},
          {"delayed", or_null(delayed(before, tally))},
          {"p50_ns", or_null(tally.latency.quantile(0.5))},
          {"p99_ns", or_null(tally.latency.quantile(0.99))},
          {"latency_ns", buckets}};
}

json split_json(const ChurnSplit& split, const ChurnSplit& before) {
  return {{"changing", tally_json(split.changing, before.changing)},
          {"steady", tally_json(split.steady, before.steady)}};
}

json phase_json(const ChurnPhase& phase, const ChurnPhase& before) {
  return {{"name", phase.name},
          {"seconds", phase.seconds},
          {"new_flows", split_json(phase.fresh, before.fresh)},
          {"established_flows", split_json(phase.established, before.established)},
          {"refusals", phase.refusals},
          {"overrun", phase.overrun},
          {"late", phase.late},
          {"dropped", json(phase.dropped)}};
}

json changes_json(const ChangeRun& changes) {
  json list = json::array();
  const std::int64_t begin = changes.changes.empty() ? 0 : changes.changes.front().due_ns;
  for (const ChangeTiming& change : changes.changes) {
    list.push_back({to_string(change.step), change.due_ns - begin, change.issued_ns - begin,
                    change.committed_ns - begin});
  }
  return {{"rate", changes.rate},
          {"seconds", changes.seconds},
          {"due", changes.due},
          {"done", changes.done},
          {"rate_reached", changes.rate_reached()},
          {"kept_up", changes.kept_up()},
          {"step_due_issued_committed_ns", list}};
}

json trial_json(const ChangeRun& trial) {
  return {{"rate", trial.rate == 0 ? json() : json(trial.rate)},
          {"seconds", trial.seconds},
          {"due", trial.due},
          {"done", trial.done},
          {"rate_reached", trial.rate_reached()},
          {"kept_up", trial.rate == 0 ? json() : json(trial.kept_up())}};
}

json flow_table_json(const std::optional<FlowTable>& table) {
  if (!table) {
    return {};
  }
  return {{"capacity", table->capacity}, {"entries", table->entries},
          {"packets", table->packets},   {"opened", table->opened},
          {"evicted", table->evicted},   {"hit_rate", or_null(table->hit_rate())}};
}

}  // namespace

json churn_json(const ChurnResults& results, const Verdict& verdict) {
  const ChurnPhase& before = results.phases.front();
  return {
      {"schema_version", churn_schema_version},
      {"environment", results.environment},
      {"run", results.run},
      {"seconds", results.seconds},
      {"plane", results.plane},
      {"services", results.services},
      {"changing_services", results.changing},
      {"steady_services", results.steady},
      {"established_flows", results.flows},
      {"packets_per_second", results.packets_per_second},
      {"packets_limited_by",
       results.packets_limited_by.empty() ? json() : json(results.packets_limited_by)},
      {"wrong", results.count(Fate::wrong)},
      {"half_changed", results.count(Fate::half_changed)},
      {"damaged", results.count(Fate::damaged)},
      {"phases", each(results.phases, [&](const ChurnPhase& phase) { return phase_json(phase, before); })},
      {"changes", changes_json(results.changes)},
      {"changes_to_see", results.changes_to_see},
      {"effect_ns", results.effect_ns},
      {"search", results.search ? json{{"highest_rate", or_null(results.search->highest())},
                                       {"trials", each(results.search->trials, trial_json)}}
                                : json()},
      {"flow_table", flow_table_json(results.flow_table)},
      {"bad_after", json(results.bad_after)},
      {"examples", results.examples},
      {"verdicts", verdicts_json({verdict})}};
}

}  // namespace svcbench
