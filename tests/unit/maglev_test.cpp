// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Maglev's table against the paper: its worked example, even shares, and what the loss of a backend moves.
#include "plane/ebpf/maglev.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
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
  CHECK(populate_maglev(std::array{b0, b1, b2}, 7).value() ==
        std::vector<std::uint32_t>{1, 0, 1, 0, 2, 2, 0});
  CHECK(populate_maglev(std::array{b0, b2}, 7).value() == std::vector<std::uint32_t>{0, 0, 0, 0, 1, 1, 1});
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
    const auto table = maglev_table(names(backends), {}, 509).value();
    REQUIRE(table.size() == 509);
    const auto counts = shares(table, backends);
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    CHECK(*most - *least <= 1);
  }
  CHECK(maglev_table({}, {}, 509).value().empty());
}

TEST_CASE("maglev: a weight is a share") {
  const std::vector<std::uint16_t> weights{1, 2, 3};
  const auto counts = shares(maglev_table(names(3), weights, 6007).value(), 3);
  CHECK(counts[0] == doctest::Approx(1001).epsilon(0.002));
  CHECK(counts[1] == doctest::Approx(2002).epsilon(0.002));
  CHECK(counts[2] == doctest::Approx(3003).epsilon(0.002));
}

TEST_CASE("maglev: every share is within one entry of its weight's, whatever the weights") {
  Random random(11);
  const auto any_weights = [&random](std::size_t count) {
    std::vector<std::uint16_t> weights(count);
    std::generate(weights.begin(), weights.end(),
                  [&] { return static_cast<std::uint16_t>(random() % (random() % 3 == 0 ? 65'536 : 5)); });
    weights.front() = static_cast<std::uint16_t>(1 + random() % 65'535);
    return weights;
  };
  std::vector<std::vector<std::uint16_t>> cases{{600, 600},       {100, 100, 100}, {65'535, 1},
                                                {65'535, 65'534}, {0, 1},          {65'535},
                                                {1, 2, 3, 1000},  {509, 508},      {7, 0, 7, 0}};
  for (const std::size_t count : {2, 3, 10, 100, 600}) {
    cases.push_back(any_weights(count));
  }
  for (const auto& weights : cases) {
    for (const std::uint32_t size : {2U, 251U, 509U, 16'381U}) {
      CAPTURE(weights);
      CAPTURE(size);
      const auto table = maglev_table(names(weights.size()), weights, size).value();
      const auto counts = shares(table, weights.size());
      const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const double exact = size * weights[i] / sum;
        CHECK(std::abs(static_cast<double>(counts[i]) - exact) < 1);
      }
    }
  }
}

TEST_CASE("maglev: weights that are all alike change nothing, and without any there is no table") {
  const std::vector<std::uint16_t> alike(20, 65'535);
  CHECK(maglev_table(names(20), alike, 509).value() == maglev_table(names(20), {}, 509).value());
  const std::vector<std::uint16_t> none(3, 0);
  CHECK(maglev_table(names(3), none, 509).error().message ==
        "a Maglev table needs a backend with a weight above zero");
}

TEST_CASE("maglev: the loss of a weighted backend moves few of the others' entries") {
  const auto all = names(30);
  std::vector<std::uint16_t> weights(30);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<std::uint16_t>(1 + 97 * i);
  }
  const std::span<const std::uint16_t> all_weights(weights);
  const auto before = maglev_table(all, weights, 16'381).value();
  const auto after = maglev_table(std::span(all).first(29), all_weights.first(29), 16'381).value();
  CHECK(moved(before, after, 29) < 16'381 / 20);
}

TEST_CASE("maglev: the order in which backends are told does not matter") {
  const auto told = names(20);
  auto turned = told;
  std::reverse(turned.begin(), turned.end());
  const auto table = maglev_table(told, {}, 509).value();
  auto other = maglev_table(turned, {}, 509).value();
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
    const auto before = maglev_table(all, {}, size).value();
    const auto after = maglev_table(std::span(all).first(backends - 1), {}, size).value();
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
