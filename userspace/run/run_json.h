// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run as JSON, and back: docs/run.schema.json, the same for every command.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "run/run.h"
#include "sys/result.h"

namespace svcbench {

// Raised when the meaning or the place of something changes; additions leave it. Versions 1 and 2 were one
// schema a command, and 3 named the kinds of crossing otherwise (old/).
inline constexpr int run_schema_version = 4;

// Every raw sample, the figures made of them, verdicts and details. What a cell has none of is left out.
[[nodiscard]] nlohmann::json run_json(const Run& run);

// Back, all but `path`. Nothing in the document is trusted: what run_json() cannot have written is an
// error. `name` is fit to be printed. Error: usage, one sentence.
[[nodiscard]] Result<Run> run_of_json(const nlohmann::json& document, const std::string& name);

}  // namespace svcbench
