// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether a machine had two speeds while known work was timed again and again, as boost clocks, virtual
// machines and busy neighbours make them. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace svcbench::stats {

struct TwoSpeeds {
  double fast;               // the median of the visits at either speed, in the values' unit
  double slow;               //
  std::vector<bool> slowly;  // of each value, in its order: whether it belongs to the slow ones
};

// The best cut of the logarithms in two is Otsu's (A Threshold Selection Method from Gray-Level Histograms,
// 1979): that of the largest variance between both parts. It is two speeds where both means are at least
// separate_from standard deviations of the wider part apart, and at least least_difference; where each part
// has 15 % of the values or more; and where the wider part is at most most_unlike times as wide as the
// other, or narrower than a hundredth. (Ashman, Bird & Zepf, 1994, ask for two deviations, of both parts
// together: then a hump that is cut in two passes, and so does a long tail.) Cut at their middle, normal
// values are 2.7 deviations apart and evenly spread ones 3.5. nullopt: there is one speed, fewer than
// fewest_for_speeds values, or one that is not positive and finite.
inline constexpr double separate_from = 4;
inline constexpr double least_difference = 0.05;
inline constexpr double most_unlike = 3;
inline constexpr std::size_t fewest_for_speeds = 12;
[[nodiscard]] std::optional<TwoSpeeds> two_speeds(std::span<const double> values);

}  // namespace svcbench::stats
