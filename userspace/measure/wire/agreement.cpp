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

std::string text(const stats::Estimate& estimate) {
  constexpr double us = 1000;
  return fmt::format("{:.2f} us [{:.2f}, {:.2f}]", estimate.value / us, estimate.interval->low / us,
                     estimate.interval->high / us);
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
  if (!result.wire || !result.round_trip || !result.wire->interval || !result.round_trip->interval) {
    result.summary = fmt::format(
        "inconclusive: a difference has an interval from 6 rounds on; the wire has {}, round trips {}",
        wire.more.size(), round_trip.more.size());
    return result;
  }
  const stats::Interval& one = *result.wire->interval;
  const stats::Interval& other = *result.round_trip->interval;
  const std::string both =
      fmt::format("the wire says {}, round trips {}", text(*result.wire), text(*result.round_trip));
  if (!overlap(one, other)) {
    result.agreement = Agreement::disagree;
    result.summary = "disagree: " + both;
  } else if (contains_zero(one) != contains_zero(other)) {
    result.summary = fmt::format(
        "inconclusive: {}; {} too noisy to have seen it: more rounds, or a larger difference, would settle "
        "it",
        both, contains_zero(one) ? "the wire is" : "round trips are");
  } else {
    result.agreement = Agreement::agree;
    result.summary =
        fmt::format("agree: {}{}", both, contains_zero(one) ? "; neither resolves a difference" : "");
  }
  return result;
}

}  // namespace svcbench
