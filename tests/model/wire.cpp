// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "model/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace svcbench::model {
namespace {

constexpr std::size_t ethernet = 14;
constexpr std::uint8_t tcp = 6;
constexpr std::uint8_t udp = 17;

std::uint16_t get16(const Bytes& frame, std::size_t at) {
  return static_cast<std::uint16_t>(frame.at(at) << 8 | frame.at(at + 1));
}

std::uint32_t get32(const Bytes& frame, std::size_t at) {
  return std::uint32_t{get16(frame, at)} << 16 | get16(frame, at + 2);
}

void set16(Bytes& frame, std::size_t at, std::uint16_t value) {
  frame.at(at) = static_cast<std::uint8_t>(value >> 8);
  frame.at(at + 1) = static_cast<std::uint8_t>(value);
}

// The ones' complement sum of what was changed, ~m + m' (RFC 1624, equation 3).
class Delta {
 public:
  void set(Bytes& frame, std::size_t at, std::uint16_t value) {
    const std::uint16_t before = get16(frame, at);
    sum_ += static_cast<std::uint16_t>(~before);
    sum_ += value;
    set16(frame, at, value);
  }
  void set(Bytes& frame, std::size_t at, const Address& address) {
    for (std::size_t i = 0; i < (address.family == Family::ipv4 ? 4U : 16U); i += 2) {
      set(frame, at + i, static_cast<std::uint16_t>(address.bytes.at(i) << 8 | address.bytes.at(i + 1)));
    }
  }
  // The checksum that covers it.
  void mend(Bytes& frame, std::size_t at) const { set16(frame, at, after(get16(frame, at))); }
  // UDP's, of which zero says that there is none (RFC 768).
  void mend_udp(Bytes& frame, std::size_t at) const {
    if (const std::uint16_t before = get16(frame, at); before != 0) {
      const std::uint16_t made = after(before);
      set16(frame, at, made == 0 ? 0xFFFF : made);
    }
  }
  [[nodiscard]] std::uint16_t after(std::uint16_t checksum) const {
    std::uint64_t sum = sum_ + static_cast<std::uint16_t>(~checksum);
    while (sum >> 16 != 0) {
      sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return static_cast<std::uint16_t>(~sum);
  }

 private:
  std::uint64_t sum_ = 0;
};

bool is_transport(std::uint8_t protocol) { return protocol == tcp || protocol == udp; }

std::size_t header_size(std::uint8_t protocol) { return protocol == tcp ? 20 : 8; }

void read_ports(const Bytes& frame, Headers& headers) {
  headers.tuple.from.port = get16(frame, headers.transport);
  headers.tuple.to.port = get16(frame, headers.transport + 2);
}

void read_segment(const Bytes& frame, Headers& headers) {
  const std::size_t at = headers.transport;
  const std::uint8_t flags = frame.at(at + 13);
  headers.segment = {.syn = (flags & 2) != 0,
                     .ack = (flags & 16) != 0,
                     .fin = (flags & 1) != 0,
                     .rst = (flags & 4) != 0,
                     .sequence = get32(frame, at + 4),
                     .acknowledged = get32(frame, at + 8)};
}

// Addresses of the IP header at headers.ip.
void read_addresses(const Bytes& frame, Headers& headers) {
  const bool four = headers.family == Family::ipv4;
  headers.tuple.from.address = read_address(frame, headers.ip + (four ? 12 : 8), headers.family);
  headers.tuple.to.address = read_address(frame, headers.ip + (four ? 16 : 24), headers.family);
}

// A TCP or UDP packet whose transport, if it is there, takes so many bytes; or a fragment of one.
Shape read_datagram(const Bytes& frame, Headers& headers, std::size_t size, bool fragment, bool later) {
  if (later) {
    return Shape::later_fragment;
  }
  if (size < header_size(headers.tuple.protocol)) {
    return Shape::other;
  }
  read_ports(frame, headers);
  if (fragment) {
    return Shape::first_fragment;
  }
  if (headers.tuple.protocol == tcp) {
    read_segment(frame, headers);
  }
  return Shape::whole;
}

Shape quoted_at(Headers& headers, std::size_t ip, std::size_t header_size, std::uint8_t protocol) {
  headers.ip = ip;
  headers.transport = ip + header_size;
  headers.tuple.protocol = protocol;
  return Shape::error;
}

// An error's quotation: at least an IP header and 8 bytes of a TCP or UDP packet that names its ports.
Shape read_quotation4(const Bytes& frame, Headers& headers, std::size_t quoted) {
  const std::uint8_t type = frame.at(headers.transport);
  if ((type != 3 && type != 11 && type != 12) || frame.at(quoted) != 0x45 ||
      (get16(frame, quoted + 6) & 0x1FFF) != 0 || !is_transport(frame.at(quoted + 9))) {
    return Shape::other;
  }
  return quoted_at(headers, quoted, 20, frame.at(quoted + 9));
}

Shape read_quotation6(const Bytes& frame, Headers& headers, std::size_t quoted) {
  const std::uint8_t type = frame.at(headers.transport);
  if (type == 0 || type > 127 || frame.at(quoted) >> 4 != 6 || !is_transport(frame.at(quoted + 6))) {
    return Shape::other;
  }
  return quoted_at(headers, quoted, 40, frame.at(quoted + 6));
}

Shape read_error(const Bytes& frame, Headers& headers, std::size_t size) {
  const std::size_t quoted = headers.transport + 8;
  const bool four = headers.family == Family::ipv4;
  if (size < 8U + (four ? 20U : 40U) + 8U) {
    return Shape::other;
  }
  const Shape shape =
      four ? read_quotation4(frame, headers, quoted) : read_quotation6(frame, headers, quoted);
  if (shape == Shape::error) {
    read_addresses(frame, headers);
    read_ports(frame, headers);
  }
  return shape;
}

Shape read4(const Bytes& frame, Headers& headers) {
  if (frame.size() < ethernet + 20 || frame.at(ethernet) != 0x45) {
    return Shape::other;
  }
  const std::size_t length = get16(frame, ethernet + 2);
  if (length < 20 || length + ethernet > frame.size()) {
    return Shape::other;
  }
  const std::uint16_t fragment = get16(frame, ethernet + 6);
  headers.tuple.protocol = frame.at(ethernet + 9);
  headers.datagram = get16(frame, ethernet + 4);
  headers.transport = ethernet + 20;
  read_addresses(frame, headers);
  if (is_transport(headers.tuple.protocol)) {
    return read_datagram(frame, headers, length - 20, (fragment & 0x3FFF) != 0, (fragment & 0x1FFF) != 0);
  }
  const bool icmp = headers.tuple.protocol == 1 && (fragment & 0x3FFF) == 0;
  return icmp ? read_error(frame, headers, length - 20) : Shape::other;
}

Shape read6(const Bytes& frame, Headers& headers) {
  if (frame.size() < ethernet + 40 || frame.at(ethernet) >> 4 != 6) {
    return Shape::other;
  }
  std::size_t size = get16(frame, ethernet + 4);
  if (size + ethernet + 40 > frame.size()) {
    return Shape::other;
  }
  headers.tuple.protocol = frame.at(ethernet + 6);
  headers.transport = ethernet + 40;
  read_addresses(frame, headers);
  if (is_transport(headers.tuple.protocol)) {
    return read_datagram(frame, headers, size, false, false);
  }
  if (headers.tuple.protocol == 58) {
    return read_error(frame, headers, size);
  }
  if (headers.tuple.protocol != 44 || size < 8 || !is_transport(frame.at(ethernet + 40))) {
    return Shape::other;
  }
  size -= 8;
  headers.tuple.protocol = frame.at(ethernet + 40);
  headers.datagram = get32(frame, ethernet + 44);
  headers.transport = ethernet + 48;
  return read_datagram(frame, headers, size, true, (get16(frame, ethernet + 42) & 0xFFF8) != 0);
}

// The addresses of the IP header there, and where it has one, its checksum.
Delta readdress(Bytes& frame, std::size_t ip, Family family, const Tuple& to) {
  Delta changed;
  const bool four = family == Family::ipv4;
  changed.set(frame, ip + (four ? 12 : 8), to.from.address);
  changed.set(frame, ip + (four ? 16 : 24), to.to.address);
  if (four) {
    changed.mend(frame, ip + 10);
  }
  return changed;
}

}  // namespace

std::string Tuple::text() const {
  return fmt::format("{} > {} {}", from.text(), to.text(), protocol == tcp ? "TCP" : "UDP");
}

Address read_address(const Bytes& frame, std::size_t at, Family family) {
  Address address;
  address.family = family;
  const std::size_t size = family == Family::ipv4 ? 4 : 16;
  for (std::size_t i = 0; i < size; ++i) {
    address.bytes.at(i) = frame.at(at + i);
  }
  return address;
}

Headers read(const Bytes& frame) {
  Headers headers;
  if (frame.size() < ethernet) {
    return headers;
  }
  headers.ip = ethernet;
  const std::uint16_t type = get16(frame, 12);
  if (type == 0x0800) {
    headers.shape = read4(frame, headers);
  } else if (type == 0x86DD) {
    headers.family = Family::ipv6;
    headers.shape = read6(frame, headers);
  }
  return headers;
}

Bytes rewritten(Bytes frame, const Headers& headers, const Tuple& to) {
  Delta changed = readdress(frame, headers.ip, headers.family, to);
  if (headers.shape == Shape::later_fragment) {
    return frame;
  }
  changed.set(frame, headers.transport, to.from.port);
  changed.set(frame, headers.transport + 2, to.to.port);
  if (headers.tuple.protocol == tcp) {
    changed.mend(frame, headers.transport + 16);
  } else {
    changed.mend_udp(frame, headers.transport + 6);
  }
  return frame;
}

Bytes error_about(Bytes frame, const Headers& headers, const Tuple& sent) {
  const bool four = headers.family == Family::ipv4;
  const std::size_t icmp = headers.ip - 8;
  const std::size_t outer_from = ethernet + (four ? 12 : 8);
  const Address from = read_address(frame, outer_from, headers.family);

  // Inside: the ICMP checksum covers the quotation, its header's checksum included.
  Delta inside;
  if (four) {
    const std::uint16_t before = get16(frame, headers.ip + 10);
    inside = readdress(frame, headers.ip, headers.family, sent);
    const std::uint16_t after = get16(frame, headers.ip + 10);
    set16(frame, headers.ip + 10, before);
    inside.set(frame, headers.ip + 10, after);
  } else {
    inside = readdress(frame, headers.ip, headers.family, sent);
  }
  inside.set(frame, headers.transport, sent.from.port);
  inside.set(frame, headers.transport + 2, sent.to.port);

  // Outside: ICMPv6 covers the addresses, too (RFC 4443 2.3).
  Delta outside;
  Delta& covers = four ? outside : inside;
  covers.set(frame, outer_from + (four ? 4 : 16), sent.from.address);
  if (from == headers.tuple.to.address) {
    covers.set(frame, outer_from, sent.to.address);
  }
  if (four) {
    outside.mend(frame, ethernet + 10);
  }
  inside.mend(frame, icmp + 2);
  return frame;
}

Bytes wrapped(const Bytes& frame, Family family, const Address& to, const Bytes& like) {
  const bool four = family == Family::ipv4;
  const std::ptrdiff_t size = four ? 20 : 40;
  constexpr std::ptrdiff_t header = ethernet;
  Bytes made(frame.begin(), frame.begin() + header);
  made.insert(made.end(), like.begin() + header, like.begin() + header + size);
  made.insert(made.end(), frame.begin() + header, frame.end());
  for (std::size_t i = 0; i < (four ? 4U : 16U); ++i) {
    made.at(ethernet + (four ? 16 : 24) + i) = to.bytes.at(i);
  }
  if (!four) {
    made.at(ethernet) = static_cast<std::uint8_t>(6 << 4 | (made.at(ethernet) & 15));
    set16(made, ethernet + 4, static_cast<std::uint16_t>(get16(frame, ethernet + 4) + 40));
    made.at(ethernet + 6) = 41;
    made.at(ethernet + 7) = 64;
    return made;
  }
  made.at(ethernet) = 0x45;
  set16(made, ethernet + 2, static_cast<std::uint16_t>(get16(frame, ethernet + 2) + 20));
  set16(made, ethernet + 6, get16(frame, ethernet + 6) & 0x4000);  // RFC 2003: DF goes with it
  made.at(ethernet + 8) = 64;
  made.at(ethernet + 9) = 4;
  set16(made, ethernet + 10, 0);
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < 20; i += 2) {
    sum += get16(made, ethernet + i);
  }
  sum = (sum & 0xFFFF) + (sum >> 16);
  set16(made, ethernet + 10, static_cast<std::uint16_t>(~(sum + (sum >> 16))));
  return made;
}

}  // namespace svcbench::model
