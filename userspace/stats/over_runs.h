// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A figure of several runs, each a program started anew: what memory, hashes, placement and the machine's
// state do to a whole run is in their scatter, and in no interval of one run. Pure functions.
//
// Kalibera & Jones, Rigorous Benchmarking in Reasonable Time (ISMM 2013): the repeats inside a run say
// nothing of the runs there might have been; only the runs' own figures are independent, and their mean has
// Student's interval with as many degrees of freedom as there are runs, less one.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "stats/quantile.h"

namespace svcbench::stats {

// Of two runs an interval is twelve times as wide as their scatter: it says nothing.
inline constexpr std::size_t fewest_runs = 3;

// Costs scatter by factors: their mean is the geometric one. Exponents, differences and counts that may be
// nought scatter by differences.
enum class Scatter { by_factors, by_differences };

// `figures`: one a run. The interval is absent with fewer than fewest_runs. nullopt: there is none, or one
// has no logarithm where it needs one.
[[nodiscard]] std::optional<Estimate> over_runs(std::span<const double> figures, Scatter scatter,
                                                double level = confidence);

}  // namespace svcbench::stats
