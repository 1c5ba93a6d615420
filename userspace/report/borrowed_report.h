// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a comparison holds of planes that it could not run itself, as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "measure/compare_results.h"

namespace svcbench {

// One object a lending run; none: an empty array.
[[nodiscard]] nlohmann::json borrowed_json(const CompareResults& results);

}  // namespace svcbench
