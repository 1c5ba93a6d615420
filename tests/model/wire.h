// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the model (plane_model.h) reads of a frame, and how it writes one anew. Without a line of bpf/: the
// RFCs (791, 8200, 768, 9293, 792, 4443, 1624) and docs/dataplane.md are what it is made from.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "service/service.h"

namespace svcbench::model {

using Bytes = std::vector<std::uint8_t>;

// A packet's addresses, ports and protocol.
struct Tuple {
  Endpoint from, to;
  std::uint8_t protocol = 0;

  [[nodiscard]] Tuple reversed() const { return {to, from, protocol}; }
  [[nodiscard]] std::string text() const;
  auto operator<=>(const Tuple&) const = default;
};

// What of a TCP header a flow's life depends on; all false and zero for UDP, and for fragments.
struct Segment {
  bool syn = false, ack = false, fin = false, rst = false;
  std::uint32_t sequence = 0, acknowledged = 0;

  [[nodiscard]] bool opens() const { return syn && !ack && !rst; }
};

enum class Shape : std::uint8_t {
  other,           // whatever passes untouched
  whole,           // a plain TCP or UDP packet
  first_fragment,  // of one, with its ports
  later_fragment,  // without
  error,           // an ICMP error that quotes a TCP or UDP packet
  wrapped_error,   // one that quotes such a packet in an IP packet
};

struct Headers {
  Shape shape = Shape::other;
  Family family = Family::ipv4;
  Tuple tuple{};  // of the packet; without ports for a later fragment; for an error: the quoted packet's
  Address error_from{}, error_to{};      // an error's own
  Address wrapped_from{}, wrapped_to{};  // of what a wrapped_error quotes first
  Segment segment{};
  std::uint32_t datagram = 0;  // a fragment's identification
  std::size_t transport = 0;   // where the transport's header stands in the frame
  std::size_t ip = 0;          // where the IP header does: for an error the quoted one
};

[[nodiscard]] Headers read(const Bytes& frame);

// The frame as a packet of `to`: its addresses, its ports where it has them, and checksums that are as
// right or as wrong as they were (RFC 1624).
[[nodiscard]] Bytes rewritten(Bytes frame, const Headers& headers, const Tuple& to);

// The error about a packet of headers.tuple as one about a packet of `sent`, to where that comes from; from
// where that was going, if it came from where the quoted packet went.
[[nodiscard]] Bytes error_about(Bytes frame, const Headers& headers, const Tuple& sent);

// The frame in an IP packet between these addresses. An identification that the page leaves open is taken
// from `like`, a frame of the size of what is made.
[[nodiscard]] Bytes wrapped(const Bytes& frame, Family family, const Address& from, const Address& to,
                            const Bytes& like);

// An error about a packet that was wrapped as one about the packet inside, to whom that came from; from
// where it was going, if the error came from where the wrapping went.
[[nodiscard]] Bytes unwrapped_error(const Bytes& frame, const Headers& headers);

// What an error says: that there is nobody, or what the way takes.
struct Complaint {
  bool too_big = false;
  std::uint32_t mtu = 0;
};
// An error about this frame, back to where it came from; nothing where there may be none (about another
// error, or a later fragment of IPv4).
[[nodiscard]] std::optional<Bytes> complaint_about(const Bytes& frame, const Complaint& complaint);
// Neither this network's, loopback's, multicast, reserved nor broadcast.
[[nodiscard]] bool is_host(const Address& address);
// Whether an error may be sent to where this frame goes, which is to be one host.
[[nodiscard]] bool may_be_sent(const Bytes& error);

using Mac = std::array<std::uint8_t, 6>;
// A hop further: from and to these devices, one hop less to live.
[[nodiscard]] Bytes hopped(Bytes frame, const Mac& from, const Mac& to);
// From its IP header on, as that says; and what else a router asks.
struct Leaving {
  Address to{};
  std::uint32_t size = 0;
  unsigned hops = 0;
  bool may_be_fragmented = false;
};
[[nodiscard]] Leaving leaving(const Bytes& frame);

[[nodiscard]] Address read_address(const Bytes& frame, std::size_t at, Family family);

}  // namespace svcbench::model
