// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/pinned.h"

#include <cerrno>

namespace svcbench {

// A kernel made for more than 1,024 CPUs refuses a cpu_set_t, and the Error says so; svcbench is for one
// machine of the usual size.
Result<Pinned> Pinned::to_last_cpu() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return failure("{}", with_errno("ask which CPUs this thread may use", errno));
  }
  int last = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    last = CPU_ISSET(cpu, &allowed) ? cpu : last;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) {
    return failure("{}", with_errno(fmt::format("stay on CPU {}", last), errno));
  }
  return Pinned(allowed, last);
}

Pinned::~Pinned() {
  if (active_) {
    sched_setaffinity(0, sizeof before_, &before_);
  }
}

}  // namespace svcbench
