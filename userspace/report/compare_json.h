// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A comparison for machines: docs/compare.schema.json describes what to_json() gives.
#pragma once

#include <nlohmann/json.hpp>

#include "measure/compare_results.h"

namespace svcbench {

// Raised when the meaning or the place of something changes; additions leave it.
inline constexpr int compare_schema_version = 1;

// Every raw sample and whole histograms, the figures made from them, and the verdicts. Durations are in ns.
[[nodiscard]] nlohmann::json to_json(const CompareResults& results);

// One cell of the path scenario; its histogram as [lowest ns of the bucket, packets] pairs.
[[nodiscard]] nlohmann::json path_json(const PathCell& cell);

}  // namespace svcbench
