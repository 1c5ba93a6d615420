// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What JSON of runs is made of.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

// null where there is none.
[[nodiscard]] nlohmann::json interval_json(const std::optional<stats::Interval>& interval);
[[nodiscard]] nlohmann::json estimate_json(const std::optional<stats::Estimate>& estimate);
[[nodiscard]] nlohmann::json verdicts_json(const std::vector<Verdict>& verdicts);

template <typename T>
nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

template <typename Cells, typename Convert>
nlohmann::json each(const Cells& cells, Convert convert) {
  nlohmann::json out = nlohmann::json::array();
  for (const auto& cell : cells) {
    out.push_back(convert(cell));
  }
  return out;
}

}  // namespace svcbench
