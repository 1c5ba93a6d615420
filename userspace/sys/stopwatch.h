// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>

namespace svcbench {

// CLOCK_MONOTONIC, as BPF programs and the kernel's timestamps have it.
[[nodiscard]] inline std::int64_t monotonic_ns() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Runs from when it is made. CLOCK_MONOTONIC: libstdc++'s steady clock.
class Stopwatch {
 public:
  [[nodiscard]] std::int64_t ns() const {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace svcbench
