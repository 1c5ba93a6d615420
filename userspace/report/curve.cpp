// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/curve.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::array<std::string_view, 8> blocks{"\u2581", "\u2582", "\u2583", "\u2584",
                                                 "\u2585", "\u2586", "\u2587", "\u2588"};
constexpr std::array<std::string_view, 8> digits{"1", "2", "3", "4", "5", "6", "7", "8"};
constexpr std::size_t fewest_sizes = 3;
constexpr std::size_t most_bars = 40;  // beside a name and two figures
constexpr double least_extent = 10;

const std::array<std::string_view, 8>& marks_of(Bars bars) {
  return bars == Bars::blocks ? blocks : digits;
}

std::size_t level_of(double cost, const CostScale& scale) {
  const double share = std::log(cost / scale.low) / std::log(scale.high / scale.low);
  const auto level = static_cast<std::size_t>(std::max(share, 0.0) * blocks.size());
  return std::min(level, blocks.size() - 1);
}

// Which sizes have a bar, by index.
std::vector<std::size_t> chosen(std::size_t sizes) {
  std::vector<std::size_t> indices;
  const std::size_t count = std::min(sizes, most_bars);
  for (std::size_t i = 0; i < count; ++i) {
    indices.push_back(i * (sizes - 1) / (count - 1));
  }
  return indices;
}

Costs at(const Costs& costs, const std::vector<std::size_t>& indices) {
  Costs out;
  for (const std::size_t i : indices) {
    out.push_back(costs[i]);
  }
  return out;
}

bool has_any(const Costs& costs) { return scale_of(std::span(&costs, 1)).has_value(); }

// "" where no curve of the group has a cost.
std::string group_table(const std::vector<std::size_t>& sizes, const std::vector<std::size_t>& indices,
                        const CurveGroup& group, Bars bars) {
  std::vector<Costs> all;
  for (const Curve& curve : group.curves) {
    all.push_back(at(curve.costs, indices));
  }
  const auto scale = scale_of(all);
  if (!scale) {
    return "";
  }
  const auto& marks = marks_of(bars);
  TextTable table({{group.title, TextTable::Align::left},
                   {fmt::format("{} {}, {} {}", marks.front(), group.format(scale->low), marks.back(),
                                group.format(scale->high)),
                    TextTable::Align::left},
                   {fmt::format("N = {}", grouped(sizes.front()))},
                   {fmt::format("N = {}", grouped(sizes.back()))}});
  const auto formatted = [&](const std::optional<double>& cost) {
    return cost ? group.format(*cost) : std::string("-");
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (has_any(all[i])) {
      table.add({group.curves[i].name, bars_of(all[i], *scale, bars), formatted(all[i].front()),
                 formatted(all[i].back())});
    }
  }
  return table.text();
}

}  // namespace

std::optional<CostScale> scale_of(std::span<const Costs> all) {
  std::optional<CostScale> scale;
  for (const Costs& costs : all) {
    for (const auto& cost : costs) {
      if (cost && *cost > 0) {
        scale = scale ? CostScale{std::min(scale->low, *cost), std::max(scale->high, *cost)}
                      : CostScale{*cost, *cost};
      }
    }
  }
  if (scale) {
    scale->high = std::max(scale->high, least_extent * scale->low);
  }
  return scale;
}

std::string bars_of(const Costs& costs, const CostScale& scale, Bars bars) {
  std::string out;
  for (const auto& cost : costs) {
    out += cost && *cost > 0 ? marks_of(bars)[level_of(*cost, scale)] : " ";
  }
  return out;
}

std::string render_curves(const std::vector<std::size_t>& sizes, const std::vector<CurveGroup>& groups,
                          Bars bars) {
  if (sizes.size() < fewest_sizes) {
    return "";
  }
  const std::vector<std::size_t> indices = chosen(sizes.size());
  std::string tables;
  for (const CurveGroup& group : groups) {
    const std::string table = group_table(sizes, indices, group, bars);
    tables += (tables.empty() || table.empty() ? "" : "\n") + table;
  }
  if (tables.empty()) {
    return "";
  }
  const std::string count = indices.size() < sizes.size()
                                ? fmt::format("{} of {}", indices.size(), grouped(sizes.size()))
                                : grouped(sizes.size());
  return fmt::format("Curves over N: a bar at each of {} sizes; one logarithmic scale for all of a table\n",
                     count) +
         tables;
}

}  // namespace svcbench
