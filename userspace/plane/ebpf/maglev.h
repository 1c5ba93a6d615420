// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Maglev's lookup table: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, section 3.4.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sys/result.h"

namespace svcbench {

// Whether `size` may be a table's: a prime, so that every backend's permutation reaches every entry.
[[nodiscard]] bool is_prime(std::uint32_t size);

// One backend's permutation of the entries: offset, offset + skip, offset + 2 skip ..., modulo their
// number.
struct MaglevPermutation {
  std::uint32_t offset = 0;  // below the number of entries
  std::uint32_t skip = 1;    // 1 to that number less one
  std::uint32_t weight = 1;  // 0: it gets no entry
};

// The paper's Pseudocode 1: backends take turns, each takes the next free entry of its permutation. For
// each of the `size` entries (a prime) the index of its backend; empty for no backends. Error: all weights
// are zero.
//
// A weight alters how often a backend's turn comes, as the paper has it (section 3.4): turns are spread as
// evenly as they can be, and a backend takes no more than its share of the entries, which is by weight, and
// of whose fractions the largest are rounded up. So every share is within one entry of the exact one.
[[nodiscard]] Result<std::vector<std::uint32_t>> populate_maglev(
    std::span<const MaglevPermutation> backends, std::uint32_t size);

// For each of the `size` entries (a prime) the index of its backend in `names`. `names` are hashes that
// identify the backends, all different: their order does not matter, so that what one node builds another
// builds too. `weights`, empty or one for each: a backend of weight 2 takes two turns where one of weight 1
// takes one. Empty for no backends. Error: all weights are zero.
[[nodiscard]] Result<std::vector<std::uint32_t>> maglev_table(std::span<const std::uint64_t> names,
                                                              std::span<const std::uint16_t> weights,
                                                              std::uint32_t size);

}  // namespace svcbench
