// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How a figure of a finished run was made, and how far to trust it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "run/run_file.h"

namespace svcbench {

// What is the same for all figures of a kind. True to userspace/measure: whoever changes what is timed or
// checked there changes it here.
struct Story {
  std::string_view scenario;
  std::string_view command;  // of the run; empty: any that has the scenario
  std::string_view part;     // that the id has as one of its parts; empty: any
  std::string_view timed;
  std::string_view not_timed;
  std::string_view checked;
  std::string_view value_is;  // what one of the values is
  std::string_view bias;      // what could make it wrong, besides what the machine's own state does
};

// The first that fits; all scenarios have one.
[[nodiscard]] const Story* story_of(const RunFile& run, const Cell& cell);

// What of the run's machine could make its figures wrong, a sentence each.
[[nodiscard]] std::vector<std::string> doubts_about(const nlohmann::json& environment);

// At most 100 columns. `cell` is one of the run's.
[[nodiscard]] std::string explain_cell(const RunFile& run, const Cell& cell);

// The ids, a scenario after the other, with their figures.
[[nodiscard]] std::string list_cells(const RunFile& run);

}  // namespace svcbench
