// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/direct_return.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>

#include "direct_return.skel.h"
#include "plane/ebpf/abi_traits.h"
#include "svcbench/direct_return_abi.h"
#include "sys/tc_attach.h"

namespace svcbench::verify {

namespace {

Status attach_to(unsigned device, bpf_tc_attach_point point, const bpf_program* program) {
  const int error = attach_tc(device, point, program);
  return error == 0 ? Status()
                    : failure("verify: attach {} at the backends' end: {}", bpf_program__name(program),
                              std::strerror(-error));
}

template <typename Abi, typename End>
Status tell_one(const bpf_map* map, const Frontend& dialled, const Endpoint& endpoint) {
  End key{};
  key.dialled = to_abi<Abi>(dialled);
  std::memcpy(&key.endpoint, endpoint.address.bytes.data(), sizeof key.endpoint);
  const std::uint16_t port = htons(endpoint.port);
  if (bpf_map_update_elem(bpf_map__fd(map), &key, &port, BPF_ANY) != 0) {
    return failure("verify: tell the backends of {}: {}", dialled.text(), std::strerror(errno));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<DirectReturn>> DirectReturn::attach(unsigned arrives, unsigned replies) {
  direct_return_bpf* skeleton = direct_return_bpf__open_and_load();
  if (skeleton == nullptr) {
    return failure("verify: load the programs of the backends' end: {}", std::strerror(errno));
  }
  std::unique_ptr<DirectReturn> end(new DirectReturn(skeleton));
  SVCB_CHECK(attach_to(arrives, BPF_TC_INGRESS, skeleton->progs.direct_return_arrive));
  SVCB_CHECK(attach_to(replies, BPF_TC_EGRESS, skeleton->progs.direct_return_reply));
  return end;
}

DirectReturn::~DirectReturn() { direct_return_bpf__destroy(skeleton_); }

Status DirectReturn::tell(const Frontend& dialled, std::span<const Endpoint> endpoints) {
  for (const Endpoint& endpoint : endpoints) {
    const bool ipv4 = dialled.address.family == Family::ipv4;
    const Status told = ipv4 ? tell_one<Ipv4Abi, svcb_end4>(skeleton_->maps.ends4, dialled, endpoint)
                             : tell_one<Ipv6Abi, svcb_end6>(skeleton_->maps.ends6, dialled, endpoint);
    SVCB_CHECK(told);
  }
  return {};
}

}  // namespace svcbench::verify
