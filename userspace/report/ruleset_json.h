// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a ruleset of the user's own took, for machines: docs/ruleset.schema.json describes it.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "measure/ruleset.h"

namespace svcbench {

// Raised when the meaning or the place of something changes; additions leave it. Version 1 had no "run".
inline constexpr int ruleset_schema_version = 2;

// Every raw sample. Durations are in nanoseconds throughout.
[[nodiscard]] nlohmann::json ruleset_json(const Ruleset& ruleset, const std::vector<RulesetLoads>& loads,
                                          nlohmann::json environment, nlohmann::json run);

}  // namespace svcbench
