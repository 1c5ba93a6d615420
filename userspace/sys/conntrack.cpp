// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/conntrack.h"

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cstring>
#include <filesystem>

#include "sys/netlink_socket.h"
#include "sys/sysctl.h"

namespace svcbench {

namespace {

Result<std::size_t> number_of(const std::string& name) {
  // Absent where nothing has loaded the connection tracker: then it holds nothing.
  if (!std::filesystem::exists("/proc/sys/" + name)) {
    return std::size_t{0};
  }
  SVCB_TAKE(text, read_sysctl(name));
  return static_cast<std::size_t>(std::stoull(text));
}

}  // namespace

Status flush_conntrack() {
  SVCB_TAKE(held, conntrack_entries());
  if (held == 0) {
    return {};
  }
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_NETFILTER));
  nfgenmsg header{};
  header.nfgen_family = AF_UNSPEC;
  header.version = NFNETLINK_V0;
  constexpr int delete_all = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE;
  SVCB_TAKE(error, socket.request(message_with(delete_all, 0, header)));
  if (error != 0) {
    return failure("forget the tracked connections: {} (the kernel needs CONFIG_NF_CT_NETLINK)",
                   std::strerror(error));
  }
  return {};
}

Result<std::size_t> conntrack_entries() { return number_of("net/netfilter/nf_conntrack_count"); }

Result<std::size_t> conntrack_limit() { return number_of("net/netfilter/nf_conntrack_max"); }

}  // namespace svcbench
