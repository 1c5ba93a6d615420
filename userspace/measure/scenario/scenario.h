// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A scenario: something that is measured of planes that N services are programmed in. One implementation a
// file, one row each in the registry (measure/scenario/registry.h); a command is a selection of them
// (measure/selection.h), which one runner runs (measure/runner.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/chapter_results.h"
#include "measure/compare_results.h"
#include "measure/connect.h"
#include "measure/cost.h"
#include "measure/results.h"
#include "measure/schedule.h"
#include "measure/selection.h"
#include "run/cell.h"
#include "service/workload.h"
#include "sys/result.h"

namespace svcbench {

class Installations;

// What scenarios find, each its own part. One that has no type of its own tells cells, which all outputs
// know.
struct Findings {
  std::vector<SyncCell> syncs{};
  std::vector<SyncCheck> sync_checks{};
  std::vector<UpdateCell> updates{};
  std::vector<PathCell> paths{};
  std::vector<AgreementFigure> agreements{};
  std::vector<StateCell> states{};
  std::vector<FillCell> fills{};
  std::vector<ProgramCell> programs{};
  std::vector<AccountCheck> account_checks{};
  std::vector<LoadCell> loads{};
  std::vector<FloorCell> floors{};
  std::vector<ConnectSamples> connects{};
  std::vector<Cell> calibration{};
  std::vector<Cell> cells{};
  std::vector<std::string> notes{};
  double seconds = 0;
};

// What a scenario is given. All of it outlives the scenario.
struct Setting {
  const Workload& workload;
  const Selection& selection;
  Clock& clock;
  Progress& progress;
  // The selection's planes, each with all services of each size in place; null: the run has none.
  Installations* planes = nullptr;
  std::vector<std::string> notes{};  // what a reader must know, a sentence each
  double end_seconds = 0;            // what comes after the last visit, as far as it is known

  [[nodiscard]] std::span<const Service> services(std::size_t count) const { return workload.first(count); }
};

class Scenario {
 public:
  Scenario() = default;
  Scenario(const Scenario&) = delete;
  Scenario& operator=(const Scenario&) = delete;
  virtual ~Scenario() = default;

  // Makes what it needs, and adds a Step for each cell: how it is visited, what one visit is predicted to
  // cost, how a visit is saved in a journal and restored. Steps may point into this object, which does not
  // move. What is tried here is no sample.
  virtual Status prepare(Setting& setting, std::vector<Step>& steps) = 0;
  // After the last visit: whether everything is as it was to be. Error: no figure is given.
  virtual Status check() { return {}; }
  // Once, at the end.
  virtual void tell(Findings& findings) = 0;
};

}  // namespace svcbench
