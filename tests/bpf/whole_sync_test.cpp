// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// kube-proxy's whole syncs against the kernel: what they leave there, how many processes each runs, and
// that their parts are the whole. Needs root.
#include "plane/whole_sync.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plane/registry.h"
#include "private_place.h"
#include "service/workload.h"
#include "sys/conntrack.h"
#include "sys/stopwatch.h"

namespace svcbench {
namespace {

using test::must;

constexpr std::size_t services = 24;

Workload workload_of(std::uint64_t count, std::uint32_t endpoints) {
  return must(Workload::generate(count, endpoints, {Family::ipv4}, 1, {Protocol::tcp, Protocol::udp}));
}

std::unique_ptr<DataPlane> make(std::string_view name, std::string_view version) {
  PlaneConfiguration configuration;
  configuration.kube_proxy.version = must(kube_proxy::Version::parse(version));
  return must(find_plane(name)->make(configuration));
}

// Inside private namespaces.
bool can_run(std::string_view name) {
  const Status here = find_plane(name)->probe();
  if (!here) {
    MESSAGE(name << ": " << here.error().message);
  }
  return here.has_value();
}

// The kernel holds these, and no others.
void check_held(const DataPlane& plane, const std::vector<Service>& wanted) {
  CHECK(must(plane.entries()) == wanted.size());
  for (const Service& service : wanted) {
    const auto found = must(plane.find(service.frontend));
    REQUIRE(found);
    CHECK(found->endpoints == plane.programmed(service).endpoints);
  }
}

struct Changing {
  WholeSync* sync;
  const Workload* workload;
  std::vector<Service> held;
  std::uint64_t serial = 0;

  SyncParts change(std::size_t place) {
    const std::vector<Endpoint> gone = held[place].endpoints;
    held[place] = workload->changed(held[place], serial++);
    must(sync->sync_change({Operation::change_endpoints, held[place]}, gone));
    return sync->sync_parts();
  }
};

// `body` for each of these that can run here, in namespaces of its own.
void on_planes(std::initializer_list<std::string_view> names,
               const std::function<void(std::string_view name)>& body) {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const std::string_view name : names) {
    test::in_private_namespaces([&] {
      if (can_run(name)) {
        CAPTURE(name);
        body(name);
      }
    });
  }
}

// The processes of each sync.
struct Runs {
  std::size_t from_nothing, restart, first_change, later_change;
};

void check_syncs(std::string_view name, std::string_view version, const Runs& runs) {
  CAPTURE(name);
  CAPTURE(version);
  const Workload workload = workload_of(services, 3);
  const auto plane = make(name, version);
  REQUIRE(plane->whole_sync() != nullptr);
  Changing changing{plane->whole_sync(), &workload, workload.services()};

  must(changing.sync->sync_from_nothing(changing.held));
  const SyncParts first = changing.sync->sync_parts();
  CHECK(first.runs == runs.from_nothing);
  CHECK(first.generate_ns > 0);
  CHECK(first.commit_ns > 0);
  check_held(*plane, changing.held);

  must(changing.sync->sync_after_restart());
  CHECK(changing.sync->sync_parts().runs == runs.restart);
  CHECK(changing.sync->sync_parts().list_ns > 0);
  check_held(*plane, changing.held);

  // Workload::generate() has TCP and UDP in turn.
  CHECK(changing.change(0).runs == runs.first_change);
  const SyncParts later = changing.change(2);
  CHECK(later.runs == runs.later_change);
  CHECK((later.stale_ns > 0) == (runs.later_change > runs.first_change));
  CHECK(later.list_ns > 0);
  CHECK(later.listed_bytes > 0);
  CHECK(later.conntrack_ns >= 0);
  CHECK(changing.change(1).runs == runs.later_change);  // UDP: no flow is tracked
  check_held(*plane, changing.held);
}

TEST_CASE("whole sync: each version's runs, and what the kernel holds after them") {
  on_planes({"iptables-legacy", "iptables-nft"}, [](std::string_view name) {
    // 14 jumps: -N, -C and, where there is none, -I; a save and a restore.
    check_syncs(name, "1.28", {14 * 3 + 2, 14 * 2 + 2, 2, 2});
    check_syncs(name, "1.35", {14 * 3 + 2, 14 * 2 + 2, 2, 2});
  });
  on_planes({"nftables"}, [](std::string_view name) {
    // Chains and sets listed, a transaction; the second change deletes chains of the first.
    check_syncs(name, "1.30", {3, 3, 3, 4});
    check_syncs(name, "1.32", {3, 3, 3, 4});
    // At the start it also reads six sets and maps.
    check_syncs(name, "1.33", {9, 9, 3, 4});
    check_syncs(name, "1.35", {9, 9, 3, 4});
    // One listing; seven sets and maps; endpoints have no chains that could go out of use.
    check_syncs(name, "1.36", {9, 9, 2, 2});
  });
}

TEST_CASE(
    "whole sync: without partial syncs a change writes the whole table, with them its service alone") {
  on_planes({"nftables"}, [](std::string_view name) {
    const Workload workload = workload_of(services, 3);
    std::vector<std::size_t> bytes;
    for (const std::string_view version : {"1.30", "1.35"}) {
      const auto plane = make(name, version);
      Changing changing{plane->whole_sync(), &workload, workload.services()};
      must(changing.sync->sync_from_nothing(changing.held));
      const std::size_t whole = changing.sync->sync_parts().input_bytes;
      bytes.push_back(changing.change(0).input_bytes * 100 / whole);
    }
    CHECK(bytes[0] > 90);  // per cent of the first sync
    CHECK(bytes[1] < 20);
  });
}

TEST_CASE("whole sync: in a large cluster the nat table is saved at the start, and not at a change") {
  on_planes({"iptables-legacy", "iptables-nft"}, [](std::string_view name) {
    const Workload workload = workload_of(101, 10);
    const auto plane = make(name, "1.35");
    Changing changing{plane->whole_sync(), &workload, workload.services()};
    must(changing.sync->sync_from_nothing(changing.held));
    CHECK(changing.sync->sync_parts().list_ns > 0);
    const SyncParts changed = changing.change(0);
    CHECK(changed.list_ns == 0);
    CHECK(changed.runs == 1);
    check_held(*plane, changing.held);
  });
}

TEST_CASE("whole sync: its parts are all of it") {
  on_planes({"nftables"}, [](std::string_view name) {
    const Workload workload = workload_of(services, 3);
    const auto plane = make(name, "1.35");
    Changing changing{plane->whole_sync(), &workload, workload.services()};
    must(changing.sync->sync_from_nothing(changing.held));
    // Another clock around it. A busy machine may take the CPU away in between: one of some tries is
    // enough.
    double nearest = 1;
    for (std::size_t i = 0; i < 20 && nearest > 0.02; ++i) {
      const Stopwatch around;
      const SyncParts parts = changing.change(i % services);
      const auto whole = static_cast<double>(around.ns());
      CHECK(static_cast<double>(parts.whole_ns()) <= whole);
      nearest = std::min(nearest, 1 - static_cast<double>(parts.whole_ns()) / whole);
    }
    CHECK(nearest <= 0.02);
  });
}

TEST_CASE("whole sync: a change of a UDP service ends its stale flows, and no others") {
  on_planes({"iptables-legacy", "iptables-nft", "nftables"}, [](std::string_view name) {
    const Workload workload = workload_of(services, 3);
    const auto plane = make(name, "1.35");
    Changing changing{plane->whole_sync(), &workload, workload.services()};
    must(changing.sync->sync_from_nothing(changing.held));
    const Service& udp = changing.held[1];
    const Service& other = changing.held[3];
    REQUIRE(udp.frontend.protocol == Protocol::udp);
    REQUIRE(other.frontend.protocol == Protocol::udp);
    must(track_flows({udp.frontend, udp.endpoints.front()}, 0, 700));
    must(track_flows({other.frontend, other.endpoints.front()}, 1000, 20));
    CHECK(must(conntrack_entries()) == 720);
    const SyncParts parts = changing.change(1);
    CHECK(parts.flows_ended == 700);
    CHECK(parts.conntrack_ns > 0);
    CHECK(must(conntrack_entries()) == 20);
    must(flush_conntrack());
  });
}

}  // namespace
}  // namespace svcbench
