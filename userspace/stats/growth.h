// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How a cost grows with the number N of services: the exponent of a power law, and a straight line to
// predict from. Pure functions; "cannot say" is std::nullopt, never NaN.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "stats/quantile.h"

namespace svcbench::stats {

// b of cost ~ N^b: 0 is a cost that N does not touch, 1 one that doubles with it.
struct Growth {
  double exponent;
  std::optional<Interval> interval;  // absent: fewer than 6 rounds at 95 %
  std::size_t rounds;                // those that gave a slope
};

// cost_by_round[r][s] is what round r measured at sizes[s] (e.g. the median of its block there). NaN marks
// one that was not measured, and so does the end of a short row (a run that was interrupted); no row is
// longer than `sizes` (asserts). Within each round that has two distinct sizes, b is the least-squares
// slope of log cost on log N; the exponent is the median of the rounds' slopes, the interval that of order
// statistics over them. One regression over all rounds is rejected: a round's costs share the machine's
// state, so its residuals are not independent and its interval would be too narrow, and one bad round would
// bend the line. nullopt when no round has two distinct sizes, or when a size or a measured cost is not
// positive and finite: it has no logarithm, and to leave it out would be to trim.
[[nodiscard]] std::optional<Growth> growth(std::span<const double> sizes,
                                           const std::vector<std::vector<double>>& cost_by_round,
                                           double level = confidence);

// y = intercept + slope x by ordinary least squares.
struct LinearFit {
  double intercept;
  double slope;
  std::optional<Interval> slope_interval;  // absent below 3 points: two leave no residual
  std::size_t points;

  // What prediction_interval() needs of the data.
  double mean_x;
  double squares_x;   // sum of (x - mean_x)^2
  double half_width;  // t s: Student's quantile times the residual standard deviation

  [[nodiscard]] double predict(double x) const { return intercept + slope * x; }
  // Where one further measurement at x falls, at the fit's level:
  //   predict(x) +- t s sqrt(1 + 1/n + (x - mean_x)^2 / squares_x).
  // Absent where slope_interval is. It answers for the scatter, not for the model: far beyond the measured
  // sizes a curve will leave it.
  [[nodiscard]] std::optional<Interval> prediction_interval(double x) const;
};

// slope_interval = slope +- t s / sqrt(squares_x), with s^2 = sum of squared residuals / (n - 2) and t the
// (1 + level) / 2 quantile of Student's t with n - 2 degrees of freedom. Draper & Smith, Applied Regression
// Analysis (3rd ed.), chapters 1 and 3. It takes the errors for independent and normal, all of one
// variance. x and y have the same size (asserts). nullopt with fewer than two distinct x, or when a value
// is not finite.
[[nodiscard]] std::optional<LinearFit> linear_fit(std::span<const double> x, std::span<const double> y,
                                                  double level = confidence);

}  // namespace svcbench::stats
