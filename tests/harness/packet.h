// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Packets as expressions, and the reference that the data plane's output is compared with.
//
//   ipv4().from("10.1.2.3").to("10.96.0.1") / udp(1234, 53) / payload(18)
//
// Every checksum and length is right unless a test says otherwise. Checksums are always computed over the
// whole (RFC 1071), never by the incremental formula (RFC 1624) that the data plane uses, so a mistake
// there cannot hide here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace svcbench::testing {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::size_t ethernet_size = 14;
inline constexpr std::size_t ipv4_size = 20;
inline constexpr std::size_t ipv6_size = 40;
inline constexpr std::size_t udp_size = 8;
inline constexpr std::size_t tcp_size = 20;

inline constexpr std::uint8_t protocol_tcp = 6;
inline constexpr std::uint8_t protocol_udp = 17;

// IPv6 extension headers by their protocol number.
inline constexpr std::uint8_t extension_hop_by_hop = 0;
inline constexpr std::uint8_t extension_routing = 43;
inline constexpr std::uint8_t extension_fragment = 44;
inline constexpr std::uint8_t extension_authentication = 51;
inline constexpr std::uint8_t extension_destination = 60;

// Setters return the layer itself, so that they can be strung together. What is set explicitly (a length, a
// version, a protocol) stands in the packet as given, and no checksum is computed from it but the IPv4
// header's, which covers the header as it is sent.

struct Ethernet {
  Ethernet& vlan(std::uint16_t id);          // an 802.1Q tag; a second call nests inside the first
  Ethernet& service_vlan(std::uint16_t id);  // an 802.1ad tag
  Ethernet& type(std::uint16_t value);       // instead of what follows

  std::vector<std::pair<std::uint16_t, std::uint16_t>> tags;  // protocol and TCI, outermost first
  std::optional<std::uint16_t> forced_type;
};

struct Ipv4 {
  Ipv4& from(std::string_view address);
  Ipv4& to(std::string_view address);
  Ipv4& options(const Bytes& bytes);  // a multiple of 4, at most 40
  Ipv4& dont_fragment();
  Ipv4& more_fragments();
  Ipv4& offset(std::uint16_t units);  // of 8 bytes
  Ipv4& reserved_bit();
  Ipv4& tos(std::uint8_t value);
  Ipv4& ttl(std::uint8_t value);
  Ipv4& id(std::uint16_t value);
  Ipv4& ihl(std::uint8_t words);
  Ipv4& version(std::uint8_t value);
  Ipv4& total_length(std::size_t bytes);
  Ipv4& protocol(std::uint8_t value);

  Bytes source, destination, option_bytes;
  std::uint16_t fragment = 0, identity = 0x1234;
  std::uint8_t service_class = 0, hops = 64;
  std::optional<std::uint8_t> forced_ihl, forced_version, forced_protocol;
  std::optional<std::uint16_t> forced_length;
};

struct Ipv6 {
  Ipv6& from(std::string_view address);
  Ipv6& to(std::string_view address);
  Ipv6& traffic_class(std::uint8_t value);
  Ipv6& flow_label(std::uint32_t value);
  Ipv6& hop_limit(std::uint8_t value);
  Ipv6& version(std::uint8_t value);
  Ipv6& payload_length(std::size_t bytes);
  Ipv6& next_header(std::uint8_t value);

  Bytes source, destination;
  std::uint8_t service_class = 0, hops = 64;
  std::uint32_t label = 0;
  std::optional<std::uint8_t> forced_version, forced_next;
  std::optional<std::uint16_t> forced_length;
};

struct Udp {
  Udp& no_checksum();
  Udp& checksum(std::uint16_t value);
  Udp& length(std::size_t bytes);

  std::uint16_t source_port = 0, port = 0;
  std::optional<std::uint16_t> forced_checksum, forced_length;
};

struct Tcp {
  Tcp& options(const Bytes& bytes);  // a multiple of 4, at most 40
  Tcp& flags(std::uint8_t value);
  Tcp& sequence(std::uint32_t value);
  Tcp& acknowledge(std::uint32_t value);  // the number; its flag is among `flags`
  Tcp& checksum(std::uint16_t value);

  std::uint16_t source_port = 0, port = 0;
  std::uint32_t sequence_number = 0x01020304;
  std::uint32_t acknowledged = 0;
  std::uint8_t flag_bits = 0x02;  // SYN
  Bytes option_bytes;
  std::optional<std::uint16_t> forced_checksum;
};

// Bytes as they are, with the numbers by which the layer before names them.
struct Raw {
  enum class Checksum : std::uint8_t { none, plain, with_pseudo_header };  // at offset 2

  Bytes content;
  std::uint8_t protocol = 0;       // of IP
  std::uint16_t ether_type = 0;    // of Ethernet
  bool names_next_header = false;  // an IPv6 extension: byte 0 names what follows
  Checksum checksum = Checksum::none;
};

using Layer = std::variant<Ethernet, Ipv4, Ipv6, Udp, Tcp, Raw>;

class Packet {
 public:
  template <typename T>
  requires std::is_constructible_v<Layer, T> Packet(T layer)
      : layers_{Layer(std::move(layer))} {}  // NOLINT(google-explicit-constructor)

  // A frame; an Ethernet header is put in front if there is none.
  [[nodiscard]] Bytes bytes() const;
  operator Bytes() const { return bytes(); }  // NOLINT(google-explicit-constructor)

  friend Packet operator/(Packet outer, const Packet& inner);

 private:
  std::vector<Layer> layers_;
};

Packet operator/(Packet outer, const Packet& inner);

[[nodiscard]] Ethernet ethernet();
[[nodiscard]] Ipv4 ipv4();  // from 10.1.2.3 to 10.96.0.1
[[nodiscard]] Ipv6 ipv6();  // from fd00:1::2 to fd00:96::1
[[nodiscard]] Udp udp(std::uint16_t source_port, std::uint16_t port);
[[nodiscard]] Tcp tcp(std::uint16_t source_port, std::uint16_t port);
[[nodiscard]] Raw payload(std::size_t size);  // a fixed pattern, no two neighbours alike
[[nodiscard]] Raw payload(Bytes bytes);
[[nodiscard]] Raw arp();
[[nodiscard]] Raw icmp();                                               // echo request
[[nodiscard]] Raw icmpv6();                                             // echo request
[[nodiscard]] Raw sctp(std::uint16_t source_port, std::uint16_t port);  // its CRC-32c is not computed
[[nodiscard]] Raw extension(std::uint8_t protocol);                     // 8 bytes, of padding
[[nodiscard]] Raw fragment6(std::uint16_t offset_units, bool more);

// By the family of the addresses, and by protocol number: for tests that run over all of them.
[[nodiscard]] Packet ip(std::string_view from, std::string_view to);
[[nodiscard]] Packet transport(std::uint8_t protocol, std::uint16_t source_port, std::uint16_t port);

// What a builder would not make.
[[nodiscard]] Bytes truncated(Bytes frame, std::size_t size);
[[nodiscard]] Bytes padded(Bytes frame, std::size_t more);  // with bytes that are not zero
[[nodiscard]] Bytes with_bytes(Bytes frame, std::size_t offset, std::initializer_list<std::uint8_t> bytes);

// ---- the reference ----

// 4 or 16 bytes, in network order. Throws std::invalid_argument.
[[nodiscard]] Bytes address_bytes(std::string_view text);

// RFC 1071: the complement of the ones' complement sum of 16-bit words. Over a range that holds a right
// checksum it is zero.
[[nodiscard]] std::uint16_t internet_checksum(const Bytes& bytes);

// Of a plain frame (IPv4 or IPv6 without extensions, TCP or UDP): where the transport's checksum stands,
// and what it is.
[[nodiscard]] std::size_t transport_checksum_offset(const Bytes& frame);
[[nodiscard]] std::uint16_t transport_checksum(const Bytes& frame);

// A receiver's check of a plain frame: the IPv4 header's sum and the transport's. A UDP checksum of zero
// ("none") is good on IPv4 only (RFC 8200 8.1).
[[nodiscard]] bool checksums_valid(const Bytes& frame);

// The plain frame with another destination, its checksums computed anew over the whole.
//
// This equals an incremental update bit for bit, although ones' complement has two zeros. A checksum of
// 0xFFFF needs a sum of 0x0000, which is a sum of nothing but zeros: computed over the whole it cannot
// occur (the pseudo header holds the protocol number), and by RFC 1624 equation 3 only if ~HC, all ~m and
// all m' are zero (a destination of 255.255.255.255 that becomes 0.0.0.0). So neither way gives 0xFFFF
// where the other gives 0x0000, and no test needs to accept both. UDP alone turns a 0x0000 into 0xFFFF; a
// zero that was there before means "none", and stays.
[[nodiscard]] Bytes dnat(Bytes frame, std::string_view address, std::uint16_t port);

[[nodiscard]] std::string hex(const Bytes& bytes);

}  // namespace svcbench::testing
