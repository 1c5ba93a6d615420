// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Flows to services of thousands of endpoints, by the loader and the programs together: whatever else
// changes, a flow stays with its backend while its service has it.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "packet.h"
#include "plane/ebpf/ebpf_plane.h"
#include "plane_fixture.h"

// Behind the types that it needs.
#include "plane.skel.h"

namespace svcbench::testing {
namespace {

constexpr std::size_t flows = 400;

Endpoint endpoint(Family family, std::uint32_t number) {
  // Neither the order of bytes nor that of numbers is the order that they are given in.
  const std::uint32_t mixed = number * 2'654'435'761U;
  return {family == Family::ipv4 ? Address::from_ipv4(0x0AC0'0000U | (mixed & 0xF'FFFF))
                                 : Address::from_ipv6(0xFD00'0244'0000'0000U + (mixed & 0xFFF), mixed),
          static_cast<std::uint16_t>(8000 + number % 3)};
}

Service service_of(Family family, std::uint32_t endpoints) {
  Service service;
  service.frontend = {family == Family::ipv4 ? Address::from_ipv4(0x0A60'0001)
                                             : Address::from_ipv6(0xFD00'0096'0000'0000U, 1),
                      80, Protocol::udp};
  for (std::uint32_t i = 0; i < endpoints; ++i) {
    service.endpoints.push_back(endpoint(family, i));
  }
  return service;
}

// Where a packet of each flow goes, as the address and the port on the wire.
std::vector<Bytes> destinations(const EbpfPlane& plane, const Service& service) {
  const bool ipv6 = service.frontend.address.family == Family::ipv6;
  const std::size_t address = ethernet_size + (ipv6 ? 24U : 16U);
  const std::size_t port = ethernet_size + (ipv6 ? ipv6_size : ipv4_size) + 2;
  std::vector<Bytes> all;
  for (std::size_t i = 0; i < flows; ++i) {
    const Bytes in = ip(ipv6 ? "fd00:1::2" : "10.1.2.3", service.frontend.address.text()) /
                     udp(static_cast<std::uint16_t>(20'000 + i), service.frontend.port) / payload(31);
    Bytes out(in.size() + 256);
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in.data(), .data_out = out.data(),
                .data_size_in = static_cast<__u32>(in.size()),
                .data_size_out = static_cast<__u32>(out.size()), .repeat = 1);
    REQUIRE(bpf_prog_test_run_opts(bpf_program__fd(plane.skeleton().progs.svcb_xdp), &run) == 0);
    const auto part = [&out](std::size_t at, std::size_t size) {
      const auto begin = out.begin() + static_cast<std::ptrdiff_t>(at);
      return Bytes(begin, begin + static_cast<std::ptrdiff_t>(size));
    };
    Bytes to = part(address, ipv6 ? 16 : 4);
    const Bytes number = part(port, 2);
    to.insert(to.end(), number.begin(), number.end());
    all.push_back(std::move(to));
  }
  return all;
}

Bytes on_wire(const Endpoint& endpoint) {
  const std::size_t size = endpoint.address.family == Family::ipv4 ? 4 : 16;
  Bytes bytes(endpoint.address.bytes.begin(),
              endpoint.address.bytes.begin() + static_cast<std::ptrdiff_t>(size));
  bytes.push_back(static_cast<std::uint8_t>(endpoint.port >> 8));
  bytes.push_back(static_cast<std::uint8_t>(endpoint.port));
  return bytes;
}

std::size_t moved(const std::vector<Bytes>& before, const std::vector<Bytes>& after) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    count += before[i] == after[i] ? 0U : 1U;
  }
  return count;
}

}  // namespace

TEST_CASE("a flow stays with its backend among any number of them, and leaves one that is gone") {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (const std::uint32_t maglev : {0U, 509U}) {
      for (const std::uint32_t count : {1U, 2U, 3U, 64U, 1500U, SVCB_MAX_ENDPOINTS - 1}) {
        CAPTURE(to_string(family));
        CAPTURE(maglev);
        CAPTURE(count);
        Service service = service_of(family, count);
        auto plane = EbpfPlane::load({.capacity = MapCapacity::for_services(std::span(&service, 1), 16,
                                                                            65'536, {}, maglev, 8192),
                                      .tc = false,
                                      .tracking = true,
                                      .maglev = maglev})
                         .value();
        REQUIRE(plane->install(std::span(&service, 1)));
        const auto change = [&] {
          const Change to{Operation::change_endpoints, service};
          REQUIRE(plane->stage(to));
          REQUIRE(plane->commit());
        };
        const auto before = destinations(*plane, service);

        // One comes, and all stand elsewhere.
        service.endpoints.insert(service.endpoints.begin(), endpoint(family, 1'000'000));
        std::shuffle(service.endpoints.begin(), service.endpoints.end(), std::mt19937(7));
        change();
        CHECK(moved(before, destinations(*plane, service)) == 0);
        if (count == 1) {
          continue;
        }

        // Half of them end: they keep what they have.
        const auto middle =
            service.endpoints.begin() + static_cast<std::ptrdiff_t>(service.endpoints.size() / 2);
        service.terminating.assign(middle, service.endpoints.end());
        service.endpoints.erase(middle, service.endpoints.end());
        change();
        CHECK(plane->find(service.frontend).value()->terminating == service.terminating);
        CHECK(moved(before, destinations(*plane, service)) == 0);

        // And are gone: their flows go to the others, all other flows stay.
        std::set<Bytes> gone;
        for (const Endpoint& one : service.terminating) {
          gone.insert(on_wire(one));
        }
        service.terminating.clear();
        change();
        const auto after = destinations(*plane, service);
        for (std::size_t i = 0; i < flows; ++i) {
          CHECK(gone.count(after[i]) == 0);
          CHECK((gone.count(before[i]) != 0 || before[i] == after[i]));
        }
      }
    }
  }
}

}  // namespace svcbench::testing
