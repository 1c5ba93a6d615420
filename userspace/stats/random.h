// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Randomness that is the same on every platform for the same seed: Boost specifies its distributions, the
// C++ standard does not.
#pragma once

#include <boost/random/mersenne_twister.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <cstddef>
#include <utility>
#include <vector>

namespace svcbench {

using Random = boost::random::mt19937_64;

// Uniform in [0, size); size > 0.
[[nodiscard]] inline std::size_t draw_below(Random& random, std::size_t size) {
  return boost::random::uniform_int_distribution<std::size_t>(0, size - 1)(random);
}

// Fisher and Yates.
template <typename T>
void shuffle(std::vector<T>& items, Random& random) {
  for (std::size_t i = items.size(); i > 1; --i) {
    std::swap(items[i - 1], items[draw_below(random, i)]);
  }
}

}  // namespace svcbench
