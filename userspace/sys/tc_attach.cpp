// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/tc_attach.h"

#include <cerrno>

namespace svcbench {

int attach_tc(unsigned device, bpf_tc_attach_point point, const bpf_program* program, bool replaces) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = static_cast<int>(device), .attach_point = point);
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = bpf_program__fd(program),
              .flags = replaces ? __u32{BPF_TC_F_REPLACE} : 0U, .handle = 1, .priority = 1);
  const int error = bpf_tc_hook_create(&hook);
  return error == 0 || error == -EEXIST ? bpf_tc_attach(&hook, &options) : error;
}

}  // namespace svcbench
