// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/forged.h"

#include <arpa/inet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sys/fd.h"
#include "sys/socket_address.h"

namespace svcbench::verify {

namespace {

using Bytes = std::vector<std::uint8_t>;

template <typename T>
void append(Bytes& bytes, const T& header) {
  const std::size_t at = bytes.size();
  bytes.resize(at + sizeof header);
  std::memcpy(bytes.data() + at, &header, sizeof header);
}

std::size_t size_of(const Address& address) { return address.family == Family::ipv4 ? 4 : 16; }

void append(Bytes& bytes, const Address& address) {
  bytes.insert(bytes.end(), address.bytes.begin(),
               address.bytes.begin() + static_cast<std::ptrdiff_t>(size_of(address)));
}

// RFC 1071, as it stands in the packet.
std::uint16_t checksum_of(const Bytes& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8U : std::uint32_t{bytes[i]};
  }
  while (sum >> 16U != 0) {
    sum = (sum & 0xFFFFU) + (sum >> 16U);
  }
  return htons(static_cast<std::uint16_t>(~sum));
}

tcphdr segment(const Endpoint& from, const Endpoint& to, std::uint32_t sequence, std::uint8_t flags) {
  tcphdr tcp{};
  tcp.th_sport = htons(from.port);
  tcp.th_dport = htons(to.port);
  tcp.th_seq = htonl(sequence);
  tcp.th_off = sizeof tcp / 4;
  tcp.th_flags = flags;
  tcp.th_win = htons(1024);
  return tcp;
}

Status send_raw(int protocol, const Address* from, const Address& to, const Bytes& bytes) {
  const Fd raw(::socket(domain_of(to.family), SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!raw.valid()) {
    return failure("{} (needs CAP_NET_RAW; run it with sudo)", with_errno("open a raw socket", errno));
  }
  if (from != nullptr) {
    const SocketAddress own = socket_address({*from, 0});
    if (bind(raw.get(), own.get(), own.size) != 0) {
      return failure("{}", with_errno("bind a raw socket to " + from->text(), errno));
    }
  }
  const SocketAddress address = socket_address({to, 0});
  if (sendto(raw.get(), bytes.data(), bytes.size(), 0, address.get(), address.size) < 0) {
    return failure("{}", with_errno("send a packet of its own to " + to.text(), errno));
  }
  return {};
}

// What a router quotes of a full packet: its IP header, and that of TCP.
Bytes quoted(const Endpoint& sender, const Endpoint& receiver, std::uint32_t sequence) {
  constexpr std::uint16_t whole = 1500;
  constexpr std::uint8_t hops = 63;
  Bytes bytes;
  if (sender.address.family == Family::ipv4) {
    iphdr ip{};
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(whole);
    ip.frag_off = htons(IP_DF);
    ip.ttl = hops;
    ip.protocol = IPPROTO_TCP;
    std::memcpy(&ip.saddr, sender.address.bytes.data(), sizeof ip.saddr);
    std::memcpy(&ip.daddr, receiver.address.bytes.data(), sizeof ip.daddr);
    Bytes header;
    append(header, ip);
    ip.check = checksum_of(header);
    append(bytes, ip);
  } else {
    ip6_hdr ip{};
    ip.ip6_flow = htonl(6U << 28U);
    ip.ip6_plen = htons(whole - sizeof ip);
    ip.ip6_nxt = IPPROTO_TCP;
    ip.ip6_hlim = hops;
    std::memcpy(&ip.ip6_src, sender.address.bytes.data(), sizeof ip.ip6_src);
    std::memcpy(&ip.ip6_dst, receiver.address.bytes.data(), sizeof ip.ip6_dst);
    append(bytes, ip);
  }
  append(bytes, segment(sender, receiver, sequence, TH_ACK));
  return bytes;
}

}  // namespace

Status send_reset(const Endpoint& from, const Endpoint& to, std::uint32_t sequence) {
  tcphdr tcp = segment(from, to, sequence, TH_RST);
  // RFC 793's pseudo header; that of IPv6 has wider fields and sums up to the same.
  Bytes summed;
  append(summed, from.address);
  append(summed, to.address);
  append(summed, htons(IPPROTO_TCP));
  append(summed, htons(sizeof tcp));
  append(summed, tcp);
  tcp.th_sum = checksum_of(summed);
  Bytes bytes;
  append(bytes, tcp);
  return send_raw(IPPROTO_TCP, &from.address, to.address, bytes);
}

Status send_too_big(const Endpoint& sender, const Endpoint& receiver, std::uint32_t sequence,
                    std::uint32_t mtu) {
  const Bytes packet = quoted(sender, receiver, sequence);
  Bytes bytes;
  if (sender.address.family == Family::ipv6) {
    icmp6_hdr icmp{};
    icmp.icmp6_type = ICMP6_PACKET_TOO_BIG;
    icmp.icmp6_mtu = htonl(mtu);
    append(bytes, icmp);
    bytes.insert(bytes.end(), packet.begin(), packet.end());
    return send_raw(IPPROTO_ICMPV6, nullptr, sender.address, bytes);  // the kernel sums it
  }
  icmphdr icmp{};
  icmp.type = ICMP_DEST_UNREACH;
  icmp.code = ICMP_FRAG_NEEDED;
  icmp.un.frag.mtu = htons(static_cast<std::uint16_t>(mtu));
  append(bytes, icmp);
  bytes.insert(bytes.end(), packet.begin(), packet.end());
  icmp.checksum = checksum_of(bytes);
  std::memcpy(bytes.data(), &icmp, sizeof icmp);
  return send_raw(IPPROTO_ICMP, nullptr, sender.address, bytes);
}

}  // namespace svcbench::verify
