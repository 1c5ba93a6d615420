// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a scenario needs whose cells are one number a visit: each in a cell of its own (plain_cell()).
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "measure/scenario/scenario.h"
#include "run/cells.h"

namespace svcbench {

// Half the interval as a share of the figure: Step::spread.
[[nodiscard]] std::optional<double> spread_of(const std::optional<stats::Estimate>& estimate);

// A step whose visits each add what `visit` gives, in the cell's unit, to the cell's values; with the way
// into a journal and back. `cell` must not move. `seconds`: of a visit, as predicted.
[[nodiscard]] Step cell_step(Cell& cell, std::string label, double seconds, const Setting& setting,
                             std::function<Result<double>(std::size_t repeat)> visit);

// Each with the median of its values and the interval; one that was never visited is left out. `findings`:
// such as Findings::cells.
void tell_cells(std::deque<Cell>& cells, std::vector<Cell>& findings);

}  // namespace svcbench
