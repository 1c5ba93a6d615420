// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/pinned.h"

#include <cerrno>

namespace svcbench {

namespace {

// A kernel made for more than 1,024 CPUs refuses a cpu_set_t, and the Error says so; svcbench is for one
// machine of the usual size.
Result<cpu_set_t> allowed_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return failure("{}", with_errno("ask which CPUs this thread may use", errno));
  }
  return allowed;
}

int last_of(const cpu_set_t& cpus) {
  int last = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    last = CPU_ISSET(cpu, &cpus) ? cpu : last;
  }
  return last;
}

}  // namespace

Result<Pinned> Pinned::to_last_cpu() {
  SVCB_TAKE(allowed, allowed_cpus());
  const int last = last_of(allowed);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  if (sched_setaffinity(0, sizeof one, &one) != 0) {
    return failure("{}", with_errno(fmt::format("stay on CPU {}", last), errno));
  }
  return Pinned(allowed, last);
}

Result<Pinned> Pinned::off_last_cpu() {
  SVCB_TAKE(allowed, allowed_cpus());
  cpu_set_t others = allowed;
  const int last = last_of(allowed);
  if (CPU_COUNT(&others) > 1) {
    CPU_CLR(last, &others);
  }
  if (sched_setaffinity(0, sizeof others, &others) != 0) {
    return failure("{}", with_errno(fmt::format("leave CPU {} to others", last), errno));
  }
  return Pinned(allowed, last_of(others));
}

Pinned::~Pinned() {
  if (active_) {
    sched_setaffinity(0, sizeof before_, &before_);
  }
}

}  // namespace svcbench
