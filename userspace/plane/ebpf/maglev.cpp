// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/maglev.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <queue>

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

// How many of `size` entries each gets: its part of the sum of weights, rounded down, and one more for
// those that lose most by it, the earlier of equals first.
std::vector<std::uint32_t> entries_by_weight(std::span<const MaglevPermutation> backends, std::uint64_t sum,
                                             std::uint32_t size) {
  std::vector<std::uint32_t> entries;
  std::vector<std::uint32_t> by_loss(backends.size());
  std::iota(by_loss.begin(), by_loss.end(), 0U);
  std::uint32_t left = size;
  for (const MaglevPermutation& backend : backends) {
    entries.push_back(static_cast<std::uint32_t>(std::uint64_t{backend.weight} * size / sum));
    left -= entries.back();
  }
  const auto loss = [&](std::uint32_t i) { return std::uint64_t{backends[i].weight} * size % sum; };
  std::stable_sort(by_loss.begin(), by_loss.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return loss(a) > loss(b); });
  for (std::uint32_t i = 0; i < left; ++i) {
    ++entries[by_loss[i]];
  }
  return entries;
}

// Whose turn it is, `size` times. The n-th turn of a backend is due at (2 n + 1) / (2 weight): where all
// weights are the same that is one after another, over and over. By weights and not by numbers of entries,
// so that the loss of a backend changes no other's place before another's.
Result<std::vector<std::uint32_t>> turns_of(std::span<const MaglevPermutation> backends,
                                            std::uint32_t size) {
  std::uint64_t sum = 0;
  for (const MaglevPermutation& backend : backends) {
    sum += backend.weight;
  }
  if (sum == 0) {
    return failure("a Maglev table needs a backend with a weight above zero");
  }
  std::vector<std::uint32_t> turns(size);
  if (std::all_of(backends.begin(), backends.end(),
                  [&](const auto& one) { return one.weight == backends.front().weight; })) {
    for (std::uint32_t i = 0; i < size; ++i) {
      turns[i] = i % static_cast<std::uint32_t>(backends.size());
    }
    return turns;
  }
  turns.clear();
  const auto entries = entries_by_weight(backends, sum, size);
  struct Turn {
    std::uint64_t due;  // numerator: odd
    std::uint32_t backend;
  };
  const auto later = [&](const Turn& a, const Turn& b) {
    const std::uint64_t left = a.due * backends[b.backend].weight;
    const std::uint64_t right = b.due * backends[a.backend].weight;
    return left != right ? left > right : a.backend > b.backend;
  };
  std::priority_queue<Turn, std::vector<Turn>, decltype(later)> waiting(later);
  for (std::uint32_t i = 0; i < backends.size(); ++i) {
    if (entries[i] > 0) {
      waiting.push({1, i});
    }
  }
  while (!waiting.empty()) {
    const Turn turn = waiting.top();
    waiting.pop();
    turns.push_back(turn.backend);
    if ((turn.due + 1) / 2 < entries[turn.backend]) {
      waiting.push({turn.due + 2, turn.backend});
    }
  }
  return turns;
}

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

Result<std::vector<std::uint32_t>> populate_maglev(std::span<const MaglevPermutation> backends,
                                                   std::uint32_t size) {
  if (backends.empty()) {
    return std::vector<std::uint32_t>{};
  }
  SVCB_TAKE(turns, turns_of(backends, size));
  std::vector<std::uint32_t> next;  // where each stands in its permutation
  for (const MaglevPermutation& backend : backends) {
    next.push_back(backend.offset);
  }
  std::vector<std::uint32_t> table(size, nobody);
  for (const std::uint32_t i : turns) {
    while (table[next[i]] != nobody) {
      next[i] = static_cast<std::uint32_t>((std::uint64_t{next[i]} + backends[i].skip) % size);
    }
    table[next[i]] = i;
  }
  return table;
}

Result<std::vector<std::uint32_t>> maglev_table(std::span<const std::uint64_t> names,
                                                std::span<const std::uint16_t> weights,
                                                std::uint32_t size) {
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
  SVCB_TAKE(table, populate_maglev(backends, size));
  for (std::uint32_t& entry : table) {
    entry = order[entry];
  }
  return table;
}

}  // namespace svcbench
