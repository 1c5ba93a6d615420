// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What connect() costs, as JSON.
#pragma once

#include <nlohmann/json.hpp>

#include "measure/connect_run.h"

namespace svcbench {

inline constexpr int connect_schema_version = 1;

// With every sample.
[[nodiscard]] nlohmann::json to_json(const ConnectResults& results);

}  // namespace svcbench
