// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/rounds.h"

#include <algorithm>
#include <cassert>

namespace svcbench::stats {

std::size_t repeat_beside(std::size_t k, std::size_t fewer, std::size_t repeats) {
  assert(k < fewer && fewer <= repeats);
  return ((k + 1) * repeats + fewer - 1) / fewer - 1;
}

std::vector<std::vector<double>> beside_each_other(const std::vector<std::vector<double>>& cells) {
  const auto fewest = std::min_element(cells.begin(), cells.end(),
                                       [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::vector<std::vector<double>> rows(fewest == cells.end() ? 0 : fewest->size());
  for (std::size_t k = 0; k < rows.size(); ++k) {
    for (const auto& cell : cells) {
      rows[k].push_back(cell[repeat_beside(k, rows.size(), cell.size())]);
    }
  }
  return rows;
}

std::optional<Estimate> ratio_by_round(std::span<const double> over, std::span<const double> under) {
  const auto rows = beside_each_other({{over.begin(), over.end()}, {under.begin(), under.end()}});
  std::vector<double> numerator;
  std::vector<double> denominator;
  for (const auto& row : rows) {
    numerator.push_back(row[0]);
    denominator.push_back(row[1]);
  }
  return ratio_of_pairs(numerator, denominator);
}

}  // namespace svcbench::stats
