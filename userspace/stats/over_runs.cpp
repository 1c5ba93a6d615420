// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/over_runs.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <vector>

namespace svcbench::stats {

std::optional<Estimate> over_runs(std::span<const double> figures, Scatter scatter, double level) {
  std::vector<double> values(figures.begin(), figures.end());
  const bool by_factors = scatter == Scatter::by_factors;
  for (double& value : values) {
    value = !by_factors ? value : value > 0 ? std::log(value) : std::nan("");
  }
  if (values.empty() ||
      !std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); })) {
    return std::nullopt;
  }
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  const auto shown = [by_factors](double value) { return by_factors ? std::exp(value) : value; };
  Estimate out{.value = shown(mean), .interval = std::nullopt, .samples = values.size()};
  if (values.size() >= fewest_runs) {
    double squares = 0;
    for (const double value : values) {
      squares += (value - mean) * (value - mean);
    }
    const double half = boost::math::quantile(boost::math::students_t(n - 1), (1 + level) / 2) *
                        std::sqrt(squares / (n - 1) / n);
    out.interval = Interval{.low = shown(mean - half), .high = shown(mean + half)};
  }
  return out;
}

}  // namespace svcbench::stats
