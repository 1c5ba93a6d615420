// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a figure is held against, so that figures of two runs can be compared although the machine was
// faster in one of them. Pure.
#pragma once

#include "run/run.h"

namespace svcbench {

// The figure of the same run that the machine's speed moves alike: of a path plain forwarding of the same
// kind of packets, of connect() that to a backend's own address; of a program the bare map lookup that is
// like it, and of that the multiplications; of what tools do a program that does nothing; of a map update
// the bare call, where it was measured, and of that, as of any other time, a system call that does nothing.
// Null: the run has it not (older ones are not calibrated), `cell` is what others are held against
// (is_control()), or it is no time and no rate.
[[nodiscard]] const Cell* control_of(const Run& run, const Cell& cell);

}  // namespace svcbench
