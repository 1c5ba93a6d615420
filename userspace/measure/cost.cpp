// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace svcbench {

void CostCurve::add(std::size_t services, double seconds) {
  points_.push_back({static_cast<double>(std::max<std::size_t>(services, 1)), std::max(seconds, 1e-6)});
}

std::optional<double> CostCurve::at(std::size_t services) const {
  constexpr double steepest = 3;  // two sizes that lie close together give any exponent
  if (points_.empty()) {
    return std::nullopt;
  }
  const Point& near = points_.back();
  if (points_.size() < 2) {
    return near.seconds;
  }
  const Point& far = points_[points_.size() - 2];
  const double exponent = std::log(near.seconds / far.seconds) / std::log(near.services / far.services);
  return near.seconds * std::pow(static_cast<double>(services) / near.services,
                                 std::isfinite(exponent) ? std::clamp(exponent, 1.0, steepest) : 1.0);
}

std::string why_left_out(std::string_view what, double seconds, double budget_seconds,
                         double enough_seconds) {
  return fmt::format("{} is predicted to take {:.0f} s, too much for --budget {:.0f}: raise it to {:.0f}",
                     what, seconds, budget_seconds, std::ceil(enough_seconds));
}

std::size_t affordable_visits(double visit_seconds, double budget_seconds, std::size_t wanted) {
  const double affordable = budget_seconds * cell_share / std::max(visit_seconds, 1e-6);
  return static_cast<std::size_t>(std::clamp(affordable, 1.0, static_cast<double>(wanted)));
}

}  // namespace svcbench
