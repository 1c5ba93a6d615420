// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Maglev's table against the paper: its worked example, even shares, and what the loss of a backend moves.
#include "plane/ebpf/maglev.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "stats/random.h"

namespace svcbench {
namespace {

std::vector<std::uint64_t> names(std::size_t count) {
  Random random(7);
  std::vector<std::uint64_t> made(count);
  std::generate(made.begin(), made.end(), [&] { return random(); });
  return made;
}

std::vector<std::size_t> shares(const std::vector<std::uint32_t>& table, std::size_t backends) {
  std::vector<std::size_t> counts(backends);
  for (const std::uint32_t backend : table) {
    ++counts.at(backend);
  }
  return counts;
}

// Entries that had a backend which is still there, and have another one now; `lost` was the last of them.
std::size_t moved(const std::vector<std::uint32_t>& before, const std::vector<std::uint32_t>& after,
                  std::uint32_t lost) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    count += before[i] != lost && before[i] != after[i] ? 1U : 0U;
  }
  return count;
}

}  // namespace

TEST_CASE("maglev: the paper's Table 1, before and after B1 is removed") {
  const MaglevPermutation b0{.offset = 3, .skip = 4};
  const MaglevPermutation b1{.offset = 0, .skip = 2};
  const MaglevPermutation b2{.offset = 3, .skip = 1};
  CHECK(populate_maglev(std::array{b0, b1, b2}, 7) == std::vector<std::uint32_t>{1, 0, 1, 0, 2, 2, 0});
  CHECK(populate_maglev(std::array{b0, b2}, 7) == std::vector<std::uint32_t>{0, 0, 0, 0, 1, 1, 1});
}

TEST_CASE("maglev: primes") {
  for (const std::uint32_t prime : {2U, 3U, 251U, 509U, 16'381U, 65'537U, 655'373U}) {
    CHECK(is_prime(prime));
  }
  for (const std::uint32_t other : {0U, 1U, 4U, 512U, 16'383U, 65'536U}) {
    CHECK_FALSE(is_prime(other));
  }
}

TEST_CASE("maglev: every entry has a backend, and shares differ by one at most") {
  for (const std::size_t backends : {1, 2, 3, 5, 100, 509}) {
    CAPTURE(backends);
    const auto table = maglev_table(names(backends), {}, 509);
    REQUIRE(table.size() == 509);
    const auto counts = shares(table, backends);
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    CHECK(*most - *least <= 1);
  }
  CHECK(maglev_table({}, {}, 509).empty());
}

TEST_CASE("maglev: a weight is a share") {
  const std::vector<std::uint16_t> weights{1, 2, 3};
  const auto counts = shares(maglev_table(names(3), weights, 6007), 3);
  CHECK(counts[0] == doctest::Approx(1001).epsilon(0.002));
  CHECK(counts[1] == doctest::Approx(2002).epsilon(0.002));
  CHECK(counts[2] == doctest::Approx(3003).epsilon(0.002));
}

TEST_CASE("maglev: the order in which backends are told does not matter") {
  const auto told = names(20);
  auto turned = told;
  std::reverse(turned.begin(), turned.end());
  const auto table = maglev_table(told, {}, 509);
  auto other = maglev_table(turned, {}, 509);
  for (std::uint32_t& entry : other) {
    entry = 19 - entry;
  }
  CHECK(table == other);
}

// The paper's figure 12: with 1,000 backends and one of them gone, of 65,537 entries well below 1 % move
// beside the lost one's own, and of ten times as many entries a smaller share.
TEST_CASE("maglev: the loss of a backend moves its own entries, and few others") {
  const auto disruption = [](std::size_t backends, std::uint32_t size) {
    const auto all = names(backends);
    const auto before = maglev_table(all, {}, size);
    const auto after = maglev_table(std::span(all).first(backends - 1), {}, size);
    return static_cast<double>(moved(before, after, static_cast<std::uint32_t>(backends - 1))) / size;
  };
  const double usual = disruption(1000, 65'537);
  const double large = disruption(1000, 655'373);
  MESSAGE("1,000 backends, one lost: " << 100 * usual << " % of 65,537 entries move, " << 100 * large
                                       << " % of 655,373");
  CHECK(usual < 0.01);
  CHECK(large < usual);
  // By hashing modulo the number of backends nearly all would move.
  for (const std::size_t backends : {3, 10, 50}) {
    CAPTURE(backends);
    CHECK(disruption(backends, 509) < 0.2);
    CHECK(disruption(backends, 16'381) < 0.05);
  }
}

}  // namespace svcbench
