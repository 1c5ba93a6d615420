// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The order in which a run visits its cells: rounds, each over all cells in an order of its own, so that
// a drift of the machine (heat, a neighbour) meets every size and plane alike.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/clock.h"
#include "measure/journal.h"
#include "svcbench/result.h"

namespace svcbench {

// What a repeat measured, for the progress line.
struct StepFigure {
  std::string_view word{};  // before it: "p50"
  double value = 0;
  std::string_view unit{};
};

// Something that is measured once in every round it takes part in.
struct Step {
  std::string label;  // for the progress line: "update, 5,000 services, iptables-restore"
  std::function<Status(std::size_t repeat)> run;  // repeat: 0 for the first
  double seconds = 0;       // what one repeat costs, estimated; measured as the run goes on
  std::size_t repeats = 0;  // rounds that it takes part in
  std::size_t fewest = 0;   // below this the step is not worth running: it is dropped
  bool droppable = false;   // may be dropped where the budget does not hold it
  // For a journal: what the last repeat measured, and the way back into the results. None: a run that is
  // continued measures it anew.
  std::function<nlohmann::json()> samples{};
  std::function<Status(const nlohmann::json&)> restore{};
  // Half the interval of what all repeats together gave, as a share of the figure; none: it has no
  // interval. Empty: never repeated beyond its repeats.
  std::function<std::optional<double>()> spread{};
  std::function<std::optional<StepFigure>()> figure{};  // the last repeat's
};

// Fits repeats to a budget: every step gets `rounds`; while the sum is over `budget_seconds`, the dearest
// step loses repeats, down to its `fewest`; then droppable steps are dropped, dearest first (repeats == 0).
void fit_to_budget(std::vector<Step>& steps, std::size_t rounds, double budget_seconds);

// Told before each step and at the end.
class Progress {
 public:
  Progress() = default;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  virtual ~Progress() = default;
  // A part of the run without cells of its own: "load", "check".
  virtual void phase(const std::string& name) = 0;
  // Step `done` of `total` is about to run; seconds_left is the sum of what the rest took so far.
  virtual void step(const std::string& label, std::size_t done, std::size_t total, double seconds_left) = 0;
  // What the step that was told last has measured.
  virtual void result(const StepFigure& /*figure*/) {}
  virtual void finished() = 0;
};

// Runs every step as often as its repeats say, spread evenly over the rounds, in a seeded order within
// each. Stops at the first error, and at SIGINT or SIGTERM between two steps. `journal`, if any: gets every
// visit before the next one starts; the visits that it holds already (see Journal::plan()) are left out.
Status run_rounds(std::vector<Step>& steps, std::size_t rounds, std::uint64_t seed, Clock& clock,
                  Progress& progress, Journal* journal = nullptr);

// Afterwards: while there is time, another visit to each step whose spread is above `wide`, round by round
// in a shuffled order. Which these are depends on intervals alone, not on figures. Returns the labels of
// those that are still wide at the end.
Result<std::vector<std::string>> repeat_wide(std::vector<Step>& steps, double wide, double seconds,
                                             std::uint64_t seed, Clock& clock, Progress& progress,
                                             Journal* journal = nullptr);

// The visits that run_rounds makes, in order: indices into `steps`, one vector a round.
std::vector<std::vector<std::size_t>> plan_rounds(const std::vector<Step>& steps, std::size_t rounds,
                                                  std::uint64_t seed);

}  // namespace svcbench
