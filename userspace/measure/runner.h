// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Runs scenarios, whichever they are: one schedule, one budget, one journal.
#pragma once

#include <memory>
#include <vector>

#include "measure/scenario/scenario.h"

namespace svcbench {

using Scenarios = std::vector<std::unique_ptr<Scenario>>;

// Prepares them in order, visits their cells in rounds, checks, and lets them tell. `begin_ns`: of the run,
// on the setting's clock; what was spent since then is of the budget.
Result<Findings> run_scenarios(Scenarios& scenarios, Setting& setting, std::int64_t begin_ns);

}  // namespace svcbench
