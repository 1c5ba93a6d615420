// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/schedule.h"

#include <algorithm>
#include <numeric>

#include "stats/random.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

double cost(const Step& step) { return step.seconds * static_cast<double>(step.repeats); }

double cost(const std::vector<Step>& steps) {
  return std::accumulate(steps.begin(), steps.end(), 0.0,
                         [](double sum, const Step& step) { return sum + cost(step); });
}

// The step whose repeats cost most, among those that `may` give some up; null when there is none.
template <typename May>
Step* dearest(std::vector<Step>& steps, May may) {
  Step* found = nullptr;
  for (Step& step : steps) {
    if (may(step) && (found == nullptr || cost(step) > cost(*found))) {
      found = &step;
    }
  }
  return found;
}

}  // namespace

void fit_to_budget(std::vector<Step>& steps, std::size_t rounds, double budget_seconds) {
  for (Step& step : steps) {
    step.repeats = rounds;
  }
  double total = cost(steps);
  while (total > budget_seconds) {
    Step* step = dearest(steps, [](const Step& s) { return s.repeats > s.fewest; });
    if (step != nullptr) {
      --step->repeats;
      total -= step->seconds;
      continue;
    }
    step = dearest(steps, [](const Step& s) { return s.droppable && s.repeats > 0; });
    if (step == nullptr) {
      return;
    }
    total -= cost(*step);
    step->repeats = 0;
  }
}

std::vector<std::vector<std::size_t>> plan_rounds(const std::vector<Step>& steps, std::size_t rounds,
                                                  std::uint64_t seed) {
  Random random(seed);
  std::vector<std::vector<std::size_t>> plan(rounds);
  for (std::size_t round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::size_t repeats = std::min(steps[i].repeats, rounds);
      if ((round + 1) * repeats / rounds > round * repeats / rounds) {
        plan[round].push_back(i);
      }
    }
    shuffle(plan[round], random);
  }
  return plan;
}

namespace {

// The plan without the visits that were made already: each step's first ones.
std::vector<std::vector<std::size_t>> remaining(std::vector<std::vector<std::size_t>> plan,
                                                std::vector<std::size_t> done) {
  for (auto& round : plan) {
    std::erase_if(round, [&](std::size_t i) { return done[i] > 0 && done[i]-- > 0; });
  }
  return plan;
}

}  // namespace

Status run_rounds(std::vector<Step>& steps, std::size_t rounds, std::uint64_t seed, Clock& clock,
                  Progress& progress, Journal* journal) {
  std::vector<std::size_t> repeated(steps.size(), 0);
  for (std::size_t i = 0; i < steps.size() && journal != nullptr; ++i) {
    repeated[i] = journal->done(steps[i].label);
  }
  const std::vector<std::size_t> before = repeated;
  const auto plan = remaining(plan_rounds(steps, rounds, seed), before);
  std::size_t total = 0;
  double left = 0;
  for (const auto& round : plan) {
    total += round.size();
    for (const std::size_t i : round) {
      left += steps[i].seconds;
    }
  }

  std::vector<double> spent(steps.size(), 0);
  std::size_t done = 0;
  for (const auto& round : plan) {
    for (const std::size_t i : round) {
      SVCB_CHECK(check_interrupted());
      Step& step = steps[i];
      progress.step(step.label, done, total, left);
      const std::int64_t start = clock.now_ns();
      SVCB_CHECK(step.run(repeated[i]));
      if (journal != nullptr) {
        SVCB_CHECK(journal->add(step));
      }
      if (const auto figure = step.figure ? step.figure() : std::nullopt) {
        progress.result(*figure);
      }
      spent[i] += seconds_between(start, clock.now_ns());
      ++repeated[i];
      ++done;
      left -= step.seconds;
      // What is left of this step will cost what it has cost on average so far.
      const double mean = spent[i] / static_cast<double>(repeated[i] - before[i]);
      const auto to_come = static_cast<double>(std::min(step.repeats, rounds) - repeated[i]);
      left = std::max(0.0, left + (mean - step.seconds) * to_come);
      step.seconds = mean;
    }
  }
  progress.finished();
  return {};
}

Result<std::vector<std::string>> repeat_wide(std::vector<Step>& steps, double wide, double seconds,
                                             std::uint64_t seed, Clock& clock, Progress& progress,
                                             Journal* journal) {
  const auto is_wide = [wide](const Step& step) {
    return step.repeats > 0 && step.spread && step.spread().value_or(wide) > wide;
  };
  Random random(seed);
  const std::int64_t begin = clock.now_ns();
  std::size_t done = 0;
  for (std::size_t again = 0;; ++again) {
    std::vector<Step*> round;
    double cost = 0;
    for (Step& step : steps) {
      if (is_wide(step)) {
        round.push_back(&step);
        cost += step.seconds;
      }
    }
    // A round that does not fit is not begun: every wide step gets as much as the others.
    const double left = seconds - seconds_between(begin, clock.now_ns());
    if (round.empty() || cost > left) {
      break;
    }
    shuffle(round, random);
    for (std::size_t i = 0; i < round.size(); ++i) {
      SVCB_CHECK(check_interrupted());
      Step& step = *round[i];
      progress.step(step.label + " (once more: its interval is wide)", done, done + round.size() - i,
                    std::max(0.0, seconds - seconds_between(begin, clock.now_ns())));
      ++done;
      SVCB_CHECK(step.run(step.repeats + again));
      if (journal != nullptr) {
        SVCB_CHECK(journal->add(step));
      }
    }
  }
  progress.finished();
  std::vector<std::string> labels;
  for (const Step& step : steps) {
    if (is_wide(step)) {
      labels.push_back(step.label);
    }
  }
  return labels;
}

}  // namespace svcbench
