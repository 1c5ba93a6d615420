// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/cell_step.h"

#include <utility>

#include "measure/visit.h"

namespace svcbench {

std::optional<double> spread_of(const std::optional<stats::Estimate>& estimate) {
  if (!estimate || !estimate->interval || !(estimate->value > 0)) {
    return std::nullopt;
  }
  return (estimate->interval->high - estimate->interval->low) / 2 / estimate->value;
}

Step cell_step(Cell& cell, std::string label, double seconds, const Setting& setting,
               std::function<Result<double>(std::size_t repeat)> visit) {
  Step step;
  step.label = std::move(label);
  step.cell = cell.id;
  step.seconds = seconds;
  step.fewest = affordable_visits(seconds, setting.selection.budget_seconds);
  step.run = [&cell, visit = std::move(visit)](std::size_t repeat) -> Status {
    SVCB_TAKE(value, visit(repeat));
    cell.values.push_back(value);
    return {};
  };
  step.samples = [&cell] { return nlohmann::json(cell.values.back()); };
  step.restore = [&cell](const nlohmann::json& samples) { return add_number(cell.values, samples); };
  step.spread = [&cell] { return spread_of(stats::median_of(cell.values)); };
  step.figure = [&cell] { return StepFigure{.value = cell.values.back(), .unit = cell.unit}; };
  step.leave_out = [&cell](const std::string& why) { svcbench::leave_out(cell, why, std::nullopt); };
  return step;
}

void tell_cells(std::deque<Cell>& cells, std::vector<Cell>& findings) {
  for (Cell& cell : cells) {
    if (!take(cell, stats::median_of(cell.values)) && cell.origin == Origin::measured) {
      leave_out(cell, "no time was left for it in the budget", std::nullopt);
    }
    findings.push_back(std::move(cell));
  }
}

}  // namespace svcbench
