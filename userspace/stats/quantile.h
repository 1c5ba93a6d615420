// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Medians, quantiles and ratios with intervals that assume no distribution. Pure functions; nothing is ever
// trimmed. "Cannot say" is std::nullopt, never NaN.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace svcbench::stats {

// Closed: both ends belong to it.
struct Interval {
  double low;
  double high;
};

// The level of every interval that svcbench reports.
inline constexpr double confidence = 0.95;

// Fewest samples, or blocks, that give the median an interval at that level.
inline constexpr std::size_t fewest_repeats = 6;

struct Estimate {
  double value;
  std::optional<Interval> interval;  // absent: too few independent samples for the level asked
  std::size_t samples;
};

// The q-quantile by nearest rank: the smallest sample with at least q of the samples at or below it. It is
// always a sample that was seen; interpolation would invent tail values between two outliers.
// `sorted`: ascending, no NaN. nullopt when empty, when q is outside [0, 1], and for q > 0.5 when fewer
// than one sample is expected above it ((1 - q) n < 1): that "p99" would be the maximum under another name,
// so p99 needs 100 samples and p99.9 needs 1,000.
[[nodiscard]] std::optional<double> quantile(std::span<const double> sorted, double q);

// An interval for the q-quantile of what the samples were drawn from, between two order statistics, that
// covers it with at least `level`. The number of samples below the true quantile is B ~ Binomial(n, q), so
//   P(x(l) <= quantile <= x(u)) >= P(l <= B <= u - 1) = F(u - 1) - F(l - 1),
// and each tail may take a = (1 - level) / 2: l is the largest rank with F(l - 1) <= a, u the smallest one
// with F(u - 1) >= 1 - a. Conover, Practical Nonparametric Statistics (3rd ed.), section 3.2; Le Boudec,
// Performance Evaluation of Computer and Communication Systems, section 2.2. Equal tails, not the shortest
// pair of ranks: each end then stands for itself, and a verdict compares one end with a limit. Samples are
// independent and `sorted` ascending, no NaN. nullopt when one of the ranks does not exist (the median
// needs 6 samples at 95 %, p90 36, p99 368), or q or level is not inside (0, 1).
[[nodiscard]] std::optional<Interval> quantile_interval(std::span<const double> sorted, double q,
                                                        double level = confidence);

// The median with its order-statistics interval. For an even count it is the mean of the middle two: the
// nearest rank would always take the lower one, and the few rounds of a run make that bias visible.
// nullopt when empty or when a sample is not finite.
[[nodiscard]] std::optional<Estimate> median_of(std::span<const double> samples, double level = confidence);

// The median of the blocks' medians. A block is one independent repeat of a run; the samples inside it
// share its caches, its clock speed and its neighbours, so they are correlated, and the interval is that of
// the blocks' medians alone (6 blocks at 95 %). Pooling the samples would claim a precision nobody has
// measured. `samples` counts those in all blocks. Empty blocks are ignored; nullopt when all are empty or a
// sample is not finite.
[[nodiscard]] std::optional<Estimate> median_of_blocks(const std::vector<std::vector<double>>& blocks,
                                                       double level = confidence);

// The median of one block, or of each. NaN for an empty one or one with a sample that is not finite:
// growth() and crossing() take that as "not measured".
[[nodiscard]] double block_median(std::span<const double> block);
[[nodiscard]] std::vector<double> block_medians(const std::vector<std::vector<double>>& blocks);

// The median of numerator[i] / denominator[i], with the interval of those ratios: what drifts between pairs
// but not within one cancels. The two have the same size (asserts); `samples` counts pairs. nullopt when
// there are none, a denominator is zero or negative, or a value is not finite.
[[nodiscard]] std::optional<Estimate> ratio_of_pairs(std::span<const double> numerator,
                                                     std::span<const double> denominator,
                                                     double level = confidence);

}  // namespace svcbench::stats
