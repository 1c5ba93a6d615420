// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The data planes there are, a row each.
#pragma once

#include <span>
#include <string_view>

namespace svcbench {

struct PlaneRow {
  std::string_view name;
  std::string_view summary;
};

struct ScenarioRow {
  std::string_view name;
  std::string_view summary;
};

[[nodiscard]] std::span<const PlaneRow> planes();
[[nodiscard]] std::span<const ScenarioRow> scenarios();

}  // namespace svcbench
