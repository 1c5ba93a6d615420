// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two speeds of a machine: found where there are two, and not where there is one.
#include "stats/speeds.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <boost/random/normal_distribution.hpp>
#include <boost/random/uniform_real_distribution.hpp>
#include <cmath>
#include <functional>
#include <vector>

#include "stats/random.h"

namespace svcbench {
namespace {

TEST_CASE("speeds: two of them, and which visits fell into which") {
  std::vector<double> values;
  for (int i = 0; i < 20; ++i) {
    values.push_back((i < 8 || i >= 15 ? 0.70 : 1.01) + 0.001 * (i % 3));
  }
  const auto found = stats::two_speeds(values);
  REQUIRE(found);
  CHECK(found->fast == doctest::Approx(0.701));
  CHECK(found->slow == doctest::Approx(1.011));
  for (std::size_t i = 0; i < values.size(); ++i) {
    CHECK(found->slowly[i] == (values[i] > 0.9));
  }
}

TEST_CASE("speeds: what has none") {
  CHECK_FALSE(stats::two_speeds(std::vector<double>(20, 5.0)));
  CHECK_FALSE(stats::two_speeds(std::vector<double>(5, 5.0)));
  std::vector<double> close(20, 1.0);
  std::fill(close.begin() + 10, close.end(), 1.02);  // separate, and no difference that matters
  CHECK_FALSE(stats::two_speeds(close));
  std::vector<double> few(40, 1.0);
  few[3] = few[30] = 3;  // outliers
  CHECK_FALSE(stats::two_speeds(few));
  std::vector<double> wrong(20, 1.0);
  wrong[4] = 0;
  CHECK_FALSE(stats::two_speeds(wrong));
}

double share_found(std::size_t visits, const std::function<double(Random&)>& visit) {
  Random random(visits);
  int found = 0;
  constexpr int tries = 400;
  for (int i = 0; i < tries; ++i) {
    std::vector<double> values(visits);
    std::generate(values.begin(), values.end(), [&] { return visit(random); });
    found += stats::two_speeds(values) ? 1 : 0;
  }
  return static_cast<double>(found) / tries;
}

TEST_CASE("speeds: simulated machines of one speed and of two") {
  const auto one = [](double scatter) {
    return [scatter](Random& random) {
      return std::exp(scatter * boost::random::normal_distribution<double>(0, 1)(random));
    };
  };
  const auto two = [](double ratio, double share) {
    return [=](Random& random) {
      const bool slow = boost::random::uniform_real_distribution<double>(0, 1)(random) < share;
      return (slow ? ratio : 1) * std::exp(0.03 * boost::random::normal_distribution<double>(0, 1)(random));
    };
  };
  const auto heavy = [](Random& random) {  // one in ten visits takes up to five times as long
    boost::random::uniform_real_distribution<double> uniform(0, 1);
    const double tail = uniform(random) < 0.1 ? 1 + 4 * uniform(random) : 1;
    return tail * std::exp(0.03 * boost::random::normal_distribution<double>(0, 1)(random));
  };
  for (const std::size_t visits : {24, 60, 400}) {
    CAPTURE(visits);
    CHECK(share_found(visits, one(0.03)) <= 0.05);
    CHECK(share_found(visits, one(0.3)) <= 0.05);
    CHECK(share_found(visits, heavy) <= 0.05);
    CHECK(share_found(visits, two(1.44, 0.5)) >= 0.95);
    CHECK(share_found(visits, two(1.44, 0.3)) >= 0.9);
  }
}

}  // namespace
}  // namespace svcbench
