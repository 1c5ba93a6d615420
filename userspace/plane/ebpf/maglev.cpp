// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/maglev.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace svcbench {

namespace {

// SplitMix64's finalizer (Steele et al., OOPSLA 2014): the paper's h1 and h2, by two seeds.
std::uint64_t hash(std::uint64_t value, std::uint64_t seed) {
  value += seed;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ULL;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBULL;
  return value ^ (value >> 31);
}

constexpr std::uint64_t offset_seed = 0x9E3779B97F4A7C15ULL;
constexpr std::uint64_t skip_seed = 0xD1B54A32D192ED03ULL;
constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();

}  // namespace

bool is_prime(std::uint32_t size) {
  if (size < 2) {
    return false;
  }
  for (std::uint32_t factor = 2; std::uint64_t{factor} * factor <= size; ++factor) {
    if (size % factor == 0) {
      return false;
    }
  }
  return true;
}

std::vector<std::uint32_t> populate_maglev(std::span<const MaglevPermutation> backends,
                                           std::uint32_t size) {
  if (backends.empty()) {
    return {};
  }
  std::vector<std::uint32_t> next;  // where each stands in its permutation
  for (const MaglevPermutation& backend : backends) {
    next.push_back(backend.offset);
  }
  std::vector<std::uint32_t> table(size, nobody);
  std::uint32_t filled = 0;
  while (filled < size) {
    for (std::uint32_t i = 0; i < backends.size(); ++i) {
      for (std::uint32_t taken = 0; taken < backends[i].weight && filled < size; ++taken) {
        while (table[next[i]] != nobody) {
          next[i] = static_cast<std::uint32_t>((std::uint64_t{next[i]} + backends[i].skip) % size);
        }
        table[next[i]] = i;
        ++filled;
      }
    }
  }
  return table;
}

std::vector<std::uint32_t> maglev_table(std::span<const std::uint64_t> names,
                                        std::span<const std::uint16_t> weights, std::uint32_t size) {
  std::vector<std::uint32_t> order(names.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return names[a] < names[b]; });
  std::vector<MaglevPermutation> backends;
  backends.reserve(names.size());
  for (const std::uint32_t backend : order) {
    backends.push_back(
        {.offset = static_cast<std::uint32_t>(hash(names[backend], offset_seed) % size),
         .skip = static_cast<std::uint32_t>(hash(names[backend], skip_seed) % (size - 1) + 1),
         .weight = weights.empty() ? 1U : weights[backend]});
  }
  std::vector<std::uint32_t> table = populate_maglev(backends, size);
  for (std::uint32_t& entry : table) {
    entry = order[entry];
  }
  return table;
}

}  // namespace svcbench
