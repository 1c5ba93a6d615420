// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/over_runs.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <vector>

namespace svcbench::stats {

namespace {

struct Mean {
  double value = 0;
  double variance = 0;  // of the mean
  double freedom = 0;
};

std::optional<Mean> mean_of(std::span<const double> figures, Scatter scatter) {
  std::vector<double> values(figures.begin(), figures.end());
  for (double& value : values) {
    if (scatter == Scatter::by_factors) {
      value = value > 0 ? std::log(value) : std::nan("");
    }
    if (!std::isfinite(value)) {
      return std::nullopt;
    }
  }
  const auto n = static_cast<double>(values.size());
  if (values.empty()) {
    return std::nullopt;
  }
  Mean mean;
  for (const double value : values) {
    mean.value += value / n;
  }
  for (const double value : values) {
    mean.variance += n > 1 ? (value - mean.value) * (value - mean.value) / (n - 1) / n : 0;
  }
  mean.freedom = n - 1;
  return mean;
}

Estimate estimate_of(const Mean& mean, Scatter scatter, std::size_t runs, double level) {
  const auto shown = [scatter](double value) {
    return scatter == Scatter::by_factors ? std::exp(value) : value;
  };
  Estimate out{.value = shown(mean.value), .interval = std::nullopt, .samples = runs};
  if (runs >= fewest_runs) {
    const double half =
        mean.variance > 0 ? boost::math::quantile(boost::math::students_t(mean.freedom), (1 + level) / 2) *
                                std::sqrt(mean.variance)
                          : 0;
    out.interval = Interval{.low = shown(mean.value - half), .high = shown(mean.value + half)};
  }
  return out;
}

}  // namespace

std::optional<Estimate> over_runs(std::span<const double> figures, Scatter scatter, double level) {
  const auto mean = mean_of(figures, scatter);
  return mean ? std::optional(estimate_of(*mean, scatter, figures.size(), level)) : std::nullopt;
}

std::optional<Estimate> ratio_over_runs(std::span<const double> before, std::span<const double> after,
                                        double level) {
  const auto first = mean_of(before, Scatter::by_factors);
  const auto second = mean_of(after, Scatter::by_factors);
  if (!first || !second) {
    return std::nullopt;
  }
  Mean difference{.value = second->value - first->value, .variance = first->variance + second->variance};
  // Welch and Satterthwaite.
  double weight = 0;
  for (const Mean& one : {*first, *second}) {
    weight += one.freedom > 0 ? one.variance * one.variance / one.freedom : 0;
  }
  difference.freedom =
      weight > 0 ? difference.variance * difference.variance / weight : first->freedom + second->freedom;
  return estimate_of(difference, Scatter::by_factors, std::min(before.size(), after.size()), level);
}

}  // namespace svcbench::stats
