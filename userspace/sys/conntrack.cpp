// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

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

constexpr int message_type(int message) { return NFNL_SUBSYS_CTNETLINK << 8 | message; }

nfgenmsg header_of(int family) {
  nfgenmsg header{};
  header.nfgen_family = static_cast<std::uint8_t>(family);
  header.version = NFNETLINK_V0;
  return header;
}

// One direction of a connection.
struct Tuple {
  Endpoint source;
  Frontend to;
};

Address address_of(const nlattr* attribute, Family family) {
  Address address;
  address.family = family;
  std::memcpy(address.bytes.data(), nla_data(attribute),
              std::min<std::size_t>(static_cast<std::size_t>(nla_len(attribute)), address.bytes.size()));
  return address;
}

// None: it has no addresses or ports of this family.
std::optional<Tuple> tuple_of(nlattr* attribute, Family family) {
  const int source = family == Family::ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
  const int to = family == Family::ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST;
  std::array<nlattr*, CTA_TUPLE_MAX + 1> tuple{};
  std::array<nlattr*, CTA_IP_MAX + 1> ip{};
  std::array<nlattr*, CTA_PROTO_MAX + 1> transport{};
  if (attribute == nullptr || nla_parse_nested(tuple.data(), CTA_TUPLE_MAX, attribute, nullptr) != 0 ||
      tuple[CTA_TUPLE_IP] == nullptr || tuple[CTA_TUPLE_PROTO] == nullptr ||
      nla_parse_nested(ip.data(), CTA_IP_MAX, tuple[CTA_TUPLE_IP], nullptr) != 0 ||
      nla_parse_nested(transport.data(), CTA_PROTO_MAX, tuple[CTA_TUPLE_PROTO], nullptr) != 0 ||
      ip[source] == nullptr || ip[to] == nullptr || transport[CTA_PROTO_NUM] == nullptr ||
      transport[CTA_PROTO_SRC_PORT] == nullptr || transport[CTA_PROTO_DST_PORT] == nullptr) {
    return {};
  }
  return Tuple{{address_of(ip[source], family), ntohs(nla_get_u16(transport[CTA_PROTO_SRC_PORT]))},
               {address_of(ip[to], family), ntohs(nla_get_u16(transport[CTA_PROTO_DST_PORT])),
                static_cast<Protocol>(nla_get_u8(transport[CTA_PROTO_NUM]))}};
}

}  // namespace

Result<std::size_t> forget_flows(Family family, Protocol protocol,
                                 const std::function<bool(const TrackedFlow&)>& stale) {
  SVCB_TAKE(held, conntrack_entries());
  if (held == 0) {
    return std::size_t{0};
  }
  const nfgenmsg header = header_of(family == Family::ipv4 ? AF_INET : AF_INET6);
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_NETFILTER));
  std::vector<NetlinkMessage> deletions;
  const auto each = [&](nlmsghdr* message) {
    std::array<nlattr*, CTA_MAX + 1> parts{};
    if (nlmsg_parse(message, sizeof(nfgenmsg), parts.data(), CTA_MAX, nullptr) != 0) {
      return;
    }
    const auto sent = tuple_of(parts[CTA_TUPLE_ORIG], family);
    const auto reply = tuple_of(parts[CTA_TUPLE_REPLY], family);
    if (!sent || !reply || sent->to.protocol != protocol || !stale({sent->to, reply->source})) {
      return;
    }
    deletions.push_back(message_with(message_type(IPCTNL_MSG_CT_DELETE), 0, header));
    nla_put(deletions.back().get(), CTA_TUPLE_ORIG | NLA_F_NESTED, nla_len(parts[CTA_TUPLE_ORIG]),
            nla_data(parts[CTA_TUPLE_ORIG]));
  };
  SVCB_TAKE(error, socket.dump(message_with(message_type(IPCTNL_MSG_CT_GET), 0, header), each));
  if (error != 0) {
    return failure("list the tracked connections: {} (the kernel needs CONFIG_NF_CT_NETLINK)",
                   std::strerror(error));
  }
  for (const NetlinkMessage& deletion : deletions) {
    SVCB_TAKE(refused, socket.request(deletion));
    if (refused != 0 && refused != ENOENT) {  // it ended by itself
      return failure("forget a tracked connection: {}", std::strerror(refused));
    }
  }
  return deletions.size();
}

Status track_flows(const TrackedFlow& flow, std::uint32_t first, std::size_t count) {
  const Family family = flow.dialled.address.family;
  const bool ipv4 = family == Family::ipv4;
  const std::size_t size = ipv4 ? 4 : 16;
  const nfgenmsg header = header_of(ipv4 ? AF_INET : AF_INET6);
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_NETFILTER));
  const auto put_tuple = [&](nl_msg* message, int attribute, const Address& from, std::uint16_t from_port,
                             const Address& to, std::uint16_t to_port) {
    nlattr* tuple = nla_nest_start(message, attribute | NLA_F_NESTED);
    nlattr* ip = nla_nest_start(message, CTA_TUPLE_IP | NLA_F_NESTED);
    nla_put(message, ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, static_cast<int>(size), from.bytes.data());
    nla_put(message, ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, static_cast<int>(size), to.bytes.data());
    nla_nest_end(message, ip);
    nlattr* transport = nla_nest_start(message, CTA_TUPLE_PROTO | NLA_F_NESTED);
    nla_put_u8(message, CTA_PROTO_NUM, static_cast<std::uint8_t>(flow.dialled.protocol));
    nla_put_u16(message, CTA_PROTO_SRC_PORT, htons(from_port));
    nla_put_u16(message, CTA_PROTO_DST_PORT, htons(to_port));
    nla_nest_end(message, transport);
    nla_nest_end(message, tuple);
  };
  constexpr std::size_t a_batch = 512;
  constexpr std::uint16_t client_port = 40'000;
  constexpr std::uint32_t lives_seconds = 3600;
  std::vector<NetlinkMessage> messages;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t number = htonl(0xF000'0000U | (first + static_cast<std::uint32_t>(i)));
    Address client;
    client.family = family;
    std::memcpy(client.bytes.data() + size - sizeof number, &number, sizeof number);
    if (!ipv4) {
      client.bytes[0] = 0xfd;
    }
    NetlinkMessage& message = messages.emplace_back(
        message_with(message_type(IPCTNL_MSG_CT_NEW), NLM_F_CREATE | NLM_F_EXCL, header));
    put_tuple(message.get(), CTA_TUPLE_ORIG, client, client_port, flow.dialled.address, flow.dialled.port);
    put_tuple(message.get(), CTA_TUPLE_REPLY, flow.replier.address, flow.replier.port, client, client_port);
    nla_put_u32(message.get(), CTA_STATUS, htonl(IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY));
    nla_put_u32(message.get(), CTA_TIMEOUT, htonl(lives_seconds));
    if (messages.size() == a_batch || i + 1 == count) {
      std::size_t refused = 0;
      SVCB_TAKE(error, socket.batch(messages, refused));
      if (error != 0) {
        return failure("track a flow to {}: {}", flow.dialled.text(), std::strerror(error));
      }
      messages.clear();
    }
  }
  return {};
}

Status flush_conntrack() {
  SVCB_TAKE(held, conntrack_entries());
  if (held == 0) {
    return {};
  }
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_NETFILTER));
  SVCB_TAKE(error,
            socket.request(message_with(message_type(IPCTNL_MSG_CT_DELETE), 0, header_of(AF_UNSPEC))));
  if (error != 0) {
    return failure("forget the tracked connections: {} (the kernel needs CONFIG_NF_CT_NETLINK)",
                   std::strerror(error));
  }
  return {};
}

Result<std::size_t> conntrack_entries() { return number_of("net/netfilter/nf_conntrack_count"); }

Result<std::size_t> conntrack_limit() { return number_of("net/netfilter/nf_conntrack_max"); }

}  // namespace svcbench
