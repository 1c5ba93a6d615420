// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>

#include <boost/random/mersenne_twister.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <map>
#include <vector>

#include "plane/ebpf/range_allocator.h"

namespace svcbench {
namespace {

TEST_CASE("ranges do not overlap and end at the capacity") {
  RangeAllocator ranges(10);
  CHECK(ranges.allocate(3) == Range{0, 3});
  CHECK(ranges.allocate(3) == Range{3, 3});
  CHECK(ranges.allocate(4) == Range{6, 4});
  CHECK_FALSE(ranges.allocate(1));
}

TEST_CASE("an empty range needs no room") {
  RangeAllocator ranges(1);
  REQUIRE(ranges.allocate(1));
  CHECK(ranges.allocate(0) == Range{0, 0});
  ranges.retire({0, 0});
  CHECK(ranges.retired() == 0);
}

TEST_CASE("a retired range is not handed out before reclaim") {
  RangeAllocator ranges(3);
  const auto first = ranges.allocate(3);
  ranges.retire(*first);
  CHECK_FALSE(ranges.allocate(3));  // a program may still read it
  CHECK(ranges.retired() == 1);
  ranges.reclaim();
  CHECK(ranges.retired() == 0);
  CHECK(ranges.allocate(3) == first);
}

TEST_CASE("the range that was let go first is used first") {
  RangeAllocator ranges(6);
  const auto a = ranges.allocate(3);
  const auto b = ranges.allocate(3);
  ranges.retire(*b);
  ranges.retire(*a);
  ranges.reclaim();
  CHECK(ranges.allocate(3) == b);
  CHECK(ranges.allocate(3) == a);
}

TEST_CASE("a larger range is split and its rest is used") {
  RangeAllocator ranges(5);
  ranges.retire(*ranges.allocate(5));
  ranges.reclaim();
  CHECK(ranges.allocate(2) == Range{0, 2});
  CHECK(ranges.allocate(3) == Range{2, 3});
}

TEST_CASE("neighbours merge when no single range is large enough") {
  RangeAllocator ranges(7);
  const auto a = ranges.allocate(2);
  const auto b = ranges.allocate(2);
  const auto c = ranges.allocate(2);
  REQUIRE(ranges.allocate(1));  // keeps the end taken
  ranges.retire(*c);
  ranges.retire(*a);
  ranges.retire(*b);
  ranges.reclaim();
  CHECK(ranges.allocate(6) == Range{0, 6});
}

TEST_CASE("what touches the untouched end is given back to it") {
  RangeAllocator ranges(8);
  REQUIRE(ranges.allocate(2));
  ranges.retire(*ranges.allocate(3));
  ranges.reclaim();
  CHECK(ranges.allocate(6) == Range{2, 6});  // the 3 that were free, and the 3 never touched
}

TEST_CASE("no entry belongs to two, over a long random life") {
  constexpr std::uint32_t capacity = 500;
  RangeAllocator ranges(capacity);
  boost::random::mt19937 random(11);
  std::vector<int> owner(capacity, 0);  // 0: free; otherwise handed out or retired
  std::vector<Range> held;
  std::vector<Range> retired;
  std::size_t granted = 0;
  for (int step = 0; step < 50'000; ++step) {
    const auto dice = boost::random::uniform_int_distribution<int>(0, 99)(random);
    if (dice < 55) {
      const auto count = boost::random::uniform_int_distribution<std::uint32_t>(1, 12)(random);
      if (const auto range = ranges.allocate(count)) {
        REQUIRE(range->count == count);
        REQUIRE(range->first + count <= capacity);
        for (std::uint32_t i = range->first; i < range->first + count; ++i) {
          REQUIRE(owner[i] == 0);
          owner[i] = 1;
        }
        held.push_back(*range);
        ++granted;
      }
    } else if (dice < 97 && !held.empty()) {
      const auto at = boost::random::uniform_int_distribution<std::size_t>(0, held.size() - 1)(random);
      ranges.retire(held[at]);
      retired.push_back(held[at]);
      held[at] = held.back();
      held.pop_back();
    } else if (dice >= 97) {
      ranges.reclaim();
      for (const Range& range : retired) {
        std::fill_n(owner.begin() + range.first, range.count, 0);
      }
      retired.clear();
    }
  }
  CHECK(granted > 10'000);
}

}  // namespace
}  // namespace svcbench
