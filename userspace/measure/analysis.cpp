// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/analysis.h"

#include <algorithm>
#include <set>

#include "stats/rounds.h"

namespace svcbench {

namespace {

constexpr Operation all_operations[] = {Operation::change_endpoints, Operation::add_service,
                                        Operation::remove_service};

std::vector<const UpdateCell*> measured_cells(const Results& results, std::string_view plane,
                                              Operation operation) {
  std::vector<const UpdateCell*> cells;
  for (const std::size_t services : sizes_of(results)) {
    const UpdateCell* cell = find_update(results, plane, services, operation);
    if (cell != nullptr && !cell->commit_ns.empty()) {
      cells.push_back(cell);
    }
  }
  return cells;
}

}  // namespace

const UpdateCell* find_update(const Results& results, std::string_view plane, std::size_t services,
                              Operation operation) {
  const auto found =
      std::find_if(results.updates.begin(), results.updates.end(), [&](const UpdateCell& cell) {
        return cell.plane == plane && cell.services == services && cell.operation == operation;
      });
  return found == results.updates.end() ? nullptr : &*found;
}

std::vector<std::size_t> sizes_of(const Results& results) {
  std::set<std::size_t> sizes;
  for (const UpdateCell& cell : results.updates) {
    sizes.insert(cell.services);
  }
  return {sizes.begin(), sizes.end()};
}

std::vector<std::string> planes_of(const Results& results) {
  std::vector<std::string> planes;
  for (const UpdateCell& cell : results.updates) {
    if (std::find(planes.begin(), planes.end(), cell.plane) == planes.end()) {
      planes.push_back(cell.plane);
    }
  }
  return planes;
}

std::vector<double> pooled(const Blocks& blocks) {
  std::vector<double> all;
  for (const auto& block : blocks) {
    all.insert(all.end(), block.begin(), block.end());
  }
  std::sort(all.begin(), all.end());
  return all;
}

std::optional<stats::Estimate> ratio(const Blocks& a, const Blocks& b) {
  return stats::ratio_by_round(stats::block_medians(a), stats::block_medians(b));
}

GrowthFigure growth_of(const Results& results, std::string_view plane, Operation operation) {
  const auto cells = measured_cells(results, plane, operation);
  GrowthFigure figure{std::string(plane), operation, {}, {}};
  if (cells.empty()) {
    return figure;
  }
  figure.plane = cells.front()->plane;
  std::vector<double> sizes;
  std::vector<double> medians;
  std::vector<std::vector<double>> costs;
  for (const UpdateCell* cell : cells) {
    sizes.push_back(static_cast<double>(cell->services));
    medians.push_back(stats::median_of_blocks(cell->commit_ns)->value);
    costs.push_back(stats::block_medians(cell->commit_ns));
  }
  figure.growth = stats::growth(sizes, stats::beside_each_other(costs));
  figure.line = stats::linear_fit(sizes, medians);
  return figure;
}

std::vector<GrowthFigure> all_growths(const Results& results) {
  std::vector<GrowthFigure> figures;
  for (const std::string& plane : planes_of(results)) {
    for (const Operation operation : all_operations) {
      figures.push_back(growth_of(results, plane, operation));
    }
  }
  return figures;
}

}  // namespace svcbench
