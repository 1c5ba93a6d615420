// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/cpu_pin.h"

#include <cerrno>
#include <utility>

namespace svcbench {

Result<CpuPin> CpuPin::here() {
  cpu_set_t before;
  CPU_ZERO(&before);
  if (sched_getaffinity(0, sizeof before, &before) != 0) {
    return failure("read the CPUs that this thread may use: {}", std::strerror(errno));
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) {
    return failure("stay on one CPU: {}", std::strerror(errno));
  }
  return CpuPin(before);
}

CpuPin::CpuPin(CpuPin&& other) noexcept
    : before_(other.before_), held_(std::exchange(other.held_, false)) {}

CpuPin::~CpuPin() {
  if (held_) {
    sched_setaffinity(0, sizeof before_, &before_);
  }
}

}  // namespace svcbench
