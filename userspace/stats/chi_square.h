// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether counts fit shares that were expected of them. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace svcbench::stats {

// Pearson's test of goodness of fit: the probability of counts at least as far from what was expected, were
// each item drawn independently with probability shares[i] / sum(shares). nullopt, for the chi-square
// distribution would be no good approximation: fewer than two categories, a share that is not positive, or
// fewer than five items expected in one (Cochran, 1954). `counts` and `shares` are of one size.
[[nodiscard]] std::optional<double> chi_square_p(std::span<const std::size_t> counts,
                                                 std::span<const double> shares);

}  // namespace svcbench::stats
