// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What flows live through: other endpoints' coming and going, affinity, large packets, errors, crowds.
#include <algorithm>
#include <set>

#include "sys/inet_socket.h"
#include "sys/stopwatch.h"
#include "verify/cases.h"

namespace svcbench::verify {

namespace {

constexpr std::size_t affine_clients = 12;

Step<std::string> keeps_backend(Scene& scene) {
  constexpr std::size_t changes = 6;
  SVCB_TAKE(service, scene.cluster_ip(3));
  SVCB_TAKE(passing, scene.cluster_ip(2));
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(flow, scene.dial(service));
  const Endpoint keeper = flow.served().by;
  for (std::size_t i = 0; i < changes; ++i) {
    // The flow's backend stays, at another place; all others are new.
    service.endpoints = {keeper};
    for (std::size_t other = 0; other < i % 3 + 1; ++other) {
      SVCB_TAKE(fresh, scene.endpoint());
      service.endpoints.push_back(fresh);
    }
    shuffle(service.endpoints, scene.random());
    SVCB_CHECK(scene.change(Operation::change_endpoints, service));
    SVCB_CHECK(scene.change(i % 2 == 0 ? Operation::add_service : Operation::remove_service, passing));
    SVCB_TAKE(other, scene.dial(service));
    SVCB_CHECK(flow.exchange(1000));
    if (flow.served().by != keeper) {
      return failed("the flow from {} to {} went from {} to {} when other endpoints changed",
                    flow.client().text(), service.frontend.text(), keeper.text(), flow.served().by.text());
    }
  }
  return fmt::format("through {} changes", changes);
}

// Each client's backend; the case ends where it has two.
Step<std::vector<Endpoint>> affine_backends(Scene& scene, const Service& service, std::size_t flows) {
  std::vector<Endpoint> backends;
  for (std::size_t client = 0; client < affine_clients; ++client) {
    SVCB_TAKE(first, scene.dial(service, scene.pod(client)));
    backends.push_back(first.served().by);
    for (std::size_t i = 1; i < flows; ++i) {
      SVCB_TAKE(next, scene.dial(service, scene.pod(client)));
      if (next.served().by != backends.back()) {
        return failed("{} was served by {}, and at once after that by {}", next.client().address.text(),
                      backends.back().text(), next.served().by.text());
      }
    }
  }
  if (std::set<Endpoint>(backends.begin(), backends.end()).size() == 1) {
    return failed("{} different clients were all served by {}", affine_clients, backends.front().text());
  }
  return backends;
}

Step<std::string> affinity_holds(Scene& scene) {
  constexpr std::uint32_t kubernetes_default = 10'800;
  constexpr std::size_t flows = 6;
  SVCB_TAKE(service, scene.cluster_ip(6));
  service.affinity_seconds = kubernetes_default;
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(backends, affine_backends(scene, service, flows));
  return fmt::format("{} clients, {} flows each", affine_clients, flows);
}

Step<std::string> affinity_expires(Scene& scene) {
  constexpr std::uint32_t timeout = 2;
  constexpr std::int64_t margin_ns = 800'000'000;
  SVCB_TAKE(service, scene.cluster_ip(6));
  service.affinity_seconds = timeout;
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(before, affine_backends(scene, service, 2));
  SVCB_CHECK(wait_until(monotonic_ns() + std::int64_t{timeout} * 1'000'000'000 + margin_ns));
  SVCB_TAKE(after, affine_backends(scene, service, 1));
  if (before == after) {  // by chance once in 6^12
    return failed(
        "{:.1f} s after their last flow all {} clients still have the backends of before, with a "
        "timeout of {} s",
        timeout + margin_ns / 1e9, affine_clients, timeout);
  }
  return fmt::format("after {} s", timeout);
}

Step<std::string> larger_than_mtu(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(2));
  SVCB_CHECK(scene.install({service}));
  for (const std::size_t bytes : {1400U, 2000U, 4000U, 20'000U}) {
    SVCB_TAKE(flow, scene.dial(service));
    SVCB_CHECK(flow.exchange(bytes));
  }
  return std::string("up to 20,000 bytes both ways");
}

Step<std::string> bulk(Scene& scene) {
  constexpr std::size_t bytes = std::size_t{8} << 20;
  SVCB_TAKE(service, scene.cluster_ip(2));
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(flow, scene.dial(service));
  SVCB_TAKE(seconds, flow.transfer(bytes));
  return fmt::format("8 MiB both ways in {:.2f} s", seconds);
}

Step<std::string> path_mtu(Scene& scene) {
  constexpr std::uint32_t mtu = 1350;  // IPv6 allows no less than 1,280, wrapped in 40 more
  constexpr std::size_t bytes = std::size_t{256} << 10;
  SVCB_TAKE(service, scene.cluster_ip(1));
  SVCB_CHECK(scene.install({service}));
  SVCB_CHECK(scene.world().narrow(service.endpoints.front().address, mtu));
  SVCB_TAKE(flow, scene.dial(service));
  SVCB_TAKE(seconds, flow.transfer(bytes));
  return fmt::format("256 KiB over a way of {} bytes in {:.2f} s", mtu, seconds);
}

Step<std::string> icmp_error(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(1));
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(flow, scene.dial(service));
  scene.world().backends().close_all();
  SVCB_CHECK(flow.expect_refusal());
  return std::string("port unreachable came as ECONNREFUSED");
}

Step<std::string> crowd(Scene& scene) {
  // Fewer than the frames that a veth's ring holds (256), a few for each connection.
  constexpr std::size_t at_once = 64;
  constexpr std::int64_t patience = 4 * patience_ns;  // a packet is sent again after 1 s, and after 3
  SVCB_TAKE(service, scene.cluster_ip(3));
  SVCB_CHECK(scene.install({service}));
  std::vector<Endpoint> clients;
  clients.reserve(crowd_flows);
  for (std::size_t i = 0; i < crowd_flows; ++i) {
    clients.push_back(scene.pod());
  }
  const Places places = [&](const Address& client) -> const NetNamespace& {
    return scene.world().place_of(client);
  };
  SVCB_TAKE(crowd, dial_many(places, service, clients, at_once, patience));
  const std::size_t done = crowd.served + crowd.refused + crowd.lost + crowd.wrong;
  if (crowd.served != clients.size()) {
    return failed(
        "of {} connections to {} {} were lost, {} refused or reset, {} served by a wrong backend; {}", done,
        service.frontend.text(), crowd.lost, crowd.refused, crowd.wrong, crowd.first_trouble);
  }
  return fmt::format("{:.0f} connections a second{}", static_cast<double>(done) / crowd.seconds,
                     crowd.late == 0 ? "" : fmt::format(", {} late by a lost packet", crowd.late));
}

}  // namespace

std::span<const Case> flow_cases() {
  static constexpr std::array rows{
      Case{"keeps-backend", "a flow keeps its backend",
           "a flow keeps its backend while other endpoints and services come and go", every_variant,
           keeps_backend},
      Case{"affinity-holds", "ClientIP affinity holds",
           "with ClientIP affinity all flows of a client have one backend, and clients have several",
           every_variant, affinity_holds},
      Case{"affinity-expires", "ClientIP affinity expires",
           "a client that was silent for longer than the timeout gets any backend", two_variants,
           affinity_expires},
      Case{"fragments", "UDP larger than the MTU", "datagrams larger than the MTU pass both ways",
           udp_variants, larger_than_mtu},
      Case{"bulk", "bulk TCP",
           "8 MiB pass both ways at once, unchanged, and the connection closes in order", tcp_variants,
           bulk},
      Case{"path-mtu", "path MTU is discovered",
           "where the way to the backend takes 1,350 bytes only, the client learns of it and its data pass",
           tcp_variants, path_mtu},
      Case{"icmp-error", "ICMP error reaches its flow",
           "a backend's port unreachable reaches the connected UDP socket of the flow that it belongs to",
           udp_variants, icmp_error},
      Case{"crowd", "10,000 connections, none lost",
           "of 10,000 TCP connections, 64 at a time, none is lost", tcp_variants, crowd},
  };
  return rows;
}

}  // namespace svcbench::verify
