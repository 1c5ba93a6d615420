// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Every answer here is worked by hand; the working stands beside it.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "stats/growth.h"
#include "stats/quantile.h"

namespace {

using namespace svcbench::stats;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr double infinite = std::numeric_limits<double>::infinity();

doctest::Approx near(double value) { return doctest::Approx(value).epsilon(1e-9); }

// 1, 2, .. n: a sample's value is its rank.
std::vector<double> ranks(int n) {
  std::vector<double> samples(static_cast<std::size_t>(n));
  std::iota(samples.begin(), samples.end(), 1.0);
  return samples;
}

std::vector<double> power_law(const std::vector<double>& sizes, double factor, double exponent) {
  std::vector<double> costs;
  costs.reserve(sizes.size());
  for (const double size : sizes) {
    costs.push_back(factor * std::pow(size, exponent));
  }
  return costs;
}

}  // namespace

TEST_CASE("quantile: nearest rank") {
  const std::vector<double> five{15, 20, 35, 40, 50};
  // rank = ceil(q n): 0.3 x 5 = 1.5 -> 2nd, 0.4 x 5 = 2 -> 2nd, 0.41 x 5 = 2.05 -> 3rd, 0.5 x 5 = 2.5 ->
  // 3rd
  CHECK(quantile(five, 0.3) == 20);
  CHECK(quantile(five, 0.4) == 20);
  CHECK(quantile(five, 0.41) == 35);
  CHECK(quantile(five, 0.5) == 35);
  CHECK(quantile(five, 0.8) == 40);  // (1 - 0.8) x 5 = 1 sample above: just enough
  CHECK(quantile(five, 0) == 15);    // there is no rank 0: the smallest
  CHECK(quantile(five, 0.1) == 15);
  CHECK(quantile(std::vector<double>{7}, 0.5) == 7);
}

TEST_CASE("quantile: a rank that rounding would move") {
  // 0.07 x 100 is 7.000000000000001 in doubles, (1 - 0.9) x 10 is 0.9999999999999998
  CHECK(quantile(ranks(100), 0.07) == 7);
  CHECK(quantile(ranks(10), 0.9) == 9);
}

TEST_CASE("quantile: cannot say") {
  CHECK_FALSE(quantile({}, 0.5));
  CHECK_FALSE(quantile(ranks(10), -0.1));
  CHECK_FALSE(quantile(ranks(10), 1.1));
  CHECK_FALSE(quantile(ranks(10), nan_value));
  CHECK_FALSE(quantile(ranks(1000), 1));  // no sample is ever expected above the maximum
}

TEST_CASE("quantile: a tail needs one expected sample") {
  // p99: 0.01 x 99 = 0.99 < 1, 0.01 x 100 = 1. p99.9 likewise at 1,000.
  CHECK_FALSE(quantile(ranks(99), 0.99));
  CHECK(quantile(ranks(100), 0.99) == 99);
  CHECK_FALSE(quantile(ranks(999), 0.999));
  CHECK(quantile(ranks(1000), 0.999) == 999);
  // The median of one sample expects half a sample above it, but is no tail. Nor is p1 of 10.
  CHECK(quantile(ranks(1), 0.5) == 1);
  CHECK(quantile(ranks(10), 0.01) == 1);
}

TEST_CASE("quantile_interval: the median of few samples") {
  // n = 5: even min..max covers only 1 - 2/2^5 = 93.75 %. n = 6: 1 - 2/2^6 = 96.875 %.
  CHECK_FALSE(quantile_interval(ranks(5), 0.5, 0.95));
  const auto six = quantile_interval(ranks(6), 0.5, 0.95);
  REQUIRE(six);
  CHECK(six->low == 1);
  CHECK(six->high == 6);
  // Exactly as much as there is is enough, a little more is not.
  CHECK(quantile_interval(ranks(6), 0.5, 0.96875));
  CHECK_FALSE(quantile_interval(ranks(6), 0.5, 0.969));
  CHECK(quantile_interval(ranks(6), 0.5, 0.96875 + 1e-14));  // what rounding could add to a level
  CHECK(quantile_interval(ranks(5), 0.5, 0.9375));
}

TEST_CASE("quantile_interval: the median's ranks") {
  struct Row {
    int n;
    double low;
    double high;
  };
  const std::vector<Row> table{
      // n = 8: F(0) = 1/256 = 0.4 %, F(1) = 9/256 = 3.5 % > 2.5 %
      {8, 1, 8},
      // n = 9: F(1) = 10/512 = 1.95 %, F(2) = 46/512 = 9 %
      {9, 2, 8},
      // n = 10: F(1) = 11/1024 = 1.1 %, F(2) = 56/1024 = 5.5 %
      {10, 2, 9},
      // n = 20: F(5) = 21,700/2^20 = 2.07 %, F(6) = 60,460/2^20 = 5.8 %; coverage 1 - 2 x 2.07 % = 95.9 %
      {20, 6, 15},
      // n = 100: F(39) = 1.76 %, F(40) = 2.84 % (n/2 -+ 0.98 sqrt(n), rounded outwards, agrees)
      {100, 40, 61},
  };
  for (const Row& row : table) {
    CAPTURE(row.n);
    const auto interval = quantile_interval(ranks(row.n), 0.5, 0.95);
    REQUIRE(interval);
    CHECK(interval->low == row.low);
    CHECK(interval->high == row.high);
  }
  // 20 at 0.9586105 = 1 - 2 x 21,700/2^20 exactly, and at a little more: one rank further out on both
  // sides.
  CHECK(quantile_interval(ranks(20), 0.5, 1 - 43400.0 / 1048576)->low == 6);
  CHECK(quantile_interval(ranks(20), 0.5, 0.9587)->low == 5);
  CHECK(quantile_interval(ranks(20), 0.5, 0.9587)->high == 16);
}

TEST_CASE("quantile_interval: other quantiles") {
  // p90 needs 1 - 0.9^n >= 97.5 %: 0.9^35 = 2.503 %, 0.9^36 = 2.253 %.
  CHECK_FALSE(quantile_interval(ranks(35), 0.9, 0.95));
  // n = 36: F(28) = 2.35 % <= 2.5 % < F(29) = 6.28 %, so l = 29; F(34) = 88.7 %, F(35) = 97.7 %, so u = 36.
  const auto p90 = quantile_interval(ranks(36), 0.9, 0.95);
  REQUIRE(p90);
  CHECK(p90->low == 29);
  CHECK(p90->high == 36);
  // p10 is p90 from the other side: ranks 37 - 36 and 37 - 29. Here it is the lower rank that runs out.
  const auto p10 = quantile_interval(ranks(36), 0.1, 0.95);
  REQUIRE(p10);
  CHECK(p10->low == 1);
  CHECK(p10->high == 8);
  CHECK_FALSE(quantile_interval(ranks(35), 0.1, 0.95));
  // p99: ln 0.025 / ln 0.99 = 367.04.
  CHECK_FALSE(quantile_interval(ranks(367), 0.99, 0.95));
  CHECK(quantile_interval(ranks(368), 0.99, 0.95));
}

TEST_CASE("quantile_interval: cannot say") {
  CHECK_FALSE(quantile_interval({}, 0.5, 0.95));
  for (const double bad : {-1.0, 0.0, 1.0, 2.0, nan_value}) {
    CAPTURE(bad);
    CHECK_FALSE(quantile_interval(ranks(100), bad, 0.95));
    CHECK_FALSE(quantile_interval(ranks(100), 0.5, bad));
  }
}

TEST_CASE("median_of") {
  // sorted 1 2 3 4 5 6: (3 + 4) / 2; the interval of 6 is min..max
  const auto even = median_of(std::vector<double>{6, 1, 5, 2, 4, 3});
  REQUIRE(even);
  CHECK(even->value == 3.5);
  REQUIRE(even->interval);
  CHECK(even->interval->low == 1);
  CHECK(even->interval->high == 6);
  CHECK(even->samples == 6);

  const auto odd = median_of(std::vector<double>{9, 1, 5});
  REQUIRE(odd);
  CHECK(odd->value == 5);
  CHECK_FALSE(odd->interval);
  CHECK(odd->samples == 3);

  CHECK(median_of(std::vector<double>{2, 4})->value == 3);
  CHECK(median_of(std::vector<double>{8})->value == 8);
  // 1 - 2/2^3 = 75 %: three samples are enough for that
  CHECK(median_of(std::vector<double>{9, 1, 5}, 0.75)->interval);

  CHECK_FALSE(median_of({}));
  CHECK_FALSE(median_of(std::vector<double>{1, nan_value, 2}));
  CHECK_FALSE(median_of(std::vector<double>{-infinite, infinite}));
}

TEST_CASE("median_of: nothing is trimmed") {
  // An outlier of any size is the end of the interval.
  CHECK(median_of(std::vector<double>{1, 2, 3, 4, 5, 1e12})->interval->high == 1e12);
}

TEST_CASE("median_of_blocks: the blocks are the repeats, not the samples in them") {
  // Medians 2, 5, 8; 9 samples, but 3 repeats: no interval at 95 %.
  const auto three = median_of_blocks({{1, 2, 3}, {5, 5, 100}, {8, 7, 9}});
  REQUIRE(three);
  CHECK(three->value == 5);
  CHECK_FALSE(three->interval);
  CHECK(three->samples == 9);

  // Medians 10, 20, 29.5, 40, 50, 65, the empty blocks ignored: (29.5 + 40) / 2, min..max of 6. The blocks
  // are unequal: pooled, the ten samples' median would be 45.
  const auto six = median_of_blocks({{60, 70}, {10}, {}, {20}, {50, 50, 50}, {40}, {30, 29}, {}}, 0.95);
  REQUIRE(six);
  CHECK(six->value == (29.5 + 40) / 2);
  REQUIRE(six->interval);
  CHECK(six->interval->low == 10);
  CHECK(six->interval->high == 65);
  CHECK(six->samples == 10);

  CHECK(median_of_blocks({{1, 2, 3}, {5, 5, 100}, {8, 7, 9}}, 0.75)->interval->high == 8);
  CHECK_FALSE(median_of_blocks({}));
  CHECK_FALSE(median_of_blocks({{}, {}}));
  CHECK_FALSE(median_of_blocks({{1}, {nan_value}}));
}

TEST_CASE("ratio_of_pairs") {
  // 10/5 = 2, 30/10 = 3, 8/2 = 4, 25/5 = 5, 6/6 = 1, 12/2 = 6: median 3.5, min..max. The ratio of the
  // medians would be 11 / 5 = 2.2.
  const auto ratio =
      ratio_of_pairs(std::vector<double>{10, 30, 8, 25, 6, 12}, std::vector<double>{5, 10, 2, 5, 6, 2});
  REQUIRE(ratio);
  CHECK(ratio->value == 3.5);
  REQUIRE(ratio->interval);
  CHECK(ratio->interval->low == 1);
  CHECK(ratio->interval->high == 6);
  CHECK(ratio->samples == 6);

  CHECK_FALSE(ratio_of_pairs(std::vector<double>{1, 2, 3}, std::vector<double>{1, 1, 1})->interval);
  CHECK(ratio_of_pairs(std::vector<double>{1, 2, 3}, std::vector<double>{1, 1, 1}, 0.75)->interval);
  CHECK(ratio_of_pairs(std::vector<double>{0}, std::vector<double>{4})->value == 0);
  CHECK_FALSE(ratio_of_pairs({}, {}));
  for (const double bad : {0.0, -1.0, nan_value, infinite}) {
    CAPTURE(bad);
    CHECK_FALSE(ratio_of_pairs(std::vector<double>{1, 2}, std::vector<double>{1, bad}));
    CHECK_FALSE(ratio_of_pairs(std::vector<double>{1, 0}, std::vector<double>{1, bad}));
  }
  CHECK_FALSE(ratio_of_pairs(std::vector<double>{nan_value, 2}, std::vector<double>{1, 1}));
}

TEST_CASE("growth: exact power laws") {
  const std::vector<double> sizes{100, 1000, 2000, 5000, 10000};
  for (const double exponent : {-0.5, 0.0, 0.1, 1.0, 2.0}) {
    CAPTURE(exponent);
    // Each round has its own factor: a machine that is slower in one round does not bend the exponent.
    std::vector<std::vector<double>> rounds;
    for (const double factor : {1.0, 3.0, 0.5, 7.0, 2.0, 10.0}) {
      rounds.push_back(power_law(sizes, factor, exponent));
    }
    const auto found = growth(sizes, rounds);
    REQUIRE(found);
    CHECK(found->exponent == near(exponent));
    REQUIRE(found->interval);
    CHECK(found->interval->low == near(exponent));
    CHECK(found->interval->high == near(exponent));
    CHECK(found->rounds == 6);
  }
}

TEST_CASE("growth: least squares over the sizes of a round") {
  // log10 N = 0, 1, 2 and log10 cost = 0, 0, 3: mean 1 and 1, products (-1)(-1) + 0 + (1)(2) = 3,
  // squares 2.
  const auto found = growth(std::vector<double>{1, 10, 100}, {{1, 1, 1000}});
  REQUIRE(found);
  CHECK(found->exponent == near(1.5));
  CHECK_FALSE(found->interval);
  CHECK(found->rounds == 1);
}

TEST_CASE("growth: the median of the rounds, two sizes") {
  // From 10 to 1,000 (a factor of 10^2) a cost that grows by 10^2b has exponent b: 0, 0.5, 1, 1.5, 2, 3.
  const std::vector<double> sizes{10, 1000};
  const auto found = growth(sizes, {{1, 1e4}, {1, 1}, {1, 10}, {1, 1e6}, {1, 100}, {1, 1000}});
  REQUIRE(found);
  CHECK(found->exponent == near(1.25));
  REQUIRE(found->interval);
  CHECK(found->interval->low == near(0));
  CHECK(found->interval->high == near(3));
  CHECK(found->rounds == 6);
  // Three rounds have an interval at 75 %, none at 95 %.
  CHECK(growth(sizes, {{1, 1}, {1, 10}, {1, 100}}, 0.75)->interval);
  CHECK_FALSE(growth(sizes, {{1, 1}, {1, 10}, {1, 100}})->interval);
}

TEST_CASE("growth: missing costs") {
  const std::vector<double> sizes{10, 100, 1000};
  // Round 1: 10 -> 1000 gives 1. Round 2: one size only. Round 3: none. Round 4, cut short: 10 -> 100
  // gives 2. Round 5: stopped before its first. Median of 1 and 2.
  const auto found = growth(
      sizes,
      {{5, nan_value, 500}, {nan_value, 7, nan_value}, {nan_value, nan_value, nan_value}, {1, 100}, {}});
  REQUIRE(found);
  CHECK(found->exponent == near(1.5));
  CHECK(found->rounds == 2);
}

TEST_CASE("growth: cannot say") {
  CHECK_FALSE(growth({}, {}));
  CHECK_FALSE(growth(std::vector<double>{10, 100}, {}));
  CHECK_FALSE(growth(std::vector<double>{10}, {{1}, {2}}));
  CHECK_FALSE(growth(std::vector<double>{10, 10}, {{1, 2}}));  // one distinct size
  // 3 x log(5000): the mean of equal values may differ from them by rounding
  CHECK_FALSE(growth(std::vector<double>{5000, 5000, 5000}, {{1, 2, 3}}));
  CHECK_FALSE(growth(std::vector<double>{10, 100}, {{1, nan_value}}));
  // What has no logarithm is not left out.
  for (const double bad : {0.0, -1.0, infinite}) {
    CAPTURE(bad);
    CHECK_FALSE(growth(std::vector<double>{10, 100, 1000}, {{1, 2, 3}, {1, 2, bad}}));
    CHECK_FALSE(growth(std::vector<double>{bad, 100, 1000}, {{1, 2, 3}}));
    CHECK_FALSE(growth(std::vector<double>{bad, 100, 1000}, {{nan_value, 2, 3}}));
  }
}

TEST_CASE("linear_fit: worked by hand") {
  // x = 1..5, y = 2 4 5 4 5: means 3 and 4; squares 10; products 4 + 0 + 0 + 0 + 2 = 6; slope 0.6,
  // intercept 4 - 1.8 = 2.2. Residuals -0.8 0.6 1 -0.6 -0.2: squares sum to 2.4, s^2 = 2.4 / 3 = 0.8.
  // t(0.975, 3) = 3.18244630528. Slope: +- t sqrt(0.8 / 10) = 3.18244630528 x 0.28284271247 = 0.900131746.
  const auto fit = linear_fit(std::vector<double>{1, 2, 3, 4, 5}, std::vector<double>{2, 4, 5, 4, 5});
  REQUIRE(fit);
  CHECK(fit->slope == near(0.6));
  CHECK(fit->intercept == near(2.2));
  CHECK(fit->points == 5);
  REQUIRE(fit->slope_interval);
  CHECK(fit->slope_interval->low == doctest::Approx(0.6 - 0.900131746).epsilon(1e-7));
  CHECK(fit->slope_interval->high == doctest::Approx(0.6 + 0.900131746).epsilon(1e-7));
  // At 6: 2.2 + 3.6 = 5.8 +- t sqrt(0.8 (1 + 1/5 + 9/10)) = t sqrt(1.68) = 4.12492186.
  CHECK(fit->predict(6) == near(5.8));
  REQUIRE(fit->prediction_interval(6));
  CHECK(fit->prediction_interval(6)->low == doctest::Approx(5.8 - 4.12492186).epsilon(1e-7));
  CHECK(fit->prediction_interval(6)->high == doctest::Approx(5.8 + 4.12492186).epsilon(1e-7));
  CHECK_FALSE(fit->prediction_interval(nan_value));
  CHECK_FALSE(fit->prediction_interval(infinite));

  // At 90 %: t(0.95, 3) = 2.35336343480; x 0.28284271247 = 0.665631697.
  const auto at_90 =
      linear_fit(std::vector<double>{1, 2, 3, 4, 5}, std::vector<double>{2, 4, 5, 4, 5}, 0.9);
  REQUIRE(at_90);
  CHECK(at_90->slope_interval->high == doctest::Approx(0.6 + 0.665631697).epsilon(1e-7));
}

TEST_CASE("linear_fit: two points are a line, three have an interval") {
  const auto two = linear_fit(std::vector<double>{1, 3}, std::vector<double>{10, 20});
  REQUIRE(two);
  CHECK(two->slope == near(5));
  CHECK(two->intercept == near(5));
  CHECK(two->points == 2);
  CHECK(two->predict(5) == near(30));
  CHECK_FALSE(two->slope_interval);
  CHECK_FALSE(two->prediction_interval(5));

  // x = 0 1 2, y = 0 0 3: slope 3/2, intercept 1 - 1.5 = -0.5; residuals 0.5 -1 0.5, s^2 = 1.5 / 1;
  // t(0.975, 1) = tan(0.475 pi) = 12.7062047362; +- t sqrt(1.5 / 2) = 11.0038960.
  const auto three = linear_fit(std::vector<double>{0, 1, 2}, std::vector<double>{0, 0, 3});
  REQUIRE(three);
  CHECK(three->slope == near(1.5));
  CHECK(three->intercept == near(-0.5));
  REQUIRE(three->slope_interval);
  CHECK(three->slope_interval->high == doctest::Approx(1.5 + 11.0038960).epsilon(1e-7));

  // The chapter's table 4.1 from its ends: (0.632 - 0.032) / 9,900 = 60.6 us a service.
  const auto table = linear_fit(std::vector<double>{100, 10000}, std::vector<double>{0.032, 0.632});
  REQUIRE(table);
  CHECK(table->slope == near(0.6 / 9900));
}

TEST_CASE("linear_fit: cannot say") {
  CHECK_FALSE(linear_fit({}, {}));
  CHECK_FALSE(linear_fit(std::vector<double>{1}, std::vector<double>{1}));
  // 0.1 three times: their mean is 0.10000000000000002, so the squares do not sum to 0
  CHECK_FALSE(linear_fit(std::vector<double>{0.1, 0.1, 0.1}, std::vector<double>{1, 2, 3}));
  CHECK_FALSE(linear_fit(std::vector<double>{1, 2}, std::vector<double>{1, nan_value}));
  CHECK_FALSE(linear_fit(std::vector<double>{1, infinite}, std::vector<double>{1, 2}));
  // A level that is none leaves the line, but claims nothing about it.
  for (const double bad : {0.0, 1.0, nan_value}) {
    CAPTURE(bad);
    const auto fit = linear_fit(std::vector<double>{0, 1, 2}, std::vector<double>{0, 0, 3}, bad);
    REQUIRE(fit);
    CHECK_FALSE(fit->slope_interval);
    CHECK_FALSE(fit->prediction_interval(1));
  }
}
