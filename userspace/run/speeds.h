// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The speeds that a run's machine had, by the known work that was timed all along. Pure.
#pragma once

#include "run/run.h"

namespace svcbench {

// Sets "/details/speeds": [{id, fast, slow, visits, slow_visits, slow_meanwhile}], of each calibration and
// of plain forwarding, where stats::two_speeds() finds two; absent where it finds none. Of several runs all
// their repeats count, in order.
//
// "slow_meanwhile": which visits, of whatever cell, were made while the machine was slow: for each run of
// "/environment/noise/visits" indices into its "visits". A visit was, if of this known work the one that
// was nearest in time was slow. Absent where no visit of it was taken down by its cell's id.
void add_speeds(Run& run);

}  // namespace svcbench
