// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The BPF data plane under BPF_PROG_TEST_RUN: packets in, verdicts, counters and whole packets out, both
// hooks by one set of cases.
//
// What is not covered here, and left to real sockets (tests/e2e):
//   - CHECKSUM_PARTIAL, the skb of a local sender or of a veth whose checksum is left to be done later.
//     BPF_PROG_TEST_RUN makes skbs of CHECKSUM_NONE and, since 6.16, of CHECKSUM_COMPLETE, but no other.
//   - an skb whose headers lie outside of its linear part, where the kernel cannot make one (6.18 cannot).
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <boost/math/distributions/chi_squared.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "packet.h"
#include "plane_fixture.h"

namespace svcbench::testing {
namespace {

constexpr std::array both_protocols{protocol_tcp, protocol_udp};

using Ports = std::initializer_list<std::uint16_t>;

// The same things in each family.
struct FamilyCase {
  std::string_view name;
  std::string client, other_client;
  std::string service, other_service;
  std::string node, foreign, any;
  std::vector<Backend> backends;
};

const std::array families{
    FamilyCase{.name = "IPv4",
               .client = "10.1.2.3",
               .other_client = "203.0.113.200",
               .service = "10.96.0.1",
               .other_service = "10.96.0.2",
               .node = "192.0.2.7",
               .foreign = "192.0.2.8",
               .any = "0.0.0.0",
               .backends = {{"10.244.1.17", 8080}, {"10.244.255.2", 8081}, {"172.16.0.1", 65535}}},
    FamilyCase{.name = "IPv6",
               .client = "fd00:1::2",
               .other_client = "2001:db8:ffff::fffe",
               .service = "fd00:96::1",
               .other_service = "fd00:96::2",
               .node = "2001:db8::7",
               .foreign = "2001:db8::8",
               .any = "::",
               .backends = {{"fd00:244:1::17", 8080},
                            {"fd00:244:2:3:4:5:6:7", 8081},
                            {"2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 65535}}},
};

void check_same_bytes(const Bytes& actual, const Bytes& expected) {
  if (actual != expected) {  // hex only when needed: this runs for every packet
    CHECK(hex(actual) == hex(expected));
  }
}

// The outcome tells more than a verdict: compared by name.
void check_outcome(const Run& run, Verdict verdict, svcb_outcome outcome) {
  CHECK(run.verdict == verdict);
  CHECK(to_string(run.outcome) == to_string(outcome));
}

void check_passed_untouched(const Run& run, const Bytes& in, svcb_outcome outcome) {
  check_outcome(run, Verdict::pass, outcome);
  check_same_bytes(run.bytes, in);
}

void check_dropped(const Run& run, const Bytes& in, svcb_outcome outcome) {
  check_outcome(run, Verdict::drop, outcome);
  check_same_bytes(run.bytes, in);
}

// The packet must have become, byte for byte, what the reference makes of it for one of the backends. Which
// one is returned.
std::size_t translated_to(const Run& run, const Bytes& in, const std::vector<Backend>& backends) {
  check_outcome(run, Verdict::pass, SVCB_TRANSLATED);
  for (std::size_t i = 0; i < backends.size(); i++) {
    if (run.bytes == dnat(in, backends[i].address, backends[i].port)) {
      return i;
    }
  }
  INFO("in:       ", hex(in));
  INFO("out:      ", hex(run.bytes));
  INFO("expected: ", hex(dnat(in, backends[0].address, backends[0].port)), " or for another backend");
  FAIL("not what the reference makes of the packet, for any backend");
  return backends.size();
}

// Calls `test` for each hook, and puts the hook's name into messages.
void for_both_hooks(const std::function<void(Hook)>& test) {
  for (Hook hook : both_hooks) {
    CAPTURE(to_string(hook));
    test(hook);
  }
}

void for_all_kinds(const std::function<void(const FamilyCase&, std::uint8_t)>& test) {
  for (const FamilyCase& family : families) {
    for (std::uint8_t protocol : both_protocols) {
      CAPTURE(family.name);
      CAPTURE(static_cast<int>(protocol));
      test(family, protocol);
    }
  }
}

Packet packet_of(const FamilyCase& family, std::uint8_t protocol, std::uint16_t source_port,
                 std::uint16_t port) {
  return ip(family.client, family.service) / transport(protocol, source_port, port);
}

// Service :80 of both protocols and families, over all backends of the family.
void add_services(PlaneFixture& plane) {
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    plane.add_service(family.service, 80, protocol, family.backends);
  });
}

struct NamedPacket {
  std::string name;
  Bytes bytes;
};

struct UntouchedCase {
  std::string name;
  svcb_outcome outcome;
  Bytes bytes;
};

void check_untouched(const std::vector<UntouchedCase>& cases) {
  PlaneFixture plane;
  add_services(plane);

  for (const UntouchedCase& untouched : cases) {
    CAPTURE(untouched.name);
    for_both_hooks([&](Hook hook) {
      check_passed_untouched(plane.run(hook, untouched.bytes), untouched.bytes, untouched.outcome);
    });
  }
}

// Wire bytes of a UDP and a TCP header to port 80: where a program takes bytes for ports that are none, it
// is to find a service there.
Bytes like_ports() { return {0x30, 0x39, 0x00, 0x50, 0x30, 0x39, 0x00, 0x50}; }

// ---- the reference itself ----

// The kernel's hash map puts the new element at the head of its chain, then takes the old one out: a lookup
// that had passed the head by then meets neither.
TEST_CASE("a service is found while its entry, and those of its chain, are replaced") {
  PlaneFixture plane;
  std::vector<std::pair<std::uint16_t, std::uint64_t>> services;  // port, word
  std::vector<Bytes> frames;
  const FamilyCase& family = families.front();
  for (std::uint16_t port = 80; port < 80 + PlaneFixture::max_services; ++port) {
    services.emplace_back(port, plane.add_service(family.service, port, protocol_udp, family.backends));
    frames.push_back((ip(family.client, family.service) / transport(protocol_udp, 4321, port)).bytes());
  }
  std::atomic<bool> stop = false;
  std::thread updates([&] {
    while (!stop) {
      for (const auto& [port, word] : services) {
        plane.set_service(family.service, port, protocol_udp, word);
      }
    }
  });
  std::size_t missed = 0;
  std::size_t packets = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (std::chrono::steady_clock::now() < end) {
    for (const Bytes& frame : frames) {
      missed += plane.run(Hook::tc, frame).outcome == SVCB_NO_SERVICE ? 1 : 0;
      ++packets;
    }
  }
  stop = true;
  updates.join();
  MESSAGE(missed << " of " << packets << " packets met no service");
  CHECK(missed == 0);
}

TEST_CASE("the reference agrees with published checksums") {
  // RFC 1071, section 3: the sum is ddf2.
  CHECK(internet_checksum({0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}) == 0x220d);
  CHECK(internet_checksum({0x00, 0x01, 0xf2}) == static_cast<std::uint16_t>(~0xf201));  // odd: zero-padded
  // The example of Wikipedia's "Internet checksum".
  CHECK(internet_checksum({0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                           0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7}) == 0xb861);
  // Worked by hand, 10.1.2.3:1 to 10.96.0.1:2, UDP length 9, payload "A": pseudo header 0a01 + 0203 + 0a60
  // + 0001 + 0011 + 0009, segment 0001 + 0002 + 0009 + 4100 = 578b, complement a874.
  const Bytes frame = ipv4() / udp(1, 2) / payload(Bytes{'A'});
  CHECK(transport_checksum(frame) == 0xa874);
}

TEST_CASE("a packet expression is the packet it reads like") {
  CHECK(hex(ipv4().from("10.1.2.3").to("10.96.0.1").ttl(63).id(7) / udp(1234, 53) / payload(Bytes{'A'})) ==
        "02 00 00 00 00 01 02 00 00 00 00 02 08 00 "
        "45 00 00 1d 00 07 00 00 3f 11 65 65 0a 01 02 03 0a 60 00 01 "
        "04 d2 00 35 00 09 a3 70 41");
  CHECK(hex(ethernet().vlan(5) / ipv6().from("fd00::1").to("fd00::2") / extension(extension_hop_by_hop) /
            icmpv6()) ==
        "02 00 00 00 00 01 02 00 00 00 00 02 81 00 00 05 86 dd "
        "60 00 00 00 00 10 00 40 fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 "
        "fd 00 00 00 00 00 00 00 00 00 00 00 00 00 00 02 3a 00 01 04 00 00 00 00 "
        "80 00 73 83 12 34 00 01");
}

TEST_CASE("the check of checksums sees each byte that is wrong") {
  for (const Bytes& frame :
       std::vector<Bytes>{ipv4() / udp(1, 2) / payload(5), ipv4() / tcp(1, 2) / payload(4),
                          ipv6() / udp(1, 2) / payload(4), ipv6() / tcp(1, 2) / payload(5)}) {
    REQUIRE(checksums_valid(frame));
    const bool is_ipv6 = frame.at(12) == 0x86;
    std::vector<std::size_t> covered;  // the IPv4 header but what says where things stand, the addresses on
    for (std::size_t at = is_ipv6 ? 22 : 18; at < frame.size(); at++) {
      if (is_ipv6 || at != 23) {
        covered.push_back(at);
      }
    }
    for (std::size_t at : covered) {
      CAPTURE(at);
      CHECK_FALSE(checksums_valid(with_bytes(frame, at, {static_cast<std::uint8_t>(frame[at] ^ 0x10)})));
    }
    CHECK(checksums_valid(dnat(frame, is_ipv6 ? "fd00::9" : "10.9.9.9", 99)));
    CHECK(dnat(frame, is_ipv6 ? "fd00:96::1" : "10.96.0.1", 2) == frame);
  }
  CHECK(checksums_valid(ipv4() / udp(1, 2).no_checksum()));
  CHECK_FALSE(checksums_valid(ipv6() / udp(1, 2).no_checksum()));
}

// ---- translation ----

TEST_CASE("each protocol and family is translated to a backend of the service") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    for (std::uint16_t port : Ports{80, 8080}) {  // with a change of port, and without
      CAPTURE(port);
      PlaneFixture plane;
      const std::vector<Backend> backends{{family.backends[0].address, 8080}};
      plane.add_service(family.service, port, protocol, backends);
      // Other services stand around it.
      plane.add_service(family.other_service, port, protocol, {family.backends[1]});
      plane.add_service(family.service, 443, protocol, {family.backends[2]});

      for (std::size_t size : {0, 1, 2, 3, 18, 19, 100, 1399, 1400}) {
        CAPTURE(size);
        const Bytes in = packet_of(family, protocol, 40000, port) / payload(size);
        for_both_hooks([&](Hook hook) {
          const Run run = plane.run(hook, in);
          translated_to(run, in, backends);
          CHECK(checksums_valid(run.bytes));
        });
      }
    }
  });
}

TEST_CASE("a service over several backends sends a flow to one of its own") {
  // The neighbours' backends stand directly before and after its own in the array.
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    PlaneFixture plane;
    const std::string& address = family.backends[0].address;
    const std::vector<Backend> own{{address, 1001}, {address, 1002}, {address, 1003}};
    plane.add_service(family.service, 79, protocol, {{address, 1000}});
    plane.add_service(family.service, 80, protocol, own);
    plane.add_service(family.service, 81, protocol, {{address, 1004}});

    for_both_hooks([&](Hook hook) {
      std::set<std::size_t> met;
      for (std::uint16_t source_port = 1024; source_port < 1424; source_port++) {
        const Bytes in = packet_of(family, protocol, source_port, 80) / payload(3);
        met.insert(translated_to(plane.run(hook, in), in, own));
      }
      CHECK(met.size() == own.size());
    });
  });
}

TEST_CASE("what does not concern the destination is left alone") {
  PlaneFixture plane;
  add_services(plane);
  const Bytes tcp_options{2, 4, 5, 0xb4, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7};
  const std::vector<NamedPacket> cases{
      {"IPv4 DF", ipv4().dont_fragment() / tcp(1, 80) / payload(9)},
      {"IPv4 reserved flag", ipv4().reserved_bit() / udp(1, 80) / payload(9)},
      {"IPv4 TOS, TTL, id", ipv4().tos(0xBB).ttl(1).id(0xFFFF) / udp(1, 80) / payload(9)},
      {"IPv6 class, label, hops",
       ipv6().traffic_class(0xBB).flow_label(0xABCDE).hop_limit(1) / udp(1, 80) / payload(9)},
      {"TCP options", ipv4() / tcp(1, 80).options(tcp_options) / payload(9)},
      {"TCP options, IPv6", ipv6() / tcp(1, 80).options(tcp_options) / payload(9)},
      {"TCP FIN, ACK", ipv4() / tcp(1, 80).flags(0x11).sequence(0xFFFFFFFF)},
      {"TCP RST", ipv6() / tcp(1, 80).flags(0x04)},
      // Ethernet pads to 60 bytes: the padding belongs to no checksum.
      {"padded UDP", padded(ipv4() / udp(1, 80) / payload(1), 17)},
      {"padded TCP", padded(ipv4() / tcp(1, 80), 6)},
      {"padded IPv6 UDP", padded(ipv6() / udp(1, 80), 7)},
      {"from port 65535", ipv4() / udp(65535, 80)},
      {"from port 0", ipv6() / tcp(0, 80)},
  };

  for (const NamedPacket& named : cases) {
    const Bytes& in = named.bytes;
    CAPTURE(named.name);
    const bool is_ipv6 = in.at(12) == 0x86;
    for_both_hooks([&](Hook hook) {
      const Run run = plane.run(hook, in);
      translated_to(run, in, families.at(is_ipv6 ? 1 : 0).backends);
      CHECK(checksums_valid(run.bytes));
    });
  }
}

TEST_CASE("random flows come out with right checksums, alike from both hooks") {
  PlaneFixture plane;
  add_services(plane);
  std::mt19937_64 random(20240917);
  const auto below = [&](std::uint64_t limit) { return random() % limit; };
  const auto port = [&] { return static_cast<std::uint16_t>(below(65536)); };
  const auto bytes = [&](std::size_t size) {
    Bytes made(size);
    for (std::uint8_t& byte : made) {
      byte = static_cast<std::uint8_t>(below(256));
    }
    return made;
  };

  for (int i = 0; i < 4000; i++) {
    const FamilyCase& family = families.at(below(2));
    const bool is_tcp = below(2) == 0;
    const bool no_checksum = !is_tcp && below(10) == 0;
    const Raw content = payload(bytes(below(i % 4 == 0 ? 1400 : 40)));
    const Packet segment = is_tcp
                               ? tcp(port(), 80)
                                         .options(bytes(4 * below(11)))
                                         .sequence(static_cast<std::uint32_t>(random()))
                                         .flags(static_cast<std::uint8_t>(below(256))) /
                                     content
                               : (no_checksum ? udp(port(), 80).no_checksum() : udp(port(), 80)) / content;
    Ipv4 v4 = ipv4();
    Ipv6 v6 = ipv6();
    v4.source = bytes(4);
    v6.source = bytes(16);
    v4.id(port()).ttl(static_cast<std::uint8_t>(below(256))).tos(static_cast<std::uint8_t>(below(256)));
    v6.flow_label(static_cast<std::uint32_t>(random()));
    const Bytes in = family.name == "IPv4" ? v4 / segment : v6 / segment;

    CAPTURE(i);
    std::vector<Bytes> out;
    for_both_hooks([&](Hook hook) {
      const Run run = plane.run(hook, in);
      translated_to(run, in, family.backends);
      if (!no_checksum) {
        CHECK(checksums_valid(run.bytes));
      }
      out.push_back(run.bytes);
    });
    check_same_bytes(out[0], out[1]);
  }
}

// ---- zero, which has two forms in ones' complement ----

TEST_CASE("a UDP checksum of zero means none, and stays") {
  PlaneFixture plane;
  add_services(plane);
  for (const FamilyCase& family : families) {  // IPv6 too: tunnels may (RFC 6935), and guessing is not ours
    CAPTURE(family.name);
    const Bytes in = ip(family.client, family.service) / udp(1234, 80).no_checksum() / payload(7);
    for_both_hooks([&](Hook hook) {
      const Run run = plane.run(hook, in);
      translated_to(run, in, family.backends);
      CHECK(transport_checksum(run.bytes) == 0);
    });
  }
}

// A source port with which `wanted` holds of the packet: a checksum takes each value as it varies.
Bytes search_source_port(const std::function<Packet(std::uint16_t)>& make,
                         const std::function<bool(const Bytes&)>& wanted) {
  for (std::uint32_t source_port = 1; source_port < 65536; source_port++) {
    Bytes made = make(static_cast<std::uint16_t>(source_port));
    if (wanted(made)) {
      return made;
    }
  }
  FAIL("no source port does it");
  return {};
}

TEST_CASE("a checksum that comes out as zero: 0xFFFF for UDP, 0x0000 for TCP") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    PlaneFixture plane;
    const Backend backend = family.backends[0];
    plane.add_service(family.service, 80, protocol, {backend});
    const std::uint16_t zero = protocol == protocol_udp ? 0xFFFF : 0x0000;
    const auto make = [&](std::uint16_t source_port) {
      return packet_of(family, protocol, source_port, 80) / payload(5);
    };
    const std::vector<NamedPacket> cases{
        {"at the end", search_source_port(make,
                                          [&](const Bytes& frame) {
                                            return transport_checksum(
                                                       dnat(frame, backend.address, backend.port)) == zero;
                                          })},
        // tc changes the address and the port in two steps: zero in between must not pass for "none".
        {"after the address", search_source_port(make,
                                                 [&](const Bytes& frame) {
                                                   return transport_checksum(
                                                              dnat(frame, backend.address, 80)) == zero;
                                                 })},
        {"before",
         search_source_port(make, [&](const Bytes& frame) { return transport_checksum(frame) == zero; })},
    };

    for (const NamedPacket& named : cases) {
      const Bytes& in = named.bytes;
      CAPTURE(named.name);
      for_both_hooks([&](Hook hook) {
        const Run run = plane.run(hook, in);
        translated_to(run, in, {backend});
        CHECK(checksums_valid(run.bytes));
        if (named.name == "at the end") {
          CHECK(transport_checksum(run.bytes) == zero);
        }
      });
    }
  });
}

TEST_CASE("XDP: from every checksum that there is, sums fold right") {
  // The source port and the id run through all values, and with them the transport's checksum and the IPv4
  // header's: a carry that only few sums have is met. (tc leaves the sums to the kernel's helpers.)
  for (const FamilyCase& family : families) {
    CAPTURE(family.name);
    PlaneFixture plane;
    const Backend backend = family.backends[2];
    plane.add_service(family.service, 80, protocol_tcp, {backend});
    for (std::uint32_t i = 0; i < 65536; i++) {
      const auto value = static_cast<std::uint16_t>(i);
      const Bytes in = (family.name == "IPv4" ? Packet(ipv4().id(value)) : Packet(ipv6())) / tcp(value, 80);
      translated_to(plane.run(Hook::xdp, in), in, {backend});
    }
  }
}

TEST_CASE("TCP's other zero, which no sender computes but a receiver accepts, is understood") {
  PlaneFixture plane;
  for (const FamilyCase& family : families) {
    CAPTURE(family.name);
    plane.add_service(family.service, 80, protocol_tcp, {family.backends[0]});
    const Bytes positive = search_source_port(
        [&](std::uint16_t source_port) { return packet_of(family, protocol_tcp, source_port, 80); },
        [](const Bytes& frame) { return transport_checksum(frame) == 0; });
    const Bytes negative = with_bytes(positive, transport_checksum_offset(positive), {0xFF, 0xFF});
    REQUIRE(checksums_valid(negative));
    for_both_hooks(
        [&](Hook hook) { translated_to(plane.run(hook, negative), negative, {family.backends[0]}); });
  }
}

TEST_CASE("a checksum that was wrong stays wrong: nothing is vouched for") {
  // A translator that recomputed over the whole would hide what the network damaged.
  PlaneFixture plane;
  add_services(plane);
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    const Bytes good = packet_of(family, protocol, 1234, 80) / payload(8);
    const Bytes damaged = with_bytes(good, good.size() - 1, {static_cast<std::uint8_t>(good.back() ^ 1)});
    for_both_hooks([&](Hook hook) {
      const Run run = plane.run(hook, damaged);
      check_outcome(run, Verdict::pass, SVCB_TRANSLATED);
      CHECK_FALSE(checksums_valid(run.bytes));
    });
  });
}

TEST_CASE("tc keeps the sum of a NIC that sums what it receives (CHECKSUM_COMPLETE)") {
  PlaneFixture plane;
  add_services(plane);
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    for (std::size_t size : {0, 5, 100}) {
      CAPTURE(size);
      const Bytes in = packet_of(family, protocol, 1234, 80) / payload(size);
      // An exception (EBADMSG) says that skb->csum no longer is the sum of the packet.
      const std::optional<Run> run = plane.run_checksum_complete(in);
      if (run) {
        translated_to(*run, in, family.backends);
      } else {
        MESSAGE("this kernel's BPF_PROG_TEST_RUN has no CHECKSUM_COMPLETE");
      }
    }
  });
}

TEST_CASE("tc reads headers that are not in the skb's linear part") {
  PlaneFixture plane;
  add_services(plane);
  if (!plane.run_non_linear(ipv4() / tcp(1, 80) / payload(700), 14)) {
    MESSAGE("this kernel's BPF_PROG_TEST_RUN makes no such skb (6.18 does not)");
    return;
  }
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    const Bytes in = packet_of(family, protocol, 1234, 80) / payload(700);
    for (std::uint32_t linear : {14U, 20U, 34U, 40U, 60U}) {
      CAPTURE(linear);
      translated_to(plane.run_non_linear(in, linear).value(), in, family.backends);
    }
  });
}

// ---- passed on untouched, each under its own counter ----

TEST_CASE("what is not IP passes") {
  check_untouched({
      {"ARP", SVCB_NOT_IP, ethernet() / arp()},
      {"LLDP", SVCB_NOT_IP, ethernet().type(0x88CC) / payload(50)},
      {"MPLS", SVCB_NOT_IP, ethernet().type(0x8847) / payload(4) / ipv4() / tcp(1, 80)},
      {"PPPoE", SVCB_NOT_IP, ethernet().type(0x8864) / payload(8)},
      {"802.3 length", SVCB_NOT_IP, ethernet().type(0x0040) / ipv4() / tcp(1, 80) / payload(24)},
      {"IP's type with its bytes swapped", SVCB_NOT_IP, ethernet().type(0x0008) / ipv4() / tcp(1, 80)},
      {"nothing but Ethernet", SVCB_NOT_IP, Packet(ethernet().type(0x0806))},
  });
}

TEST_CASE("what carries a VLAN tag passes") {
  check_untouched({
      {"802.1Q", SVCB_VLAN, ethernet().vlan(5) / ipv4() / tcp(1, 80) / payload(9)},
      {"802.1Q, IPv6", SVCB_VLAN, ethernet().vlan(4094) / ipv6() / udp(1, 80) / payload(9)},
      {"802.1Q, priority only", SVCB_VLAN, ethernet().vlan(0xE000) / ipv4() / udp(1, 80)},
      {"802.1ad", SVCB_VLAN, ethernet().service_vlan(5) / ipv4() / tcp(1, 80) / payload(9)},
      {"802.1Q in 802.1ad", SVCB_VLAN, ethernet().service_vlan(7).vlan(5) / ipv4() / tcp(1, 80)},
      {"802.1Q in 802.1Q", SVCB_VLAN, ethernet().vlan(7).vlan(5) / ipv6() / tcp(1, 80)},
      {"ARP in 802.1Q", SVCB_VLAN, ethernet().vlan(5) / arp()},
      {"cut off after the type", SVCB_VLAN, truncated(ethernet().vlan(5) / ipv4() / tcp(1, 80), 14)},
  });
}

TEST_CASE("tc: what carried a VLAN tag that the NIC took off passes") {
  PlaneFixture plane;
  add_services(plane);
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    const Bytes in = packet_of(family, protocol, 1234, 80) / payload(9);
    check_passed_untouched(plane.run_vlan_in_metadata(in, 5), in, SVCB_VLAN);
  });
}

TEST_CASE("what ends early passes") {
  PlaneFixture plane;
  add_services(plane);
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    const Bytes whole = packet_of(family, protocol, 1234, 80);
    const Bytes longer = packet_of(family, protocol, 1234, 80) / payload(40);
    for (std::size_t size = ethernet_size; size < whole.size(); size++) {  // less is no frame for test_run
      CAPTURE(size);
      for (const Bytes& frame : {truncated(whole, size), truncated(longer, size)}) {
        check_passed_untouched(plane.run(Hook::xdp, frame), frame, SVCB_TRUNCATED);
      }
      const Bytes cut = truncated(longer, size);
      check_passed_untouched(plane.run_cut_on_tc(longer, size), cut, SVCB_TRUNCATED);
    }
    for (std::size_t size = whole.size(); size < longer.size(); size++) {  // inside what it claims to carry
      const Bytes cut = truncated(longer, size);
      check_passed_untouched(plane.run(Hook::xdp, cut), cut, SVCB_TRUNCATED);
      check_passed_untouched(plane.run_cut_on_tc(longer, size), cut, SVCB_TRUNCATED);
    }
    check_outcome(plane.run(Hook::xdp, longer), Verdict::pass, SVCB_TRANSLATED);
  });
}

TEST_CASE("what has an impossible header passes") {
  std::vector<UntouchedCase> cases;

  for (std::uint8_t words = 0; words < 5; words++) {
    cases.push_back(
        {"IHL " + std::to_string(words), SVCB_TRUNCATED, ipv4().ihl(words) / tcp(1, 80) / payload(40)});
  }
  for (std::uint8_t version = 0; version < 16; version++) {
    if (version != 4) {
      cases.push_back({"version " + std::to_string(version) + " in IPv4", SVCB_TRUNCATED,
                       ipv4().version(version) / udp(1, 80) / payload(40)});
    }
    if (version != 6) {
      cases.push_back({"version " + std::to_string(version) + " in IPv6", SVCB_TRUNCATED,
                       ipv6().version(version) / udp(1, 80) / payload(40)});
    }
  }
  cases.push_back({"IPv6 in IPv4's type", SVCB_TRUNCATED, ethernet().type(0x0800) / ipv6() / tcp(1, 80)});
  cases.push_back(
      {"IPv4 in IPv6's type", SVCB_TRUNCATED, ethernet().type(0x86DD) / ipv4() / tcp(1, 80) / payload(40)});
  check_untouched(cases);
}

TEST_CASE("what claims to be shorter than its headers passes") {
  std::vector<UntouchedCase> cases;

  for (std::uint8_t protocol : both_protocols) {
    const std::size_t header = protocol == protocol_tcp ? tcp_size : udp_size;
    for (std::size_t length = 0; length < ipv4_size + header; length++) {
      cases.push_back({"IPv4, protocol " + std::to_string(protocol) + ", length " + std::to_string(length),
                       SVCB_TRUNCATED,
                       ipv4().total_length(length) / transport(protocol, 1234, 80) / payload(12)});
    }
    for (std::size_t length = 0; length < header; length++) {
      cases.push_back({"IPv6, protocol " + std::to_string(protocol) + ", length " + std::to_string(length),
                       SVCB_TRUNCATED,
                       ipv6().payload_length(length) / transport(protocol, 1234, 80) / payload(12)});
    }
  }
  check_untouched(cases);
}

TEST_CASE("a length up to the frame's end is translated") {
  PlaneFixture plane;
  add_services(plane);
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    const std::size_t header = protocol == protocol_tcp ? tcp_size : udp_size;
    for (std::size_t length : {header, header + 1, header + 12}) {
      CAPTURE(length);
      const Bytes in = (family.name == "IPv4" ? Packet(ipv4().total_length(ipv4_size + length))
                                              : Packet(ipv6().payload_length(length))) /
                       transport(protocol, 1234, 80) / payload(12);
      const Bytes honest = packet_of(family, protocol, 1234, 80) / payload(12);
      for_both_hooks([&](Hook hook) {
        const Run run = plane.run(hook, in);
        check_outcome(run, Verdict::pass, SVCB_TRANSLATED);
        // From the transport header on, as if the length had been right.
        const Run other = plane.run(hook, honest);
        const auto segment = static_cast<std::ptrdiff_t>(in.size() - header - 12);
        check_same_bytes({run.bytes.begin() + segment, run.bytes.end()},
                         {other.bytes.begin() + segment, other.bytes.end()});
        translated_to(other, honest, family.backends);
      });
    }
  });
}

TEST_CASE("a length beyond the frame's end is a truncated packet") {
  std::vector<UntouchedCase> cases;
  for (std::uint8_t protocol : both_protocols) {
    const std::size_t header = protocol == protocol_tcp ? tcp_size : udp_size;
    for (std::size_t length : {header + 13, header + 14, std::size_t{65000}}) {
      const std::string what =
          "protocol " + std::to_string(protocol) + ", length " + std::to_string(length);
      cases.push_back(
          {"IPv4, " + what, SVCB_TRUNCATED,
           ipv4().total_length(ipv4_size + length) / transport(protocol, 1234, 80) / payload(12)});
      cases.push_back({"IPv6, " + what, SVCB_TRUNCATED,
                       ipv6().payload_length(length) / transport(protocol, 1234, 80) / payload(12)});
    }
  }
  check_untouched(cases);
}

TEST_CASE("IPv4 options pass") {
  std::vector<UntouchedCase> cases;

  for (std::size_t size = 4; size <= 40; size += 4) {
    Bytes options = like_ports();
    options.resize(size, 1);
    for (std::uint8_t protocol : both_protocols) {
      cases.push_back({std::to_string(size) + " bytes, protocol " + std::to_string(protocol),
                       SVCB_IP_OPTIONS,
                       ipv4().options(options) / transport(protocol, 1, 80) / payload(30)});
    }
  }
  cases.push_back({"a fragment with options", SVCB_IP_OPTIONS,
                   ipv4().options(Bytes(4, 1)).more_fragments() / udp(1, 80) / payload(8)});
  check_untouched(cases);
}

TEST_CASE("fragments pass") {
  const auto fragment = [](Ipv4 header, std::uint8_t protocol) -> Bytes {
    return header.protocol(protocol) / payload(like_ports()) / payload(24);
  };
  std::vector<UntouchedCase> cases;

  for (std::uint8_t protocol : both_protocols) {
    const std::string name = ", protocol " + std::to_string(protocol);
    cases.push_back({"first" + name, SVCB_FRAGMENT,
                     ipv4().more_fragments() / transport(protocol, 1234, 80) / payload(24)});
    cases.push_back(
        {"middle" + name, SVCB_FRAGMENT, fragment(ipv4().more_fragments().offset(185), protocol)});
    cases.push_back({"last" + name, SVCB_FRAGMENT, fragment(ipv4().offset(370), protocol)});
    cases.push_back(
        {"last with DF" + name, SVCB_FRAGMENT, fragment(ipv4().dont_fragment().offset(3), protocol)});
    for (int bit = 0; bit < 13; bit++) {
      const auto offset = static_cast<std::uint16_t>(1U << bit);
      cases.push_back({"offset " + std::to_string(offset) + name, SVCB_FRAGMENT,
                       fragment(ipv4().offset(offset), protocol)});
    }
    cases.push_back({"IPv6 first" + name, SVCB_FRAGMENT,
                     ipv6() / fragment6(0, true) / transport(protocol, 1234, 80) / payload(24)});
    cases.push_back({"IPv6 middle" + name, SVCB_FRAGMENT,
                     ipv6() / fragment6(185, true) / payload(like_ports()) / payload(24)});
    cases.push_back({"IPv6 last" + name, SVCB_FRAGMENT,
                     ipv6() / fragment6(370, false) / payload(like_ports()) / payload(24)});
    cases.push_back({"IPv6 atomic" + name, SVCB_FRAGMENT,
                     ipv6() / fragment6(0, false) / transport(protocol, 1234, 80) / payload(24)});
  }
  // A last fragment may be shorter than any transport header.
  cases.push_back({"last, 1 byte", SVCB_FRAGMENT, ipv4().offset(370).protocol(protocol_tcp) / payload(1)});
  check_untouched(cases);
}

TEST_CASE("IPv6 extension headers pass") {
  std::vector<UntouchedCase> cases;

  for (int header : {0, 43, 51, 60, 135, 139, 140}) {
    for (std::uint8_t protocol : both_protocols) {
      cases.push_back({"extension " + std::to_string(header) + ", protocol " + std::to_string(protocol),
                       SVCB_IPV6_EXTENSION,
                       ipv6() / extension(static_cast<std::uint8_t>(header)) /
                           transport(protocol, 1234, 80) / payload(24)});
    }
  }
  cases.push_back({"three of them", SVCB_IPV6_EXTENSION,
                   ipv6() / extension(extension_hop_by_hop) / extension(extension_destination) /
                       extension(extension_routing) / tcp(1234, 80)});
  cases.push_back({"a fragment behind hop-by-hop options", SVCB_IPV6_EXTENSION,
                   ipv6() / extension(extension_hop_by_hop) / fragment6(3, true) / payload(24)});
  cases.push_back({"ICMPv6 behind hop-by-hop options", SVCB_IPV6_EXTENSION,
                   ipv6() / extension(extension_hop_by_hop) / icmpv6() / payload(24)});
  check_untouched(cases);
}

TEST_CASE("other transports pass") {
  std::vector<UntouchedCase> cases{
      {"ICMP", SVCB_NOT_TCP_UDP, ipv4() / icmp() / payload(24)},
      {"ICMPv6", SVCB_NOT_TCP_UDP, ipv6() / icmpv6() / payload(24)},
      {"SCTP", SVCB_NOT_TCP_UDP, ipv4() / sctp(1234, 80) / payload(24)},
      {"SCTP, IPv6", SVCB_NOT_TCP_UDP, ipv6() / sctp(1234, 80) / payload(24)},
      {"ICMP, a fragment", SVCB_NOT_TCP_UDP, ipv4().more_fragments() / icmp() / payload(24)},
      {"no transport at all", SVCB_NOT_TCP_UDP, Packet(ipv4().protocol(1))},
      {"IPv6 no next header", SVCB_NOT_TCP_UDP, Packet(ipv6())},
  };
  const std::set<int> ipv6_only{0, 43, 44, 51, 60, 135, 139, 140};  // extensions: see their own cases

  for (int protocol = 0; protocol < 256; protocol++) {
    const auto number = static_cast<std::uint8_t>(protocol);
    if (number == protocol_tcp || number == protocol_udp) {
      continue;
    }
    const std::string name = "protocol " + std::to_string(protocol);
    cases.push_back({name, SVCB_NOT_TCP_UDP, ipv4().protocol(number) / tcp(1234, 80)});
    if (ipv6_only.count(protocol) == 0) {
      cases.push_back({name + ", IPv6", SVCB_NOT_TCP_UDP, ipv6().next_header(number) / tcp(1234, 80)});
    }
  }
  check_untouched(cases);
}

TEST_CASE("what goes to no service passes") {
  PlaneFixture plane;
  for (const FamilyCase& family : families) {
    plane.add_service(family.service, 80, protocol_tcp, family.backends);
    plane.add_service(family.service, 53, protocol_udp, family.backends);
  }
  for (const FamilyCase& family : families) {
    CAPTURE(family.name);
    const std::vector<NamedPacket> cases{
        {"another port", ip(family.client, family.service) / tcp(1234, 81)},
        {"the port with its bytes swapped", ip(family.client, family.service) / tcp(1234, 0x5000)},
        {"UDP to the TCP service", ip(family.client, family.service) / udp(1234, 80)},
        {"TCP to the UDP service", ip(family.client, family.service) / tcp(1234, 53)},
        {"another address", ip(family.client, family.other_service) / tcp(1234, 80)},
        {"from the service", ip(family.service, family.client) / tcp(80, 1234)},
        {"from its port", ip(family.client, family.service) / tcp(80, 1234)},
        {"to a backend", ip(family.client, family.backends[0].address) / tcp(1, family.backends[0].port)},
    };
    for (const NamedPacket& named : cases) {
      const Bytes& in = named.bytes;
      CAPTURE(named.name);
      for_both_hooks([&](Hook hook) { check_passed_untouched(plane.run(hook, in), in, SVCB_NO_SERVICE); });
    }
  }
}

TEST_CASE("what was translated is not translated again") {
  PlaneFixture plane;
  add_services(plane);
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    const Bytes in = packet_of(family, protocol, 1234, 80) / payload(9);
    for_both_hooks([&](Hook hook) {
      const Bytes out = plane.run(hook, in).bytes;
      check_passed_untouched(plane.run(hook, out), out, SVCB_NO_SERVICE);
    });
  });
}

// ---- dropped ----

TEST_CASE("a service without endpoints drops") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    PlaneFixture plane;
    plane.add_service(family.other_service, 80, protocol, family.backends);  // at index 0: not to be met
    plane.add_service(family.service, 80, protocol, {});
    plane.set_service(family.service, 81, protocol,
                      svcb_service_word(0, 0, PlaneFixture::tag(family.service, 81, protocol)));
    for (std::uint16_t port : Ports{80, 81}) {
      const Bytes in = packet_of(family, protocol, 1234, port) / payload(9);
      for_both_hooks([&](Hook hook) { check_dropped(plane.run(hook, in), in, SVCB_NO_ENDPOINT); });
    }
  });
}

TEST_CASE("a word with another frontend's tag drops: never another service's backend") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    PlaneFixture plane;
    const std::uint64_t other = plane.add_service(family.other_service, 80, protocol, family.backends);
    const std::uint64_t right = PlaneFixture::tag(family.service, 80, protocol);
    const Bytes in = packet_of(family, protocol, 1234, 80) / payload(9);

    REQUIRE(svcb_service_tag(other) != right);
    plane.set_service(family.service, 80, protocol, other);
    for_both_hooks([&](Hook hook) { check_dropped(plane.run(hook, in), in, SVCB_CONTENDED); });
    // The tag is compared in each of its bits, and before the count is looked at.
    for (int bit = 0; bit < SVCB_TAG_BITS; bit++) {
      CAPTURE(bit);
      plane.set_service(family.service, 80, protocol,
                        svcb_service_word(0, static_cast<std::uint32_t>(bit % 2), right ^ (1ULL << bit)));
      for_both_hooks([&](Hook hook) { check_dropped(plane.run(hook, in), in, SVCB_CONTENDED); });
    }
    plane.set_service(family.service, 80, protocol, svcb_service_word(0, 3, right));
    for_both_hooks([&](Hook hook) { translated_to(plane.run(hook, in), in, family.backends); });
  });
}

TEST_CASE("tags tell frontends apart that differ in one respect") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    const std::uint8_t other_protocol = protocol == protocol_tcp ? protocol_udp : protocol_tcp;
    const std::set<std::uint64_t> tags{
        PlaneFixture::tag(family.service, 80, protocol), PlaneFixture::tag(family.service, 81, protocol),
        PlaneFixture::tag(family.service, 80, other_protocol),
        PlaneFixture::tag(family.other_service, 80, protocol), PlaneFixture::tag(family.any, 80, protocol)};
    CHECK(tags.size() == 5);
  });
}

TEST_CASE("a word that points past the backends drops") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    PlaneFixture plane;
    const std::uint64_t tag = PlaneFixture::tag(family.service, 80, protocol);
    const Bytes in = packet_of(family, protocol, 1234, 80) / payload(9);

    for (std::uint32_t first : {PlaneFixture::max_backends, PlaneFixture::max_backends + 1,
                                SVCB_MAX_BACKENDS - SVCB_MAX_ENDPOINTS, SVCB_MAX_BACKENDS - 1}) {
      for (std::uint32_t count : {1U, 2U, SVCB_MAX_ENDPOINTS}) {
        CAPTURE(first);
        CAPTURE(count);
        plane.set_service(family.service, 80, protocol, svcb_service_word(first, count, tag));
        for_both_hooks([&](Hook hook) { check_dropped(plane.run(hook, in), in, SVCB_NO_ENDPOINT); });
      }
    }
    // A count that starts in the array and leaves it: the flows that fall inside are served.
    const std::vector<Backend> last(PlaneFixture::max_backends, family.backends[0]);
    plane.add_service(family.other_service, 80, protocol, last);
    plane.set_service(family.service, 80, protocol,
                      svcb_service_word(PlaneFixture::max_backends - 1, 2, tag));
    for_both_hooks([&](Hook hook) {
      std::set<svcb_outcome> met;
      for (std::uint16_t source_port = 1; source_port < 101; source_port++) {
        const Bytes flow = packet_of(family, protocol, source_port, 80);
        const Run run = plane.run(hook, flow);
        met.insert(run.outcome);
        if (run.outcome == SVCB_TRANSLATED) {
          translated_to(run, flow, {family.backends[0]});
        } else {
          check_dropped(run, flow, SVCB_NO_ENDPOINT);
        }
      }
      CHECK(met.size() == 2);
    });
  });
}

// ---- NodePort ----

TEST_CASE("a NodePort is reached at the node's addresses, in its range, and nowhere else") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    const std::uint8_t other_protocol = protocol == protocol_tcp ? protocol_udp : protocol_tcp;
    PlaneFixture plane;
    plane.add_node(family.node);
    plane.add_node(family.other_service);
    const std::vector<Backend> wildcard{family.backends[0]};
    // Entries outside of the range are no loader's doing: they show that nobody looks.
    for (std::uint16_t port : Ports{29999, 30000, 30080, 32767, 32768, 80, 0x3075 /* 30000 swapped */}) {
      plane.add_service(family.any, port, protocol, wildcard);
    }
    plane.add_service(family.node, 30081, protocol, {family.backends[1]});
    plane.add_service(family.any, 30081, protocol, wildcard);
    plane.add_service(family.node, 31000, protocol, {});
    plane.add_service(family.any, 31000, protocol, wildcard);

    const auto to = [&](const std::string& address, std::uint16_t port) -> Bytes {
      return ip(family.client, address) / transport(protocol, 1234, port) / payload(9);
    };
    for_both_hooks([&](Hook hook) {
      for (std::uint16_t port : Ports{30000, 30080, 32767}) {
        for (const std::string& address : {family.node, family.other_service}) {
          CAPTURE(port);
          const Bytes in = to(address, port);
          translated_to(plane.run(hook, in), in, wildcard);
        }
        const Bytes foreign = to(family.foreign, port);
        check_passed_untouched(plane.run(hook, foreign), foreign, SVCB_NO_SERVICE);
      }
      for (std::uint16_t port : Ports{29999, 32768, 80, 0x3075, 30079}) {
        CAPTURE(port);
        const Bytes in = to(family.node, port);
        check_passed_untouched(plane.run(hook, in), in, SVCB_NO_SERVICE);
      }
      const Bytes other = ip(family.client, family.node) / transport(other_protocol, 1234, 30080);
      check_passed_untouched(plane.run(hook, other), other, SVCB_NO_SERVICE);

      // The exact frontend goes before the wildcard, also when it has no endpoint.
      const Bytes exact = to(family.node, 30081);
      translated_to(plane.run(hook, exact), exact, {family.backends[1]});
      const Bytes at_other_address = to(family.other_service, 30081);
      translated_to(plane.run(hook, at_other_address), at_other_address, wildcard);
      const Bytes empty = to(family.node, 31000);
      check_dropped(plane.run(hook, empty), empty, SVCB_NO_ENDPOINT);
    });
  });
}

TEST_CASE("a NodePort's wildcard bears its own tag, not that of the address dialled") {
  for_all_kinds([](const FamilyCase& family, std::uint8_t protocol) {
    PlaneFixture plane;
    plane.add_node(family.node);
    plane.add_service(family.any, 30080, protocol, {});
    const Bytes in = ip(family.client, family.node) / transport(protocol, 1234, 30080);
    for_both_hooks([&](Hook hook) { check_dropped(plane.run(hook, in), in, SVCB_NO_ENDPOINT); });

    plane.set_service(family.any, 30080, protocol,
                      svcb_service_word(0, 1, PlaneFixture::tag(family.node, 30080, protocol)));
    for_both_hooks([&](Hook hook) { check_dropped(plane.run(hook, in), in, SVCB_CONTENDED); });
  });
}

// ---- which backend ----

TEST_CASE("a flow keeps its backend, whatever else its packets carry") {
  PlaneFixture plane;
  add_services(plane);
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    std::array<std::size_t, 200> chosen{};
    for (int round = 0; round < 3; round++) {
      for (std::size_t flow = 0; flow < chosen.size(); flow++) {
        const auto source_port = static_cast<std::uint16_t>(20000 + flow);
        const Packet segment =
            transport(protocol, source_port, 80) / payload(static_cast<std::size_t>(round));
        const auto other = static_cast<std::uint8_t>(round * 50 + 10);
        const Bytes in = family.name == "IPv4"
                             ? ipv4().ttl(other).tos(other).id(other) / segment
                             : ipv6().hop_limit(other).traffic_class(other).flow_label(other) / segment;
        for_both_hooks([&](Hook hook) {  // and both hooks choose the same
          const std::size_t backend = translated_to(plane.run(hook, in), in, family.backends);
          if (round == 0 && hook == Hook::xdp) {
            chosen.at(flow) = backend;
          }
          CHECK(backend == chosen.at(flow));
        });
      }
    }
  });
}

TEST_CASE("each part of the five-tuple has a say in the choice") {
  // Where one part alone is changed, about two thirds of the flows go elsewhere.
  PlaneFixture plane;
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    plane.add_service(family.service, 80, protocol, family.backends);
    plane.add_service(family.service, 81, protocol, family.backends);
    plane.add_service(family.other_service, 80, protocol, family.backends);
  });
  for_all_kinds([&](const FamilyCase& family, std::uint8_t protocol) {
    const std::uint8_t other_protocol = protocol == protocol_tcp ? protocol_udp : protocol_tcp;
    const auto chosen = [&](const Bytes& in) {
      return translated_to(plane.run(Hook::xdp, in), in, family.backends);
    };
    std::array<int, 5> moved{};
    for (std::uint16_t source_port = 5000; source_port < 5200; source_port++) {
      const auto base = chosen(ip(family.client, family.service) / transport(protocol, source_port, 80));
      const std::array<Bytes, 5> others{
          ip(family.other_client, family.service) / transport(protocol, source_port, 80),
          ip(family.client, family.other_service) / transport(protocol, source_port, 80),
          ip(family.client, family.service) / transport(other_protocol, source_port, 80),
          ip(family.client, family.service) /
              transport(protocol, static_cast<std::uint16_t>(source_port + 1000), 80),
          ip(family.client, family.service) / transport(protocol, source_port, 81),
      };
      for (std::size_t i = 0; i < others.size(); i++) {
        moved.at(i) += chosen(others.at(i)) != base ? 1 : 0;
      }
    }
    for (int count : moved) {
      CHECK(count > 60);
    }
  });
}

// Pearson's test of a uniform spread: does chance explain it, at one in a thousand?
void check_uniform(const std::vector<int>& counts) {
  double total = 0;
  for (int count : counts) {
    total += count;
  }
  const double expected = total / static_cast<double>(counts.size());
  double statistic = 0;
  for (int count : counts) {
    statistic += (count - expected) * (count - expected) / expected;
  }
  const boost::math::chi_squared distribution(static_cast<double>(counts.size() - 1));
  CHECK(statistic < boost::math::quantile(boost::math::complement(distribution, 0.001)));
}

TEST_CASE("30,000 flows spread evenly, whether by source port or by source address") {
  constexpr int flows = 30000;
  PlaneFixture plane;
  add_services(plane);

  for (const FamilyCase& family : families) {
    CAPTURE(family.name);
    // Neighbouring addresses, as clients of one network have: the hard case for a hash.
    const auto client = [&](int i) {
      Bytes address = address_bytes(family.client);
      address.at(address.size() - 2) = static_cast<std::uint8_t>(i >> 8);
      address.at(address.size() - 1) = static_cast<std::uint8_t>(i);
      return address;
    };
    const auto make = [&](bool by_port, int i) -> Bytes {
      const auto source_port = static_cast<std::uint16_t>(by_port ? 1024 + i : 50000);
      if (family.name == "IPv4") {
        Ipv4 header = ipv4();
        header.source = by_port ? header.source : client(i);
        return header / udp(source_port, 80);
      }
      Ipv6 header = ipv6();
      header.source = by_port ? header.source : client(i);
      return header / udp(source_port, 80);
    };
    for (bool by_port : {true, false}) {
      CAPTURE(by_port);
      for_both_hooks([&](Hook hook) {
        std::vector<int> counts(family.backends.size());
        for (int i = 0; i < flows; i++) {
          const Bytes in = make(by_port, i);
          counts.at(translated_to(plane.run(hook, in), in, family.backends))++;
        }
        CAPTURE(counts[0]);
        CAPTURE(counts[1]);
        CAPTURE(counts[2]);
        check_uniform(counts);
      });
    }
  }
}

}  // namespace
}  // namespace svcbench::testing
