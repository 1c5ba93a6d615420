// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --runs and --across: a command as several runs of it, each a program started anew, whose intervals hold
// what runs differ by.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <optional>

#include "cli/export_input.h"
#include "cli/input.h"
#include "sys/result.h"

namespace svcbench {

struct SeveralRunsInput {
  std::optional<std::size_t> runs{};
  double across_seconds = 0;  // 0: one after the other

  void add_options(CLI::App& app);
  [[nodiscard]] bool wanted() const { return runs.value_or(1) > 1 || across_seconds > 0; }
};

// The exit code: by the verdicts of all runs together, or that of the first one, which was refused. Nothing
// is written unless all of them ended with a verdict. Error, usage: an option of the command line cannot be
// repeated; else what run_again() and merged() say.
[[nodiscard]] Result<int> run_several(const SeveralRunsInput& several, const RunInput& run,
                                      const ExportInput& exports, const TableInput& tables);

}  // namespace svcbench
