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

struct Unit {
  double ns;
  std::string_view name;
};

// Two figures of one sentence have one unit.
Unit unit_for(double one, double other) {
  const double larger = std::max(std::abs(one), std::abs(other));
  return larger < 1e4 ? Unit{1, "ns"} : larger < 1e6 ? Unit{1e3, "us"} : Unit{1e6, "ms"};
}

std::string text(const stats::Estimate& estimate, const Unit& unit) {
  return fmt::format("{:.2f} {} [{:.2f}, {:.2f}]", estimate.value / unit.ns, unit.name,
                     estimate.interval->low / unit.ns, estimate.interval->high / unit.ns);
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
  result.first = median_difference(first);
  result.second = median_difference(second);
  if (!result.first || !result.second || !result.first->interval || !result.second->interval) {
    result.summary =
        fmt::format("inconclusive: a difference has an interval from 6 rounds on; {}: {} rounds, {}: {}",
                    instruments.first, first.more.size(), instruments.second, second.more.size());
    return result;
  }
  const stats::Interval& one = *result.first->interval;
  const stats::Interval& other = *result.second->interval;
  const Unit unit = unit_for(result.first->value, result.second->value);
  const std::string both = fmt::format("{} says {}, {} {}", instruments.first, text(*result.first, unit),
                                       instruments.second, text(*result.second, unit));
  if (!overlap(one, other, instruments.resolution_ns)) {
    result.agreement = Agreement::disagree;
    result.summary = "disagree: " + both;
  } else if (contains_zero(one) != contains_zero(other)) {
    result.summary = fmt::format(
        "inconclusive: {}; noise hides it from {}: more rounds, or a larger difference, would settle it",
        both, contains_zero(one) ? instruments.first : instruments.second);
  } else {
    result.agreement = Agreement::agree;
    result.summary =
        fmt::format("agree: {}{}", both, contains_zero(one) ? "; neither resolves a difference" : "");
  }
  return result;
}

}  // namespace svcbench
