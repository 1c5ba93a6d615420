// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the tables of all commands are made with.
#include "report/tables.h"

#include <fmt/format.h>

#include "report/quantity.h"
#include "run/relative.h"

namespace svcbench {

std::vector<std::size_t> some_of(const std::vector<std::size_t>& sizes, std::size_t most) {
  if (sizes.size() <= most || most < 2) {
    return sizes;
  }
  std::vector<std::size_t> some;
  for (std::size_t i = 0; i < most; ++i) {
    some.push_back(sizes[i * (sizes.size() - 1) / (most - 1)]);
  }
  return some;
}

Entry figure_entry(const std::optional<stats::Estimate>& estimate, std::string unit) {
  if (!estimate) {
    return {};
  }
  return {.figure = Entry::Figure{
              .value = estimate->value, .interval = estimate->interval, .unit = std::move(unit)}};
}

Entry ratio_entry(const std::optional<stats::Estimate>& ratio) { return figure_entry(ratio, "x"); }

Entry times_known_work(const RunView& run, const Cell* cell) {
  const auto relative = cell == nullptr ? std::nullopt : relative_of(run.file(), *cell);
  if (!relative) {
    return {};
  }
  Entry out = ratio_entry(relative->times);
  out.id = cell->id;
  return out;
}

Entry number_entry(const std::optional<double>& value, std::string unit) {
  if (!value) {
    return {};
  }
  return {.figure = Entry::Figure{.value = *value, .unit = std::move(unit), .exact = true}};
}

Entry predicted_entry(const Cell& cell) {
  return Entry::words(cell.origin == Origin::predicted
                          ? fmt::format("(about {})", quantity(cell.value, cell.unit))
                          : "(left out)");
}

}  // namespace svcbench
