// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// SIGINT, SIGTERM and SIGHUP: noted, so that owners are destroyed in order and nothing is left behind.
#pragma once

#include "sys/result.h"

namespace svcbench {

// From now on these signals interrupt blocking calls (no SA_RESTART) and are noted instead of fatal. One
// that is ignored stays ignored: nohup means it, and so does a shell that starts a job in the background.
void catch_interrupts();

// The signal that came, or 0.
[[nodiscard]] int interrupted();

// Error: interrupted, once a signal came.
[[nodiscard]] Status check_interrupted();

}  // namespace svcbench
