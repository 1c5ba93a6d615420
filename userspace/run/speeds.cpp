// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/speeds.h"

#include "plane/registry.h"
#include "run/merged_run.h"
#include "stats/speeds.h"

namespace svcbench {

namespace {

bool is_known_work(const Cell& cell) {
  return cell.scenario == "calibration" || (cell.scenario == "path" && is_floor(cell.plane));
}

std::vector<double> visits_of(const Run& run, const Cell& cell) {
  if (runs_of(run) == 1) {
    return cell.values;
  }
  std::vector<double> all;
  for (const auto& block : cell.blocks) {
    all.insert(all.end(), block.begin(), block.end());
  }
  return all;
}

}  // namespace

void add_speeds(Run& run) {
  nlohmann::json all = nlohmann::json::array();
  for (const Cell& cell : run.cells) {
    if (!is_known_work(cell)) {
      continue;
    }
    if (const auto found = stats::two_speeds(visits_of(run, cell))) {
      nlohmann::json slow_visits = nlohmann::json::array();
      for (std::size_t i = 0; i < found->slowly.size(); ++i) {
        if (found->slowly[i]) {
          slow_visits.push_back(i);
        }
      }
      all.push_back({{"id", cell.id},
                     {"fast", found->fast},
                     {"slow", found->slow},
                     {"visits", found->slowly.size()},
                     {"slow_visits", std::move(slow_visits)}});
    }
  }
  if (all.empty()) {
    run.details.erase("speeds");
  } else {
    run.details["speeds"] = std::move(all);
  }
}

}  // namespace svcbench
