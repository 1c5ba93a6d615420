// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What changed between two runs: for a person, for a pull request, for a program.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "run/diff.h"

namespace svcbench {

inline constexpr int diff_schema_version = 2;

// At most 100 columns. `all`: also the figures without a difference; else these are counted.
[[nodiscard]] std::string render_diff(const RunDiff& diff, bool all);
[[nodiscard]] std::string diff_markdown(const RunDiff& diff);
[[nodiscard]] nlohmann::json diff_json(const RunDiff& diff);  // docs/diff.schema.json

// What known work says of the machine, a sentence; "": the runs have none.
[[nodiscard]] std::string machine_line(const RunDiff& diff);

}  // namespace svcbench
