// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Figures as text and as JSON: what every report has in common.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

// About three digits that mean something: 0.031, 1.84, 75.3, 412.
[[nodiscard]] std::string number_text(double value);

// "1.84 [1.80,1.90]", in multiples of `unit`; [?] where the samples are too few for an interval; - for
// none.
[[nodiscard]] std::string figure_text(const std::optional<stats::Estimate>& estimate, double unit);

// Each verdict with its evidence, at most 100 columns; `colour`: the outcome in green, red or yellow.
[[nodiscard]] std::string verdicts_text(std::span<const Verdict> verdicts, bool colour);

[[nodiscard]] nlohmann::json interval_json(const std::optional<stats::Interval>& interval);
[[nodiscard]] nlohmann::json estimate_json(const std::optional<stats::Estimate>& estimate);
[[nodiscard]] nlohmann::json verdict_json(const Verdict& verdict);

template <typename T>
[[nodiscard]] nlohmann::json or_null(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

}  // namespace svcbench
