// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The kernel's own account of how long BPF programs run (BPF_ENABLE_STATS, what `bpftool prog` shows).
#pragma once

#include <cstdint>

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

// On for as long as this lives, or the process: the kernel ties it to a file descriptor. It is the whole
// machine's switch: meanwhile every run of every BPF program reads the clock twice more.
class BpfStats {
 public:
  // Error: a kernel before 5.8, or no right to (CAP_SYS_ADMIN).
  static Result<BpfStats> enable();

 private:
  explicit BpfStats(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// What the kernel has counted of one program since it was loaded, while the account was on.
struct BpfRunTime {
  std::uint64_t ns = 0;  // inside the program, and about one reading of the clock a run
  std::uint64_t runs = 0;
};

Result<BpfRunTime> bpf_run_time(int program);

}  // namespace svcbench
