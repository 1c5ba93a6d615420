// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The header that direct server return puts around a client's packet, on both hooks.
#include <doctest/doctest.h>

#include <array>
#include <set>
#include <string>

#include "packet.h"
#include "plane_fixture.h"

namespace svcbench::testing {
namespace {

// What follows the Ethernet header.
Bytes behind_ethernet(const Bytes& frame) { return {frame.begin() + ethernet_size, frame.end()}; }

// The packet as it is, in an IP packet of the node's.
Bytes wrapped(const Packet& outer, std::uint8_t protocol, const Bytes& inner) {
  Raw content = payload(behind_ethernet(inner));
  content.protocol = protocol;
  return outer / Packet(content);
}

}  // namespace

TEST_CASE("wrap: the outer header has the inner one's class, congestion marks and label (RFC 2983, 6040)") {
  for (const Hook hook : both_hooks) {
    CAPTURE(to_string(hook));
    PlaneFixture plane(FixtureOptions{.dsr = true});
    plane.add_service("10.96.0.1", 80, protocol_udp, {{"10.244.1.17", 80}});
    plane.add_service("fd00:96::1", 80, protocol_udp, {{"fd00:244:1::17", 80}});
    for (const std::uint8_t service_class :
         std::array<std::uint8_t, 6>{0x00, 0x01, 0x02, 0x03, 0xB8, 0xBB}) {
      CAPTURE(static_cast<int>(service_class));
      const Bytes in4 = Packet(ipv4().dont_fragment().tos(service_class)) / udp(4000, 80) / payload(20);
      const Bytes out4 = wrapped(
          Packet(ipv4().from("192.0.2.7").to("10.244.1.17").dont_fragment().tos(service_class).id(0)), 4,
          in4);
      const Run run4 = plane.run(hook, in4);
      CHECK(to_string(run4.outcome) == to_string(SVCB_TRANSLATED));
      CHECK(hex(run4.bytes) == hex(out4));

      const Bytes in6 =
          Packet(ipv6().traffic_class(service_class).flow_label(0x54321)) / udp(4000, 80) / payload(20);
      const Bytes out6 = wrapped(Packet(ipv6()
                                            .from("2001:db8::7")
                                            .to("fd00:244:1::17")
                                            .traffic_class(service_class)
                                            .flow_label(0x54321)),
                                 41, in6);
      CHECK(hex(plane.run(hook, in6).bytes) == hex(out6));
    }
  }
}

TEST_CASE("wrap: packets that may be fragmented on their way have identifications that differ") {
  for (const Hook hook : both_hooks) {
    CAPTURE(to_string(hook));
    PlaneFixture plane(FixtureOptions{.dsr = true});
    plane.add_service("10.96.0.1", 80, protocol_udp, {{"10.244.1.17", 80}});
    const Bytes in = Packet(ipv4()) / udp(4000, 80) / payload(20);
    std::set<std::uint16_t> ids;
    for (int i = 0; i < 16; ++i) {
      const Bytes out = plane.run(hook, in).bytes;
      const auto id =
          static_cast<std::uint16_t>(out.at(ethernet_size + 4) << 8 | out.at(ethernet_size + 5));
      ids.insert(id);
      CHECK(hex(out) == hex(wrapped(Packet(ipv4().from("192.0.2.7").to("10.244.1.17").id(id)), 4, in)));
    }
    CHECK(ids.size() > 4);  // 16 draws of 65,536
  }
}

}  // namespace svcbench::testing
