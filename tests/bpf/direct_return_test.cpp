// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Direct server return with real sockets, and the backends' end that it needs. Needs root.
#include <doctest/doctest.h>

#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "private_place.h"
#include "report/progress_line.h"
#include "verify/verify.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;
using verify::Outcome;
using verify::Who;
using verify::World;

constexpr std::int64_t patience_ns = 300'000'000;

// Packets that came in by a device of this namespace.
std::uint64_t received(const NetNamespace& place, const std::string& device) {
  const auto inside = must(place.enter());
  std::ifstream devices("/proc/thread-self/net/dev");
  for (std::string line; std::getline(devices, line);) {
    std::istringstream words(line);
    std::string name;
    std::uint64_t bytes = 0;
    std::uint64_t packets = 0;
    if (words >> name >> bytes >> packets && name == device + ":") {
      return packets;
    }
  }
  FAIL("no device ", device);
  return 0;
}

verify::Dialled dialled(World& world, const Frontend& to) {
  const Endpoint client = world.client(Who::outsider, to.address.family);
  return must(verify::dial(world.place_of(client.address), client, to, patience_ns));
}

}  // namespace

TEST_CASE("direct return: replies go past the node, and wrapped packets only to endpoints that are told") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const char* name : {"ebpf-xdp-dsr", "ebpf-tc-dsr"}) {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      CAPTURE(std::string(name));
      CAPTURE(to_string(family));
      in_private_namespaces([&] {
        const PlaneRow& row = *find_plane(name);
        const auto world = must(World::create(verify::works_of(row), row.delivery));
        const auto plane = must(verify::make_in_node(row, *world, {}));
        std::vector<Service> services;
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
          Service service{
              "test/s:p", FrontendKind::cluster_ip, {world->new_cluster_ip(family), 80, protocol}, {}};
          for (int i = 0; i < 2; ++i) {
            service.endpoints.push_back({world->new_endpoint_address(family), 8080});
            must(world->own(service.endpoints.back().address));
            must(world->backends().serve(service.endpoints.back(), protocol));
          }
          services.push_back(service);
        }
        must(plane->install(services));
        for (const Service& service : services) {
          CHECK_FALSE(dialled(*world, service.frontend).flow);  // they have not been told
          must(world->tell_backends(service));
          const std::uint64_t before = received(world->node(), "vo");
          for (int i = 0; i < 10; ++i) {
            const auto answer = dialled(*world, service.frontend);
            REQUIRE_MESSAGE(answer.flow, answer.evidence);
            CHECK(answer.flow->peer() == Endpoint{service.frontend.address, service.frontend.port});
          }
          CHECK(received(world->node(), "vo") == before);
        }
      });
    }
  }
}

TEST_CASE("direct return: what is too large comes back as an error, bulk passes, nothing is forgotten") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const std::vector<ProbedPlane> rows{{find_plane("ebpf-xdp-dsr"), {}}, {find_plane("ebpf-tc-dsr"), {}}};
    verify::VerifyOptions options;
    for (const verify::Case* one : verify::cases()) {
      for (const char* wanted :
           {"right-backend", "reply-source", "node-port", "no-endpoints", "bulk", "path-mtu", "icmp-error",
            "change", "affinity-holds", "one-way-udp", "half-close", "blind-reset", "direct-dial",
            "node-probe", "flood", "crowded-out", "evicted", "too-big"}) {
        if (one->name == wanted) {
          options.cases.push_back(one);
        }
      }
    }
    const auto progress = make_progress(true);
    const auto planes = must(verify::verify_planes(rows, options, *progress));
    REQUIRE(planes.size() == rows.size());
    for (const verify::PlaneResult& plane : planes) {
      CHECK(plane.not_here.empty());
      CHECK(plane.cases.size() > 20);
      for (const verify::CaseResult& one : plane.cases) {
        const bool lacks = one.which->name == "affinity-holds" || one.which->name == "direct-dial";
        const bool differs = one.which->name == "blind-reset";  // nothing is followed, so it is passed on
        CHECK_MESSAGE(one.outcome == (lacks     ? Outcome::not_offered
                                      : differs ? Outcome::differs
                                                : Outcome::passed),
                      plane.plane << ": " << std::string(one.which->name) << ": " << one.evidence);
      }
    }
  });
}

}  // namespace svcbench
