// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which part of the backends array belongs to which service.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace svcbench {

// A run of consecutive backends.
struct Range {
  std::uint32_t first = 0;
  std::uint32_t count = 0;

  bool operator==(const Range&) const = default;
};

// Hands out ranges of [0, capacity). Pure: it knows nothing of the kernel.
//
// A range that is let go may still be read by a program that looked its service up a moment ago, so it is
// only retired: it cannot be handed out again until reclaim(), which the caller calls after a grace period
// in which every such program has ended (grace_period.h).
//
// Free ranges are kept by their exact size, since a cluster's services have few sizes, and the one that was
// let go first is used first; when no size fits, all are merged with their neighbours once. An empty range
// needs no room and is always granted.
class RangeAllocator {
 public:
  explicit RangeAllocator(std::uint32_t capacity) : capacity_(capacity) {}

  // A range of `count`, or nothing when there is none: then reclaim() may help where retired() > 0.
  [[nodiscard]] std::optional<Range> allocate(std::uint32_t count);
  void retire(Range range);
  // Everything retired becomes free. Call after a grace period. Returns what was.
  std::vector<Range> reclaim();

  [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t retired() const { return retired_.size(); }  // ranges

 private:
  std::optional<Range> take_exact(std::uint32_t count);
  std::optional<Range> take_untouched(std::uint32_t count);
  std::optional<Range> split_larger(std::uint32_t count);
  void merge_free();

  std::uint32_t capacity_;
  std::uint32_t untouched_ = 0;  // [untouched_, capacity_) was never handed out
  std::map<std::uint32_t, std::deque<std::uint32_t>> free_{};  // size -> first indices, oldest first
  std::vector<Range> retired_{};
};

}  // namespace svcbench
