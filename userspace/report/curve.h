// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Costs over the sweep as a line of bars a plane, all of a table on one scale: small curves for a terminal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace svcbench {

// What bars are made of, lowest to highest.
enum class Bars : std::uint8_t {
  blocks,  // U+2581 to U+2588, in UTF-8
  digits,  // 1 to 8
};

// At each size of the sweep; none: it was not measured there. What is not positive has no place on a
// logarithmic scale, and counts as none.
using Costs = std::vector<std::optional<double>>;

// Logarithmic, in eight steps of equal ratio.
struct CostScale {
  double low;
  double high;
};

// From the least cost to the largest, yet a decade at least: else noise would climb like a growing cost.
// None: there is no cost.
[[nodiscard]] std::optional<CostScale> scale_of(std::span<const Costs> all);

// A bar a cost, a space where there is none.
[[nodiscard]] std::string bars_of(const Costs& costs, const CostScale& scale, Bars bars);

struct Curve {
  std::string name;  // at most 28 characters, as the group's title
  Costs costs{};     // as many as there are sizes
};

// One table.
struct CurveGroup {
  std::string title;
  std::vector<Curve> curves{};                  // without any cost: left out
  std::function<std::string(double)> format{};  // a cost with its unit: "1.16 us"
};

// "" for fewer than three sizes (ascending) or without any cost. Of more sizes than a line has room for, an
// even choice with the first and the last. At most 100 columns.
[[nodiscard]] std::string render_curves(const std::vector<std::size_t>& sizes,
                                        const std::vector<CurveGroup>& groups, Bars bars);

}  // namespace svcbench
