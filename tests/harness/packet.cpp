// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "packet.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

namespace svcbench::testing {
namespace {

void put16(Bytes& bytes, std::size_t value) {
  bytes.push_back(static_cast<std::uint8_t>(value >> 8));
  bytes.push_back(static_cast<std::uint8_t>(value));
}

void put32(Bytes& bytes, std::uint32_t value) {
  put16(bytes, value >> 16);
  put16(bytes, value & 0xFFFF);
}

void append(Bytes& bytes, const Bytes& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

std::uint16_t get16(const Bytes& bytes, std::size_t offset) {
  return static_cast<std::uint16_t>(bytes.at(offset) << 8 | bytes.at(offset + 1));
}

void set16(Bytes& bytes, std::size_t offset, std::uint16_t value) {
  bytes.at(offset) = static_cast<std::uint8_t>(value >> 8);
  bytes.at(offset + 1) = static_cast<std::uint8_t>(value);
}

Bytes pseudo_header(const Bytes& source, const Bytes& destination, std::uint8_t protocol,
                    std::size_t length) {
  Bytes header = source;

  append(header, destination);
  if (destination.size() == 4) {  // RFC 768, RFC 9293 3.1
    header.push_back(0);
    header.push_back(protocol);
    put16(header, length);
  } else {  // RFC 8200 8.1
    put32(header, static_cast<std::uint32_t>(length));
    append(header, {0, 0, 0, protocol});
  }
  return header;
}

// Over a segment whose checksum field is zero.
std::uint16_t segment_checksum(Bytes header, std::uint8_t protocol, const Bytes& segment) {
  append(header, segment);
  std::uint16_t checksum = internet_checksum(header);

  return protocol == protocol_udp && checksum == 0 ? 0xFFFF : checksum;
}

// What a layer must know of its neighbours.
struct Neighbours {
  const Layer* ip = nullptr;    // the IP header before it
  const Layer* next = nullptr;  // null: nothing follows
};

std::uint8_t protocol_of(const Layer* layer) {
  if (layer == nullptr) {
    return 59;  // "no next header"
  }
  if (std::holds_alternative<Udp>(*layer)) {
    return protocol_udp;
  }
  if (std::holds_alternative<Tcp>(*layer)) {
    return protocol_tcp;
  }
  const auto* raw = std::get_if<Raw>(layer);
  return raw != nullptr ? raw->protocol : std::uint8_t{59};
}

std::uint16_t ether_type_of(const Layer* layer) {
  if (layer == nullptr) {
    return 0;
  }
  if (std::holds_alternative<Ipv4>(*layer)) {
    return 0x0800;
  }
  if (std::holds_alternative<Ipv6>(*layer)) {
    return 0x86DD;
  }
  const auto* raw = std::get_if<Raw>(layer);
  return raw != nullptr ? raw->ether_type : std::uint16_t{0};
}

Bytes pseudo_header(const Layer* ip, std::uint8_t protocol, std::size_t length) {
  if (ip == nullptr) {
    return {};
  }
  if (const auto* v4 = std::get_if<Ipv4>(ip)) {
    return pseudo_header(v4->source, v4->destination, protocol, length);
  }
  const auto& v6 = std::get<Ipv6>(*ip);
  return pseudo_header(v6.source, v6.destination, protocol, length);
}

// encode(): the layer's bytes followed by `rest`.

Bytes encode(const Ethernet& layer, const Bytes& rest, const Neighbours& neighbours) {
  Bytes out{0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02};

  for (const auto& [type, tci] : layer.tags) {
    put16(out, type);
    put16(out, tci);
  }
  put16(out, layer.forced_type.value_or(ether_type_of(neighbours.next)));
  append(out, rest);
  return out;
}

Bytes encode(const Ipv4& layer, const Bytes& rest, const Neighbours& neighbours) {
  const std::size_t size = ipv4_size + layer.option_bytes.size();
  const std::uint8_t ihl = layer.forced_ihl.value_or(static_cast<std::uint8_t>(size / 4));
  Bytes out{static_cast<std::uint8_t>(layer.forced_version.value_or(4) << 4 | ihl), layer.service_class};

  put16(out, layer.forced_length.value_or(static_cast<std::uint16_t>(size + rest.size())));
  put16(out, layer.identity);
  put16(out, layer.fragment);
  out.push_back(layer.hops);
  out.push_back(layer.forced_protocol.value_or(protocol_of(neighbours.next)));
  put16(out, 0);
  append(out, layer.source);
  append(out, layer.destination);
  append(out, layer.option_bytes);
  set16(out, 10, internet_checksum(out));
  append(out, rest);
  return out;
}

Bytes encode(const Ipv6& layer, const Bytes& rest, const Neighbours& neighbours) {
  Bytes out;

  put32(out, static_cast<std::uint32_t>(layer.forced_version.value_or(6)) << 28 |
                 static_cast<std::uint32_t>(layer.service_class) << 20 | layer.label);
  put16(out, layer.forced_length.value_or(static_cast<std::uint16_t>(rest.size())));
  out.push_back(layer.forced_next.value_or(protocol_of(neighbours.next)));
  out.push_back(layer.hops);
  append(out, layer.source);
  append(out, layer.destination);
  append(out, rest);
  return out;
}

Bytes encode(const Udp& layer, const Bytes& rest, const Neighbours& neighbours) {
  Bytes out;

  put16(out, layer.source_port);
  put16(out, layer.port);
  put16(out, layer.forced_length.value_or(static_cast<std::uint16_t>(udp_size + rest.size())));
  put16(out, 0);
  append(out, rest);
  set16(out, 6,
        layer.forced_checksum.value_or(
            segment_checksum(pseudo_header(neighbours.ip, protocol_udp, out.size()), protocol_udp, out)));
  return out;
}

Bytes encode(const Tcp& layer, const Bytes& rest, const Neighbours& neighbours) {
  Bytes out;

  put16(out, layer.source_port);
  put16(out, layer.port);
  put32(out, layer.sequence_number);
  put32(out, layer.acknowledged);
  out.push_back(static_cast<std::uint8_t>((tcp_size + layer.option_bytes.size()) / 4 << 4));
  out.push_back(layer.flag_bits);
  put16(out, 0xFAF0);  // window
  put32(out, 0);       // checksum, urgent pointer
  append(out, layer.option_bytes);
  append(out, rest);
  set16(out, 16,
        layer.forced_checksum.value_or(
            segment_checksum(pseudo_header(neighbours.ip, protocol_tcp, out.size()), protocol_tcp, out)));
  return out;
}

Bytes encode(const Raw& layer, const Bytes& rest, const Neighbours& neighbours) {
  Bytes out = layer.content;

  append(out, rest);
  if (layer.names_next_header) {
    out.at(0) = protocol_of(neighbours.next);
  }
  if (layer.checksum != Raw::Checksum::none) {
    const bool pseudo = layer.checksum == Raw::Checksum::with_pseudo_header;
    Bytes summed = pseudo ? pseudo_header(neighbours.ip, layer.protocol, out.size()) : Bytes{};

    append(summed, out);
    set16(out, 2, internet_checksum(summed));
  }
  return out;
}

// Where things stand in a plain frame.
struct Plain {
  explicit Plain(const Bytes& frame) {
    ipv6 = frame.at(ethernet_size) >> 4 == 6;
    const std::size_t ip_header =
        ipv6 ? ipv6_size : static_cast<std::size_t>(frame.at(ethernet_size) & 0xF) * 4;

    protocol = frame.at(ethernet_size + (ipv6 ? 6 : 9));
    if (protocol != protocol_tcp && protocol != protocol_udp) {
      throw std::invalid_argument("not a plain frame: " + hex(frame));
    }
    address_size = ipv6 ? 16 : 4;
    source = ethernet_size + (ipv6 ? 8 : 12);
    destination = source + address_size;
    segment = ethernet_size + ip_header;
    checksum = segment + (protocol == protocol_tcp ? 16 : 6);
    // Ethernet pads short frames: the segment ends where IP says, not where the frame does.
    const std::size_t length = ipv6 ? ipv6_size + get16(frame, ethernet_size + 4) : get16(frame, 16);
    end = std::min(frame.size(), ethernet_size + length);
  }

  // Pseudo header and segment, as a receiver sums them.
  [[nodiscard]] Bytes pseudo(const Bytes& frame) const {
    return pseudo_header(range(frame, source, source + address_size),
                         range(frame, destination, destination + address_size), protocol, end - segment);
  }

  static Bytes range(const Bytes& frame, std::size_t from, std::size_t to) {
    return {frame.begin() + static_cast<std::ptrdiff_t>(from),
            frame.begin() + static_cast<std::ptrdiff_t>(to)};
  }

  bool ipv6 = false;
  std::uint8_t protocol = 0;
  std::size_t address_size = 0, source = 0, destination = 0, segment = 0, checksum = 0, end = 0;
};

}  // namespace

Ethernet& Ethernet::vlan(std::uint16_t id) {
  tags.emplace_back(std::uint16_t{0x8100}, id);
  return *this;
}

Ethernet& Ethernet::service_vlan(std::uint16_t id) {
  tags.emplace_back(std::uint16_t{0x88A8}, id);
  return *this;
}

Ethernet& Ethernet::type(std::uint16_t value) {
  forced_type = value;
  return *this;
}

Ipv4& Ipv4::from(std::string_view address) {
  source = address_bytes(address);
  return *this;
}

Ipv4& Ipv4::to(std::string_view address) {
  destination = address_bytes(address);
  return *this;
}

Ipv4& Ipv4::options(const Bytes& bytes) {
  option_bytes = bytes;
  return *this;
}

Ipv4& Ipv4::reserved_bit() {
  fragment |= 0x8000;
  return *this;
}

Ipv4& Ipv4::dont_fragment() {
  fragment |= 0x4000;
  return *this;
}

Ipv4& Ipv4::more_fragments() {
  fragment |= 0x2000;
  return *this;
}

Ipv4& Ipv4::offset(std::uint16_t units) {
  fragment = static_cast<std::uint16_t>((fragment & 0xE000) | (units & 0x1FFF));
  return *this;
}

Ipv4& Ipv4::tos(std::uint8_t value) {
  service_class = value;
  return *this;
}

Ipv4& Ipv4::ttl(std::uint8_t value) {
  hops = value;
  return *this;
}

Ipv4& Ipv4::id(std::uint16_t value) {
  identity = value;
  return *this;
}

Ipv4& Ipv4::ihl(std::uint8_t words) {
  forced_ihl = words;
  return *this;
}

Ipv4& Ipv4::version(std::uint8_t value) {
  forced_version = value;
  return *this;
}

Ipv4& Ipv4::total_length(std::size_t bytes) {
  forced_length = static_cast<std::uint16_t>(bytes);
  return *this;
}

Ipv4& Ipv4::protocol(std::uint8_t value) {
  forced_protocol = value;
  return *this;
}

Ipv6& Ipv6::from(std::string_view address) {
  source = address_bytes(address);
  return *this;
}

Ipv6& Ipv6::to(std::string_view address) {
  destination = address_bytes(address);
  return *this;
}

Ipv6& Ipv6::traffic_class(std::uint8_t value) {
  service_class = value;
  return *this;
}

Ipv6& Ipv6::flow_label(std::uint32_t value) {
  label = value & 0xFFFFF;
  return *this;
}

Ipv6& Ipv6::hop_limit(std::uint8_t value) {
  hops = value;
  return *this;
}

Ipv6& Ipv6::version(std::uint8_t value) {
  forced_version = value;
  return *this;
}

Ipv6& Ipv6::payload_length(std::size_t bytes) {
  forced_length = static_cast<std::uint16_t>(bytes);
  return *this;
}

Ipv6& Ipv6::next_header(std::uint8_t value) {
  forced_next = value;
  return *this;
}

Udp& Udp::no_checksum() { return checksum(0); }

Udp& Udp::checksum(std::uint16_t value) {
  forced_checksum = value;
  return *this;
}

Udp& Udp::length(std::size_t bytes) {
  forced_length = static_cast<std::uint16_t>(bytes);
  return *this;
}

Tcp& Tcp::options(const Bytes& bytes) {
  option_bytes = bytes;
  return *this;
}

Tcp& Tcp::flags(std::uint8_t value) {
  flag_bits = value;
  return *this;
}

Tcp& Tcp::sequence(std::uint32_t value) {
  sequence_number = value;
  return *this;
}

Tcp& Tcp::acknowledge(std::uint32_t value) {
  acknowledged = value;
  return *this;
}

Tcp& Tcp::checksum(std::uint16_t value) {
  forced_checksum = value;
  return *this;
}

Packet operator/(Packet outer, const Packet& inner) {
  outer.layers_.insert(outer.layers_.end(), inner.layers_.begin(), inner.layers_.end());
  return outer;
}

Bytes Packet::bytes() const {
  if (!std::holds_alternative<Ethernet>(layers_.front())) {
    return (Packet(Ethernet{}) / *this).bytes();
  }
  Bytes rest;
  for (std::size_t at = layers_.size(); at-- > 0;) {  // from the inside: a header sums what it carries
    Neighbours neighbours;
    for (std::size_t before = 0; before < at; before++) {
      if (std::holds_alternative<Ipv4>(layers_[before]) || std::holds_alternative<Ipv6>(layers_[before])) {
        neighbours.ip = &layers_[before];
      }
    }
    if (at + 1 < layers_.size()) {
      neighbours.next = &layers_[at + 1];
    }
    rest = std::visit([&](const auto& layer) { return encode(layer, rest, neighbours); }, layers_[at]);
  }
  return rest;
}

Ethernet ethernet() { return {}; }

Ipv4 ipv4() { return Ipv4{}.from("10.1.2.3").to("10.96.0.1"); }

Ipv6 ipv6() { return Ipv6{}.from("fd00:1::2").to("fd00:96::1"); }

Udp udp(std::uint16_t source_port, std::uint16_t port) {
  Udp layer;

  layer.source_port = source_port;
  layer.port = port;
  return layer;
}

Tcp tcp(std::uint16_t source_port, std::uint16_t port) {
  Tcp layer;

  layer.source_port = source_port;
  layer.port = port;
  return layer;
}

Raw payload(std::size_t size) {
  Bytes bytes(size);

  for (std::size_t i = 0; i < size; i++) {
    bytes[i] = static_cast<std::uint8_t>(i * 37 + 11);
  }
  return payload(std::move(bytes));
}

Raw payload(Bytes bytes) {
  Raw layer;

  layer.content = std::move(bytes);
  layer.protocol = 59;
  return layer;
}

Raw arp() {
  Raw layer;

  layer.content = {0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 10, 96, 0, 1};
  layer.ether_type = 0x0806;
  return layer;
}

Raw icmp() {
  Raw layer;

  layer.content = {8, 0, 0, 0, 0x12, 0x34, 0, 1};
  layer.protocol = 1;
  layer.checksum = Raw::Checksum::plain;
  return layer;
}

Raw icmpv6() {
  Raw layer;

  layer.content = {128, 0, 0, 0, 0x12, 0x34, 0, 1};
  layer.protocol = 58;
  layer.checksum = Raw::Checksum::with_pseudo_header;
  return layer;
}

Raw sctp(std::uint16_t source_port, std::uint16_t port) {
  Raw layer;

  put16(layer.content, source_port);
  put16(layer.content, port);
  append(layer.content, {0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 4});
  layer.protocol = 132;
  return layer;
}

Raw extension(std::uint8_t protocol) {
  Raw layer;

  layer.content = {0, 0, 1, 4, 0, 0, 0, 0};  // next header, length in 8 bytes beyond 8, PadN
  layer.protocol = protocol;
  layer.names_next_header = true;
  return layer;
}

Raw fragment6(std::uint16_t offset_units, bool more) {
  Raw layer;

  layer.content = {0, 0};
  put16(layer.content, static_cast<std::size_t>(offset_units) << 3 | (more ? 1 : 0));
  put32(layer.content, 0xCAFE0001);
  layer.protocol = extension_fragment;
  layer.names_next_header = true;
  return layer;
}

Packet ip(std::string_view from, std::string_view to) {
  return to.find(':') == std::string_view::npos ? Packet(ipv4().from(from).to(to))
                                                : Packet(ipv6().from(from).to(to));
}

Packet transport(std::uint8_t protocol, std::uint16_t source_port, std::uint16_t port) {
  return protocol == protocol_tcp ? Packet(tcp(source_port, port)) : Packet(udp(source_port, port));
}

Bytes truncated(Bytes frame, std::size_t size) {
  frame.resize(std::min(size, frame.size()));
  return frame;
}

Bytes padded(Bytes frame, std::size_t more) {
  frame.insert(frame.end(), more, 0xA5);
  return frame;
}

Bytes with_bytes(Bytes frame, std::size_t offset, std::initializer_list<std::uint8_t> bytes) {
  for (std::uint8_t byte : bytes) {
    frame.at(offset++) = byte;
  }
  return frame;
}

Bytes address_bytes(std::string_view text) {
  const std::string terminated(text);
  Bytes bytes(16);

  if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) {
    return bytes;
  }
  bytes.resize(4);
  if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) {
    return bytes;
  }
  throw std::invalid_argument("not an address: " + terminated);
}

std::uint16_t internet_checksum(const Bytes& bytes) {
  std::uint64_t sum = 0;

  for (std::size_t i = 0; i < bytes.size(); i++) {  // an odd last byte counts as the high half of a word
    sum += i % 2 == 0 ? static_cast<std::uint64_t>(bytes[i]) << 8 : bytes[i];
  }
  while (sum >> 16 != 0) {
    sum = (sum & 0xFFFF) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(~sum);
}

std::size_t transport_checksum_offset(const Bytes& frame) { return Plain(frame).checksum; }

std::uint16_t transport_checksum(const Bytes& frame) { return get16(frame, Plain(frame).checksum); }

bool checksums_valid(const Bytes& frame) {
  const Plain plain(frame);

  if (!plain.ipv6 && internet_checksum(Plain::range(frame, ethernet_size, plain.segment)) != 0) {
    return false;
  }
  if (plain.protocol == protocol_udp && get16(frame, plain.checksum) == 0) {
    return !plain.ipv6;
  }
  Bytes summed = plain.pseudo(frame);
  append(summed, Plain::range(frame, plain.segment, plain.end));
  return internet_checksum(summed) == 0;
}

Bytes dnat(Bytes frame, std::string_view address, std::uint16_t port) {
  const Plain plain(frame);
  const Bytes to = address_bytes(address);

  if (to.size() != plain.address_size) {
    throw std::invalid_argument("an address of the other family");
  }
  std::copy(to.begin(), to.end(), frame.begin() + static_cast<std::ptrdiff_t>(plain.destination));
  set16(frame, plain.segment + 2, port);
  if (!plain.ipv6) {
    set16(frame, ethernet_size + 10, 0);
    set16(frame, ethernet_size + 10, internet_checksum(Plain::range(frame, ethernet_size, plain.segment)));
  }
  if (plain.protocol == protocol_tcp || get16(frame, plain.checksum) != 0) {
    set16(frame, plain.checksum, 0);
    set16(frame, plain.checksum,
          segment_checksum(plain.pseudo(frame), plain.protocol,
                           Plain::range(frame, plain.segment, plain.end)));
  }
  return frame;
}

std::string hex(const Bytes& bytes) { return fmt::format("{:02x}", fmt::join(bytes, " ")); }

}  // namespace svcbench::testing
