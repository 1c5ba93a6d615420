// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One CPU for a thread while it measures: what a packet costs is what one CPU spends on it.
#pragma once

#include <sched.h>

#include "svcbench/result.h"

namespace svcbench {

// The calling thread stays on the CPU that it is on while this lives; then it may go where it might before.
class CpuPin {
 public:
  static Result<CpuPin> here();
  CpuPin(CpuPin&& other) noexcept;
  CpuPin& operator=(CpuPin&&) = delete;
  CpuPin(const CpuPin&) = delete;
  CpuPin& operator=(const CpuPin&) = delete;
  ~CpuPin();

 private:
  explicit CpuPin(const cpu_set_t& before) : before_(before) {}
  cpu_set_t before_;
  bool held_ = true;
};

}  // namespace svcbench
