// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The order in which a run visits its cells: rounds, each over all cells in an order of its own, so that
// a drift of the machine (heat, a neighbour) meets every size and plane alike.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/clock.h"
#include "measure/journal.h"
#include "sys/result.h"

namespace svcbench {

// What a repeat measured, for the progress line.
struct StepFigure {
  std::string_view word{};  // before it: "p50"
  double value = 0;
  std::string_view unit{};
};

// Something that is visited once in every round it takes part in; several times where that is cheap.
struct Step {
  std::string label;  // for the progress line: "update, 5,000 services, iptables-restore"
  std::function<Status(std::size_t repeat)> run;  // repeat: 0 for the first
  double seconds = 0;       // what one repeat costs, estimated; measured as the run goes on
  std::size_t repeats = 0;  // planned, over all rounds
  std::size_t fewest = 0;   // below this the step is not worth running: it is dropped
  bool droppable = false;   // is dropped before those that are not, where the budget does not hold it
  // For a journal: what the last repeat measured, and the way back into the results. None: a run that is
  // continued measures it anew.
  std::function<nlohmann::json()> samples{};
  std::function<Status(const nlohmann::json&)> restore{};
  // Half the interval of what all repeats together gave, as a share of the figure; none: it has no
  // interval. Empty: never repeated beyond its repeats.
  std::function<std::optional<double>()> spread{};
  std::function<std::optional<StepFigure>()> figure{};         // the last repeat's
  std::size_t most = std::numeric_limits<std::size_t>::max();  // repeats that are of use
  // Told instead of any visit: why the budget does not hold it.
  std::function<void(const std::string& why)> leave_out{};
  std::string cell{};  // the id of the one cell that it measures, where it knows it
};

// Fits repeats to a budget: every step gets `rounds` (or its `most`); while the sum is over
// `budget_seconds`, the costliest step loses repeats, down to its `fewest`; then steps are dropped,
// costliest first, those that are droppable before the others (repeats == 0).
void fit_to_budget(std::vector<Step>& steps, std::size_t rounds, double budget_seconds);

// A step is cheap when the visits of all rounds together cost less than this share of the budget. It is
// visited several times in each round, spread over it, until they cost that, or are this many a round:
// figures of some microseconds scatter more than those of a second, and what they need costs next to
// nothing.
inline constexpr double cheap_share = 0.002;
inline constexpr std::size_t most_visits_a_round = 8;
// Of steps that fit_to_budget() left all rounds. What it adds is at most `most_seconds`.
void add_cheap_visits(std::vector<Step>& steps, std::size_t rounds, double budget_seconds,
                      double most_seconds);

// Told before each step and at the end.
class Progress {
 public:
  Progress() = default;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  virtual ~Progress() = default;
  // A part of the run without cells of its own: "load", "check".
  virtual void phase(const std::string& name) = 0;
  // Step `done` of `total` is about to run; seconds_left is what is left of the run.
  virtual void step(const std::string& label, std::size_t done, std::size_t total, double seconds_left) = 0;
  // What the step that was told last has measured.
  virtual void result(const StepFigure& /*figure*/) {}
  // A sentence that stays: what the run leaves out, before it starts.
  virtual void say(const std::string& sentence) { phase(sentence); }
  virtual void finished() = 0;
};

// How long the rounds may take, and what comes after them.
struct Pace {
  // No round begins that would end later than so long after the first. The first one always does.
  double most_seconds = std::numeric_limits<double>::infinity();
  // Asked as each round begins: what will come after the rounds, when these end in so many seconds and each
  // step has been visited so often.
  std::function<double(double seconds_left, const std::vector<std::size_t>& visits)> afterwards{};
  std::size_t not_begun = 0;  // afterwards: rounds that were not begun for want of time
};

// Runs every step as often as its repeats say, spread evenly over the rounds, in a seeded order within
// each. Stops at the first error, and at SIGINT or SIGTERM between two steps. `journal`, if any: gets every
// visit before the next one starts; the visits that it holds already (see Journal::plan()) are left out.
Status run_rounds(std::vector<Step>& steps, std::size_t rounds, std::uint64_t seed, Clock& clock,
                  Progress& progress, Journal* journal = nullptr, Pace* pace = nullptr);

// Afterwards: while there is time, another visit to each step whose spread is above `wide`, round by round
// in a shuffled order. Which these are depends on intervals alone, not on figures. Returns the labels of
// those that are still wide at the end. `afterwards_seconds`: what will come then, for the time left.
Result<std::vector<std::string>> repeat_wide(std::vector<Step>& steps, double wide, double seconds,
                                             std::uint64_t seed, Clock& clock, Progress& progress,
                                             Journal* journal = nullptr, double afterwards_seconds = 0);

// How long repeat_wide() will take of `seconds`, when all steps have had their repeats: by the root of the
// visits that an interval narrows with. A step that has no interval yet is as the others are; all of it
// where none has one. `visits[i]`: what steps[i] has had.
[[nodiscard]] double expected_repeats(const std::vector<Step>& steps,
                                      const std::vector<std::size_t>& visits, double wide, double seconds);

// The visits that run_rounds makes, in order: indices into `steps`, one vector a round.
std::vector<std::vector<std::size_t>> plan_rounds(const std::vector<Step>& steps, std::size_t rounds,
                                                  std::uint64_t seed);

}  // namespace svcbench
