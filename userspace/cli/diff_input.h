// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How two runs are compared, of the commands that do it.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "run/diff.h"

namespace svcbench {

// --absolute, and --force with its own help. `options` outlives the application.
inline void add_diff_options(CLI::App& app, DiffOptions& options, const std::string& force) {
  app.add_flag("--absolute", options.absolute,
               "Times as they are, whatever the machine did, not as multiples of known work");
  app.add_flag("--force", options.force, force);
}

}  // namespace svcbench
