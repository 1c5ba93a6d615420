// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A route's MTU, and packets that stand for many, on both hooks. Needs root.
#include <doctest/doctest.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include <functional>
#include <string>

#include "packet.h"
#include "plane_fixture.h"
#include "private_place.h"
#include "sys/net_counters.h"
#include "sys/net_namespace.h"
#include "sys/netlink_socket.h"
#include "sys/route_socket.h"
#include "sys/sysctl.h"
#include "verify/verify.h"

namespace svcbench::testing {
namespace {

using test::in_private_namespaces;
using test::must;

constexpr std::uint32_t mtu = 1300;
constexpr std::uint16_t client_port = 40'000;

// A node that forwards to backends by a way of that MTU, and a service of one of them.
struct Node {
  explicit Node(bool ipv6)
      : place(must(NetNamespace::create())),
        beyond(must(NetNamespace::create())),
        inside(must(place.enter())),
        client(ipv6 ? "fd00:1::2" : "10.1.2.3"),
        service(ipv6 ? "fd00:96::1" : "10.96.0.1"),
        backend{ipv6 ? "fd00:244:1::17" : "10.244.1.17", 8080},
        plane(FixtureOptions{.forwarding = true}) {
    must(write_sysctl("net/ipv4/conf/all/forwarding", "1"));
    must(write_sysctl("net/ipv6/conf/all/forwarding", "1"));
    auto route = must(RouteSocket::open());
    must(route.add_veth({.name = "d0", .mac = {2, 0, 0, 0, 0, 1}, .place = &place},
                        {.name = "d1", .mac = {2, 0, 0, 0, 0, 2}, .place = &beyond}));
    must(route.bring_up("d0"));
    device = must(route.index_of("d0"));
    for (const bool six : {false, true}) {
      const Address gateway = must(Address::parse(six ? "fd00:9::2" : "10.9.0.2"));
      must(route.add_address(device,
                             {must(Address::parse(six ? "fd00:9::1" : "10.9.0.1")), six ? 64U : 24U}));
      must(route.add_neighbour(device, gateway, {2, 0, 0, 0, 0, 2}));
      must(route.add_route(device,
                           {must(Address::parse(six ? "fd00:244::" : "10.244.0.0")), six ? 32U : 16U},
                           gateway, mtu));
    }
    plane.add_service(service, 80, protocol_tcp, {backend});
    plane.add_service(service, 80, protocol_udp, {backend});
  }

  // A packet of so many bytes from its IP header on, that must not be fragmented.
  [[nodiscard]] Bytes packet(std::uint8_t protocol, std::size_t size, bool may_fragment = false) const {
    const bool ipv6 = client.find(':') != std::string::npos;
    const std::size_t headers =
        (ipv6 ? ipv6_size : ipv4_size) + (protocol == protocol_tcp ? tcp_size : udp_size);
    const Packet content = transport(protocol, client_port, 80) / payload(size - headers);
    if (ipv6) {
      return ip(client, service) / content;
    }
    Ipv4 header = ipv4().from(client).to(service);
    return Packet(may_fragment ? header : header.dont_fragment()) / content;
  }

  NetNamespace place, beyond;
  NetNamespace::Inside inside;
  std::string client, service;
  Backend backend;
  unsigned device = 0;
  PlaneFixture plane;
};

void on_each(const std::function<void(Hook, bool, std::uint8_t)>& test) {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const Hook hook : both_hooks) {
    for (const bool ipv6 : {false, true}) {
      for (const std::uint8_t protocol : {protocol_tcp, protocol_udp}) {
        CAPTURE(to_string(hook));
        CAPTURE(ipv6);
        CAPTURE(static_cast<int>(protocol));
        in_private_namespaces([&] { test(hook, ipv6, protocol); });
      }
    }
  }
}

// BIG TCP: the kernel makes packets of up to so many bytes for this device, without a length in their IP
// header. False: it knows of no such thing.
bool makes_bigger(const std::string& device, Family family) {
  constexpr int gso_ipv4_max_size = 63;  // linux/if_link.h has it since 6.3
  constexpr std::uint32_t bytes = 180'000;
  ifinfomsg head{};
  head.ifi_index = static_cast<int>(must(must(RouteSocket::open()).index_of(device)));
  auto message = message_with(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, head);
  nla_put_u32(message.get(), family == Family::ipv6 ? IFLA_GSO_MAX_SIZE : gso_ipv4_max_size, bytes);
  return must(must(NetlinkSocket::open(NETLINK_ROUTE)).request(message)) == 0;
}

}  // namespace

TEST_CASE("route MTU: what is too large for a way is an error to its sender, on both hooks") {
  on_each([](Hook hook, bool ipv6, std::uint8_t protocol) {
    Node node(ipv6);
    const Run fits = node.plane.run(hook, node.packet(protocol, mtu), {.device = node.device});
    CHECK(fits.verdict == Verdict::other);  // redirected
    CHECK(fits.bytes.size() == ethernet_size + mtu);
    CHECK(node.plane.events(SVCB_TOO_BIG) == 0);
    const Run large = node.plane.run(hook, node.packet(protocol, mtu + 1), {.device = node.device});
    CHECK(large.verdict == Verdict::other);
    CHECK(node.plane.events(SVCB_TOO_BIG) == 1);
    CHECK(large.bytes.size() == ethernet_size + (ipv6 ? 96 : 56));
    if (!ipv6) {
      const Run cut = node.plane.run(hook, node.packet(protocol, mtu + 1, true), {.device = node.device});
      CHECK(cut.verdict == Verdict::pass);  // the kernel's stack fragments it
      CHECK(node.plane.events(SVCB_TOO_BIG) == 1);
    }
  });
}

TEST_CASE("route MTU: there is no error about an error, nor about a later fragment") {
  on_each([](Hook hook, bool ipv6, std::uint8_t protocol) {
    if (protocol != protocol_udp) {
      return;
    }
    Node node(ipv6);
    const Bytes first = node.packet(protocol, 600);
    REQUIRE(node.plane.run(hook, first, {.device = node.device}).verdict == Verdict::other);
    // From a router between the client and the node, about a reply that went there.
    const Bytes quoted =
        Packet(ip(node.service, node.client) / transport(protocol, 80, client_port) / payload(mtu));
    Raw icmp;
    icmp.content = {
        static_cast<std::uint8_t>(ipv6 ? 2 : 3), static_cast<std::uint8_t>(ipv6 ? 0 : 4), 0, 0, 0, 0, 5, 0};
    icmp.content.insert(icmp.content.end(), quoted.begin() + ethernet_size, quoted.end());
    icmp.protocol = ipv6 ? 58 : 1;
    icmp.checksum = ipv6 ? Raw::Checksum::with_pseudo_header : Raw::Checksum::plain;
    const std::string router = ipv6 ? "fd00:5::1" : "172.16.5.1";
    const Bytes error =
        ipv6 ? Bytes(ip(router, node.service) / Packet(icmp))
             : Bytes(Packet(ipv4().from(router).to(node.service).dont_fragment()) / Packet(icmp));
    const std::uint64_t before = node.plane.events(SVCB_ICMP_TRANSLATED);
    CHECK(node.plane.run(hook, error, {.device = node.device}).verdict == Verdict::drop);
    CHECK(node.plane.events(SVCB_ICMP_TRANSLATED) == before + 1);
    CHECK(node.plane.events(SVCB_TOO_BIG) == 0);
    if (!ipv6) {
      const auto part = [&](std::uint16_t offset, std::size_t size) {
        Raw data = payload(size);
        data.protocol = protocol;
        Ipv4 header = ipv4().from(node.client).to(node.service).dont_fragment().offset(offset);
        return offset == 0 ? Bytes(Packet(header.more_fragments()) / transport(protocol, client_port, 80) /
                                   payload(600))
                           : Bytes(Packet(header) / Packet(data));
      };
      static_cast<void>(node.plane.run(hook, part(0, 0), {.device = node.device}));
      CHECK(node.plane.run(hook, part(90, mtu), {.device = node.device}).verdict == Verdict::drop);
      CHECK(node.plane.events(SVCB_TOO_BIG) == 0);
    }
  });
}

TEST_CASE("route MTU: a packet that stands for many is held against it by one of these") {
  on_each([](Hook hook, bool ipv6, std::uint8_t protocol) {
    if (hook != Hook::tc) {
      return;
    }
    Node node(ipv6);
    const auto headers = static_cast<std::uint32_t>((ipv6 ? ipv6_size : ipv4_size) +
                                                    (protocol == protocol_tcp ? tcp_size : udp_size));
    const Bytes packet = node.packet(protocol, 3000);
    const Run fits = node.plane.run(hook, packet, {.device = node.device, .segment = mtu - headers});
    CHECK(fits.verdict == Verdict::other);
    CHECK(fits.bytes.size() == packet.size());
    CHECK(node.plane.events(SVCB_TOO_BIG) == 0);
    const Run large = node.plane.run(hook, packet, {.device = node.device, .segment = mtu - headers + 1});
    CHECK(large.verdict == Verdict::other);
    CHECK(large.bytes.size() == ethernet_size + (ipv6 ? 96 : 56));
    CHECK(node.plane.events(SVCB_TOO_BIG) == 1);
  });
}

TEST_CASE("route MTU: a packet longer than its IP header can say is translated, as every other") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    CAPTURE(to_string(family));
    in_private_namespaces([&] {
      const PlaneRow& row = *find_plane("ebpf-tc");
      const auto world = must(verify::World::create(verify::works_of(row), row.delivery));
      const auto plane = must(verify::make_in_node(row, *world, {}));
      const Service service{"test/s:p",
                            FrontendKind::cluster_ip,
                            {world->new_cluster_ip(family), 80, Protocol::tcp},
                            {{world->new_endpoint_address(family), 8080}}};
      must(world->own(service.endpoints.front().address));
      must(world->backends().serve(service.endpoints.front(), Protocol::tcp));
      must(plane->install(std::vector{service}));
      const Endpoint client = world->client(verify::Who::pod, family);
      const NetNamespace& place = world->place_of(client.address);
      {
        const auto inside = must(place.enter());
        if (!makes_bigger("vc", family)) {
          MESSAGE("skipped: no BIG TCP here");
          return;
        }
      }
      const auto lost = [&] {
        const auto inside = must(world->backend_place().enter());
        return loss_counters();
      };
      auto dialled = must(verify::dial(place, client, service.frontend, verify::patience_ns));
      REQUIRE_MESSAGE(dialled.flow, dialled.evidence);
      const NetCounters before = lost();
      const auto seconds = dialled.flow->transfer(64U << 20);
      REQUIRE(seconds);
      // What is not translated comes there for an address that nobody has.
      for (const auto& [what, count] : moved(before, lost())) {
        CHECK_MESSAGE(what.find("IPv") == std::string::npos, what << ": " << count);
      }
    });
  }
}

}  // namespace svcbench::testing
