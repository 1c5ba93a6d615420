// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run of changes under traffic found, and what follows from it. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/churn/changes.h"
#include "measure/churn/history.h"
#include "measure/wire/latency_histogram.h"
#include "plane/plane.h"
#include "stats/verdict.h"
#include "sys/net_counters.h"

namespace svcbench {

inline constexpr std::size_t packet_outcomes = 8;

// Packets of one kind, to one sort of services, in one phase.
struct ChurnTally {
  std::uint64_t sent = 0;
  std::array<std::uint64_t, packet_outcomes> by_outcome{};  // by PacketOutcome
  LatencyHistogram latency{};                               // of those that came out where they may

  [[nodiscard]] std::uint64_t count(PacketOutcome outcome) const {
    return by_outcome[static_cast<std::size_t>(outcome)];
  }
  void merge(const ChurnTally& other);
  // Packets that took at least `ns`: those in buckets that lie beyond it whole.
  [[nodiscard]] std::uint64_t slower_than(double ns) const;
};

// Packets to services that change, and to others.
struct ChurnSplit {
  ChurnTally changing{};
  ChurnTally steady{};
  [[nodiscard]] ChurnTally all() const;
};

struct ChurnPhase {
  std::string name;  // "before", "during", "after", "find rate"
  double seconds = 0;
  ChurnSplit fresh{};          // new flows
  ChurnSplit established{};    // flows that were opened before all phases
  std::uint64_t refusals = 0;  // resets and ICMP errors that clients got
  std::uint64_t overrun = 0;   // lost in the ingress queue, before the plane: the instrument's doing
  std::uint64_t late = 0;      // came out after their volley was judged, so that they count as lost
  NetCounters dropped{};       // by the node
  [[nodiscard]] ChurnTally all() const;
  // By the node: without what never got to the plane.
  [[nodiscard]] std::uint64_t lost() const;
};

// One change, as it was made. CLOCK_MONOTONIC.
struct ChangeTiming {
  ChurnStep step = ChurnStep::replace;
  std::int64_t due_ns = 0;
  std::int64_t issued_ns = 0;
  std::int64_t committed_ns = 0;
};

// Changes at one rate.
struct ChangeRun {
  double rate = 0;  // asked for, a second; 0: one after the other
  double seconds = 0;
  std::uint64_t due = 0;   // that were to be made in this time
  std::uint64_t done = 0;  // whose commit returned in this time
  std::vector<ChangeTiming> changes{};

  [[nodiscard]] double rate_reached() const { return static_cast<double>(done) / seconds; }
  // All but the last one, or one in a hundred.
  [[nodiscard]] bool kept_up() const { return done + std::max<std::uint64_t>(1, due / 100) >= due; }
};

struct RateSearch {
  std::vector<ChangeRun> trials{};  // the first one without pauses; without their changes
  // Of those that were kept up with; none: no trial was.
  [[nodiscard]] std::optional<double> highest() const;
};

struct ChurnResults {
  std::string plane;
  std::size_t services = 0;
  std::size_t changing = 0;          // services that changes go to
  std::size_t steady = 0;            // others that packets go to
  std::size_t flows = 0;             // established ones
  double packets_per_second = 0;     // as planned
  std::string packets_limited_by{};  // empty: by nothing
  std::vector<ChurnPhase> phases{};
  ChangeRun changes{};
  // Of the changes that bring something a packet can show: from issue to the first packet that shows it.
  std::uint64_t changes_to_see = 0;
  std::vector<double> effect_ns{};
  // Packets that were wrong, half-changed or damaged, by the last change of their service.
  std::map<std::string, std::uint64_t> bad_after{};
  std::vector<std::string> examples{};  // of those, a few, of one change each
  std::optional<RateSearch> search{};
  std::optional<FlowTable> flow_table{};  // at the end; none: the plane has none of its own
  nlohmann::json environment{};
  nlohmann::json run{};
  double seconds = 0;

  [[nodiscard]] const ChurnPhase* phase(std::string_view name) const;
  [[nodiscard]] std::uint64_t count(PacketOutcome outcome) const;  // over all phases
};

// Delayed: longer than so many times the median before the changes, of the same flows and services.
inline constexpr double delayed_beyond = 10;
// None: nothing was timed before.
[[nodiscard]] std::optional<std::uint64_t> delayed(const ChurnTally& before, const ChurnTally& tally);

// "no packet meets a wrong or half-changed service while services change" (id churn-consistent). Does not
// hold when one did, or came out damaged; else holds when new flows' packets went to changing services
// while changes were made, and showed some of them; else inconclusive.
[[nodiscard]] Verdict judge_churn(const ChurnResults& results);

}  // namespace svcbench
