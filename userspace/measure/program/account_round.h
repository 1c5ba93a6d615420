// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Program ns by two instruments, a round at a time: see measure/account_check.h.
#pragma once

#include "measure/account_check.h"
#include "measure/program/program_bench.h"

namespace svcbench {

// An empty program and the deepest one (dnat) by their own clock, then both again with the kernel's account
// on, on one CPU. Error: as ProgramBench::measure(); or the kernel has not counted each packet once.
Status add_account_round(AccountCheck& check, ProgramBench& bench, Hook hook, Family family,
                         Destination destination);

}  // namespace svcbench
