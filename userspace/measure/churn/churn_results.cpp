// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/churn/churn_results.h"

#include <algorithm>

#include "service/text.h"

namespace svcbench {

void ChurnTally::merge(const ChurnTally& other) {
  sent += other.sent;
  for (std::size_t i = 0; i < packet_outcomes; ++i) {
    by_outcome[i] += other.by_outcome[i];
  }
  latency.merge(other.latency);
}

std::uint64_t ChurnTally::slower_than(double ns) const {
  std::uint64_t count = 0;
  for (const auto& [bucket, packets] : latency.buckets()) {
    count += LatencyHistogram::lowest_ns(bucket) >= ns ? packets : 0;
  }
  return count;
}

ChurnTally ChurnSplit::all() const {
  ChurnTally all = changing;
  all.merge(steady);
  return all;
}

ChurnTally ChurnPhase::all() const {
  ChurnTally all = fresh.all();
  all.merge(established.all());
  return all;
}

std::uint64_t ChurnPhase::lost() const {
  const std::uint64_t lost = all().count(PacketOutcome::lost);
  return lost - std::min(lost, overrun);
}

std::optional<double> RateSearch::highest() const {
  std::optional<double> rate;
  for (const ChangeRun& trial : trials) {
    if (trial.rate > 0 && trial.kept_up()) {
      rate = std::max(rate.value_or(0), trial.rate);
    }
  }
  return rate;
}

const ChurnPhase* ChurnResults::phase(std::string_view name) const {
  const auto found = std::find_if(phases.begin(), phases.end(),
                                  [&](const ChurnPhase& phase) { return phase.name == name; });
  return found == phases.end() ? nullptr : &*found;
}

std::uint64_t ChurnResults::count(PacketOutcome outcome) const {
  std::uint64_t count = 0;
  for (const ChurnPhase& phase : phases) {
    count += phase.all().count(outcome);
  }
  return count;
}

std::optional<std::uint64_t> delayed(const ChurnTally& before, const ChurnTally& tally) {
  const auto median = before.latency.quantile(0.5);
  return median ? std::optional(tally.slower_than(delayed_beyond * *median)) : std::nullopt;
}

Verdict judge_churn(const ChurnResults& results) {
  Verdict verdict{.id = "churn-consistent",
                  .claim = "no packet meets a wrong or half-changed service while services change",
                  .outcome = Outcome::inconclusive,
                  .summary = {},
                  .evidence = results.examples,
                  .would_settle = {}};
  const std::uint64_t wrong = results.count(PacketOutcome::wrong);
  const std::uint64_t half = results.count(PacketOutcome::half_changed);
  const std::uint64_t damaged = results.count(PacketOutcome::damaged);
  const ChurnPhase* during = results.phase("during");
  const std::uint64_t sent = during == nullptr ? 0 : during->fresh.changing.sent;
  if (wrong + half + damaged != 0) {
    verdict.outcome = Outcome::does_not_hold;
    verdict.summary =
        fmt::format("does not hold: {} packets at a wrong backend, {} half-changed, {} damaged",
                    grouped(wrong), grouped(half), grouped(damaged));
  } else if (sent == 0 || results.effect_ns.empty()) {
    verdict.summary =
        fmt::format("inconclusive: {} packets went to changing services, and showed {} changes",
                    grouped(sent), grouped(results.effect_ns.size()));
    verdict.would_settle = "a longer run, more packets a second, or a lower rate of changes";
  } else {
    verdict.outcome = Outcome::holds;
    verdict.summary = fmt::format(
        "holds: 0 wrong, 0 half-changed of {} packets of new flows to changing services, over {} changes, "
        "of which packets showed {}",
        grouped(sent), grouped(results.changes.changes.size()), grouped(results.effect_ns.size()));
  }
  return verdict;
}

}  // namespace svcbench
