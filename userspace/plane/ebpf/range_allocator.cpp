// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/range_allocator.h"

#include <algorithm>
#include <utility>

namespace svcbench {

std::optional<Range> RangeAllocator::allocate(std::uint32_t count) {
  if (count == 0) {
    return Range{};
  }
  if (auto range = take_exact(count)) {
    return range;
  }
  if (auto range = take_untouched(count)) {
    return range;
  }
  if (auto range = split_larger(count)) {
    return range;
  }
  merge_free();
  if (auto range = take_untouched(count)) {
    return range;
  }
  return split_larger(count);
}

void RangeAllocator::retire(Range range) {
  if (range.count > 0) {
    retired_.push_back(range);
  }
}

std::vector<Range> RangeAllocator::reclaim() {
  for (const Range& range : retired_) {
    free_[range.count].push_back(range.first);
  }
  return std::exchange(retired_, {});
}

std::optional<Range> RangeAllocator::take_exact(std::uint32_t count) {
  const auto bin = free_.find(count);
  if (bin == free_.end() || bin->second.empty()) {
    return std::nullopt;
  }
  const Range range{bin->second.front(), count};
  bin->second.pop_front();
  return range;
}

std::optional<Range> RangeAllocator::take_untouched(std::uint32_t count) {
  if (capacity_ - untouched_ < count) {
    return std::nullopt;
  }
  const Range range{untouched_, count};
  untouched_ += count;
  return range;
}

// The smallest range of at least `count`; what is left of it goes back.
std::optional<Range> RangeAllocator::split_larger(std::uint32_t count) {
  for (auto bin = free_.lower_bound(count); bin != free_.end(); ++bin) {
    if (bin->second.empty()) {
      continue;
    }
    const Range whole{bin->second.front(), bin->first};
    bin->second.pop_front();
    if (whole.count > count) {
      free_[whole.count - count].push_back(whole.first + count);
    }
    return Range{whole.first, count};
  }
  return std::nullopt;
}

// Neighbours become one range, and what touches the untouched end goes back to it.
void RangeAllocator::merge_free() {
  std::vector<Range> ranges;
  for (const auto& [count, firsts] : free_) {
    for (const std::uint32_t first : firsts) {
      ranges.push_back({first, count});
    }
  }
  free_.clear();
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });

  std::vector<Range> merged;
  for (const Range& range : ranges) {
    if (!merged.empty() && merged.back().first + merged.back().count == range.first) {
      merged.back().count += range.count;
    } else {
      merged.push_back(range);
    }
  }
  if (!merged.empty() && merged.back().first + merged.back().count == untouched_) {
    untouched_ = merged.back().first;
    merged.pop_back();
  }
  for (const Range& range : merged) {
    free_[range.count].push_back(range.first);
  }
}

}  // namespace svcbench
