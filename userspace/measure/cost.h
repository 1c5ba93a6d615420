// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a visit to a cell will cost, and which cells a budget cannot hold: one prediction and one rule for
// all scenarios. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stats/quantile.h"

namespace svcbench {

// What the same work took at smaller sizes.
class CostCurve {
 public:
  // Ascending in N. A prediction may be added, too: then a size that was left out bears the next one.
  void add(std::size_t services, double seconds);
  // By a power law through the two largest sizes, of an exponent from 1 to 3; from one size alone nothing
  // can be told but that a larger one takes as long: a good part of a small one's time is the start of a
  // process. None: nothing smaller is known.
  [[nodiscard]] std::optional<double> at(std::size_t services) const;

 private:
  struct Point {
    double services;
    double seconds;
  };
  std::vector<Point> points_{};
};

// The rule. A cell of which six visits, which an interval needs, would take more than half of the budget is
// left out with its prediction: so much is to be left for all others.
inline constexpr double most_of_budget = 0.5;
[[nodiscard]] constexpr double budget_for(double visit_seconds) {
  return visit_seconds * static_cast<double>(stats::fewest_repeats) / most_of_budget;
}
// "installing 10,000 services is predicted to take 99 s, too much for --budget 300: raise it to 1200".
[[nodiscard]] std::string why_left_out(std::string_view what, double seconds, double budget_seconds,
                                       double enough_seconds);

// How often a cell is to be visited at least: `wanted` times, or fewer where these would take more than
// this share of the budget.
inline constexpr double cell_share = 0.06;
[[nodiscard]] std::size_t affordable_visits(double visit_seconds, double budget_seconds,
                                            std::size_t wanted = stats::fewest_repeats);
// Of a cell on whose growth a claim rests that a figure is flat. The interval of six visits reaches from
// the least to the greatest, so that one visit that is out leaves the claim open; of twelve it leaves out
// two at either end.
inline constexpr std::size_t visits_for_flatness = 12;

}  // namespace svcbench
