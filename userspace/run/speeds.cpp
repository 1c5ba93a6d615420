// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/speeds.h"

#include <iterator>
#include <map>
#include <utility>

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

double number_at(const nlohmann::json& object, const char* name) {
  const nlohmann::json value = object.value(name, nlohmann::json());
  return value.is_number() ? value.get<double>() : 0;
}

double middle_of(const nlohmann::json& visit) {
  return number_at(visit, "begin_s") + number_at(visit, "seconds") / 2;
}

// When this cell was visited, by one run's log.
std::vector<double> times_of(const nlohmann::json& log, const std::string& cell) {
  std::vector<double> times;
  const nlohmann::json& steps = log.at("steps");
  for (const nlohmann::json& visit : log.at("visits")) {
    const auto step = visit.value("step", steps.size());
    if (step < steps.size() && steps[step].value("cell", "") == cell) {
      times.push_back(middle_of(visit));
    }
  }
  return times;
}

// `slowly`: of all visits of this cell, over all runs. Null: their logs hold others.
nlohmann::json slow_meanwhile(const Run& run, const std::string& cell, const std::vector<bool>& slowly) {
  nlohmann::json of_runs = nlohmann::json::array();
  std::size_t first = 0;
  for (const nlohmann::json& log : value_at(run, "/environment/noise/visits")) {
    std::map<double, bool> slow_at;
    for (const double time : times_of(log, cell)) {
      if (first < slowly.size()) {
        slow_at.emplace(time, slowly[first]);
      }
      ++first;
    }
    if (slow_at.empty()) {
      return {};
    }
    nlohmann::json slow = nlohmann::json::array();
    const nlohmann::json& visits = log.at("visits");
    for (std::size_t i = 0; i < visits.size(); ++i) {
      const double time = middle_of(visits[i]);
      auto nearest = slow_at.lower_bound(time);
      if (nearest == slow_at.end() ||
          (nearest != slow_at.begin() && time - std::prev(nearest)->first < nearest->first - time)) {
        --nearest;
      }
      if (nearest->second) {
        slow.push_back(i);
      }
    }
    of_runs.push_back(std::move(slow));
  }
  return first == slowly.size() && !of_runs.empty() ? of_runs : nlohmann::json();
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
      if (nlohmann::json meanwhile = slow_meanwhile(run, cell.id, found->slowly); !meanwhile.is_null()) {
        all.back()["slow_meanwhile"] = std::move(meanwhile);
      }
    }
  }
  if (all.empty()) {
    run.details.erase("speeds");
  } else {
    run.details["speeds"] = std::move(all);
  }
}

}  // namespace svcbench
