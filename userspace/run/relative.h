// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A figure as a multiple of known work in the same run: what a rerun finds again, where the machine's speed
// has changed. Pure.
#pragma once

#include <optional>
#include <string>

#include "run/run.h"
#include "stats/quantile.h"

namespace svcbench {

// How many times `under` a figure of the same run is. Of one run: the median over pairs of repeats of the
// same round, with its interval (stats::ratio_by_round()); of several: over the runs (stats::over_runs()).
// None: one of them is null, or has no repeats.
[[nodiscard]] std::optional<stats::Estimate> times_of(const Run& run, const Cell* over, const Cell* under);

struct Relative {
  const Cell* control;    // control_of() the cell
  stats::Estimate times;  // times_of()
};

// None: the cell is held against nothing, or one of both has no repeats.
[[nodiscard]] std::optional<Relative> relative_of(const Run& run, const Cell& cell);

// What it is a multiple of, in a few words: "plain forwarding", "a bare map lookup", "a no-op program".
[[nodiscard]] std::string control_name(const Cell& control);

}  // namespace svcbench
