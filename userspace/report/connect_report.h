// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What connect() costs, for a person and for a program.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "measure/connect_run.h"

namespace svcbench {

inline constexpr int connect_schema_version = 1;

[[nodiscard]] std::string render_connects(const ConnectResults& results);
// With every sample.
[[nodiscard]] nlohmann::json to_json(const ConnectResults& results);

}  // namespace svcbench
