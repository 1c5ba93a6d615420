// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/quantile.h"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

namespace svcbench::stats {
namespace {

// q is rarely a binary fraction: 0.07 * 100 is a little more than 7, and (1 - 0.9) * 10 a little less
// than 1.
constexpr double count_slack = 1e-9;
// Likewise for a probability that should equal its limit.
constexpr double probability_slack = 1e-12;

bool all_finite(std::span<const double> samples) {
  return std::all_of(samples.begin(), samples.end(), [](double x) { return std::isfinite(x); });
}

bool inside_unit_interval(double x) { return x > 0 && x < 1; }

// The smallest k in [0, n) for which reached(k), or n. `reached` never turns false again as k grows.
template <typename Predicate>
std::size_t first_count(std::size_t n, Predicate reached) {
  std::size_t low = 0;
  std::size_t high = n;
  while (low < high) {
    const std::size_t middle = std::midpoint(low, high);
    if (reached(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// The mean of the middle two for an even count. `sorted` is not empty.
double middle_of(std::span<const double> sorted) {
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : std::midpoint(sorted[half - 1], sorted[half]);
}

}  // namespace

std::optional<double> quantile(std::span<const double> sorted, double q) {
  if (sorted.empty() || !(q >= 0 && q <= 1)) {
    return std::nullopt;
  }
  const auto n = static_cast<double>(sorted.size());
  if (q > 0.5 && (1 - q) * n < 1 - count_slack) {
    return std::nullopt;
  }
  const double rank = std::clamp(std::ceil(q * n - count_slack), 1.0, n);
  return sorted[static_cast<std::size_t>(rank) - 1];
}

std::optional<Interval> quantile_interval(std::span<const double> sorted, double q, double level) {
  if (sorted.empty() || !inside_unit_interval(q) || !inside_unit_interval(level)) {
    return std::nullopt;
  }
  const std::size_t n = sorted.size();
  const boost::math::binomial_distribution<double> below(static_cast<double>(n), q);
  const double tail = (1 - level) / 2 + probability_slack;
  const auto at_or_less = [&](std::size_t k) { return cdf(below, static_cast<double>(k)); };
  const auto more = [&](std::size_t k) { return cdf(complement(below, static_cast<double>(k))); };

  // l: the first count that is too likely to be left out below; ranks start at 1, so 0 is no rank.
  const std::size_t lower_rank = first_count(n, [&](std::size_t k) { return at_or_less(k) > tail; });
  // u - 1: the first count with a small enough tail above it; u = n + 1 is no rank.
  const std::size_t upper_rank = first_count(n, [&](std::size_t k) { return more(k) <= tail; }) + 1;
  if (lower_rank == 0 || upper_rank > n) {
    return std::nullopt;
  }
  return Interval{.low = sorted[lower_rank - 1], .high = sorted[upper_rank - 1]};
}

std::optional<Estimate> median_of(std::span<const double> samples, double level) {
  if (samples.empty() || !all_finite(samples)) {
    return std::nullopt;
  }
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  return Estimate{.value = middle_of(sorted),
                  .interval = quantile_interval(sorted, 0.5, level),
                  .samples = sorted.size()};
}

std::optional<Estimate> median_of_blocks(const std::vector<std::vector<double>>& blocks, double level) {
  std::vector<double> medians;
  std::size_t samples = 0;
  for (const std::vector<double>& block : blocks) {
    if (block.empty()) {
      continue;
    }
    const std::optional<Estimate> median = median_of(block, level);
    if (!median) {
      return std::nullopt;
    }
    medians.push_back(median->value);
    samples += block.size();
  }
  std::optional<Estimate> estimate = median_of(medians, level);
  if (estimate) {
    estimate->samples = samples;
  }
  return estimate;
}

double block_median(std::span<const double> block) {
  const std::optional<Estimate> median = median_of(block);
  return median ? median->value : std::numeric_limits<double>::quiet_NaN();
}

std::vector<double> block_medians(const std::vector<std::vector<double>>& blocks) {
  std::vector<double> medians;
  medians.reserve(blocks.size());
  for (const std::vector<double>& block : blocks) {
    medians.push_back(block_median(block));
  }
  return medians;
}

std::optional<Estimate> ratio_of_pairs(std::span<const double> numerator,
                                       std::span<const double> denominator, double level) {
  assert(numerator.size() == denominator.size());
  std::vector<double> ratios;
  ratios.reserve(numerator.size());
  for (std::size_t i = 0; i < numerator.size(); ++i) {
    // Written so that NaN is refused too; an infinite denominator would hide as a ratio of 0.
    if (!(denominator[i] > 0) || std::isinf(denominator[i])) {
      return std::nullopt;
    }
    ratios.push_back(numerator[i] / denominator[i]);
  }
  return median_of(ratios, level);
}

}  // namespace svcbench::stats
