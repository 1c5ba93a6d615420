// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where two costs cross. Answers are worked by hand; the working stands beside them.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "stats/crossing.h"
#include "stats/random.h"

namespace {

using namespace svcbench::stats;
using Rounds = std::vector<std::vector<double>>;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr std::uint64_t seed = 7;

const std::vector<double> sizes{100, 1000, 2000, 5000};

doctest::Approx near(double value) { return doctest::Approx(value).epsilon(1e-9); }

Rounds same(std::size_t rounds, const std::vector<double>& costs) { return Rounds(rounds, costs); }

// Uniform in [-1, 1].
double noise(svcbench::Random& random) {
  return static_cast<double>(svcbench::draw_below(random, 2'000'001)) / 1e6 - 1;
}

// Each cost times 1 + part * noise.
Rounds noisy(std::size_t rounds, const std::vector<double>& costs, double part, std::uint64_t of_seed) {
  svcbench::Random random(of_seed);
  Rounds all = same(rounds, costs);
  for (auto& round : all) {
    for (double& cost : round) {
      cost *= 1 + part * noise(random);
    }
  }
  return all;
}

LinearFit line(double intercept, double slope, double half) {
  LinearFit fit{};
  fit.intercept = intercept;
  fit.slope = slope;
  fit.slope_interval = Interval{slope - half, slope + half};
  fit.points = 4;
  return fit;
}

}  // namespace

TEST_CASE("crossing: one plane grows past a flat one") {
  // a - b is -4 at 1,000 and +6 at 2,000: zero at 1,000 + 1,000 x 4 / 10.
  const auto found = crossing(sizes, same(6, {1, 6, 16, 40}), same(6, {10, 10, 10, 10}), seed);
  REQUIRE(found);
  CHECK(found->kind == CrossingKind::becomes_costlier);
  CHECK(found->services == near(1400));
  REQUIRE(found->interval);
  CHECK(found->interval->low == near(1400));
  CHECK(found->interval->high == near(1400));
  CHECK(found->becomes_costlier == 1);
  CHECK(found->changes_back == 0);
  CHECK(found->rounds == 6);
  CHECK(found->sizes.low == 100);
  CHECK(found->sizes.high == 5000);
}

TEST_CASE("crossing: an even number of rounds beside an odd one") {
  // The median of six is the mean of the middle two: 9 and 11 stand for 10.
  Rounds b = same(6, {9, 9, 9, 9});
  for (std::size_t round = 3; round < 6; ++round) {
    b[round] = {11, 11, 11, 11};
  }
  const auto found = crossing(sizes, same(7, {1, 6, 16, 40}), b, seed);
  REQUIRE(found);
  CHECK(found->services == near(1400));
  CHECK(found->kind == CrossingKind::becomes_costlier);
  // Drawn apart, the median of b is 9, 10 or 11: zero at 1,000 + 1,000 x 3 / 10 and x 5 / 10.
  REQUIRE(found->interval);
  CHECK(found->interval->low == near(1300));
  CHECK(found->interval->high == near(1500));
}

TEST_CASE("crossing: the other way round") {
  const auto found = crossing(sizes, same(6, {10, 10, 10, 10}), same(6, {1, 6, 16, 40}), seed);
  REQUIRE(found);
  CHECK(found->kind == CrossingKind::becomes_cheaper);
  CHECK(found->services == near(1400));
  CHECK(found->becomes_cheaper == 1);
  CHECK(found->becomes_costlier == 0);
}

TEST_CASE("crossing: none within the sizes") {
  const auto cheaper = crossing(sizes, same(6, {1, 2, 3, 4}), same(6, {10, 10, 10, 10}), seed);
  REQUIRE(cheaper);
  CHECK(cheaper->kind == CrossingKind::cheaper_throughout);
  CHECK_FALSE(cheaper->services);
  CHECK_FALSE(cheaper->interval);
  CHECK(cheaper->cheaper_throughout == 1);
  const auto costlier = crossing(sizes, same(6, {10, 10, 10, 10}), same(6, {1, 2, 3, 4}), seed);
  REQUIRE(costlier);
  CHECK(costlier->kind == CrossingKind::costlier_throughout);
  CHECK(costlier->costlier_throughout == 1);
}

TEST_CASE("crossing: noise widens the interval, and the truth lies in it") {
  // 5 + 0.01 N against a flat 25: they cross at 2,000.
  std::vector<double> growing;
  for (const double n : sizes) {
    growing.push_back(5 + 0.01 * n);
  }
  const auto found =
      crossing(sizes, noisy(20, growing, 0.05, 1), noisy(20, {25, 25, 25, 25}, 0.05, 2), seed);
  REQUIRE(found);
  CHECK(found->kind == CrossingKind::becomes_costlier);
  REQUIRE(found->interval);
  CHECK(found->interval->low < *found->services);
  CHECK(found->interval->high > *found->services);
  CHECK(found->interval->low < 2000);
  CHECK(found->interval->high > 2000);
  CHECK(found->interval->low > 1600);
  CHECK(found->interval->high < 2400);

  // More noise, a wider interval.
  const auto wider = crossing(sizes, noisy(20, growing, 0.2, 1), noisy(20, {25, 25, 25, 25}, 0.2, 2), seed);
  REQUIRE(wider);
  REQUIRE(wider->interval);
  CHECK(wider->interval->high - wider->interval->low > 2 * (found->interval->high - found->interval->low));
}

TEST_CASE("crossing: two equal planes are undecided, not a crossing") {
  const std::vector<double> flat{10, 10, 10, 10};
  const auto found = crossing(sizes, noisy(20, flat, 0.1, 1), noisy(20, flat, 0.1, 2), seed);
  REQUIRE(found);
  CHECK(found->kind == CrossingKind::undecided);
  CHECK_FALSE(found->interval);
  CHECK(found->becomes_costlier + found->becomes_cheaper < kind_share);
  CHECK(found->changes_back > 0.1);
}

TEST_CASE("crossing: the share that decides") {
  // 40 rounds together; b is 10. At 2,000 a is 16 in k of them and 4 in the others. The median is at most
  // 10 (equal: no sign) unless more than half of the drawn rounds are dear: with k of 40 dear, that share
  // is P(Binomial(40, k / 40) > 20). k = 27: 98.3 %; k = 26: 96.4 %.
  const auto with_dear = [](std::size_t dear) {
    Rounds a = same(40, {1, 4});
    for (std::size_t round = 0; round < dear; ++round) {
      a[round][1] = 16;
    }
    return crossing(std::vector<double>{1000, 2000}, a, same(40, {10, 10}), seed, 20'000);
  };
  const auto enough = with_dear(27);
  REQUIRE(enough);
  CHECK(enough->becomes_costlier == doctest::Approx(0.983).epsilon(0.005));
  CHECK(enough->kind == CrossingKind::becomes_costlier);
  const auto too_few = with_dear(26);
  REQUIRE(too_few);
  CHECK(too_few->becomes_costlier == doctest::Approx(0.964).epsilon(0.005));
  CHECK(too_few->kind == CrossingKind::undecided);
  CHECK(too_few->services);  // the data's own medians cross, but that is no finding
  CHECK_FALSE(too_few->interval);
}

TEST_CASE("crossing: rounds are drawn together where both have as many") {
  // A drift that meets both alike: round r is r times as dear. The difference never changes its sign within
  // a round, but medians of rounds drawn apart would.
  Rounds a;
  Rounds b;
  for (int r = 1; r <= 12; ++r) {
    a.push_back({1.0 * r, 2.1 * r});
    b.push_back({1.1 * r, 2.0 * r});
  }
  const std::vector<double> two{100, 200};
  const auto together = crossing(two, a, b, seed);
  REQUIRE(together);
  CHECK(together->kind == CrossingKind::becomes_costlier);
  CHECK(together->becomes_costlier == 1);
  CHECK(together->interval->low == near(150));
  CHECK(together->interval->high == near(150));

  b.push_back({1.1 * 6, 2.0 * 6});  // another count: each by itself
  const auto apart = crossing(two, a, b, seed);
  REQUIRE(apart);
  CHECK(apart->kind == CrossingKind::undecided);
  CHECK(apart->becomes_costlier < 0.9);
}

TEST_CASE("crossing: ties") {
  const Rounds flat = same(6, {10, 10, 10, 10});
  // Equal everywhere: no kind.
  const auto equal = crossing(sizes, flat, flat, seed);
  REQUIRE(equal);
  CHECK(equal->kind == CrossingKind::undecided);
  CHECK(equal->becomes_costlier + equal->becomes_cheaper + equal->cheaper_throughout +
            equal->costlier_throughout ==
        0);
  // Equal at first, then costlier: it was never cheaper.
  CHECK(crossing(sizes, same(6, {10, 10, 11, 12}), flat, seed)->kind == CrossingKind::costlier_throughout);
  // Touches and turns back.
  CHECK(crossing(sizes, same(6, {9, 10, 9, 9}), flat, seed)->kind == CrossingKind::cheaper_throughout);
  // Rests on zero: costlier from the last size at which they were equal.
  const auto rests = crossing(sizes, same(6, {9, 10, 10, 12}), flat, seed);
  CHECK(rests->kind == CrossingKind::becomes_costlier);
  CHECK(rests->services == near(2000));
}

TEST_CASE("crossing: the first of several changes, and that there are more") {
  // -1, +1, -1, +1: zero halfway between 100 and 1,000.
  const auto found = crossing(sizes, same(6, {9, 11, 9, 11}), same(6, {10, 10, 10, 10}), seed);
  REQUIRE(found);
  CHECK(found->kind == CrossingKind::becomes_costlier);
  CHECK(found->services == near(550));
  CHECK(found->changes_back == 1);
}

TEST_CASE("crossing: sizes and rounds that are missing") {
  // 2,000 is missing from b: between 1,000 (-4) and 5,000 (+30), 1,000 + 4,000 x 4 / 34.
  const Rounds a = same(6, {1, 6, 16, 40});
  const auto hole = crossing(sizes, a, same(6, {10, 10, nan_value, 10}), seed);
  REQUIRE(hole);
  CHECK(hole->services == near(1000 + 4000.0 * 4 / 34));
  // The largest size was never measured for b: short rows.
  const auto cut = crossing(sizes, a, same(6, {10, 10, 10}), seed);
  REQUIRE(cut);
  CHECK(cut->services == near(1400));
  CHECK(cut->sizes.high == 2000);
  // Some rounds are missing at one size: the fewest count.
  Rounds few = same(12, {10, 10, 10, 10});
  for (std::size_t round = 0; round < 5; ++round) {
    few[round][1] = nan_value;
  }
  const auto some = crossing(sizes, same(12, {1, 6, 16, 40}), few, seed);
  REQUIRE(some);
  CHECK(some->rounds == 7);
  CHECK(some->kind == CrossingKind::becomes_costlier);
  few[5][1] = nan_value;
  few[6][1] = nan_value;
  CHECK(crossing(sizes, same(12, {1, 6, 16, 40}), few, seed)->kind == CrossingKind::undecided);
}

TEST_CASE("crossing: too few rounds for a course") {
  for (const std::size_t rounds : {1U, 5U}) {
    const auto found = crossing(sizes, same(rounds, {1, 6, 16, 40}), same(rounds, {10, 10, 10, 10}), seed);
    REQUIRE(found);
    CHECK(found->kind == CrossingKind::undecided);
    CHECK(found->services == near(1400));  // what the data say, without knowing how well
    CHECK_FALSE(found->interval);
    CHECK(found->rounds == rounds);
  }
}

TEST_CASE("crossing: cannot say") {
  const Rounds flat = same(6, {10, 10, 10, 10});
  CHECK_FALSE(crossing({}, {}, {}, seed));
  CHECK_FALSE(crossing(sizes, flat, {}, seed));
  CHECK_FALSE(crossing(sizes, flat, same(6, {1, nan_value, nan_value, nan_value}), seed));  // one size
  CHECK_FALSE(crossing(sizes, flat, same(6, {1, 2, 3, infinite}), seed));
  CHECK_FALSE(crossing(std::vector<double>{1, 3, 2, 4}, flat, flat, seed));
  CHECK_FALSE(crossing(std::vector<double>{1, 2, 2, 4}, flat, flat, seed));
  CHECK_FALSE(crossing(std::vector<double>{1, 2, nan_value, 4}, flat, flat, seed));
  CHECK(crossing(sizes, flat, flat, seed, 0)->kind == CrossingKind::undecided);
}

TEST_CASE("crossing: the same seed, the same answer; another seed, nearly the same") {
  const Rounds a = noisy(12, {5, 15, 25, 55}, 0.1, 1);
  const Rounds b = noisy(12, {25, 25, 25, 25}, 0.1, 2);
  const auto first = crossing(sizes, a, b, 1);
  const auto again = crossing(sizes, a, b, 1);
  const auto other = crossing(sizes, a, b, 2);
  REQUIRE(first->interval);
  CHECK(first->interval->low == again->interval->low);
  CHECK(first->interval->high == again->interval->high);
  CHECK(first->changes_back == again->changes_back);
  CHECK(first->interval->low == doctest::Approx(other->interval->low).epsilon(0.1));
}

TEST_CASE("crossing: names") {
  CHECK(to_string(CrossingKind::becomes_costlier) == "becomes costlier");
  CHECK(to_string(CrossingKind::becomes_cheaper) == "becomes cheaper");
  CHECK(to_string(CrossingKind::cheaper_throughout) == "cheaper throughout");
  CHECK(to_string(CrossingKind::costlier_throughout) == "costlier throughout");
  CHECK(to_string(CrossingKind::undecided) == "undecided");
}

TEST_CASE("predicted crossing: where two lines meet beyond what was measured") {
  // 1 + 0.002 N and 21 + 0.001 N: 20 / 0.001.
  const auto found = predicted_crossing(line(1, 0.002, 0.0001), line(21, 0.001, 0.0001), 10'000);
  REQUIRE(found);
  CHECK(found->services == near(20'000));
  CHECK(found->becomes_costlier);
  const auto mirrored = predicted_crossing(line(21, 0.001, 0.0001), line(1, 0.002, 0.0001), 10'000);
  REQUIRE(mirrored);
  CHECK(mirrored->services == near(20'000));
  CHECK_FALSE(mirrored->becomes_costlier);
}

TEST_CASE(
    "predicted crossing: not where it was measured, not far beyond, not where the slopes may be one") {
  const LinearFit steep = line(1, 0.002, 0.0001);
  const LinearFit flat = line(21, 0.001, 0.0001);
  CHECK(predicted_crossing(steep, flat, 19'999));
  CHECK_FALSE(predicted_crossing(steep, flat, 20'001));
  CHECK(predicted_crossing(steep, flat, 2001));
  CHECK_FALSE(predicted_crossing(steep, flat, 1999));                          // more than ten times as far
  CHECK_FALSE(predicted_crossing(line(21, 0.002, 0), line(1, 0.001, 0), 10));  // they met below zero
  CHECK_FALSE(predicted_crossing(line(1, 0.002, 0.0006), line(21, 0.001, 0.0006), 10'000));
  CHECK_FALSE(predicted_crossing(line(1, 0.002, 0), line(21, 0.002, 0), 10'000));
  LinearFit two_points = steep;
  two_points.slope_interval.reset();
  CHECK_FALSE(predicted_crossing(two_points, flat, 10'000));
}
