// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A whole scenario, as CONTRIBUTING.md shows it: what it takes to read one service back from the kernel.
#pragma once

#include "measure/scenario/registry.h"

namespace svcbench::example {

// As it would stand in scenarios(), userspace/measure/scenario/registry.cpp.
[[nodiscard]] const ScenarioRow& read_back_row();

}  // namespace svcbench::example
