// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/program/template_packet.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "plane/ebpf/abi_traits.h"

namespace svcbench {

namespace {

constexpr std::size_t ethernet_size = 14;
constexpr std::size_t ipv4_size = 20;
constexpr std::size_t ipv6_size = 40;
constexpr std::size_t transport_size = 36;  // a TCP header and 16 bytes

const Address source4 = Address::from_ipv4(0xC6120001);             // 198.18.0.1
const Address source6 = Address::from_ipv6(0x2001000200000000, 1);  // 2001:2::1

void put16(PacketBytes& packet, std::size_t at, std::uint16_t value) {
  packet[at] = static_cast<std::uint8_t>(value >> 8);
  packet[at + 1] = static_cast<std::uint8_t>(value);
}

std::uint16_t get_stored(const PacketBytes& packet, std::size_t at) {
  std::uint16_t value = 0;
  std::memcpy(&value, &packet[at], sizeof(value));
  return value;
}

// RFC 1071: the one's complement sum of 16-bit words, an odd last byte padded with zero.
std::uint32_t sum_words(const std::uint8_t* data, std::size_t size, std::uint32_t sum = 0) {
  for (std::size_t i = 0; i + 1 < size; i += 2) {
    sum += static_cast<std::uint32_t>(data[i] << 8 | data[i + 1]);
  }
  if (size % 2 != 0) {
    sum += static_cast<std::uint32_t>(data[size - 1] << 8);
  }
  return sum;
}

std::uint16_t fold(std::uint32_t sum) {
  while (sum >> 16 != 0) {
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
}

std::size_t size_of(Family family) { return family == Family::ipv4 ? ipv4_size : ipv6_size; }
std::size_t address_size(Family family) { return family == Family::ipv4 ? 4 : 16; }

void put_ip_header(PacketBytes& packet, const Address& source, const Address& to, Protocol protocol) {
  const std::size_t ip = ethernet_size;
  const auto number = static_cast<std::uint8_t>(protocol);
  const std::size_t bytes = address_size(to.family);
  if (to.family == Family::ipv4) {
    put16(packet, 12, 0x0800);
    packet[ip] = 0x45;
    put16(packet, ip + 2, ipv4_size + transport_size);
    put16(packet, ip + 6, 0x4000);  // don't fragment
    packet[ip + 8] = 64;
    packet[ip + 9] = number;
    std::copy_n(source.bytes.begin(), bytes, packet.begin() + ip + 12);
    std::copy_n(to.bytes.begin(), bytes, packet.begin() + ip + 16);
    put16(packet, ip + 10, fold(sum_words(&packet[ip], ipv4_size)));
  } else {
    put16(packet, 12, 0x86DD);
    packet[ip] = 0x60;
    put16(packet, ip + 4, transport_size);
    packet[ip + 6] = number;
    packet[ip + 7] = 64;
    std::copy_n(source.bytes.begin(), bytes, packet.begin() + ip + 8);
    std::copy_n(to.bytes.begin(), bytes, packet.begin() + ip + 24);
  }
}

// Bytes 4-5 are UDP's length; TCP has the upper half of its sequence number there, so both may hold it.
void put_transport(PacketBytes& packet, std::size_t at, Protocol protocol, std::uint16_t from,
                   std::uint16_t to) {
  put16(packet, at, from);
  put16(packet, at + 2, to);
  put16(packet, at + 4, transport_size);
  packet[at + 12] = 0x50;  // TCP: a header of 20 bytes
  packet[at + 13] = 0x02;  // TCP: SYN
  put16(packet, at + 14, 0xFFFF);
  const auto& ip = packet;
  const Family family = at == ethernet_size + ipv4_size ? Family::ipv4 : Family::ipv6;
  const std::size_t addresses = ethernet_size + (family == Family::ipv4 ? 12 : 8);
  std::uint32_t sum = sum_words(&ip[addresses], 2 * address_size(family));
  sum += static_cast<std::uint32_t>(protocol) + static_cast<std::uint32_t>(transport_size);
  std::uint16_t checksum = fold(sum_words(&packet[at], transport_size, sum));
  if (protocol == Protocol::udp && checksum == 0) {
    checksum = 0xFFFF;
  }
  put16(packet, at + (protocol == Protocol::tcp ? 16 : 6), checksum);
}

PacketBytes build(const Draw& draw, const Address& to, std::uint16_t port) {
  const std::size_t transport = ethernet_size + size_of(to.family);
  PacketBytes packet(transport + transport_size, 0);
  packet[5] = 2;  // locally administered addresses of no meaning
  packet[11] = 1;
  put_ip_header(packet, to.family == Family::ipv4 ? source4 : source6, to, draw.frontend.protocol);
  put_transport(packet, transport, draw.frontend.protocol, draw.source_port, port);
  return packet;
}

}  // namespace

PacketBytes packet_of(const Draw& draw) { return build(draw, draw.frontend.address, draw.frontend.port); }

PacketBytes packet_to(const Draw& draw, const Endpoint& backend) {
  return build(draw, backend.address, backend.port);
}

svcb_draw4 overlay4(const Draw& draw) {
  const PacketBytes packet = packet_of(draw);
  const std::size_t transport = ethernet_size + ipv4_size;
  return {to_abi<Ipv4Abi>(draw.frontend), htons(draw.source_port), get_stored(packet, ethernet_size + 10),
          get_stored(packet, transport + 6), get_stored(packet, transport + 16)};
}

svcb_draw6 overlay6(const Draw& draw) {
  const PacketBytes packet = packet_of(draw);
  const std::size_t transport = ethernet_size + ipv6_size;
  return {to_abi<Ipv6Abi>(draw.frontend), htons(draw.source_port), 0, get_stored(packet, transport + 6),
          get_stored(packet, transport + 16)};
}

}  // namespace svcbench
