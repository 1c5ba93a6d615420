// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/schedule.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "stats/quantile.h"
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
Step* costliest(std::vector<Step>& steps, May may) {
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
    step.repeats = std::min(rounds, step.most);
  }
  // What costs less is not worth its repeats.
  const double small = cheap_share * budget_seconds;
  double total = cost(steps);
  while (total > budget_seconds) {
    if (Step* step =
            costliest(steps, [small](const Step& s) { return s.repeats > s.fewest && cost(s) > small; })) {
      --step->repeats;
      total -= step->seconds;
      continue;
    }
    Step* step = costliest(steps, [](const Step& s) { return s.droppable && s.repeats > 0; });
    if (step == nullptr) {
      step = costliest(steps, [](const Step& s) { return s.repeats > 0; });
    }
    if (step == nullptr) {
      return;
    }
    total -= cost(*step);
    step->repeats = 0;
  }
}

void add_cheap_visits(std::vector<Step>& steps, std::size_t rounds, double budget_seconds,
                      double most_seconds) {
  if (rounds < stats::fewest_repeats) {
    return;  // no interval was asked for
  }
  std::vector<Step*> cheap;
  for (Step& step : steps) {
    if (step.repeats == rounds && step.most > rounds) {
      cheap.push_back(&step);
    }
  }
  std::stable_sort(cheap.begin(), cheap.end(),
                   [](const Step* a, const Step* b) { return a->seconds < b->seconds; });
  for (Step* step : cheap) {
    const double once = step->seconds * static_cast<double>(rounds);
    const double affordable = cheap_share * budget_seconds / std::max(once, 1e-9) + 1e-9;
    const std::size_t most = std::min(most_visits_a_round, step->most / rounds);
    const auto times = static_cast<std::size_t>(std::clamp(affordable, 1.0, static_cast<double>(most)));
    const double more = once * static_cast<double>(times - 1);
    if (more > most_seconds) {
      return;
    }
    most_seconds -= more;
    step->repeats = rounds * times;
  }
}

std::vector<std::vector<std::size_t>> plan_rounds(const std::vector<Step>& steps, std::size_t rounds,
                                                  std::uint64_t seed) {
  constexpr std::size_t fine = std::size_t{1} << 32U;
  Random random(seed);
  std::vector<std::vector<std::size_t>> plan(rounds);
  for (std::size_t round = 0; round < rounds; ++round) {
    // Of several visits in one round each has its own part of it.
    std::vector<std::pair<double, std::size_t>> places;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::size_t repeats = steps[i].repeats;
      const std::size_t visits = (round + 1) * repeats / rounds - round * repeats / rounds;
      for (std::size_t k = 0; k < visits; ++k) {
        const double within = static_cast<double>(draw_below(random, fine)) / static_cast<double>(fine);
        places.emplace_back((static_cast<double>(k) + within) / static_cast<double>(visits), i);
      }
    }
    std::sort(places.begin(), places.end());
    for (const auto& [place, i] : places) {
      plan[round].push_back(i);
    }
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

// What the visits to come will cost: each as it has cost on average so far; where there was none, as
// estimated, by how far the estimates of the others were out.
class TimeLeft {
 public:
  TimeLeft(const std::vector<Step>& steps, const std::vector<std::vector<std::size_t>>& plan)
      : estimated_(steps.size()),
        spent_(steps.size(), 0),
        visits_(steps.size(), 0),
        to_come_(steps.size()) {
    std::transform(steps.begin(), steps.end(), estimated_.begin(),
                   [](const Step& step) { return step.seconds; });
    for (const auto& round : plan) {
      for (const std::size_t i : round) {
        ++to_come_[i];
      }
    }
  }

  void visited(std::size_t i, double seconds) {
    spent_[i] += seconds;
    ++visits_[i];
    --to_come_[i];
  }
  [[nodiscard]] double mean(std::size_t i) const {
    return visits_[i] > 0 ? spent_[i] / static_cast<double>(visits_[i]) : estimated_[i] * error();
  }
  [[nodiscard]] double seconds() const {
    const double error_now = error();
    double left = 0;
    for (std::size_t i = 0; i < to_come_.size(); ++i) {
      const double once =
          visits_[i] > 0 ? spent_[i] / static_cast<double>(visits_[i]) : estimated_[i] * error_now;
      left += once * static_cast<double>(to_come_[i]);
    }
    return left;
  }

 private:
  [[nodiscard]] double error() const {
    double spent = 0;
    double estimated = 0;
    for (std::size_t i = 0; i < spent_.size(); ++i) {
      spent += spent_[i];
      estimated += estimated_[i] * static_cast<double>(visits_[i]);
    }
    return estimated > 0 ? spent / estimated : 1;
  }

  std::vector<double> estimated_;
  std::vector<double> spent_;
  std::vector<std::size_t> visits_;
  std::vector<std::size_t> to_come_;
};

}  // namespace

Status run_rounds(std::vector<Step>& steps, std::size_t rounds, std::uint64_t seed, Clock& clock,
                  Progress& progress, Journal* journal, Pace* pace) {
  std::vector<std::size_t> repeated(steps.size(), 0);
  for (std::size_t i = 0; i < steps.size() && journal != nullptr; ++i) {
    repeated[i] = journal->done(steps[i].label);
  }
  const auto plan = remaining(plan_rounds(steps, rounds, seed), repeated);
  std::size_t total = 0;
  for (const auto& round : plan) {
    total += round.size();
  }

  TimeLeft left(steps, plan);
  const std::int64_t begin = clock.now_ns();
  std::size_t done = 0;
  for (std::size_t r = 0; r < plan.size(); ++r) {
    double afterwards = 0;
    if (pace != nullptr) {
      const double this_round =
          std::accumulate(plan[r].begin(), plan[r].end(), 0.0,
                          [&](double sum, std::size_t i) { return sum + left.mean(i); });
      if (done > 0 && seconds_between(begin, clock.now_ns()) + this_round > pace->most_seconds) {
        pace->not_begun = plan.size() - r;
        break;
      }
      afterwards = pace->afterwards ? pace->afterwards(left.seconds(), repeated) : 0;
    }
    for (const std::size_t i : plan[r]) {
      SVCB_CHECK(check_interrupted());
      Step& step = steps[i];
      progress.step(step.label, done, total, left.seconds() + afterwards);
      const std::int64_t start = clock.now_ns();
      SVCB_CHECK(step.run(repeated[i]));
      if (journal != nullptr) {
        SVCB_CHECK(journal->add(step));
      }
      if (const auto figure = step.figure ? step.figure() : std::nullopt) {
        progress.result(*figure);
      }
      left.visited(i, seconds_between(start, clock.now_ns()));
      ++repeated[i];
      ++done;
      step.seconds = left.mean(i);
    }
  }
  progress.finished();
  return {};
}

double expected_repeats(const std::vector<Step>& steps, const std::vector<std::size_t>& visits, double wide,
                        double seconds) {
  double cost = 0;
  double known = 0;    // seconds of a visit to each of those whose spread is known
  double unknown = 0;  // and of the others
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].repeats == 0 || !steps[i].spread) {
      continue;
    }
    const auto spread = steps[i].spread();
    if (!spread) {
      unknown += steps[i].repeats >= stats::fewest_repeats ? steps[i].seconds : 0;
      continue;
    }
    known += steps[i].seconds;
    const double wider = *spread / wide;
    const double needed = static_cast<double>(visits[i]) * wider * wider;
    cost += steps[i].seconds *
            std::max(0.0, needed - static_cast<double>(std::max(visits[i], steps[i].repeats)));
  }
  const double expected = known > 0 ? cost * (1 + unknown / known) : unknown > 0 ? seconds : 0;
  return std::min(expected, seconds);
}

Result<std::vector<std::string>> repeat_wide(std::vector<Step>& steps, double wide, double seconds,
                                             std::uint64_t seed, Clock& clock, Progress& progress,
                                             Journal* journal, double afterwards_seconds) {
  const auto is_wide = [wide](const Step& step) {
    return step.repeats > 0 && step.spread && step.spread().value_or(wide) > wide;
  };
  Random random(seed);
  const std::int64_t begin = clock.now_ns();
  std::size_t done = 0;
  std::vector<std::size_t> visits;
  for (const Step& step : steps) {
    visits.push_back(step.repeats);
  }
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
      const double room = std::max(0.0, seconds - seconds_between(begin, clock.now_ns()));
      progress.step(step.label + " (once more: its interval is wide)", done, done + round.size() - i,
                    expected_repeats(steps, visits, wide, room) + afterwards_seconds);
      ++done;
      ++visits[static_cast<std::size_t>(&step - steps.data())];
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
