// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <array>

#include "run/as_run.h"
#include "run/cells.h"
#include "run/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

class Churn {
 public:
  Churn(const ChurnResults& results, Run& run) : results_(results), run_(run) {}

  void add_all() {
    add("wrong", "packets to a wrong backend", "packets", count(PacketOutcome::wrong));
    add("half-changed", "packets half changed", "packets", count(PacketOutcome::half_changed));
    add("damaged", "packets damaged", "packets", count(PacketOutcome::damaged));
    Cell effect = churn_cell(results_.plane, results_.services, "effect",
                             "from a change to the first packet that shows it", "ns");
    effect.values = results_.effect_ns;
    if (take(effect, stats::median_of(effect.values))) {
      svcbench::add(run_, std::move(effect));
    }
    if (const auto highest = results_.search ? results_.search->highest() : std::nullopt) {
      add("highest-rate", "highest rate of changes kept up with", "changes/s", *highest);
    }
    const ChurnPhase& before = results_.phases.front();
    for (const ChurnPhase& phase : results_.phases) {
      add_split(phase, "new flow", phase.fresh, before.fresh);
      add_split(phase, "established flow", phase.established, before.established);
    }
  }

 private:
  [[nodiscard]] double count(PacketOutcome outcome) const {
    return static_cast<double>(results_.count(outcome));
  }

  void add(const char* id, const char* what, const char* unit, double value) {
    Cell cell = churn_cell(results_.plane, results_.services, id, what, unit);
    cell.value = value;
    svcbench::add(run_, std::move(cell));
  }

  void add_split(const ChurnPhase& phase, const char* flow, const ChurnSplit& split,
                 const ChurnSplit& before) {
    add_tally(churn_tally_cell(results_.plane, results_.services, phase.name, flow, "changing"),
              split.changing, before.changing);
    add_tally(churn_tally_cell(results_.plane, results_.services, phase.name, flow, "steady"), split.steady,
              before.steady);
  }

  // What packets took, and what became of them.
  void add_tally(Cell cell, const ChurnTally& tally, const ChurnTally& before) {
    std::vector<std::pair<double, double>> buckets;
    for (const auto& [bucket, packets] : tally.latency.buckets()) {
      buckets.emplace_back(LatencyHistogram::lowest_ns(bucket), static_cast<double>(packets));
    }
    take_histogram(cell, buckets, 1);
    constexpr std::array packet_outcomes{std::pair{"right", PacketOutcome::right},
                                         std::pair{"kept", PacketOutcome::kept},
                                         std::pair{"no_endpoint", PacketOutcome::no_endpoint},
                                         std::pair{"wrong", PacketOutcome::wrong},
                                         std::pair{"half_changed", PacketOutcome::half_changed},
                                         std::pair{"damaged", PacketOutcome::damaged},
                                         std::pair{"lost", PacketOutcome::lost},
                                         std::pair{"reset", PacketOutcome::reset}};
    for (const auto& [name, outcome] : packet_outcomes) {
      cell.also[name] = static_cast<double>(tally.count(outcome));
    }
    if (const auto late = delayed(before, tally)) {
      cell.also["delayed"] = static_cast<double>(*late);
    }
    if (const auto p50 = quantile_of(cell.histogram, 0.5)) {
      cell.value = *p50;
    } else {
      leave_out(cell, "no packet came out", std::nullopt);
    }
    cell.samples = tally.sent;
    svcbench::add(run_, std::move(cell));
  }

  const ChurnResults& results_;
  Run& run_;
};

// ---- the journal ----

json phase_json(const ChurnPhase& phase) {
  return {{"name", phase.name},       {"seconds", phase.seconds}, {"refusals", phase.refusals},
          {"overrun", phase.overrun}, {"late", phase.late},       {"dropped", json(phase.dropped)}};
}

json trial_json(const ChangeRun& trial) {
  return {{"rate", trial.rate == 0 ? json() : json(trial.rate)},
          {"seconds", trial.seconds},
          {"due", trial.due},
          {"done", trial.done},
          {"rate_reached", trial.rate_reached()},
          {"kept_up", trial.rate == 0 ? json() : json(trial.kept_up())}};
}

json changes_json(const ChangeRun& changes) {
  json list = json::array();
  const std::int64_t begin = changes.changes.empty() ? 0 : changes.changes.front().due_ns;
  for (const ChangeTiming& change : changes.changes) {
    list.push_back({to_string(change.step), change.due_ns - begin, change.issued_ns - begin,
                    change.committed_ns - begin});
  }
  json out = trial_json(changes);
  out["rate"] = changes.rate;
  out["kept_up"] = changes.kept_up();
  out["step_due_issued_committed_ns"] = std::move(list);
  return out;
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

Run as_run(const ChurnResults& results, const Verdict& verdict) {
  Run run = run_of(results.environment, results.run, results.seconds);
  run.verdicts = {verdict};
  Churn(results, run).add_all();
  run.details["churn"] = {{"changing_services", results.changing},
                          {"steady_services", results.steady},
                          {"established_flows", results.flows},
                          {"packets_per_second", results.packets_per_second},
                          {"packets_limited_by",
                           results.packets_limited_by.empty() ? json() : json(results.packets_limited_by)},
                          {"phases", each(results.phases, phase_json)},
                          {"changes", changes_json(results.changes)},
                          {"changes_to_see", results.changes_to_see},
                          {"trials", results.search ? each(results.search->trials, trial_json) : json()},
                          {"flow_table", flow_table_json(results.flow_table)},
                          {"bad_after", json(results.bad_after)},
                          {"examples", results.examples}};
  return run;
}

}  // namespace svcbench
