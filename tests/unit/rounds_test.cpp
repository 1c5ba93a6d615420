// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Repeats that belong together, against the rounds that the schedule really gives them.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "measure/schedule.h"
#include "stats/rounds.h"

namespace svcbench {
namespace {

// The round of each repeat of a step that takes part in `repeats` of `rounds`.
std::vector<std::size_t> rounds_of(std::size_t repeats, std::size_t rounds) {
  std::vector<Step> steps(1);
  steps[0].repeats = repeats;
  const auto plan = plan_rounds(steps, rounds, 1);
  std::vector<std::size_t> taken;
  for (std::size_t round = 0; round < plan.size(); ++round) {
    if (!plan[round].empty()) {
      taken.push_back(round);
    }
  }
  return taken;
}

TEST_CASE("rounds: a repeat is held beside the one of its own round, as the schedule spreads them") {
  constexpr std::size_t rounds = 20;
  for (std::size_t repeats = 1; repeats <= rounds; ++repeats) {
    for (std::size_t fewer = 1; fewer <= repeats; ++fewer) {
      const auto many = rounds_of(repeats, rounds);
      const auto few = rounds_of(fewer, rounds);
      REQUIRE(many.size() == repeats);
      for (std::size_t k = 0; k < fewer; ++k) {
        CAPTURE(repeats);
        CAPTURE(fewer);
        const std::size_t beside = stats::repeat_beside(k, fewer, repeats);
        if (repeats == rounds || repeats % fewer == 0) {
          CHECK(many[beside] == few[k]);
        } else {  // none before it is as near
          CHECK(many[beside] >= few[k]);
          CHECK((beside == 0 || many[beside - 1] <= few[k]));
        }
      }
    }
  }
}

TEST_CASE("rounds: rows of what belongs together, as many as the cell of fewest repeats has") {
  using Rows = std::vector<std::vector<double>>;
  CHECK(stats::beside_each_other({{1, 2, 3, 4}, {10, 20}, {5, 6, 7, 8}}) == Rows{{2, 10, 6}, {4, 20, 8}});
  CHECK(stats::beside_each_other({{1, 2}, {}}).empty());
  CHECK(stats::beside_each_other({}).empty());
}

TEST_CASE("rounds: a ratio is free of a drift between rounds, whichever side has fewer of them") {
  std::vector<double> many;
  std::vector<double> few;
  for (int round = 0; round < 24; ++round) {
    many.push_back(std::pow(1.1, round));
    if (round % 3 == 2) {
      few.push_back(2 * many.back());
    }
  }
  const auto over = stats::ratio_by_round(few, many);
  REQUIRE(over);
  CHECK(over->samples == 8);
  CHECK(over->interval->low == doctest::Approx(2));
  CHECK(over->interval->high == doctest::Approx(2));
  CHECK(stats::ratio_by_round(many, few)->value == doctest::Approx(0.5));
  CHECK_FALSE(stats::ratio_by_round(many, {}));
}

TEST_CASE("blocks: medians one by one, and NaN where there is none") {
  const auto medians = stats::block_medians({{3, 1, 2}, {}, {4, 5}});
  REQUIRE(medians.size() == 3);
  CHECK(medians[0] == 2);
  CHECK(std::isnan(medians[1]));
  CHECK(medians[2] == 4.5);
}

}  // namespace
}  // namespace svcbench
