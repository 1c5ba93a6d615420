// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/growth.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cassert>
#include <cmath>
#include <numeric>

namespace svcbench::stats {
namespace {

bool all_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

bool all_positive_and_finite(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return v > 0 && std::isfinite(v); });
}

// Asked of the values themselves: rounding in the mean can leave equal ones a small sum of squares.
bool two_distinct(std::span<const double> values) {
  return std::any_of(values.begin(), values.end(), [&](double v) { return v != values.front(); });
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Costs are positive or NaN here.
std::optional<double> slope_of_round(std::span<const double> sizes, std::span<const double> costs) {
  assert(costs.size() <= sizes.size());
  std::vector<double> log_size;
  std::vector<double> log_cost;
  for (std::size_t s = 0; s < std::min(sizes.size(), costs.size()); ++s) {
    if (!std::isnan(costs[s])) {
      log_size.push_back(std::log(sizes[s]));
      log_cost.push_back(std::log(costs[s]));
    }
  }
  const std::optional<LinearFit> line = linear_fit(log_size, log_cost);
  return line ? std::optional(line->slope) : std::nullopt;
}

bool measured_are_positive(std::span<const double> costs) {
  return std::all_of(costs.begin(), costs.end(),
                     [](double cost) { return std::isnan(cost) || (cost > 0 && std::isfinite(cost)); });
}

}  // namespace

std::optional<Growth> growth(std::span<const double> sizes,
                             const std::vector<std::vector<double>>& cost_by_round, double level) {
  if (!all_positive_and_finite(sizes)) {
    return std::nullopt;
  }
  std::vector<double> slopes;
  for (const std::vector<double>& costs : cost_by_round) {
    if (!measured_are_positive(costs)) {
      return std::nullopt;
    }
    if (const std::optional<double> slope = slope_of_round(sizes, costs)) {
      slopes.push_back(*slope);
    }
  }
  const std::optional<Estimate> exponent = median_of(slopes, level);
  if (!exponent) {
    return std::nullopt;
  }
  return Growth{.exponent = exponent->value, .interval = exponent->interval, .rounds = exponent->samples};
}

std::optional<Interval> LinearFit::prediction_interval(double x) const {
  if (!slope_interval || !std::isfinite(x)) {
    return std::nullopt;
  }
  const double distance = x - mean_x;
  const double half =
      half_width * std::sqrt(1 + 1 / static_cast<double>(points) + distance * distance / squares_x);
  return Interval{.low = predict(x) - half, .high = predict(x) + half};
}

std::optional<LinearFit> linear_fit(std::span<const double> x, std::span<const double> y, double level) {
  assert(x.size() == y.size());
  if (!all_finite(x) || !all_finite(y) || !two_distinct(x)) {
    return std::nullopt;
  }
  // Centred sums: sum(x^2) - n mean^2 would cancel for sizes far from 0.
  const double mean_x = mean_of(x);
  const double mean_y = mean_of(y);
  double squares_x = 0;
  double products = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    squares_x += (x[i] - mean_x) * (x[i] - mean_x);
    products += (x[i] - mean_x) * (y[i] - mean_y);
  }
  const double slope = products / squares_x;
  LinearFit fit{.intercept = mean_y - slope * mean_x,
                .slope = slope,
                .slope_interval = std::nullopt,
                .points = x.size(),
                .mean_x = mean_x,
                .squares_x = squares_x,
                .half_width = 0};
  if (x.size() < 3 || !(level > 0 && level < 1)) {
    return fit;
  }

  double squared_residuals = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double residual = y[i] - fit.predict(x[i]);
    squared_residuals += residual * residual;
  }
  const auto freedom = static_cast<double>(x.size() - 2);
  const boost::math::students_t_distribution<double> student(freedom);
  fit.half_width = boost::math::quantile(student, (1 + level) / 2) * std::sqrt(squared_residuals / freedom);
  const double half = fit.half_width / std::sqrt(squares_x);
  fit.slope_interval = Interval{.low = slope - half, .high = slope + half};
  return fit;
}

}  // namespace svcbench::stats
