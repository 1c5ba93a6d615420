// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/ebpf/grace_period.h"

#include <bpf/bpf.h>

#include <cerrno>

namespace svcbench {

Result<GracePeriod> GracePeriod::create() {
  Fd inner(bpf_map_create(BPF_MAP_TYPE_ARRAY, "svcb_inner", 4, 4, 1, nullptr));
  if (inner.get() < 0) {
    return failure("eBPF: create an array map: {}", std::strerror(errno));
  }
  LIBBPF_OPTS(bpf_map_create_opts, options, .inner_map_fd = static_cast<__u32>(inner.get()));
  Fd outer(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "svcb_grace", 4, 4, 1, &options));
  if (outer.get() < 0) {
    return failure("eBPF: create a map of maps: {}", std::strerror(errno));
  }
  return GracePeriod(std::move(inner), std::move(outer));
}

Status GracePeriod::wait() {
  const __u32 index = 0;
  const int inner = inner_.get();
  if (bpf_map_update_elem(outer_.get(), &index, &inner, BPF_ANY) != 0) {
    return failure("eBPF: wait for running programs: {}", std::strerror(errno));
  }
  return {};
}

}  // namespace svcbench
