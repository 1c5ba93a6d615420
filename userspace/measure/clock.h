// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where a scenario's time comes from: the machine, or a test.
#pragma once

#include <cstdint>

#include "sys/stopwatch.h"

namespace svcbench {

class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;
  [[nodiscard]] virtual std::int64_t now_ns() = 0;
};

// CLOCK_MONOTONIC, the clock that bpf_ktime_get_ns() reads too.
class MonotonicClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ns() override { return monotonic_ns(); }
};

[[nodiscard]] inline double seconds_between(std::int64_t begin_ns, std::int64_t end_ns) {
  return static_cast<double>(end_ns - begin_ns) / 1e9;
}

}  // namespace svcbench
