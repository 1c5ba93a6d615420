// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What verify found, for programs: docs/verify.schema.json.
#pragma once

#include <nlohmann/json.hpp>

#include "verify/verify.h"

namespace svcbench {

inline constexpr int verify_schema_version = 1;

[[nodiscard]] nlohmann::json to_json(const verify::VerifyResults& results);

}  // namespace svcbench
