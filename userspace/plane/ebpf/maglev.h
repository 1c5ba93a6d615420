// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Maglev's lookup table: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, section 3.4.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace svcbench {

// Whether `size` may be a table's: a prime, so that every backend's permutation reaches every entry.
[[nodiscard]] bool is_prime(std::uint32_t size);

// For each of the `size` entries (a prime) the index of its backend in `names`. `names` are hashes that
// identify the backends, all different: their order does not matter, so that what one node builds another
// builds too. `weights`, empty or one for each, at least 1: a backend of weight 2 takes two turns where one
// of weight 1 takes one. Empty for no backends.
[[nodiscard]] std::vector<std::uint32_t> maglev_table(std::span<const std::uint64_t> names,
                                                      std::span<const std::uint16_t> weights,
                                                      std::uint32_t size);

}  // namespace svcbench
