// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Several runs of one command as one, whose intervals hold what runs differ by. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "run/run.h"
#include "sys/result.h"

namespace svcbench {

// How many runs it was made of; 1 for a run as it is measured.
[[nodiscard]] std::size_t runs_of(const Run& run);

// What each of a merged run's runs had of a figure, as a multiple of its own control; as it is where that
// is null. Empty: the runs of both cannot be told apart.
[[nodiscard]] std::vector<double> in_each_run(const Cell& cell, const Cell* control);

// Of each figure that all of them measured: `values` has one a run (run k's of all figures belong
// together), `blocks` that run's own repeats, `value` and `interval` are stats::over_runs(); histograms are
// added up, figures beside it are the runs' medians, or have an interval of their own over the runs.
// Whatever one of them lacks is left out, with the reason. Crossings are told where all agree on their
// kind, verdicts are judged anew, and of the rest (second instruments, notes) each run's are kept.
//
// `runs`: at least two, in the order in which they were made. Error: they differ in what makes runs
// comparable (differences_between()), or one of them is merged or has figures of another run in it.
[[nodiscard]] Result<Run> merged(std::vector<Run> runs);

}  // namespace svcbench
