// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where two costs cross: the number N of services from which on one plane is costlier than another. Pure
// functions; "cannot say" is std::nullopt or `undecided`, never NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "stats/growth.h"
#include "stats/quantile.h"

namespace svcbench::stats {

// What a becomes beside b as N grows, within the sizes that both were measured at.
enum class CrossingKind {
  becomes_costlier,     // a is cheaper at first, and costlier from `services` on
  becomes_cheaper,      // the other way round
  cheaper_throughout,   // at no size is a costlier, and at one at least it is cheaper
  costlier_throughout,  //
  undecided,
};

[[nodiscard]] std::string_view to_string(CrossingKind kind);  // "becomes costlier", ...

// The rule: a kind is told when at least this share of the resamples take it, and the data themselves do.
// So a crossing needs 97.5 % of the resamples to cross, in that direction; "no crossing" means that at most
// 2.5 % do, and that the rest agree on which of the two is cheaper.
inline constexpr double kind_share = 0.975;
// Below this a resample of rounds cannot show how they scatter (of one round it is that round, always).
inline constexpr std::size_t kind_rounds = fewest_repeats;
inline constexpr std::size_t kind_resamples = 1000;

struct Crossing {
  CrossingKind kind = CrossingKind::undecided;
  // The N at which the data's own medians first change sides. Absent where they do not; present where they
  // do but the kind is undecided: then it is not a finding.
  std::optional<double> services;
  // That N in the resamples that take this kind, 2.5 % to 97.5 % (percentile bootstrap: Efron &
  // Tibshirani, An Introduction to the Bootstrap, chapter 13). Only where the kind is becomes_costlier or
  // _cheaper.
  std::optional<Interval> interval;

  // Shares of the resamples; what is missing to 1 is equal at every size.
  double becomes_costlier = 0;
  double becomes_cheaper = 0;
  double cheaper_throughout = 0;
  double costlier_throughout = 0;
  // Of the resamples, those that change sides again after that: the two lie close over a stretch of N, or
  // meet more than once. The first change is the one that counts above.
  double changes_back = 0;

  std::size_t rounds = 0;  // the fewest that measured one of the two at one of the sizes
  Interval sizes{};        // the smallest and the largest N compared
};

// a[r][s] is what round r measured for plane a at sizes[s], in any unit, the same for b. NaN marks one that
// was not measured, and so does the end of a short row; no row is longer than `sizes` (asserts).
//
// Compared are the sizes at which both were measured at least once. Each of `resamples` draws as many
// rounds as there are, with replacement: whole rounds, because their costs share the machine's state. Where
// a and b have the same number of rounds, round r of both is drawn together (they were measured side by
// side), else each plane's by itself. Of a draw, the difference of the medians at each size, a - b, is
// joined by straight lines; the first change of its sign is the crossing. Equal medians are no sign: a
// curve that touches zero and turns back does not cross, and where one rests on zero before it changes the
// last such N is taken. A size that a draw did not meet is left out of that draw.
//
// Deterministic for a seed. nullopt: fewer than two sizes to compare, sizes that do not ascend, or a value
// that is infinite (or a size that is NaN).
[[nodiscard]] std::optional<Crossing> crossing(std::span<const double> sizes,
                                               const std::vector<std::vector<double>>& a,
                                               const std::vector<std::vector<double>>& b,
                                               std::uint64_t seed, std::size_t resamples = kind_resamples);

// A crossing that was not measured: where the straight lines through two planes' costs meet.
struct PredictedCrossing {
  double services;
  bool becomes_costlier;  // a, beyond it
};

// How far beyond the largest measured N a straight line is taken for a prediction, as a multiple of that N.
inline constexpr double predict_up_to = 10;

// nullopt where the lines meet at or below `largest` (there the measurement answers, not the line) or above
// predict_up_to times it, or where their slopes' intervals overlap or are absent (nobody knows then whether
// they meet). Never to be shown as a measured crossing.
[[nodiscard]] std::optional<PredictedCrossing> predicted_crossing(const LinearFit& a, const LinearFit& b,
                                                                  double largest);

}  // namespace svcbench::stats
