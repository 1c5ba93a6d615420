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
  void gone(const Bytes& frame, std::size_t at, std::size_t size) {
    for (std::size_t i = 0; i < size; i += 2) {
      gone(get16(frame, at + i));
    }
  }
  void gone(std::uint16_t value) { sum_ += static_cast<std::uint16_t>(~value); }
  void came(std::uint16_t value) { sum_ += value; }
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

// RFC 1071, with so much more in the sum.
std::uint16_t summed(const Bytes& frame, std::size_t at, std::size_t size, std::uint32_t sum) {
  for (std::size_t i = 0; i < size; i += 2) {
    sum += get16(frame, at + i);
  }
  while (sum >> 16 != 0) {
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
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

// A quoted IP header there of a packet that names its ports, or of one with such a packet in it.
bool names_ports(const Bytes& frame, std::size_t at, Family family) {
  return family == Family::ipv4 ? frame.at(at) == 0x45 && (get16(frame, at + 6) & 0x1FFF) == 0
                                : frame.at(at) >> 4 == 6;
}

std::uint8_t protocol_at(const Bytes& frame, std::size_t at, Family family) {
  return frame.at(at + (family == Family::ipv4 ? 9 : 6));
}

bool is_error_type(std::uint8_t type, Family family) {
  return family == Family::ipv4 ? type == 3 || type == 11 || type == 12 : type != 0 && type <= 127;
}

// An error's quotation: at least an IP header and 8 bytes of a TCP or UDP packet that names its ports, bare
// or in an IP packet.
Shape read_error(const Bytes& frame, Headers& headers, std::size_t size) {
  const bool four = headers.family == Family::ipv4;
  const std::size_t header = four ? 20 : 40;
  const std::uint8_t wrapping = four ? 4 : 41;
  std::size_t quoted = headers.transport + 8;
  if (size < 8 + header + 8 || !is_error_type(frame.at(headers.transport), headers.family) ||
      !names_ports(frame, quoted, headers.family)) {
    return Shape::other;
  }
  headers.error_from = headers.tuple.from.address;
  headers.error_to = headers.tuple.to.address;
  Shape shape = Shape::error;
  if (protocol_at(frame, quoted, headers.family) == wrapping) {
    shape = Shape::wrapped_error;
    headers.wrapped_from = read_address(frame, quoted + (four ? 12 : 8), headers.family);
    headers.wrapped_to = read_address(frame, quoted + (four ? 16 : 24), headers.family);
    quoted += header;
    if (size < 8 + 2 * header + 8 || !names_ports(frame, quoted, headers.family) ||
        (!four && frame.at(headers.transport) > 4)) {
      return Shape::other;
    }
  }
  if (!is_transport(protocol_at(frame, quoted, headers.family))) {
    return Shape::other;
  }
  headers.ip = quoted;
  headers.transport = quoted + header;
  headers.tuple.protocol = protocol_at(frame, quoted, headers.family);
  read_addresses(frame, headers);
  read_ports(frame, headers);
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

Bytes wrapped(const Bytes& frame, Family family, const Address& from, const Address& to,
              const Bytes& like) {
  const bool four = family == Family::ipv4;
  const std::size_t size = four ? 20 : 40;
  Bytes made(frame.begin(), frame.begin() + ethernet);
  made.resize(ethernet + size);
  made.insert(made.end(), frame.begin() + ethernet, frame.end());
  const std::size_t first = ethernet + (four ? 12 : 8);
  for (std::size_t i = 0; i < (four ? 4U : 16U); ++i) {
    made.at(first + i) = from.bytes.at(i);
    made.at(first + (four ? 4 : 16) + i) = to.bytes.at(i);
  }
  if (!four) {
    // RFC 2473; the class and congestion marks (RFC 2983, 6040) and the flow label (RFC 6438) go with it.
    std::copy_n(frame.begin() + ethernet, 4, made.begin() + ethernet);
    set16(made, ethernet + 4, static_cast<std::uint16_t>(get16(frame, ethernet + 4) + 40));
    made.at(ethernet + 6) = 41;
    made.at(ethernet + 7) = 64;
    return made;
  }
  const std::uint16_t fragment = get16(frame, ethernet + 6) & 0x4000;  // RFC 2003: DF goes with it
  made.at(ethernet) = 0x45;
  made.at(ethernet + 1) = frame.at(ethernet + 1);
  set16(made, ethernet + 2, static_cast<std::uint16_t>(get16(frame, ethernet + 2) + 20));
  set16(made, ethernet + 4, fragment != 0 || like.size() != made.size() ? 0 : get16(like, ethernet + 4));
  set16(made, ethernet + 6, fragment);
  made.at(ethernet + 8) = 64;
  made.at(ethernet + 9) = 4;
  set16(made, ethernet + 10, summed(made, ethernet, 20, 0));
  return made;
}

Bytes unwrapped_error(const Bytes& frame, const Headers& headers) {
  const bool four = headers.family == Family::ipv4;
  const std::size_t size = four ? 20 : 40;
  const std::size_t icmp = ethernet + size;
  const std::size_t from = ethernet + (four ? 12 : 8);
  const std::size_t to = from + (four ? 4 : 16);
  // Nothing but "too big" is told as it is: its sender cannot know of the wrapping.
  Bytes head(8);
  const bool too_big = four ? frame.at(icmp) == 3 && frame.at(icmp + 1) == 4 : frame.at(icmp) == 2;
  if (four) {
    head[0] = 3;
    head[1] = too_big ? 4 : 1;
    const std::uint16_t mtu = get16(frame, icmp + 6);
    set16(head, 6, too_big && mtu > 20 ? static_cast<std::uint16_t>(mtu - 20) : 0);
  } else {
    head[0] = too_big ? 2 : 1;
    head[1] = too_big ? 0 : 3;
    const std::uint32_t mtu = std::max<std::uint32_t>(get32(frame, icmp + 4), 1320) - 40;
    set16(head, 4, too_big ? static_cast<std::uint16_t>(mtu >> 16) : 0);
    set16(head, 6, too_big ? static_cast<std::uint16_t>(mtu) : 0);
  }
  Bytes made = frame;
  Delta outside;
  outside.set(made, ethernet + (four ? 2 : 4),
              static_cast<std::uint16_t>(get16(made, ethernet + (four ? 2 : 4)) - size));
  outside.set(made, to, headers.tuple.from.address);
  if (headers.error_from == headers.wrapped_to) {
    outside.set(made, from, headers.tuple.to.address);
  }
  Delta inside;
  if (four) {
    outside.mend(made, ethernet + 10);
  } else {
    inside = outside;  // its checksum covers the addresses and the length, too (RFC 4443 2.3)
  }
  inside.gone(frame, icmp, 2);
  inside.gone(frame, icmp + 4, 4);
  inside.gone(frame, icmp + 8, size);
  for (std::size_t i = 0; i < 8; i += 2) {
    inside.came(get16(head, i));
  }
  set16(head, 2, inside.after(get16(frame, icmp + 2)));
  std::copy(head.begin(), head.end(), made.begin() + static_cast<std::ptrdiff_t>(icmp));
  const auto gone = made.begin() + static_cast<std::ptrdiff_t>(icmp + 8);
  made.erase(gone, gone + static_cast<std::ptrdiff_t>(size));
  return made;
}

// RFC 792, RFC 4443: from where the packet was going, with its IP header and 8 bytes.
std::optional<Bytes> complaint_about(const Bytes& frame, const Complaint& complaint) {
  const bool four = get16(frame, 12) == 0x0800;
  const std::size_t header = four ? 20 : 40;
  const std::uint8_t protocol = frame.at(ethernet + (four ? 9 : 6));
  const bool later = four && (get16(frame, ethernet + 6) & 0x1FFF) != 0;
  if (later || (!is_transport(protocol) && (four || protocol != 44)) ||
      frame.size() < ethernet + header + 8) {
    return std::nullopt;
  }
  Bytes made(ethernet + header + 8);
  std::copy_n(frame.begin() + 6, 6, made.begin());
  std::copy_n(frame.begin(), 6, made.begin() + 6);
  std::copy_n(frame.begin() + 12, 2, made.begin() + 12);
  const std::size_t icmp = ethernet + header;
  const std::size_t from = ethernet + (four ? 12 : 8);
  const std::size_t width = four ? 4 : 16;
  std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(from + width), width,
              made.begin() + static_cast<std::ptrdiff_t>(from));
  std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(from), width,
              made.begin() + static_cast<std::ptrdiff_t>(from + width));
  const bool too_big = complaint.too_big;
  made.at(icmp) = four ? 3 : too_big ? 2 : 1;
  made.at(icmp + 1) = four ? (too_big ? 4 : 3) : (too_big ? 0 : 4);
  set16(made, icmp + 6, static_cast<std::uint16_t>(complaint.mtu));
  made.insert(made.end(), frame.begin() + ethernet,
              frame.begin() + static_cast<std::ptrdiff_t>(ethernet + header + 8));
  const std::size_t length = made.size() - icmp;
  if (four) {
    made.at(ethernet) = 0x45;
    set16(made, ethernet + 2, static_cast<std::uint16_t>(made.size() - ethernet));
    made.at(ethernet + 8) = 64;
    made.at(ethernet + 9) = 1;
    set16(made, ethernet + 10, summed(made, ethernet, 20, 0));
    set16(made, icmp + 2, summed(made, icmp, length, 0));
  } else {
    made.at(ethernet) = 0x60;
    set16(made, ethernet + 4, static_cast<std::uint16_t>(length));
    made.at(ethernet + 6) = 58;
    made.at(ethernet + 7) = 64;
    // The pseudo header's addresses stand in front of the message.
    set16(made, icmp + 2, summed(made, from, 32 + length, static_cast<std::uint32_t>(length) + 58));
  }
  return made;
}

// RFC 1812 4.3.2.7, RFC 4443 2.4: one host, and not about a frame that was sent to many.
bool may_be_sent(const Bytes& error) {
  const bool four = get16(error, 12) == 0x0800;
  return (error.at(6) & 1) == 0 &&
         is_host(read_address(error, ethernet + (four ? 16 : 24), four ? Family::ipv4 : Family::ipv6));
}

bool is_host(const Address& address) {
  if (address.family == Family::ipv4) {
    return address.bytes[0] != 0 && address.bytes[0] != 127 && address.bytes[0] < 224;
  }
  const bool low = std::all_of(address.bytes.begin(), address.bytes.begin() + 15,
                               [](std::uint8_t byte) { return byte == 0; }) &&
                   address.bytes[15] < 2;
  return address.bytes[0] != 0xFF && !low;
}

Bytes hopped(Bytes frame, const Mac& from, const Mac& to) {
  std::copy(to.begin(), to.end(), frame.begin());
  std::copy(from.begin(), from.end(), frame.begin() + 6);
  if (get16(frame, 12) == 0x0800) {
    Delta changed;
    changed.set(frame, ethernet + 8, static_cast<std::uint16_t>(get16(frame, ethernet + 8) - 0x0100));
    changed.mend(frame, ethernet + 10);
  } else {
    --frame.at(ethernet + 7);
  }
  return frame;
}

Leaving leaving(const Bytes& frame) {
  if (get16(frame, 12) == 0x0800) {
    return {read_address(frame, ethernet + 16, Family::ipv4), get16(frame, ethernet + 2),
            frame.at(ethernet + 8), (get16(frame, ethernet + 6) & 0x4000) == 0};
  }
  return {read_address(frame, ethernet + 24, Family::ipv6), get16(frame, ethernet + 4) + 40U,
          frame.at(ethernet + 7), false};
}

}  // namespace svcbench::model
