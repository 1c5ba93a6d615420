// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Figures of several runs: by hand, and on simulated machines whose truth is known.
#include "stats/over_runs.h"

#include <doctest/doctest.h>

#include <boost/random/normal_distribution.hpp>
#include <boost/random/uniform_real_distribution.hpp>
#include <cmath>
#include <vector>

#include "stats/change.h"
#include "stats/random.h"

namespace svcbench {
namespace {

using stats::Scatter;

TEST_CASE("over runs: Student's interval, worked by hand") {
  // Logarithms 0, 1, 2: their mean is 1, its standard error 1 / sqrt(3); t with 2 degrees is 4.30265.
  const double e = std::exp(1);
  const std::vector<double> figures{1, e, e * e};
  const auto factors = stats::over_runs(figures, Scatter::by_factors);
  REQUIRE(factors);
  CHECK(factors->value == doctest::Approx(e));
  CHECK(factors->samples == 3);
  REQUIRE(factors->interval);
  CHECK(factors->interval->low == doctest::Approx(std::exp(1 - 4.30265 / std::sqrt(3))).epsilon(1e-5));
  CHECK(factors->interval->high == doctest::Approx(std::exp(1 + 4.30265 / std::sqrt(3))).epsilon(1e-5));
  const auto differences = stats::over_runs(std::vector<double>{-1, 0, 1}, Scatter::by_differences);
  REQUIRE(differences);
  CHECK(differences->value == doctest::Approx(0));
  CHECK(differences->interval->high == doctest::Approx(4.30265 / std::sqrt(3)).epsilon(1e-5));
}

TEST_CASE("over runs: what has no interval, and what has no figure") {
  CHECK_FALSE(stats::over_runs(std::vector<double>{5, 6}, Scatter::by_factors)->interval);
  CHECK_FALSE(stats::over_runs({}, Scatter::by_factors));
  CHECK_FALSE(stats::over_runs(std::vector<double>{0, 1, 2}, Scatter::by_factors));
  const auto counts = stats::over_runs(std::vector<double>{0, 0, 0}, Scatter::by_differences);
  REQUIRE(counts);
  CHECK(counts->interval->low == 0);
  CHECK(counts->interval->high == 0);
}

TEST_CASE("over runs: the ratio of two sets of runs, by Welch") {
  // Logarithms 0, 1, 2 and 3, 4, 5: they differ by 3; each mean's variance is 1/3, with 4 degrees together;
  // t is 2.77645.
  const auto exps = [](std::vector<double> logs) {
    for (double& one : logs) {
      one = std::exp(one);
    }
    return logs;
  };
  const auto ratio = stats::ratio_over_runs(exps({0, 1, 2}), exps({3, 4, 5}));
  REQUIRE(ratio);
  CHECK(ratio->value == doctest::Approx(std::exp(3)));
  const double half = 2.77645 * std::sqrt(2.0 / 3);
  CHECK(ratio->interval->low == doctest::Approx(std::exp(3 - half)).epsilon(1e-5));
  CHECK(ratio->interval->high == doctest::Approx(std::exp(3 + half)).epsilon(1e-5));
  CHECK_FALSE(stats::ratio_over_runs(exps({0, 1}), exps({3, 4, 5}))->interval);
  CHECK_FALSE(stats::ratio_over_runs(std::vector<double>{0, 1, 2}, exps({3, 4, 5})));
}

// ---- machines whose truth is known ----

struct Machine {
  const char* name;
  double second_speed = 1;     // how much slower its other speed is
  double change_of_speed = 0;  // the probability, at each visit, that it changes
  double drift = 0;            // from the first visit to the last, of the logarithm
  double burst = 0;            // the probability that a visit meets a burst of steal
  double tail = 0;             // visits that take this times as long, one in twenty
};

constexpr Machine machines[] = {
    {"still"},
    {"two speeds, a minute or so each", 1.44, 0.01},
    {"drift", 1, 0, 0.2},
    {"bursts of steal", 1, 0, 0, 0.05},
    {"heavy tails", 1, 0, 0, 0, 8},
    {"all of it", 1.44, 0.02, 0.1, 0.03, 4},
};

struct RunFigures {
  double cell = 0;
  double relative = 0;  // to its control
};

double median(std::vector<double> values) {
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  return *half;
}

// A run of so many visits, to a figure that is thrice its control; what placement does to a whole run is in
// both.
RunFigures one_run(const Machine& machine, std::size_t visits, Random& random) {
  boost::random::normal_distribution<double> normal(0, 1);
  boost::random::uniform_real_distribution<double> uniform(0, 1);
  const double placed = std::exp(0.04 * normal(random));
  bool slow = uniform(random) < 0.5;
  std::vector<double> cell(visits);
  std::vector<double> control(visits);
  for (std::size_t i = 0; i < visits; ++i) {
    slow = slow != (uniform(random) < machine.change_of_speed);
    const double speed = (slow ? machine.second_speed : 1) *
                         std::exp(machine.drift * static_cast<double>(i) / static_cast<double>(visits));
    const auto visit = [&](double cost) {
      const double burst = uniform(random) < machine.burst ? 1 + 3 * uniform(random) : 1;
      const double tail = machine.tail > 0 && uniform(random) < 0.05 ? machine.tail : 1;
      return cost * speed * burst * tail * std::exp(0.03 * normal(random));
    };
    cell[i] = visit(3 * placed);
    control[i] = visit(1);
  }
  return {.cell = median(cell), .relative = median(cell) / median(control)};
}

double share_covered(const Machine& machine, std::size_t visits, double RunFigures::*which) {
  Random random(visits);
  constexpr std::size_t runs = 5;
  const int tries = visits < 100 ? 1500 : 1000;  // deterministic: seconds, also under a sanitizer
  double sum = 0;
  for (int i = 0; i < tries; ++i) {
    sum += std::log(one_run(machine, visits, random).*which);
  }
  const double truth = std::exp(sum / tries);
  int covered = 0;
  for (int i = 0; i < tries; ++i) {
    std::vector<double> figures;
    for (std::size_t run = 0; run < runs; ++run) {
      figures.push_back(one_run(machine, visits, random).*which);
    }
    const auto interval = stats::over_runs(figures, Scatter::by_factors)->interval;
    covered += interval->low <= truth && truth <= interval->high ? 1 : 0;
  }
  return static_cast<double>(covered) / tries;
}

TEST_CASE("over runs: the interval of a ratio covers the truth on any machine") {
  for (const Machine& machine : machines) {
    for (const std::size_t visits : {12, 60, 400}) {
      CAPTURE(machine.name);
      CAPTURE(visits);
      const double share = share_covered(machine, visits, &RunFigures::relative);
      CHECK(share >= 0.93);
      CHECK(share <= 0.98);
    }
  }
}

TEST_CASE("over runs: so does that of a time, although whole runs may fall into one speed") {
  for (const Machine& machine : machines) {
    CAPTURE(machine.name);
    const double share = share_covered(machine, 60, &RunFigures::cell);
    CHECK(share >= 0.90);
    CHECK(share <= 0.99);
  }
}

}  // namespace
}  // namespace svcbench
