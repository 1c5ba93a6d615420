// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Table 4.1 for machines: docs/chapter.schema.json describes what chapter_json() gives.
#pragma once

#include <nlohmann/json.hpp>

#include "measure/chapter_results.h"

namespace svcbench {

// Raised when the meaning or the place of something changes; additions leave it.
inline constexpr int chapter_schema_version = 1;

// Every raw sample, the figures made from them, and the verdict. Durations are in nanoseconds throughout.
[[nodiscard]] nlohmann::json chapter_json(const ChapterResults& results);

}  // namespace svcbench
