// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What counted instructions say of the claims that a run settles by time: of a machine whose clock counts
// them two runs agree, so that scatter is no excuse. docs/results/counted.json is inside the program; a run
// of tests/vm/run --deterministic may be given in its place (--with).
#pragma once

#include "run/run.h"

namespace svcbench {

// Adds to the evidence of each claim about growth and order what the same claim came to in `counted`, or in
// the run inside the program where that is null or counted none; "/details/counted" says which run it was.
// Nothing is added to a run that counts instructions itself.
void add_second_opinion(Run& run, const Run* counted = nullptr);

}  // namespace svcbench
