// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/chi_square.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

namespace svcbench::stats {
namespace {

constexpr std::array equal_shares{1.0, 1.0};

TEST_CASE("chi-square: answers worked by hand") {
  CHECK(*chi_square_p(std::array<std::size_t, 2>{50, 50}, equal_shares) == doctest::Approx(1));
  // 10^2/50 + 10^2/50 = 4 with one degree of freedom: twice the normal tail above 2.
  CHECK(*chi_square_p(std::array<std::size_t, 2>{60, 40}, equal_shares) ==
        doctest::Approx(std::erfc(2 / std::sqrt(2.0))));
  // Expected 25, 50, 25: 49/25 + 25/50 + 4/25 = 2.62; with two degrees of freedom p = exp(-x/2).
  CHECK(*chi_square_p(std::array<std::size_t, 3>{18, 55, 27}, std::array{1.0, 2.0, 1.0}) ==
        doctest::Approx(std::exp(-1.31)));
  // Only the shares' proportions count.
  CHECK(*chi_square_p(std::array<std::size_t, 3>{18, 55, 27}, std::array{0.25, 0.5, 0.25}) ==
        doctest::Approx(std::exp(-1.31)));
}

TEST_CASE("chi-square: an endpoint that gets nothing, or twice its share, stands out") {
  CHECK(*chi_square_p(std::array<std::size_t, 3>{500, 500, 0}, std::array{1.0, 1.0, 1.0}) < 1e-9);
  CHECK(*chi_square_p(std::array<std::size_t, 3>{500, 250, 250}, std::array{1.0, 1.0, 1.0}) < 1e-9);
}

TEST_CASE("chi-square: cannot say") {
  CHECK(!chi_square_p({}, {}));
  CHECK(!chi_square_p(std::array<std::size_t, 1>{100}, std::array{1.0}));
  CHECK(!chi_square_p(std::array<std::size_t, 2>{4, 5}, equal_shares));  // 4.5 expected of each
  CHECK(!chi_square_p(std::array<std::size_t, 2>{50, 50}, std::array{1.0, 0.0}));
  CHECK(!chi_square_p(std::array<std::size_t, 2>{50, 50}, std::array{1.0, 1.0, 1.0}));
}

}  // namespace
}  // namespace svcbench::stats
