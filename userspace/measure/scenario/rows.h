// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The scenarios of the registry's rows, a file each; and those that a command adds by itself.
#pragma once

#include <memory>

#include "measure/scenario/cell_step.h"

namespace svcbench {

// Of an Installations' planes.
[[nodiscard]] std::unique_ptr<Scenario> make_sync();
[[nodiscard]] std::unique_ptr<Scenario> make_update();
[[nodiscard]] std::unique_ptr<Scenario> make_whole_sync();
[[nodiscard]] std::unique_ptr<Scenario> make_path();
[[nodiscard]] std::unique_ptr<Scenario> make_throughput();
[[nodiscard]] std::unique_ptr<Scenario> make_state();

}  // namespace svcbench
