// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the eBPF planes tell of their flow table, against flows that are counted otherwise. Needs root.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "private_place.h"
#include "verify/verify.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;
using verify::Who;
using verify::World;

constexpr std::int64_t patience_ns = 2'000'000'000;

struct Place {
  std::unique_ptr<World> world;
  std::unique_ptr<DataPlane> plane;
  Service service;

  Place(const char* name, std::uint32_t capacity) {
    const PlaneRow& row = *find_plane(name);
    verify::VerifyOptions options;
    options.ebpf.flows_capacity = capacity;
    world = must(World::create(verify::works_of(row), row.delivery));
    plane = must(verify::make_in_node(row, *world, options));
    service = {"test/s:p",
               FrontendKind::cluster_ip,
               {world->new_cluster_ip(Family::ipv4), 80, Protocol::udp},
               {{world->new_endpoint_address(Family::ipv4), 8080}}};
    must(world->own(service.endpoints.front().address));
    must(world->backends().serve(service.endpoints.front(), Protocol::udp));
    must(plane->install(std::vector{service}));
    must(plane->forget_flows());
  }

  [[nodiscard]] verify::Flow dial() const {
    const Endpoint client = world->client(Who::pod, Family::ipv4);
    auto dialled =
        must(verify::dial(world->place_of(client.address), client, service.frontend, patience_ns));
    REQUIRE_MESSAGE(dialled.flow, dialled.evidence);
    return std::move(*dialled.flow);
  }
  [[nodiscard]] FlowTable table() const {
    const auto table = must(plane->flow_table());
    REQUIRE(table);
    return *table;
  }
};

}  // namespace

TEST_CASE("flow table: flows, their packets and what made room are counted") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const char* name : {"ebpf-xdp", "ebpf-tc"}) {
    CAPTURE(std::string(name));
    in_private_namespaces([&] {
      const Place place(name, 4096);
      CHECK_FALSE(place.table().hit_rate());
      std::vector<verify::Flow> flows;
      for (int i = 0; i < 20; ++i) {
        flows.push_back(place.dial());
      }
      CHECK(place.table().opened == 20);
      CHECK(place.table().entries == 40);
      CHECK(place.table().packets == 40);  // a datagram each way
      CHECK(place.table().evicted == 0);
      CHECK(*place.table().hit_rate() == 0.5);
      for (verify::Flow& flow : flows) {
        REQUIRE(flow.exchange(100));
      }
      CHECK(place.table().opened == 20);
      CHECK(place.table().packets == 80);
      CHECK(*place.table().hit_rate() == 0.75);
      must(place.plane->forget_flows());
      CHECK(place.table().packets == 0);
      CHECK(place.table().entries == 0);
    });
  }
}

TEST_CASE("flow table: what a full one puts out is told") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Place place("ebpf-tc", 1024);
    constexpr std::uint64_t flows = 3000;
    for (std::uint64_t i = 0; i < flows; ++i) {
      static_cast<void>(place.dial());
    }
    const FlowTable table = place.table();
    CHECK(table.opened >= flows);  // a reply may find that its entry has gone
    CHECK(table.entries <= table.capacity);
    CHECK(table.evicted >= 2 * flows - table.capacity);
    CHECK(table.evicted <= 2 * table.opened);
  });
}

TEST_CASE("flow table: who has none says so") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    if (!find_plane("nftables")->probe()) {
      MESSAGE("skipped: nftables cannot run here");
      return;
    }
    const Place place("nftables", 1024);
    CHECK_FALSE(must(place.plane->flow_table()));
  });
}

}  // namespace svcbench
