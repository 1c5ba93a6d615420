// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A member of JSON that nobody has checked.
#pragma once

#include <nlohmann/json.hpp>

namespace svcbench {

// Null where it is not there, or where `value` is no object. Lives as long as `value`.
[[nodiscard]] inline const nlohmann::json& json_member(const nlohmann::json& value, const char* name) {
  static const nlohmann::json none;
  const auto found = value.find(name);
  return found == value.end() ? none : *found;
}

}  // namespace svcbench
