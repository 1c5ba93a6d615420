// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Calibration: known amounts of work that no plane is part of, several times in each round, between the
// visits of everything else. Figures of two runs are held against each other by what their machines took
// for these (run/control.h).
#pragma once

#include <memory>

#include "measure/scenario/scenario.h"

namespace svcbench {

[[nodiscard]] std::unique_ptr<Scenario> make_calibration();

}  // namespace svcbench
