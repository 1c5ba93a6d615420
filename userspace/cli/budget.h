// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --budget, which means the same in every command that has it.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/input.h"

namespace svcbench {

// Seconds that the whole run may take, from its first look at the machine to its last.
inline void add_budget_option(CLI::App& app, double& seconds) {
  app.add_option(
         "--budget", seconds,
         "Time that the run may take, e.g. 90, 90s or 10m: dear cells get fewer repeats, or are left\n"
         "out with a prediction")
      ->transform(duration())
      ->capture_default_str();
}

}  // namespace svcbench
