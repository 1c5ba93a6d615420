// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/chi_square.h"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <numeric>

namespace svcbench::stats {

std::optional<double> chi_square_p(std::span<const std::size_t> counts, std::span<const double> shares) {
  constexpr double fewest_expected = 5;
  if (counts.size() < 2 || counts.size() != shares.size()) {
    return std::nullopt;
  }
  const auto items = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  const double whole = std::accumulate(shares.begin(), shares.end(), 0.0);
  double statistic = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = items * shares[i] / whole;
    if (!(shares[i] > 0) || expected < fewest_expected) {
      return std::nullopt;
    }
    const double off = static_cast<double>(counts[i]) - expected;
    statistic += off * off / expected;
  }
  const boost::math::chi_squared distribution(static_cast<double>(counts.size() - 1));
  return boost::math::cdf(boost::math::complement(distribution, statistic));
}

}  // namespace svcbench::stats
