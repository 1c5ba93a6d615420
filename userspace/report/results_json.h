// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Results for machines: docs/result.schema.json describes what to_json() gives.
#pragma once

#include <nlohmann/json.hpp>

#include "measure/results.h"

namespace svcbench {

// Raised when the meaning or the place of something changes; additions leave it.
inline constexpr int result_schema_version = 1;

// Every raw sample, the figures made from them, and the verdicts. Durations are in nanoseconds throughout.
[[nodiscard]] nlohmann::json to_json(const Results& results);

}  // namespace svcbench
