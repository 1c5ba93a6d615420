// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <map>

#include "fake_plane.h"
#include "measure/cost.h"
#include "measure/schedule.h"

namespace svcbench::test {
namespace {

Step step_of(double seconds, std::size_t fewest, bool droppable) {
  return {"step", [](std::size_t) { return Status{}; }, seconds, 0, fewest, droppable};
}

class CountingProgress final : public Progress {
 public:
  void phase(const std::string&) override {}
  void step(const std::string&, std::size_t done, std::size_t total, double left) override {
    dones.push_back(done);
    totals.push_back(total);
    lefts.push_back(left);
  }
  void result(const StepFigure& figure) override { figures.push_back(figure.value); }
  void finished() override { ended = true; }

  std::vector<std::size_t> dones{};
  std::vector<std::size_t> totals{};
  std::vector<double> lefts{};
  std::vector<double> figures{};
  bool ended = false;
};

TEST_CASE("within the budget every step gets all rounds") {
  std::vector<Step> steps{step_of(0.1, 6, true), step_of(0.2, 6, false)};
  fit_to_budget(steps, 20, 6.1);  // 20 x 0.1 + 20 x 0.2 = 6
  CHECK(steps[0].repeats == 20);
  CHECK(steps[1].repeats == 20);
}

TEST_CASE("a cell gets the visits that are wanted of it, where its share of the budget holds them") {
  CHECK(affordable_visits(0.1, 100) == stats::fewest_repeats);
  CHECK(affordable_visits(0.1, 100, visits_for_flatness) == visits_for_flatness);
  CHECK(affordable_visits(1, 100, visits_for_flatness) == 6);  // 6 s
  CHECK(affordable_visits(60, 100, visits_for_flatness) == 1);
}

TEST_CASE("over the budget the costliest step gives up repeats first") {
  std::vector<Step> steps{step_of(0.1, 6, true), step_of(1.0, 6, true)};
  fit_to_budget(steps, 20, 12);  // 2 s for the first leaves 10 s for the second
  CHECK(steps[0].repeats == 20);
  CHECK(steps[1].repeats == 10);
}

TEST_CASE("a step that would fall below its fewest is dropped whole, others are not") {
  std::vector<Step> steps{step_of(0.1, 20, false), step_of(10.0, 6, true)};
  fit_to_budget(steps, 20, 12);
  CHECK(steps[0].repeats == 20);
  CHECK(steps[1].repeats == 0);
}

TEST_CASE("what may be dropped goes first, then the costliest of the others: the budget is kept") {
  std::vector<Step> steps{step_of(10, 6, false), step_of(0.1, 6, true), step_of(0.5, 6, false)};
  fit_to_budget(steps, 20, 62);
  CHECK(steps[0].repeats == 0);  // without the droppable one the rest took 63 s
  CHECK(steps[1].repeats == 0);
  CHECK(steps[2].repeats == 6);
  fit_to_budget(steps, 20, 63.2);
  CHECK(steps[0].repeats == 6);
  CHECK(steps[1].repeats == 0);
}

TEST_CASE("no step gets more repeats than are of use") {
  std::vector<Step> steps{step_of(0.1, 1, true)};
  steps[0].most = 7;
  fit_to_budget(steps, 20, 100);
  CHECK(steps[0].repeats == 7);
}

TEST_CASE("cheap steps are visited several times in a round, each in its own part of it") {
  std::vector<Step> steps(21, step_of(1, 6, false));
  steps[0].seconds = 0.001;
  steps[1].seconds = 0.01;
  steps[2].seconds = 0.001;
  steps[2].most = 20;
  fit_to_budget(steps, 20, 1000);
  add_cheap_visits(steps, 20, 300, 100);
  CHECK(steps[0].repeats == 20 * most_visits_a_round);  // 0.16 s of 0.6 s, which is its share
  CHECK(steps[1].repeats == 20 * 3);                    // 0.6 s
  CHECK(steps[2].repeats == 20);
  CHECK(steps[3].repeats == 20);
  const auto plan = plan_rounds(steps, 20, 1);
  for (const auto& round : plan) {
    REQUIRE(round.size() == 19 + most_visits_a_round + 3);
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < round.size(); ++i) {
      if (round[i] == 1) {
        places.push_back(i);
      }
    }
    REQUIRE(places.size() == 3);
    CHECK(places[2] - places[0] > 4);
  }
  fit_to_budget(steps, 20, 1000);
  add_cheap_visits(steps, 20, 300, 0.1);  // room for one a round more would be 0.02 s, for seven 0.14 s
  CHECK(steps[0].repeats == 20);
}

TEST_CASE("the rounds end when there is no time for another one") {
  FakeClock clock;
  std::size_t visits = 0;
  std::vector<Step> steps{step_of(1, 6, false)};
  steps[0].repeats = 20;
  steps[0].run = [&](std::size_t) {
    ++visits;
    clock.pass(2e9);
    return Status{};
  };
  CountingProgress progress;
  Pace pace;
  pace.most_seconds = 11;
  pace.afterwards = [](double, const std::vector<std::size_t>&) { return 100.0; };
  REQUIRE(run_rounds(steps, 20, 1, clock, progress, nullptr, &pace));
  CHECK(visits == 5);
  CHECK(pace.not_begun == 15);
  CHECK(progress.lefts.front() == doctest::Approx(120));
}

TEST_CASE("what wide cells will take is told by their intervals") {
  std::vector<Step> steps(2, step_of(1, 6, false));
  steps[0].repeats = steps[1].repeats = 20;
  steps[0].spread = []() -> std::optional<double> { return std::nullopt; };
  CHECK(expected_repeats(steps, {5, 10}, 0.05, 50) == 50);  // there is no interval yet
  steps[1].spread = [] { return 0.1; };
  CHECK(expected_repeats(steps, {5, 10}, 0.05, 50) == doctest::Approx(40));  // it is as the other one
  steps[1].spread = {};
  steps[0].spread = [] { return 0.1; };
  CHECK(expected_repeats(steps, {10, 10}, 0.05, 50) == doctest::Approx(20));  // 40 visits, 20 are planned
  CHECK(expected_repeats(steps, {10, 10}, 0.05, 5) == 5);
  steps[0].spread = [] { return 0.04; };
  CHECK(expected_repeats(steps, {10, 10}, 0.05, 50) == 0);
}

TEST_CASE("repeats are spread evenly over the rounds") {
  std::vector<Step> steps{step_of(1, 1, false), step_of(1, 1, false)};
  steps[0].repeats = 20;
  steps[1].repeats = 5;
  const auto plan = plan_rounds(steps, 20, 1);
  std::vector<std::size_t> rounds_of_second;
  for (std::size_t round = 0; round < plan.size(); ++round) {
    CHECK(std::count(plan[round].begin(), plan[round].end(), 0U) == 1);
    if (std::count(plan[round].begin(), plan[round].end(), 1U) == 1) {
      rounds_of_second.push_back(round);
    }
  }
  CHECK(rounds_of_second == std::vector<std::size_t>{3, 7, 11, 15, 19});
}

TEST_CASE("the order is shuffled, by the seed") {
  std::vector<Step> steps(30, step_of(1, 1, false));
  for (Step& step : steps) {
    step.repeats = 2;
  }
  CHECK(plan_rounds(steps, 2, 1) == plan_rounds(steps, 2, 1));
  CHECK(plan_rounds(steps, 2, 1) != plan_rounds(steps, 2, 2));
  const auto plan = plan_rounds(steps, 2, 1);
  CHECK(plan[0] != plan[1]);
  CHECK_FALSE(std::is_sorted(plan[0].begin(), plan[0].end()));
}

TEST_CASE("a run visits every step as often as planned, and the time left comes down to what it was") {
  FakeClock clock;
  std::map<int, std::vector<std::size_t>> repeats;
  std::vector<Step> steps;
  for (int i = 0; i < 2; ++i) {
    steps.push_back({"step",
                     [&repeats, &clock, i](std::size_t repeat) {
                       repeats[i].push_back(repeat);
                       clock.pass(2e9);  // twice what was estimated
                       return Status{};
                     },
                     1.0, 3, 3, false});
  }
  CountingProgress progress;
  REQUIRE(run_rounds(steps, 3, 1, clock, progress));
  CHECK(repeats[0] == std::vector<std::size_t>{0, 1, 2});
  CHECK(repeats[1] == std::vector<std::size_t>{0, 1, 2});
  CHECK(progress.dones == std::vector<std::size_t>{0, 1, 2, 3, 4, 5});
  CHECK(progress.totals.back() == 6);
  CHECK(progress.lefts.front() == doctest::Approx(6));  // by the estimate
  CHECK(progress.lefts.back() == doctest::Approx(2));   // by experience
  CHECK(progress.ended);
}

TEST_CASE("what a step has measured goes into the progress line, where it has a figure") {
  FakeClock clock;
  std::vector<Step> steps{step_of(1, 3, false)};
  steps[0].repeats = 3;
  int visits = 0;
  steps[0].figure = [&visits]() -> std::optional<StepFigure> {
    return ++visits == 2 ? std::nullopt : std::optional(StepFigure{.value = 1.0 * visits, .unit = "ns"});
  };
  CountingProgress progress;
  REQUIRE(run_rounds(steps, 3, 1, clock, progress));
  CHECK(progress.figures == std::vector<double>{1, 3});
}

TEST_CASE("wide cells are visited again while there is time, narrow ones are not") {
  FakeClock clock;
  int narrow_runs = 0;
  int wide_runs = 0;
  int hopeless_runs = 0;
  const auto step = [&clock](std::string label, int& runs, std::function<std::optional<double>()> spread) {
    Step made;
    made.label = std::move(label);
    made.run = [&runs, &clock](std::size_t) {
      ++runs;
      clock.pass(1e9);
      return Status{};
    };
    made.seconds = 1;
    made.repeats = 3;
    made.spread = std::move(spread);
    return made;
  };
  std::vector<Step> steps{
      step("narrow", narrow_runs, [] { return 0.04; }),
      step("wide", wide_runs, [&wide_runs] { return wide_runs < 2 ? 0.2 : 0.03; }),
      step("hopeless", hopeless_runs, [] { return 0.5; }),
      step("no interval", narrow_runs, []() -> std::optional<double> { return std::nullopt; }),
      step("dropped", narrow_runs, [] { return 0.5; }),
  };
  steps.back().repeats = 0;
  CountingProgress progress;
  const auto labels = repeat_wide(steps, 0.05, 7.5, 1, clock, progress);
  REQUIRE(labels);
  CHECK(*labels == std::vector<std::string>{"hopeless"});
  CHECK(narrow_runs == 0);
  CHECK(wide_runs == 2);
  CHECK(hopeless_runs == 5);  // two rounds of two, three of one: seven seconds
  CHECK(progress.dones ==
        std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6});  // a line for each first would flood
  CHECK(progress.totals == std::vector<std::size_t>{2, 2, 4, 4, 5, 6, 7});
  const auto none = repeat_wide(steps, 0.05, 0.5, 1, clock, progress);
  REQUIRE(none);
  CHECK(hopeless_runs == 5);
}

TEST_CASE("the first error ends the run") {
  FakeClock clock;
  int runs = 0;
  std::vector<Step> steps{{"step",
                           [&runs](std::size_t) -> Status {
                             ++runs;
                             return failure("no");
                           },
                           1.0, 3, 3, false}};
  CountingProgress progress;
  const Status status = run_rounds(steps, 3, 1, clock, progress);
  REQUIRE_FALSE(status);
  CHECK(status.error().message == "no");
  CHECK(runs == 1);
}

}  // namespace
}  // namespace svcbench::test
