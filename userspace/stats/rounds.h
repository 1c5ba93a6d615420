// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which repeats of several cells belong together, where a run's budget gave some cells fewer than others.
// Pure functions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "stats/quantile.h"

namespace svcbench::stats {

// A run spreads m repeats over R rounds: repeat k falls into round ceil((k + 1) R / m) - 1 (plan_rounds()
// in measure/schedule.cpp). So of a cell with `repeats`, this is the one that fell into the same round as
// the k-th of `fewer` of another cell: exactly where `repeats` is the number of rounds, or a multiple of
// `fewer`; else the next one after it. fewer > 0, k < fewer <= repeats.
[[nodiscard]] std::size_t repeat_beside(std::size_t k, std::size_t fewer, std::size_t repeats);

// cells[c] has one figure a repeat, in order. Row by row the figures that belong together, one of each
// cell; as many rows as the cell of fewest repeats has.
[[nodiscard]] std::vector<std::vector<double>> beside_each_other(
    const std::vector<std::vector<double>>& cells);

// ratio_of_pairs() of two cells' figures that belong together.
[[nodiscard]] std::optional<Estimate> ratio_by_round(std::span<const double> over,
                                                     std::span<const double> under);

}  // namespace svcbench::stats
