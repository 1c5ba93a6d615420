// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where a thread may run.
#pragma once

#include <sched.h>

#include <utility>

#include "sys/result.h"

namespace svcbench {

// Keeps the calling thread on one CPU for as long as this lives; to be destroyed by the same thread.
class Pinned {
 public:
  // To the last CPU that the thread may use: the first ones get most of a machine's interrupts.
  static Result<Pinned> to_last_cpu();
  // To the others; where there is but one, to that.
  static Result<Pinned> off_last_cpu();
  Pinned(Pinned&& other) noexcept
      : before_(other.before_), cpu_(other.cpu_), active_(std::exchange(other.active_, false)) {}
  Pinned& operator=(Pinned&&) = delete;
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned();

  [[nodiscard]] int cpu() const { return cpu_; }

 private:
  Pinned(const cpu_set_t& before, int cpu) : before_(before), cpu_(cpu) {}

  cpu_set_t before_;
  int cpu_;
  bool active_ = true;
};

}  // namespace svcbench
