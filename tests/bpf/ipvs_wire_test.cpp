// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// IPVS under the wire, against what ipvsadm says of it. Needs root, and a kernel with IPVS: where there is
// none, the case says so.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "measure/path.h"
#include "measure/wire/wire.h"
#include "plane/registry.h"
#include "private_place.h"
#include "service/workload.h"
#include "sys/child_process.h"
#include "sys/pinned.h"

namespace svcbench::test {
namespace {

constexpr std::uint32_t service_count = 12;

struct Count {
  std::uint64_t connections = 0;
  std::uint64_t packets_in = 0;
  bool operator==(const Count&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Count& count) {
  return out << count.connections << " connections, " << count.packets_in << " packets";
}

// What `ipvsadm -Ln --stats --exact` prints: a line for each virtual server, "UDP 10.96.0.1:53" and its
// counts, and under it one for each of its real servers, "-> 10.180.0.1:5353" and its own.
struct Stats {
  std::map<std::string, Count> of_server{};  // by "UDP 10.96.0.1:53"
  std::map<std::string, Count> of_real{};    // by the same: its real servers' sums
};

Stats stats_of(const std::string& text) {
  Stats stats;
  std::istringstream input(text);
  std::string server;
  for (std::string line; std::getline(input, line);) {
    std::istringstream words(line);
    std::string kind;
    std::string address;
    Count count;
    if (!(words >> kind >> address >> count.connections >> count.packets_in)) {
      continue;  // the heading
    }
    if (kind == "->") {
      stats.of_real[server].connections += count.connections;
      stats.of_real[server].packets_in += count.packets_in;
    } else {
      server = kind + " " + address;
      stats.of_server[server] = count;
    }
  }
  return stats;
}

Stats read_stats(const Testbed& testbed) {
  const auto inside = must(testbed.node().enter());
  const auto listed = must(run_child({"ipvsadm", "-Ln", "--stats", "--exact"}));
  REQUIRE_MESSAGE(listed.exit_status == 0, listed.err);
  return stats_of(listed.out);
}

std::string name_of(const Service& service) {
  return fmt::format("{} {}:{}", service.frontend.protocol == Protocol::udp ? "UDP" : "TCP",
                     service.frontend.address.text(), service.frontend.port);
}

// Packets of new flows: each is a connection of its own. What came out right, which is all that was sent
// unless a busy machine let the node's ingress queue overrun: then once more, and both count.
std::uint64_t sent_through(Wire& wire, const PathRig& rig, TargetRange targets, std::uint32_t packets,
                           std::uint32_t& next_flow) {
  std::uint64_t right = 0;
  for (int tries = 0; tries < 5; ++tries) {
    const auto pin = must(Pinned::to_last_cpu());
    const auto arrivals = must(
        wire.send(rig.testbed(),
                  {.targets = targets, .first_flow = next_flow, .flows = packets, .packets = packets}));
    next_flow += packets;
    right += arrivals.counts.right;
    if (arrivals.counts.right == packets) {
      return right;
    }
    MESSAGE("again: of " << packets << " packets " << arrivals.counts.right << " came out right");
  }
  FAIL("no volley came through whole");
  return right;
}

}  // namespace

TEST_CASE("ipvs: ipvsadm counts the packets that the wire sent through each service, every one") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const PlaneRow* row = find_plane("ipvs");
    if (const Status usable = row->probe(); !usable) {
      MESSAGE("no IPVS in this kernel: not tested here (" << usable.error().message << ")");
      return;
    }
    if (!find_program("ipvsadm")) {
      MESSAGE("skipped: there is no program ipvsadm");
      return;
    }
    const Workload workload =
        must(Workload::generate(service_count, 3, {Family::ipv4}, 1, {Protocol::udp, Protocol::tcp}));
    const auto wire = must(Wire::create(PathTargets::needs(workload.services())));
    const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
    const auto rig = must(PathRig::with_plane(*wire, row->make, {}, workload.services()));

    // A different number to each of four services; the others get nothing.
    std::map<std::string, Count> expected;
    for (const Service& service : workload.services()) {
      expected[name_of(service)] = {};
    }
    std::uint32_t next_flow = 0;
    std::uint32_t packets = 500;
    for (const Protocol protocol : {Protocol::udp, Protocol::tcp}) {
      for (const Position position : {Position::first, Position::last}) {
        const Service* service = nullptr;
        for (const Service& one : workload.services()) {
          const bool wanted = one.frontend.protocol == protocol;
          if (wanted && (position == Position::last || service == nullptr)) {
            service = &one;
          }
        }
        REQUIRE(service != nullptr);
        const std::uint64_t right = sent_through(
            *wire, *rig, *targets.of(position, protocol, Delivery::translated), packets, next_flow);
        expected[name_of(*service)] = {right, right};
        packets += 137;
      }
    }

    // The kernel sums up every two seconds.
    Stats stats = read_stats(rig->testbed());
    for (int tries = 0; tries < 100 && stats.of_server != expected; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      stats = read_stats(rig->testbed());
    }
    CHECK(stats.of_server.size() == service_count);
    for (const auto& [name, count] : expected) {
      CAPTURE(name);
      CHECK(stats.of_server[name] == count);
      CHECK(stats.of_real[name] == count);
    }
  });
}

}  // namespace svcbench::test
