// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The scenarios of the registry's rows, a file each; and those that a command adds by itself.
#pragma once

#include <memory>
#include <optional>

#include "measure/scenario/scenario.h"

namespace svcbench {

// Of an Installations' planes.
[[nodiscard]] std::unique_ptr<Scenario> make_sync();
[[nodiscard]] std::unique_ptr<Scenario> make_update();
[[nodiscard]] std::unique_ptr<Scenario> make_path();
[[nodiscard]] std::unique_ptr<Scenario> make_throughput();
[[nodiscard]] std::unique_ptr<Scenario> make_state();

// Half the interval as a share of the figure: Step::spread.
[[nodiscard]] std::optional<double> spread_of(const std::optional<stats::Estimate>& estimate);

}  // namespace svcbench
