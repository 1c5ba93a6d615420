// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/wire/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <vector>

namespace svcbench {

namespace {

std::optional<stats::Estimate> median_difference(const PairedSamples& samples) {
  assert(samples.more.size() == samples.less.size());
  std::vector<double> differences(samples.more.size());
  std::transform(samples.more.begin(), samples.more.end(), samples.less.begin(), differences.begin(),
                 [](double more, double less) { return more - less; });
  return stats::median_of(differences);
}

bool contains_zero(const stats::Interval& interval) { return interval.low <= 0 && interval.high >= 0; }

bool overlap(const stats::Interval& a, const stats::Interval& b) {
  return a.low <= b.high && b.low <= a.high;
}

std::string text(const stats::Estimate& estimate, const ToldIn& told) {
  const int decimals = told.ns < 1000 ? 0 : 2;
  return fmt::format("{:.{}f} {} [{:.{}f}, {:.{}f}]", estimate.value / told.ns, decimals, told.name,
                     estimate.interval->low / told.ns, decimals, estimate.interval->high / told.ns,
                     decimals);
}

}  // namespace

std::string_view to_string(Agreement agreement) {
  switch (agreement) {
    case Agreement::agree:
      return "agree";
    case Agreement::disagree:
      return "disagree";
    case Agreement::inconclusive:
      break;
  }
  return "inconclusive";
}

Comparison compare_instruments(const PairedSamples& wire, const PairedSamples& round_trip) {
  Comparison result;
  result.wire = median_difference(wire);
  result.round_trip = median_difference(round_trip);
  if (result.wire && result.round_trip && result.wire->interval && result.round_trip->interval) {
    const stats::Interval& one = *result.wire->interval;
    const stats::Interval& other = *result.round_trip->interval;
    if (!overlap(one, other)) {
      result.agreement = Agreement::disagree;
    } else if (contains_zero(one) == contains_zero(other)) {
      result.agreement = Agreement::agree;
    }
  }
  result.summary = summary_of(result, {.ns = 1000, .name = "us"});
  return result;
}

std::string summary_of(const Comparison& comparison, const ToldIn& told) {
  const auto& wire = comparison.wire;
  const auto& round_trip = comparison.round_trip;
  if (!wire || !round_trip || !wire->interval || !round_trip->interval) {
    return fmt::format(
        "inconclusive: a difference has an interval from 6 rounds on; the wire has {}, round trips {}",
        wire ? wire->samples : 0, round_trip ? round_trip->samples : 0);
  }
  const std::string both =
      fmt::format("the wire says {}, round trips {}", text(*wire, told), text(*round_trip, told));
  const bool wire_sees_none = contains_zero(*wire->interval);
  switch (comparison.agreement) {
    case Agreement::disagree:
      return "disagree: " + both;
    case Agreement::agree:
      return fmt::format("agree: {}{}", both, wire_sees_none ? "; neither resolves a difference" : "");
    case Agreement::inconclusive:
      break;
  }
  return fmt::format(
      "inconclusive: {}; {} too noisy to have seen it: more rounds, or a larger difference, would settle "
      "it",
      both, wire_sees_none ? "the wire is" : "round trips are");
}

}  // namespace svcbench
