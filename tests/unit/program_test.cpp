// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where packets go, and the packets that user space builds.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "measure/program/destinations.h"
#include "measure/program/template_packet.h"
#include "packet.h"
#include "service/workload.h"

namespace svcbench {
namespace {

struct Services {
  explicit Services(std::size_t count) : workload(Workload::generate(count, 3, {Family::ipv4}, 1).value()) {
    for (const Service& service : workload.services()) {
      pointers.push_back(&service);
    }
  }
  Workload workload;
  std::vector<const Service*> pointers{};
};

std::map<std::size_t, std::size_t> counts_of(const std::vector<Draw>& draws) {
  std::map<std::size_t, std::size_t> counts;
  for (const Draw& draw : draws) {
    ++counts[draw.service];
  }
  return counts;
}

TEST_CASE("a schedule is a power of two, and meets every service at least twice") {
  CHECK(schedule_length(1) == 4096);
  CHECK(schedule_length(2048) == 4096);
  CHECK(schedule_length(2049) == 8192);
  CHECK(schedule_length(5000) == 16384);
  CHECK(schedule_length(1'000'000) == 2'097'152);
}

TEST_CASE("hot is one service, from many source ports") {
  const Services services(100);
  const auto draws = make_schedule(services.pointers, Destination::hot, 4096, 1);
  CHECK(counts_of(draws).size() == 1);
  std::set<std::uint16_t> ports;
  for (const Draw& draw : draws) {
    CHECK(draw.source_port >= 1024);
    ports.insert(draw.source_port);
  }
  CHECK(ports.size() > 3000);
}

TEST_CASE("uniform meets every service equally often, in an order that does not repeat") {
  const Services services(100);
  const auto draws = make_schedule(services.pointers, Destination::uniform, 4096, 1);
  const auto counts = counts_of(draws);
  REQUIRE(counts.size() == 100);
  for (const auto& [service, count] : counts) {
    CHECK((count == 40 || count == 41));  // 4096 / 100
  }
  CHECK_FALSE(std::equal(draws.begin(), draws.begin() + 100, draws.begin() + 100,
                         [](const Draw& a, const Draw& b) { return a.service == b.service; }));
}

TEST_CASE("Zipf: the most popular service is met about H(n) times less than always") {
  const Services services(1000);
  const auto counts = counts_of(make_schedule(services.pointers, Destination::zipf, 65536, 1));
  std::vector<std::size_t> sizes;
  for (const auto& [service, count] : counts) {
    sizes.push_back(count);
  }
  std::sort(sizes.rbegin(), sizes.rend());
  // The 1,000th harmonic number is 7.485: 65,536 / 7.485 = 8,755, half of it for the second.
  CHECK(sizes[0] == doctest::Approx(8755).epsilon(0.05));
  CHECK(sizes[1] == doctest::Approx(8755 / 2.0).epsilon(0.07));
  CHECK(sizes[9] == doctest::Approx(8755 / 10.0).epsilon(0.15));
}

TEST_CASE("a miss is for no service, but for addresses that services have") {
  const Services services(100);
  std::set<Frontend> frontends;
  std::set<Address> addresses;
  for (const Service* service : services.pointers) {
    frontends.insert(service->frontend);
    addresses.insert(service->frontend.address);
  }
  for (const Draw& draw : make_schedule(services.pointers, Destination::miss, 4096, 1)) {
    REQUIRE_FALSE(frontends.contains(draw.frontend));
    REQUIRE(addresses.contains(draw.frontend.address));
    REQUIRE(draw.service == Draw::none);
  }
}

TEST_CASE("services without endpoints are never drawn") {
  Service empty;
  empty.frontend = {Address::from_ipv4(1), 80, Protocol::tcp};
  Service full = empty;
  full.frontend.port = 81;
  full.endpoints.push_back({Address::from_ipv4(2), 80});
  const std::vector<const Service*> services{&empty, &full};
  for (const Destination destination : {Destination::hot, Destination::uniform, Destination::zipf}) {
    CHECK(counts_of(make_schedule(services, destination, 4096, 1)) ==
          std::map<std::size_t, std::size_t>{{1, 4096}});
  }
}

TEST_CASE("the same seed draws the same packets") {
  const Services services(100);
  const auto ports = [&](std::uint64_t seed) {
    std::vector<std::uint16_t> all;
    for (const Draw& draw : make_schedule(services.pointers, Destination::zipf, 4096, seed)) {
      all.push_back(draw.source_port);
    }
    return all;
  };
  CHECK(ports(1) == ports(1));
  CHECK(ports(1) != ports(2));
}

TEST_CASE("packets have right checksums, by the tests' own reference") {
  for (const char* address : {"10.96.0.1", "fd00:10:96::1"}) {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
      for (std::uint16_t port = 1024; port < 1400; ++port) {
        const Draw draw{{Address::parse(address).value(), 80, protocol}, port, 0};
        REQUIRE(testing::checksums_valid(packet_of(draw)));
        const Endpoint backend{Address::parse(address[0] == '1' ? "10.128.0.9" : "fd00:10:128::9").value(),
                               8080};
        const PacketBytes sent = packet_to(draw, backend);
        REQUIRE(testing::checksums_valid(sent));
        REQUIRE(sent == testing::dnat(packet_of(draw), backend.address.text(), backend.port));
      }
    }
  }
}

// Lays an overlay over another packet, as bpf/bench.bpf.h does.
template <typename Overlay>
void lay_over(PacketBytes& packet, const Overlay& overlay, std::size_t transport) {
  std::memcpy(&packet[transport], &overlay.source_port, 2);
  std::memcpy(&packet[transport + 2], &overlay.frontend.port, 2);
  std::memcpy(&packet[transport + 6], &overlay.word6, 2);
  std::memcpy(&packet[transport + 16], &overlay.word16, 2);
}

TEST_CASE("an overlay turns any packet of its family into the drawn one") {
  for (const Protocol from : {Protocol::tcp, Protocol::udp}) {
    for (const Protocol to : {Protocol::tcp, Protocol::udp}) {
      const Draw drawn4{{Address::parse("10.96.1.2").value(), 443, to}, 5555, 0};
      PacketBytes packet = packet_of({{Address::parse("10.96.9.9").value(), 80, from}, 1024, 0});
      const svcb_draw4 overlay4_of = overlay4(drawn4);
      packet[14 + 9] = overlay4_of.frontend.protocol;
      std::memcpy(&packet[14 + 10], &overlay4_of.ip_checksum, 2);
      std::memcpy(&packet[14 + 16], &overlay4_of.frontend.address, 4);
      lay_over(packet, overlay4_of, 34);
      CHECK(packet == packet_of(drawn4));

      const Draw drawn6{{Address::parse("fd00::1:2").value(), 443, to}, 5555, 0};
      packet = packet_of({{Address::parse("fd00::9").value(), 80, from}, 1024, 0});
      const svcb_draw6 overlay6_of = overlay6(drawn6);
      packet[14 + 6] = overlay6_of.frontend.protocol;
      std::memcpy(&packet[14 + 24], &overlay6_of.frontend.address, 16);
      lay_over(packet, overlay6_of, 54);
      CHECK(packet == packet_of(drawn6));
    }
  }
}

}  // namespace
}  // namespace svcbench
