// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Borrowed figures as cells of tables, each with the mark of the kernel that it came from, and as JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "measure/compare_results.h"
#include "report/path_unit.h"

namespace svcbench {

// "~8.10 us [6.90,9.30] *6.12 tcg"; "-" where nothing was borrowed.
[[nodiscard]] std::string borrowed_path(const CompareResults& results, std::string_view plane,
                                        std::size_t services, const PathKind& kind, const PathUnit& unit);
// In the plane's first way.
[[nodiscard]] std::string borrowed_change(const CompareResults& results, std::string_view plane,
                                          std::size_t services);
// "flat, b 0.01 *6.12 tcg".
[[nodiscard]] std::string borrowed_path_trend(const CompareResults& results, std::string_view plane,
                                              const PathKind& kind);
[[nodiscard]] std::string borrowed_change_trend(const CompareResults& results, std::string_view plane);
[[nodiscard]] std::string borrowed_count(const CompareResults& results, std::string_view plane,
                                         std::size_t services);
[[nodiscard]] std::string borrowed_user_memory(const CompareResults& results, std::string_view plane,
                                               std::size_t services);

// One object a lending run; none: an empty array.
[[nodiscard]] nlohmann::json borrowed_json(const CompareResults& results);

}  // namespace svcbench
