// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/wire/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cmath>
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

bool overlap(const stats::Interval& a, const stats::Interval& b, double resolution) {
  return a.low <= b.high + resolution && b.low <= a.high + resolution;
}

// Two figures of one sentence have one unit.
DisplayUnit unit_for(const Comparison& comparison) {
  const double larger = std::max(std::abs(comparison.first->value), std::abs(comparison.second->value));
  return larger < 1e4   ? DisplayUnit{.ns = 1, .name = "ns"}
         : larger < 1e6 ? DisplayUnit{.ns = 1e3, .name = "us"}
                        : DisplayUnit{.ns = 1e6, .name = "ms"};
}

std::string text(const stats::Estimate& estimate, const DisplayUnit& unit) {
  const int decimals = std::abs(estimate.value) < 1000 * unit.ns ? 2 : 0;
  return fmt::format("{:.{}f} {} [{:.{}f}, {:.{}f}]", estimate.value / unit.ns, decimals, unit.name,
                     estimate.interval->low / unit.ns, decimals, estimate.interval->high / unit.ns,
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

Comparison compare_instruments(const PairedSamples& first, const PairedSamples& second,
                               const Instruments& instruments) {
  Comparison result;
  result.instruments = instruments;
  result.first = median_difference(first);
  result.second = median_difference(second);
  if (result.first && result.second && result.first->interval && result.second->interval) {
    const stats::Interval& one = *result.first->interval;
    const stats::Interval& other = *result.second->interval;
    if (!overlap(one, other, instruments.resolution_ns)) {
      result.agreement = Agreement::disagree;
    } else if (contains_zero(one) == contains_zero(other)) {
      result.agreement = Agreement::agree;
    }
  }
  result.summary = summary_of(result);
  return result;
}

std::string summary_of(const Comparison& comparison, std::optional<DisplayUnit> wanted) {
  const auto& [first_name, second_name, resolution] = comparison.instruments;
  const auto& first = comparison.first;
  const auto& second = comparison.second;
  if (!first || !second || !first->interval || !second->interval) {
    return fmt::format("inconclusive: a difference has an interval from 6 rounds on; {}: {} rounds, {}: {}",
                       first_name, first ? first->samples : 0, second_name, second ? second->samples : 0);
  }
  const DisplayUnit unit = wanted.value_or(unit_for(comparison));
  const std::string both =
      fmt::format("{} says {}, {} {}", first_name, text(*first, unit), second_name, text(*second, unit));
  const bool first_sees_none = contains_zero(*first->interval);
  switch (comparison.agreement) {
    case Agreement::disagree:
      return "disagree: " + both;
    case Agreement::agree:
      return fmt::format("agree: {}{}", both, first_sees_none ? "; neither resolves a difference" : "");
    case Agreement::inconclusive:
      break;
  }
  return fmt::format(
      "inconclusive: {}; noise hides it from {}: more rounds, or a larger difference, would settle it",
      both, first_sees_none ? first_name : second_name);
}

}  // namespace svcbench
