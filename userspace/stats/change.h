// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What changed from one run to another: the ratio of two medians, whether it is more than scatter, and how
// many of many such findings may be told. Pure functions; "cannot say" is std::nullopt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stats/quantile.h"

namespace svcbench::stats {

inline constexpr std::size_t change_resamples = 2000;

// What was measured, and beside it what its run's machine took for a known amount of work. No control: the
// figure stands for itself.
struct Measured {
  std::span<const double> values;
  std::span<const double> control{};
  std::size_t fewest = fewest_repeats;  // values that a test needs; at least 2
};

// What figures of two runs differ by beyond what their own scatter explains: memory lies elsewhere, hashes
// and timers fall otherwise, a neighbour is busy.
struct Between {
  double middle = 1;        // the median of their ratios, what all of them have in common
  double deviation = 0;     // around that: standard, of the logarithm
  std::size_t figures = 0;  // that it was estimated from
};

// median(after) / median(before), each of them divided by the median of its control, with its percentile
// bootstrap interval (Efron & Tibshirani, An Introduction to the Bootstrap, chapter 13): all are drawn anew
// by themselves, for repeats of different runs are no pairs. Deterministic for a seed. The interval is
// absent where one of them has fewer than fewest_repeats values. `samples` is that of the shortest one.
// nullopt: one is empty (a control: of one run alone), or a value is not positive and finite.
[[nodiscard]] std::optional<Estimate> ratio_of_medians(const Measured& before, const Measured& after,
                                                       std::uint64_t seed,
                                                       std::size_t resamples = change_resamples,
                                                       double level = confidence);

// The geometric mean of `after` over that of `before`, figures of independent runs (over_runs.h), with
// Welch's interval; absent with fewer than fewest_runs. nullopt: fewer than two figures in one of them, or
// one is not positive and finite.
[[nodiscard]] std::optional<Estimate> ratio_over_runs(std::span<const double> before,
                                                      std::span<const double> after,
                                                      double level = confidence);

// The probability of two runs at least as far apart, had both the same typical value: Welch's t test of the
// logarithms, from which those of the controls are taken off. With `factor`, one-sided: that `after` is no
// more than factor times `before`. nullopt: fewer values in one of them than both ask for, or one is not
// positive and finite.
//
// A rank test would assume less, but it has no more than the order to go by: of six and six repeats the
// smallest p there is is 2 / 924, so that among some twenty cells and more none could ever be told to have
// changed, were it by a factor of ten. What t assumes (one hump) holds for block medians well enough; heavy
// tails make it say "nothing" more often, not less. And it decides nothing by itself: see Change.
[[nodiscard]] std::optional<double> welch_p(const Measured& before, const Measured& after,
                                            const Between& between = {});
[[nodiscard]] std::optional<double> welch_p_beyond(const Measured& before, const Measured& after,
                                                   double factor, const Between& between = {});

// Of figures of one kind, most of which changed by the same factor, if any: an empirical null (Efron,
// 2004). Its middle is their median ratio; its deviation makes the middle one of their distances from that,
// in standard errors, what a normal's is. So a minority that changed otherwise does not count. nullopt:
// fewer than fewest_for_between figures with an error each.
inline constexpr std::size_t fewest_for_between = 8;
struct Pair {
  Measured before;
  Measured after;
};
[[nodiscard]] std::optional<Between> between_runs(std::span<const Pair> figures);

// The interval of a ratio of medians, over what its kind has in common, and as wide as `between` makes it.
[[nodiscard]] Interval beside_others(const Interval& interval, double ratio, const Between& between);

// Benjamini and Hochberg (1995): p[i] adjusted for there being p.size() of them. Of those at or below 0.05
// no more than 5 % are false on average, where the cells are independent or rise and fall together.
[[nodiscard]] std::vector<double> adjusted_for_many(std::span<const double> p);

// The slope of values over their order, as a share of their median from first to last: the median of the
// slopes of all pairs (Theil and Sen), with the interval of Kendall's S (Sen, 1968; normal approximation).
// `p`: of no trend, two-sided, from the same S. nullopt: fewer than fewest_repeats values, or the median is
// not positive.
struct Drift {
  double share;  // 0.02: the last is 2 % above the first
  Interval interval;
  double p;
};
[[nodiscard]] std::optional<Drift> drift(std::span<const double> values);

}  // namespace svcbench::stats
