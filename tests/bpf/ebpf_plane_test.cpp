// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The loader: services through its maps and back, in each way of writing, and its floor.
#include <doctest/doctest.h>

#include <algorithm>

#include "measure/program/program_bench.h"
#include "measure/update.h"
#include "plane.skel.h"
#include "plane/ebpf/bare_writes.h"
#include "plane/ebpf/ebpf_plane.h"
#include "service/workload.h"

namespace svcbench::testing {
namespace {

Workload dual_stack(std::size_t count) {
  return Workload::generate(count, 3, {Family::ipv4, Family::ipv6}, 1).value();
}

std::unique_ptr<EbpfPlane> loaded(std::span<const Service> services, MapWrites writes = MapWrites::mapped) {
  auto plane = EbpfPlane::load(
      {.capacity = MapCapacity::for_services(services), .writes = writes, .programs = false});
  REQUIRE(plane);
  return std::move(*plane);
}

Status apply(DataPlane& plane, Operation operation, const Service& service) {
  const Change change{operation, service};
  SVCB_CHECK(plane.stage(change));
  return plane.commit();
}

std::vector<Service> sorted(std::vector<Service> services) {
  for (Service& service : services) {
    service.name.clear();
  }
  std::sort(services.begin(), services.end(),
            [](const Service& a, const Service& b) { return a.frontend < b.frontend; });
  return services;
}

TEST_CASE("what is installed is what the kernel holds, in every way of writing") {
  const Workload workload = dual_stack(200);
  for (const MapWrites writes : {MapWrites::single, MapWrites::batch, MapWrites::mapped}) {
    const auto plane = loaded(workload.services(), writes);
    REQUIRE(plane->install(workload.services()));
    CHECK(plane->entries().value() == 200);
    CHECK(sorted(plane->read_all().value()) == sorted(workload.services()));
  }
}

TEST_CASE("batches are batches where the kernel has them: it refuses flags that a single update takes") {
  const Workload workload = dual_stack(20);
  for (const MapWrites writes : {MapWrites::batch, MapWrites::mapped}) {
    const auto plane = loaded(workload.services(), writes);
    REQUIRE(plane->install(workload.services()));
    CHECK(plane->batched());  // every kernel from 5.6 on, and svcbench wants 5.15
  }
}

TEST_CASE("services change, come and go, and the others stay") {
  const Workload workload = dual_stack(50);
  const auto plane = loaded(workload.services());
  REQUIRE(plane->install(workload.services()));
  std::vector<Service> expected = workload.services();

  for (const std::size_t place : {0U, 1U, 49U}) {
    expected[place] = workload.changed(expected[place], place);
    REQUIRE(apply(*plane, Operation::change_endpoints, expected[place]));
  }
  expected.push_back(workload.added(7));
  REQUIRE(apply(*plane, Operation::add_service, expected.back()));
  REQUIRE(apply(*plane, Operation::remove_service, expected[10]));
  CHECK_FALSE(plane->find(expected[10].frontend).value());
  expected.erase(expected.begin() + 10);
  CHECK(sorted(plane->read_all().value()) == sorted(expected));
}

TEST_CASE("a change is announced where its own frontend is dialled, and nowhere else") {
  const Workload workload = dual_stack(20);
  const Address node = Address::parse("192.0.2.7").value();
  const Address second_node = Address::parse("192.0.2.8").value();
  const auto plane =
      EbpfPlane::load({.capacity = MapCapacity::for_services(workload.services()),
                       .programs = false,
                       .node_addresses = {node, second_node, Address::parse("2001:db8::7").value()}})
          .value();
  REQUIRE(plane->install(workload.services()));
  using Places = std::vector<std::uint32_t>;
  const auto* versions = plane->skeleton().bss;
  // The places of the versions that differ from those before: IPv6's behind IPv4's.
  Places before(2 * SVCB_VERSIONS);
  const auto moved = [&] {
    Places now(std::begin(versions->versions4), std::end(versions->versions4));
    now.insert(now.end(), std::begin(versions->versions6), std::end(versions->versions6));
    Places places;
    for (std::uint32_t i = 0; i < now.size(); ++i) {
      if (now[i] != before[i]) {
        places.push_back(i);
      }
    }
    before = now;
    return places;
  };
  CHECK(moved().empty());
  const auto place = [](const Frontend& frontend) {
    if (frontend.address.family == Family::ipv6) {
      const auto key = to_abi<Ipv6Abi>(frontend);
      return SVCB_VERSIONS + svcb_version6(&key);
    }
    const auto key = to_abi<Ipv4Abi>(frontend);
    return svcb_version4(&key);
  };

  for (const std::size_t which : {0U, 1U}) {  // one of each family
    const Service& service = workload.services()[which];
    REQUIRE(apply(*plane, Operation::change_endpoints, workload.changed(service, which)));
    CHECK(moved() == Places{place(service.frontend)});
    REQUIRE(apply(*plane, Operation::remove_service, service));
    CHECK(moved() == Places{place(service.frontend)});
  }
  Service node_port = workload.services()[2];
  node_port.kind = FrontendKind::node_port;
  node_port.frontend = {Address::parse("0.0.0.0").value(), 30'080, Protocol::udp};
  REQUIRE(apply(*plane, Operation::add_service, node_port));
  CHECK(moved().empty());
  REQUIRE(apply(*plane, Operation::change_endpoints, node_port));
  Places both{place({node, 30'080, Protocol::udp}), place({second_node, 30'080, Protocol::udp})};
  std::sort(both.begin(), both.end());
  CHECK(moved() == both);
}

TEST_CASE("a service may lose all endpoints and get some again, of another number") {
  const Workload workload = dual_stack(4);
  const auto plane = loaded(workload.services());
  REQUIRE(plane->install(workload.services()));
  Service service = workload.services()[1];
  service.endpoints.clear();
  REQUIRE(apply(*plane, Operation::change_endpoints, service));
  CHECK(plane->find(service.frontend).value()->endpoints.empty());
  for (std::uint64_t serial = 0; serial < 5; ++serial) {
    const auto more = workload.changed(workload.services()[1], serial).endpoints;
    service.endpoints.insert(service.endpoints.end(), more.begin(), more.end());
    REQUIRE(apply(*plane, Operation::change_endpoints, service));
    CHECK(plane->find(service.frontend).value()->endpoints == service.endpoints);
  }
}

TEST_CASE("ranges are used again, many times over, and never one that is in use") {
  const Workload workload = Workload::generate(10, 3, {Family::ipv4}, 1).value();
  // Room for the services and two more ranges: a grace period at every other change.
  const MapCapacity capacity = MapCapacity::for_services(workload.services(), 16, 36);
  auto plane = EbpfPlane::load({.capacity = capacity, .programs = false}).value();
  REQUIRE(plane->install(workload.services()));
  std::vector<Service> expected = workload.services();
  for (std::uint64_t serial = 0; serial < 40; ++serial) {
    Service& service = expected[serial % 7];
    service = workload.changed(service, serial);
    REQUIRE(apply(*plane, Operation::change_endpoints, service));
  }
  CHECK(sorted(plane->read_all().value()) == sorted(expected));
}

TEST_CASE("a change that the kernel refuses gives its room back") {
  const Workload workload = dual_stack(10);
  // Room for three more ranges a family.
  const MapCapacity capacity = MapCapacity::for_services(workload.services(), 16, 24);
  auto plane = EbpfPlane::load({.capacity = capacity, .programs = false}).value();
  REQUIRE(plane->install(workload.services()));
  for (const std::size_t place : {0U, 1U}) {  // one of each family
    // Taken away behind the plane's back.
    const Service& gone = workload.services()[place];
    if (gone.frontend.address.family == Family::ipv4) {
      const auto key = to_abi<Ipv4Abi>(gone.frontend);
      REQUIRE(plane->ipv4().services().remove(&key));
    } else {
      const auto key = to_abi<Ipv6Abi>(gone.frontend);
      REQUIRE(plane->ipv6().services().remove(&key));
    }
    for (std::uint64_t serial = 0; serial < 20; ++serial) {
      const Status change = apply(*plane, Operation::change_endpoints, workload.changed(gone, serial));
      REQUIRE_FALSE(change);
      CAPTURE(change.error().message);
      CHECK(change.error().message.find("is full") == std::string::npos);
    }
    const Service& other = workload.services()[place + 2];
    CHECK(apply(*plane, Operation::change_endpoints, workload.changed(other, 1)));
  }
}

TEST_CASE("weights that no word could count are told apart as far as its cells allow") {
  Service service{.frontend = {Address::from_ipv4(0x0A600001), 80, Protocol::tcp}};
  for (const std::uint32_t last : {1U, 2U, 3U}) {
    service.endpoints.push_back({Address::from_ipv4(0x0A800000 + last), 80});
  }
  service.weights = {65'535, 65'534, 1};
  const auto plane = loaded(std::span(&service, 1));
  REQUIRE(plane->install(std::span(&service, 1)));
  const Service held = *plane->find(service.frontend).value();
  CHECK(held.endpoints == service.endpoints);
  CHECK(held.weights == std::vector<std::uint16_t>{2046, 2045, 1});
}

TEST_CASE("adding what is there, changing and removing what is not: errors, and nothing changes") {
  const Workload workload = dual_stack(10);
  const auto plane = loaded(workload.services());
  REQUIRE(plane->install(workload.services()));
  CHECK_FALSE(apply(*plane, Operation::add_service, workload.services()[3]));
  CHECK_FALSE(apply(*plane, Operation::change_endpoints, workload.added(1)));
  CHECK_FALSE(apply(*plane, Operation::remove_service, workload.added(1)));
  CHECK(sorted(plane->read_all().value()) == sorted(workload.services()));
}

TEST_CASE("a full map is named, with its size and the flag that raises it") {
  const Workload workload = Workload::generate(10, 3, {Family::ipv4}, 1).value();
  const auto install = [&](std::uint32_t services, std::uint32_t backends) {
    auto plane =
        EbpfPlane::load({.capacity = MapCapacity::for_services(workload.services(), services, backends),
                         .programs = false})
            .value();
    const Status status = plane->install(workload.services());
    REQUIRE_FALSE(status);
    return status.error().message;
  };
  CHECK(install(9, 100) == "map services4 is full: it holds 9 entries; raise --services-capacity");
  CHECK(install(10, 29) == "map backends4 is full: it holds 29 entries; raise --backends-capacity");

  // Full later: the kernel says so for services, the allocator for backends.
  auto plane = EbpfPlane::load(
                   {.capacity = MapCapacity::for_services(workload.services(), 10, 31), .programs = false})
                   .value();
  REQUIRE(plane->install(workload.services()));
  const Status change =
      apply(*plane, Operation::change_endpoints, workload.changed(workload.services()[0], 1));
  REQUIRE_FALSE(change);
  CHECK(change.error().message.find("backends4 is full") != std::string::npos);
}

TEST_CASE("the kernel accounts for the maps, and more services take more") {
  const Workload workload = dual_stack(20'000);
  const auto small = loaded(workload.first(1000));
  const auto large = loaded(workload.services());
  const std::uint64_t of_small = small->memory_bytes().value();
  CHECK(of_small > 0);
  CHECK(large->memory_bytes().value() > 5 * of_small);
}

TEST_CASE("bare writes never hand out a range that is in use, however often they go round") {
  const Workload workload = Workload::generate(10, 3, {Family::ipv4}, 1).value();
  auto bare = BareWrites::load(
                  {.capacity = MapCapacity::for_services(workload.services(), 16, 36), .programs = false})
                  .value();
  REQUIRE(bare->install(workload.services()));
  std::vector<Service> expected = workload.services();
  for (std::uint64_t serial = 0; serial < 40; ++serial) {
    Service& service = expected[serial % 7];
    service = workload.changed(service, serial);
    REQUIRE(apply(*bare, Operation::change_endpoints, service));
  }
  for (const Service& service : expected) {
    CHECK(bare->find(service.frontend).value()->endpoints == service.endpoints);
  }
}

TEST_CASE("a family that comes later has room, one that never comes has none to speak of") {
  const Workload workload = Workload::generate(10, 3, {Family::ipv4}, 1).value();
  const std::array both{Family::ipv4, Family::ipv6};
  CHECK(MapCapacity::for_services(workload.services()).services6 == 1);
  CHECK(MapCapacity::for_services(workload.services(), {}, {}, both).services6 == 64);
  CHECK(MapCapacity::for_services(workload.services(), {}, {}, both).backends6 == 4096);
}

TEST_CASE("bare writes end in the same maps as the plane's own") {
  const Workload workload = dual_stack(20);
  auto bare =
      BareWrites::load({.capacity = MapCapacity::for_services(workload.services()), .programs = false})
          .value();
  REQUIRE(bare->install(workload.services()));
  for (const std::size_t place : {2U, 3U}) {
    const Service changed = workload.changed(workload.services()[place], place);
    REQUIRE(apply(*bare, Operation::change_endpoints, changed));
    CHECK(bare->find(changed.frontend).value()->endpoints == changed.endpoints);
  }
  const Service added = workload.added(0);
  REQUIRE(apply(*bare, Operation::add_service, added));
  CHECK(bare->find(added.frontend).value()->endpoints == added.endpoints);
  REQUIRE(apply(*bare, Operation::remove_service, added));
  CHECK_FALSE(bare->find(added.frontend).value());
  CHECK(bare->entries().value() == 20);
}

// ---- the program bench ----

struct Bench {
  explicit Bench(std::size_t services)
      : workload(dual_stack(services)),
        plane(EbpfPlane::load({.capacity = MapCapacity::for_services(workload.services())}).value()) {
    REQUIRE(plane->install(workload.services()));
    programs = ProgramBench::load(*plane, workload.services(), 1).value();
  }

  Workload workload;
  std::unique_ptr<EbpfPlane> plane;
  std::unique_ptr<ProgramBench> programs{};
};

TEST_CASE("every benchmark program does its work, and gives a sample a burst") {
  const Bench bench(60);
  REQUIRE(bench.programs->families() == std::vector{Family::ipv4, Family::ipv6});
  for (const Hook hook : all_hooks) {
    for (const Family family : bench.programs->families()) {
      REQUIRE(bench.programs->verify(hook, family, 64));
      for (const Depth depth : all_depths) {
        for (const Destination destination : all_destinations) {
          ProgramCell cell;
          const Status status = bench.programs->measure(cell, hook, depth, family, destination);
          REQUIRE_MESSAGE(status, status.error().message);
          REQUIRE(cell.ns_per_packet.size() == 1);
          CHECK(cell.ns_per_packet[0].size() == ProgramBench::bursts);
          CHECK(cell.ns_per_packet[0][0] > 0);
          CHECK(cell.kernel_ns.size() == 1);
        }
      }
    }
  }
}

TEST_CASE("a bench over maps that are not what it was told gives no figure") {
  const Bench bench(20);
  // Behind its back one service loses a backend to another address: bytes differ.
  const Service changed = bench.workload.changed(bench.workload.services()[0], 1);
  REQUIRE(apply(*bench.plane, Operation::change_endpoints, changed));
  const Status bytes = bench.programs->verify(Hook::xdp, Family::ipv4, 4096);
  REQUIRE_FALSE(bytes);
  CHECK(bytes.error().message.find("no figure is given") != std::string::npos);
  // And one goes: packets that were to hit are counted as misses.
  REQUIRE(apply(*bench.plane, Operation::remove_service, changed));
  for (const Depth depth : {Depth::bare, Depth::lookup, Depth::dnat}) {
    ProgramCell cell;
    CHECK_FALSE(bench.programs->measure(cell, Hook::tc, depth, Family::ipv4, Destination::uniform));
    CHECK(cell.ns_per_packet.empty());
  }
}

}  // namespace
}  // namespace svcbench::testing
