// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Tracked connections, read and forgotten one by one. Needs root.
#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "private_place.h"
#include "sys/conntrack.h"
#include "verify/verify.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;
using verify::Who;
using verify::World;

constexpr std::int64_t patience_ns = 2'000'000'000;

}  // namespace

TEST_CASE("conntrack: of the flows those that are picked are forgotten, and no other") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const PlaneRow& row = *find_plane("nftables");
    if (const Status usable = row.probe(); !usable) {
      MESSAGE("skipped: " << usable.error().message);
      return;
    }
    const auto world = must(World::create(verify::works_of(row)));
    const auto plane = must(verify::make_in_node(row, *world, {}));
    std::vector<Service> services;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      for (const Protocol protocol : {Protocol::udp, Protocol::udp, Protocol::tcp}) {
        const Endpoint at{world->new_endpoint_address(family), 8080};
        must(world->own(at.address));
        must(world->backends().serve(at, protocol));
        services.push_back({fmt::format("test/s{}:p", services.size()),
                            FrontendKind::cluster_ip,
                            {world->new_cluster_ip(family), 80, protocol},
                            {at}});
      }
    }
    must(plane->install(services));
    for (const Service& service : services) {
      const Endpoint client = world->client(Who::pod, service.frontend.address.family);
      REQUIRE(
          must(verify::dial(world->place_of(client.address), client, service.frontend, patience_ns)).flow);
    }

    const auto inside = must(world->node().enter());
    for (const Service& service : services) {
      const Family family = service.frontend.address.family;
      const Protocol protocol = service.frontend.protocol;
      CAPTURE(service.frontend.text());
      const std::size_t held = must(conntrack_entries());
      std::vector<TrackedFlow> seen;
      const auto look = [&](const TrackedFlow& flow) {
        seen.push_back(flow);
        return false;
      };
      CHECK(must(forget_flows(family, protocol, look)) == 0);
      CHECK(must(conntrack_entries()) == held);
      std::size_t of_service = 0;
      for (const TrackedFlow& flow : seen) {
        CHECK(flow.dialled.protocol == protocol);
        CHECK(flow.dialled.address.family == family);
        if (flow.dialled == service.frontend) {
          ++of_service;
          CHECK(flow.replier == service.endpoints.front());
        }
      }
      CHECK(of_service == 1);
      const auto pick = [&](const TrackedFlow& flow) { return flow.dialled == service.frontend; };
      CHECK(must(forget_flows(family, protocol, pick)) == 1);
      CHECK(must(forget_flows(family, protocol, pick)) == 0);
      CHECK(must(conntrack_entries()) == held - 1);
    }
  });
}

}  // namespace svcbench
