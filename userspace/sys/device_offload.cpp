// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/device_offload.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "sys/fd.h"

namespace svcbench {

namespace {

Status set(const std::string& device, std::uint32_t command, std::string_view what, bool on) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ethtool_value value{command, on ? 1U : 0U};
  ifreq request{};
  std::strncpy(request.ifr_name, device.c_str(), sizeof request.ifr_name - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  if (!socket.valid() || ioctl(socket.get(), SIOCETHTOOL, &request) != 0) {
    return failure("{}",
                   with_errno(fmt::format("switch {} of {} {}", what, device, on ? "on" : "off"), errno));
  }
  return {};
}

}  // namespace

Status leave_checksums_to_device(const std::string& device, bool on) {
  return set(device, ETHTOOL_STXCSUM, "the checksum offload", on);
}

Status coalesce_received(const std::string& device, bool on) {
  return set(device, ETHTOOL_SGRO, "generic receive offload", on);
}

Status pass_all_frames(const std::string& device) {
  const std::array<bpf_insn, 2> code{{
      {BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS},
      {BPF_JMP | BPF_EXIT, 0, 0, 0, 0},
  }};
  const Fd program(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "svcb_pass", "Dual BSD/GPL", code.data(), code.size(), nullptr));
  if (!program.valid()) {
    return failure("{}", with_errno("load an XDP program of two instructions", errno));
  }
  const int error = bpf_xdp_attach(static_cast<int>(if_nametoindex(device.c_str())), program.get(),
                                   XDP_FLAGS_DRV_MODE, nullptr);
  return error == 0 ? Status() : failure("{}", with_errno("attach an XDP program to " + device, -error));
}

}  // namespace svcbench
