// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The speeds that a run's machine had, by the known work that was timed all along. Pure.
#pragma once

#include "run/run.h"

namespace svcbench {

// Sets "/details/speeds": [{id, fast, slow, visits, slow_visits}], of each calibration and of plain
// forwarding, where stats::two_speeds() finds two; absent where it finds none. Of several runs all their
// repeats count, in order.
void add_speeds(Run& run);

}  // namespace svcbench
