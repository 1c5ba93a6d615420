// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A cell's figure as people read it.
#pragma once

#include <optional>
#include <string>

#include "run/cell.h"
#include "run/run.h"

namespace svcbench {

// "61.1 ms", "4.5 MiB", "1,000", "786 k/s", "1,234 instr", "0.51", in the unit that suits the value.
[[nodiscard]] std::string quantity(double value, const std::string& unit);

// "61.1 ms [60.2, 63.0]", all three in the unit that suits the value; "[?]" where there is no interval.
[[nodiscard]] std::string quantity(double value, const std::optional<stats::Interval>& interval,
                                   const std::string& unit);
[[nodiscard]] std::string quantity(const Cell& cell);

// Whether one of Cell::also is a quantile in the cell's unit: "p99.9", not "packets".
[[nodiscard]] bool is_quantile(std::string_view name);

// The unit of a part that stands beside a cell's value (Cell::also), as its name says; "": a plain number.
[[nodiscard]] std::string unit_of_part(const Cell& cell, std::string_view name);

// "1.07 [1.02,1.13]".
[[nodiscard]] std::string ratio_text(const std::optional<stats::Estimate>& ratio);

// When a run began, of its "run": "2026-11-23 10:51 UTC"; "" where it does not say.
[[nodiscard]] std::string started_text(const nlohmann::json& run);

// "run.json: compare of 1,000 services ..., svcbench 0.1.0 (b62a253), kernel 6.18.44, CPU AMD EPYC, seed 1,
// 2026-11-23 10:51 UTC".
[[nodiscard]] std::string run_line(const Run& run);
// Which run something is of: its file, "run" and "environment".
[[nodiscard]] nlohmann::json source_json(const Run& run);

}  // namespace svcbench
