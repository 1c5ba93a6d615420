// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run of changes under traffic as JSON: docs/churn.schema.json.
#pragma once

#include <nlohmann/json.hpp>

#include "measure/churn/churn_results.h"

namespace svcbench {

inline constexpr int churn_schema_version = 1;

[[nodiscard]] nlohmann::json churn_json(const ChurnResults& results, const Verdict& verdict);

}  // namespace svcbench
