// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/bpf_stats.h"

#include <bpf/bpf.h>

#include <cerrno>

namespace svcbench {

Result<BpfStats> BpfStats::enable() {
  Fd fd(bpf_enable_stats(BPF_STATS_RUN_TIME));
  if (!fd.valid()) {
    return failure("{} (needs kernel 5.8 or newer, and CAP_SYS_ADMIN)",
                   with_errno("the kernel keeps no account of BPF programs' run time", errno));
  }
  return BpfStats(std::move(fd));
}

Result<BpfRunTime> bpf_run_time(int program) {
  bpf_prog_info info{};
  __u32 size = sizeof info;
  if (bpf_obj_get_info_by_fd(program, &info, &size) != 0) {
    return failure("{}", with_errno("read a BPF program's run time", errno));
  }
  return BpfRunTime{info.run_time_ns, info.run_cnt};
}

}  // namespace svcbench
