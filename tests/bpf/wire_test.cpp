// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The instrument: what it counts is what went through the node, what it times takes so long, and what goes
// wrong in the node becomes an Error that says so. In namespaces of its own. Needs root.
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/math/distributions/chi_squared.hpp>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "measure/path.h"
#include "measure/wire/wire.h"
#include "plane/registry.h"
#include "private_place.h"
#include "service/workload.h"
#include "stats/quantile.h"
#include "svcbench/abi.h"
#include "sys/child_process.h"
#include "sys/conntrack.h"
#include "sys/fd.h"
#include "sys/net_counters.h"
#include "sys/pinned.h"
#include "tries.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;

constexpr std::uint32_t service_count = 20;
constexpr std::array families{Family::ipv4, Family::ipv6};
constexpr std::array protocols{Protocol::udp, Protocol::tcp};

Workload services_of(Family family, std::uint32_t endpoints = 3) {
  return must(Workload::generate(service_count, endpoints, {family}, 1, {Protocol::udp, Protocol::tcp}));
}

std::unique_ptr<Wire> new_wire() {
  WireCapacity capacity = PathTargets::needs(services_of(Family::ipv4).services());
  capacity.targets *= 4;
  capacity.backends *= 4;
  return must(Wire::create(capacity));
}

// `body` for every plane of the wire that this machine can run; the others are told of.
void for_each_plane(const std::function<void(const PlaneRow&)>& body) {
  for (const PlaneRow& row : planes()) {
    if (row.make == nullptr || !row.off_wire.empty() || row.runs_binary) {
      continue;
    }
    in_private_namespaces([&] {
      if (const Status usable = row.probe(); !usable) {
        MESSAGE(row.name << " cannot run here: " << usable.error().message);
        return;
      }
      CAPTURE(row.name);
      body(row);
    });
  }
}

// What came out is what was sent, and nothing else was counted.
void check_exact(const Arrivals& arrivals, std::uint32_t packets, bool answered) {
  const svcb_wire_counts& counts = arrivals.counts;
  CHECK(counts.sent == packets);
  CHECK(counts.right == packets);
  CHECK(counts.wrong_backend == 0);
  CHECK(counts.wrong_source == 0);
  CHECK(counts.bad_checksum == 0);
  CHECK(counts.stale == 0);
  CHECK(counts.answered == (answered ? packets : 0));
  CHECK(counts.replies == (answered ? packets : 0));
  CHECK(arrivals.latency.count() == packets);
  CHECK(counts.max_ns > 0);
  CHECK(counts.total_ns >= counts.max_ns);
  CHECK(counts.last_right_ns > counts.first_sent_ns);
}

// On one CPU, as the measurements are.
Arrivals send(Wire& wire, const PathRig& rig, const Volley& volley) {
  const auto pin = must(Pinned::to_last_cpu());
  return must(wire.send(rig.testbed(), volley));
}

// What `attempt` sends, once more where the node's ingress queue lost some of it: on a busy machine the CPU
// that empties it may be kept from it for longer than the generator waits.
Arrivals undisturbed(const PathRig& rig, const std::function<Arrivals()>& attempt) {
  const auto inside = must(rig.testbed().node().enter());
  for (int tries = 1;; ++tries) {
    const NetCounters before = loss_counters();
    Arrivals arrivals = attempt();
    if (tries == 5 || !moved(before, loss_counters()).contains("vn rx_dropped")) {
      return arrivals;
    }
    MESSAGE("again: the ingress queue overran");
  }
}

bool says(const Error& error, const std::string& part) {
  return error.message.find(part) != std::string::npos;
}

void run_in(const NetNamespace& place, const std::vector<std::string>& argv) {
  const auto inside = must(place.enter());
  const auto ran = must(run_child(argv));
  REQUIRE_MESSAGE(ran.exit_status == 0, argv[0] << ": " << ran.err);
}

// A volley, once more where packets were lost before the node had them: on a busy machine the generator may
// overrun the ingress veth's queue of 256 packets before the kernel empties it.
Result<Arrivals> measured(PathRig& rig, const PathTargets& targets, const PathKind& kind,
                          std::uint32_t packets, std::uint32_t batch = 1) {
  auto arrivals = rig.measure(targets, kind, packets, batch);
  for (int again = 0; again < 5 && !arrivals && says(arrivals.error(), "vn rx_dropped"); ++again) {
    MESSAGE("again: " << arrivals.error().message);
    arrivals = rig.measure(targets, kind, packets, batch);
  }
  return arrivals;
}

// A chain of nftables in the node, besides what a plane has put there.
void add_nft(const NetNamespace& place, const std::string& chain, const std::string& rule) {
  run_in(place, {"nft", "add", "table", "ip", "meddling"});
  run_in(place, {"nft", "add", "chain", "ip", "meddling", "c", "{ " + chain + " ; }"});
  run_in(place, {"nft", "add", "rule", "ip", "meddling", "c", rule});
}

}  // namespace

TEST_CASE("wire: through every plane every packet comes out right, and the counts are exact") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for_each_plane([](const PlaneRow& row) {
    for (const Family family : families) {
      const Workload workload = services_of(family);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, family, 1));
      const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
      for (const Protocol protocol : protocols) {
        for (const FlowKind flow : every_flow_kind) {
          for (const Position position :
               {Position::first, Position::last, Position::random, Position::missing}) {
            CAPTURE(to_string(family));
            CAPTURE(to_string(protocol));
            CAPTURE(to_string(flow));
            CAPTURE(to_string(position));
            const auto arrivals = must(measured(*rig, targets, {flow, position, protocol}, 600));
            check_exact(arrivals, 600, flow == FlowKind::reply);
          }
        }
        // Many at a time, as for throughput.
        const auto burst =
            must(measured(*rig, targets, {FlowKind::fresh, Position::random, protocol}, 2000, 64));
        check_exact(burst, 2000, false);
        CHECK(burst.packets_per_second() > 1000);
      }
    }
  });
}

namespace {

// A socket of the client's that says something to the node now and then, on another CPU than the packets'.
void talk(const NetNamespace& client, const std::atomic<bool>& over) {
  const auto cpu = must(Pinned::off_last_cpu());
  const auto inside = must(client.enter());
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  REQUIRE(socket.valid());
  sockaddr_in node{};
  node.sin_family = AF_INET;
  node.sin_port = htons(9);
  REQUIRE(inet_pton(AF_INET, "169.254.73.1", &node.sin_addr) == 1);
  while (!over) {
    (void)::sendto(socket.get(), "x", 1, 0, reinterpret_cast<const sockaddr*>(&node), sizeof node);
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

}  // namespace

// Whoever finds the node's device idle empties its queue from then on: where that is another CPU, the
// generator is ahead of it, and had overrun the queue.
TEST_CASE("wire: packets wait for a node that works on another CPU") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  std::size_t volleys = 0;
  std::size_t whole = 0;
  for_each_plane([&](const PlaneRow& row) {
    const Workload workload = services_of(Family::ipv4);
    const auto wire = new_wire();
    const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
    const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
    const auto range = targets.of(Position::random, Protocol::udp, rig->delivery());
    REQUIRE(range);
    std::atomic<bool> over{false};
    std::thread stranger([&] { talk(rig->testbed().client(), over); });
    for (std::uint32_t volley = 0; volley < 10; ++volley) {
      for (const std::uint32_t batch : {1U, 64U}) {
        const auto arrivals = send(*wire, *rig,
                                   {.targets = *range,
                                    .first_flow = (2 * volley + batch % 2) * 1000,
                                    .flows = 1000,
                                    .packets = 1000,
                                    .batch = batch});
        ++volleys;
        whole += arrivals.counts.right == 1000 ? 1 : 0;
      }
    }
    over = true;
    stranger.join();
  });
  // One in five was not, before the generator waited. A CPU that others keep busy may still be late once.
  CHECK_MESSAGE(20 * (volleys - whole) <= volleys, whole << " of " << volleys << " volleys came out whole");
}

TEST_CASE("wire: planes deliver as the registry says") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for_each_plane([](const PlaneRow& row) {
    const auto wire = new_wire();
    const auto rig = must(PathRig::with_plane(*wire, row.make, {}, services_of(Family::ipv4).services()));
    CHECK(rig->delivery() == row.delivery);
  });
}

TEST_CASE("wire: answers come back to the client, as from the VIP") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for_each_plane([](const PlaneRow& row) {
    for (const Family family : families) {
      const Workload workload = services_of(family);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, family, 1));
      const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
      for (const Protocol protocol : protocols) {
        CAPTURE(to_string(family));
        CAPTURE(to_string(protocol));
        const auto range = targets.of(Position::random, protocol, rig->delivery());
        REQUIRE(range);
        const auto arrivals = undisturbed(*rig, [&] {
          return send(*wire, *rig, {.targets = *range, .flows = 500, .packets = 500, .answered = true});
        });
        check_exact(arrivals, 500, true);
        CHECK(arrivals.counts.replies_as_vip == 500);
        CHECK(arrivals.replies.count() == 500);
      }
    }
  });
}

TEST_CASE("wire: answers that nothing translates back are told, and are no figure") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    for (const std::string_view name : {"ebpf-xdp", "ebpf-tc"}) {
      CAPTURE(name);
      const Workload workload = services_of(Family::ipv4);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
      // The plane's program at the clients' device alone.
      const auto make = [name](PlaneConfiguration configuration) {
        configuration.egress = 0;
        return find_plane(name)->make(configuration);
      };
      const auto rig = must(PathRig::with_plane(*wire, make, {}, workload.services()));
      const PathKind there{FlowKind::established, Position::random, Protocol::udp};
      CHECK(measured(*rig, targets, there, 200));
      const auto back = measured(*rig, targets, {FlowKind::reply, Position::random, Protocol::udp}, 200);
      REQUIRE_FALSE(back);
      CHECK_MESSAGE(says(back.error(), "got their answer, 0 of these from the address"),
                    back.error().message);
    }
  });
}

TEST_CASE("wire: direct server return is taken for no other delivery, nor another for it") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    for (const Family family : families) {
      const Workload workload = services_of(family);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, family, 1));
      for (const auto& [name, other] : {std::pair{"ebpf-xdp-dsr", Delivery::translated},
                                        {"ebpf-tc-dsr", Delivery::translated},
                                        {"ebpf-xdp", Delivery::wrapped},
                                        {"ebpf-tc", Delivery::wrapped}}) {
        CAPTURE(name);
        const auto rig = must(PathRig::with_plane(*wire, find_plane(name)->make, {}, workload.services()));
        CHECK(measured(*rig, targets, {FlowKind::fresh, Position::random, Protocol::tcp}, 200));
        const auto range = targets.of(Position::random, Protocol::tcp, other);
        REQUIRE(range);
        const auto sent = undisturbed(*rig, [&] {
          return send(*wire, *rig, {.targets = *range, .first_flow = 1000, .flows = 100, .packets = 100});
        });
        CHECK(sent.counts.right == 0);
        CHECK(sent.counts.wrong_backend == 100);
      }
    }
  });
}

TEST_CASE("wire: a delay that is known is what it measures") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Workload workload = services_of(Family::ipv4);
    const auto wire = new_wire();
    const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
    const PathKind kind{FlowKind::fresh, Position::last, Protocol::udp};
    constexpr std::array<std::uint64_t, 3> delays{0, 5000, 20'000};
    std::vector<std::unique_ptr<PathRig>> rigs;
    for (const std::uint64_t delay_ns : delays) {
      rigs.push_back(must(PathRig::with_redirect(*wire, Wire::Hook::tc, delay_ns)));
    }
    // The program waits until a reading of the clock shows that the time is over, so up to one reading more
    // than it was told to; and the histogram's buckets are 1/128 of a value wide.
    const double reading_ns = must(wire->clock_ns(rigs[0]->testbed()));
    CHECK(test::in_one_of(3, [&] {
      std::array<std::vector<double>, 3> p50_ns;
      for (int volley = 0; volley < 21; ++volley) {
        for (std::size_t i = 0; i < rigs.size(); ++i) {
          const auto arrivals = must(measured(*rigs[i], targets, kind, 1000));
          p50_ns[i].push_back(*arrivals.latency.quantile(0.5));
        }
      }
      const double none = stats::median_of(p50_ns[0])->value;
      bool right = true;
      for (std::size_t i = 1; i < delays.size(); ++i) {
        const auto delay_ns = static_cast<double>(delays[i]);
        const double measured = stats::median_of(p50_ns[i])->value - none;
        MESSAGE(delays[i] << " ns of delay: measured " << measured << " ns; one reading of the clock "
                          << reading_ns << " ns");
        right = right && measured >= 0.95 * delay_ns && measured <= 1.05 * delay_ns + reading_ns;
      }
      return right;
    }));
  });
}

TEST_CASE("wire: a packet at another backend than its service's is an Error, in every plane") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for_each_plane([](const PlaneRow& row) {
    for (const Family family : families) {
      const Workload workload = services_of(family);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, family, 1));
      const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
      if (rig->delivery() == Delivery::direct) {
        return;
      }
      for (const Protocol protocol : protocols) {
        CAPTURE(to_string(family));
        CAPTURE(to_string(protocol));
        const PathKind last{FlowKind::fresh, Position::last, protocol};
        const PathKind first{FlowKind::fresh, Position::first, protocol};
        CHECK(measured(*rig, targets, last, 200));
        // The last service of the protocol changes, and nobody tells the wire.
        const auto& services = workload.services();
        const Service& changed = *std::find_if(services.rbegin(), services.rend(), [&](const Service& one) {
          return one.frontend.protocol == protocol;
        });
        const Change change{Operation::change_endpoints, workload.changed(changed, 7)};
        const Status staged = rig->plane()->stage(change);
        REQUIRE_MESSAGE(staged, staged.error().message);
        const Status committed = rig->plane()->commit();
        REQUIRE_MESSAGE(committed, committed.error().message);
        const auto arrivals = measured(*rig, targets, last, 200);
        REQUIRE_FALSE(arrivals);
        CHECK_MESSAGE(says(arrivals.error(),
                           "of 200 packets 0 came out right, 200 at an address that is no "
                           "backend of their service"),
                      arrivals.error().message);
        CHECK(measured(*rig, targets, first, 200));
        const auto established =
            measured(*rig, targets, {FlowKind::established, last.position, protocol}, 200);
        CHECK_FALSE(established);
      }
    }
  });
}

TEST_CASE("wire: one packet in three at a wrong backend is noticed") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for_each_plane([](const PlaneRow& row) {
    const Workload workload = services_of(Family::ipv4);
    const auto wire = new_wire();
    const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
    if (rig->delivery() == Delivery::direct) {
      return;
    }
    // The wire is told of the first two endpoints of three.
    Service service = workload.services().front();
    service.endpoints.pop_back();
    const bool wrapped = rig->delivery() == Delivery::wrapped;
    const auto range =
        must(wire->add_targets(std::array{Target{service.frontend, service.endpoints, wrapped}}));
    const auto arrivals = undisturbed(
        *rig, [&] { return send(*wire, *rig, {.targets = range, .flows = 300, .packets = 300}); });
    CHECK(arrivals.counts.right + arrivals.counts.wrong_backend == 300);
    CHECK(arrivals.counts.wrong_backend > 30);
    CHECK(arrivals.counts.wrong_backend < 200);
    const Status right = require_all_right(arrivals);
    REQUIRE_FALSE(right);
    CHECK(says(right.error(), "no backend of their service"));
  });
}

namespace {

// Ids of the BPF maps of that name that there are.
std::set<__u32> maps_named(const std::string& name) {
  std::set<__u32> ids;
  for (__u32 id = 0; bpf_map_get_next_id(id, &id) == 0;) {
    const Fd fd(bpf_map_get_fd_by_id(id));
    bpf_map_info info{};
    __u32 size = sizeof info;
    if (fd.valid() && bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0 && name == info.name) {
      ids.insert(id);
    }
  }
  return ids;
}

// Every IPv4 backend in it becomes 10.255.255.1:9.
void spoil_backends(__u32 map_id) {
  const Fd fd(bpf_map_get_fd_by_id(map_id));
  REQUIRE(fd.valid());
  bpf_map_info info{};
  __u32 size = sizeof info;
  REQUIRE(bpf_obj_get_info_by_fd(fd.get(), &info, &size) == 0);
  const svcb_backend4 wrong{htonl(0x0AFFFF01), htons(9), 0};
  for (__u32 index = 0; index < info.max_entries; ++index) {
    REQUIRE(bpf_map_update_elem(fd.get(), &index, &wrong, BPF_ANY) == 0);
  }
}

// Sends UDP for this frontend elsewhere, by the tools of the plane's kind.
void meddle(const PlaneRow& row, const NetNamespace& node, const Frontend& frontend,
            const std::set<__u32>& maps_before) {
  const std::string vip = frontend.address.text();
  const std::string port = std::to_string(frontend.port);
  if (row.name.starts_with("iptables")) {
    run_in(node, {std::string(row.name), "-t", "nat", "-I", "PREROUTING", "-d", vip, "-p", "udp", "--dport",
                  port, "-j", "DNAT", "--to-destination", "10.255.255.1:9"});
  } else if (row.name == "nftables") {
    run_in(node, {"nft", "insert rule ip kube-proxy services ip daddr " + vip + " udp dport " + port +
                             " dnat to 10.255.255.1:9"});
  } else if (row.name == "ipvs") {
    run_in(node, {"ipvsadm", "-a", "-u", vip + ":" + port, "-r", "10.255.255.1:9", "-m", "-w", "1"});
  } else {
    for (const __u32 id : maps_named("backends4")) {
      if (!maps_before.contains(id)) {
        spoil_backends(id);
      }
    }
  }
}

}  // namespace

TEST_CASE("wire: a rule that is wrong in the kernel, behind the plane's back, is noticed") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for_each_plane([](const PlaneRow& row) {
    const Workload workload = services_of(Family::ipv4);
    const auto wire = new_wire();
    const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
    const auto before = maps_named("backends4");
    const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
    if (rig->delivery() == Delivery::direct) {
      return;
    }
    const PathKind kind{FlowKind::fresh, Position::first, Protocol::udp};
    CHECK(measured(*rig, targets, kind, 200));
    meddle(row, rig->testbed().node(), workload.services().front().frontend, before);
    const auto arrivals = measured(*rig, targets, kind, 200);
    REQUIRE_FALSE(arrivals);
    CHECK_MESSAGE(says(arrivals.error(), "no backend of their service"), arrivals.error().message);
    CHECK(says(arrivals.error(), "no figure is given"));
  });
}

TEST_CASE("wire: damaged and masqueraded packets are counted as such") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  const auto rig_with = [](const std::string& chain, const std::string& rule,
                           const std::function<void(const Arrivals&)>& look) {
    in_private_namespaces([&] {
      const Workload workload = services_of(Family::ipv4);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
      const auto rig = must(PathRig::with_plane(*wire, find_plane("null")->make, {}, workload.services()));
      const PathKind kind{FlowKind::fresh, Position::last, Protocol::udp};
      CHECK(measured(*rig, targets, kind, 100));
      add_nft(rig->testbed().node(), chain, rule);
      const auto range = targets.of(kind.position, kind.protocol, Delivery::direct);
      const auto sent = undisturbed(*rig, [&] {
        return send(*wire, *rig, {.targets = *range, .first_flow = 1000, .flows = 100, .packets = 100});
      });
      look(sent);
    });
  };
  // Byte 40 of the transport header and what follows it: after the mark, and nft does not sum again.
  rig_with("type filter hook forward priority 0", "udp dport 8080 @th,320,16 set 0x5a5a",
           [](const Arrivals& arrivals) {
             CHECK(arrivals.counts.bad_checksum == 100);
             CHECK(arrivals.counts.right == 0);
             const Status right = require_all_right(arrivals);
             REQUIRE_FALSE(right);
             CHECK(says(right.error(), "100 with a wrong checksum"));
           });
  rig_with("type nat hook postrouting priority 100", "masquerade", [](const Arrivals& arrivals) {
    CHECK(arrivals.counts.wrong_source == 100);
    const Status right = require_all_right(arrivals);
    REQUIRE_FALSE(right);
    CHECK(says(right.error(), "100 from another client than sent them"));
  });
}

TEST_CASE("wire: packets that the node drops are missed, and the node's counter is named") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const Family family : families) {
    in_private_namespaces([&] {
      CAPTURE(to_string(family));
      const Workload workload = services_of(family);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, family, 1));
      const auto rig = must(PathRig::with_plane(*wire, find_plane("null")->make, {}, workload.services()));
      const PathKind kind{FlowKind::fresh, Position::last, Protocol::udp};
      CHECK(measured(*rig, targets, kind, 100));
      run_in(rig->testbed().node(),
             {"ip", family == Family::ipv4 ? "-4" : "-6", "route", "del", "default"});
      const auto arrivals = measured(*rig, targets, kind, 100);
      REQUIRE_FALSE(arrivals);
      CHECK(says(arrivals.error(), "of 100 packets 0 came out right, 100 not at all"));
      CHECK_MESSAGE(says(arrivals.error(), "the node counted: "), arrivals.error().message);
      CHECK_MESSAGE(says(arrivals.error(), "NoRoutes +100"), arrivals.error().message);
    });
  }
}

TEST_CASE("wire: a link that is lost in mid-run is an Error and no hang") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  struct Loss {
    const char* device;
    const NetNamespace& (Testbed::*place)() const;
  };
  for (const Loss& loss : {Loss{"vo", &Testbed::node}, Loss{"vb", &Testbed::backend},
                           Loss{"vn", &Testbed::node}, Loss{"vc", &Testbed::client}}) {
    in_private_namespaces([&] {
      CAPTURE(std::string(loss.device));
      const Workload workload = services_of(Family::ipv4);
      const auto wire = new_wire();
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
      const auto rig = must(PathRig::with_plane(*wire, find_plane("null")->make, {}, workload.services()));
      const PathKind kind{FlowKind::fresh, Position::last, Protocol::udp};
      CHECK(measured(*rig, targets, kind, 100));
      // A removal that happens while some hundred thousand packets are on their way.
      const NetNamespace place = must((rig->testbed().*loss.place)().duplicate());
      Status removed = failure("not yet");
      std::thread remover([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        const auto visit = place.enter();
        auto route = RouteSocket::open();
        removed = visit && route ? route->remove(loss.device) : failure("no way in");
      });
      const auto begin = std::chrono::steady_clock::now();
      const auto arrivals = rig->measure(targets, kind, 500'000);
      const auto took = std::chrono::steady_clock::now() - begin;
      remover.join();
      CHECK_MESSAGE(removed, removed.error().message);
      REQUIRE_FALSE(arrivals);
      CHECK_MESSAGE(says(arrivals.error(), "came out right"), arrivals.error().message);
      CHECK(took < std::chrono::seconds(10));
      const auto again = measured(*rig, targets, kind, 100);
      REQUIRE_FALSE(again);
      CHECK_MESSAGE(!says(again.error(), "needs kernel"), again.error().message);
      MESSAGE(std::string(loss.device)
              << " lost: " << arrivals.error().message << "; then: " << again.error().message);
    });
  }
}

// Ctrl-Z, and fg: a child that stops this process in 50 ms, for 20.
pid_t stopped_soon() {
  const pid_t test = getpid();
  const pid_t stopper = fork();
  REQUIRE(stopper >= 0);
  if (stopper == 0) {
    usleep(50'000);
    kill(test, SIGSTOP);
    usleep(20'000);
    kill(test, SIGCONT);
    _exit(0);
  }
  return stopper;
}

TEST_CASE("wire: a volley that a stop of the process cuts off is sent again, whole") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([&] {
    const Workload workload = services_of(Family::ipv4);
    const auto wire = new_wire();
    const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
    const auto rig = must(PathRig::with_plane(*wire, find_plane("null")->make, {}, workload.services()));
    constexpr std::uint32_t packets = 300'000;  // some tenths of a second
    Arrivals cut;
    // On a busy machine the stop may come before the volley, or behind it.
    for (int tries = 0; tries < 20 && !cut.cut_off; ++tries) {
      const pid_t stopper = stopped_soon();
      cut = send(*wire, *rig,
                 {.targets = *targets.of(Position::last, Protocol::udp, rig->delivery()),
                  .flows = packets,
                  .packets = packets});
      REQUIRE(waitpid(stopper, nullptr, 0) == stopper);
    }
    REQUIRE(cut.cut_off);
    CHECK(cut.counts.sent < packets);
    CHECK(cut.counts.right > 0);

    const pid_t stopper = stopped_soon();
    const auto arrivals =
        measured(*rig, targets, {FlowKind::fresh, Position::last, Protocol::udp}, packets);
    REQUIRE(waitpid(stopper, nullptr, 0) == stopper);
    REQUIRE_MESSAGE(arrivals, arrivals.error().message);
    check_exact(*arrivals, packets, false);
  });
}

TEST_CASE("wire: a full connection tracking table is an Error that names it") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const PlaneRow& row = *find_plane("nftables");
    if (const Status usable = row.probe(); !usable) {
      MESSAGE("skipped: " << usable.error().message);
      return;
    }
    const Workload workload = services_of(Family::ipv4);
    const auto wire = new_wire();
    const auto targets = must(PathTargets::add(*wire, workload.services(), workload, Family::ipv4, 1));
    const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
    std::size_t limit = 0;
    {
      const auto inside = must(rig->testbed().node().enter());
      limit = must(conntrack_limit());
    }
    if (limit == 0 || limit > 300'000) {
      MESSAGE("skipped: the table holds " << limit << " connections, too many to fill in a test");
      return;
    }
    // UDP flows without an answer would be dropped early to make room: these are connections that both
    // sides have confirmed.
    const auto range = targets.of(Position::last, Protocol::tcp, Delivery::translated);
    REQUIRE(range);
    const auto flows = static_cast<std::uint32_t>(limit);
    // Of a busy machine's packets and answers some are lost, and what is not confirmed makes room: again,
    // until no newcomer gets in.
    const std::uint32_t newcomers = 1000;
    Arrivals arrivals;
    NetCounters moved_by;
    for (int tries = 0; tries < 6; ++tries) {
      Volley open{.targets = *range, .flows = flows, .packets = flows, .answered = true, .batch = 16};
      static_cast<void>(send(*wire, *rig, open));
      open.open = false;
      open.answered = false;
      static_cast<void>(send(*wire, *rig, open));
      const auto inside = must(rig->testbed().node().enter());
      const NetCounters before = loss_counters();
      arrivals = send(*wire, *rig,
                      {.targets = *range,
                       .first_flow = flows + static_cast<std::uint32_t>(tries) * newcomers,
                       .flows = newcomers,
                       .packets = newcomers});
      moved_by = moved(before, loss_counters());
      if (arrivals.counts.right < newcomers) {
        break;
      }
    }
    const Status right = require_all_right(arrivals, moved_by);
    REQUIRE_FALSE(right);
    CHECK_MESSAGE(says(right.error(), "not at all"), right.error().message);
    CHECK_MESSAGE(says(right.error(), "conntrack drop +"), right.error().message);
    MESSAGE(right.error().message);
    // measure() forgets the old ones first.
    CHECK(measured(*rig, targets, {FlowKind::fresh, Position::last, Protocol::tcp}, 1000));
  });
}

TEST_CASE("wire: each plane spreads new flows evenly over a service's endpoints") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for_each_plane([](const PlaneRow& row) {
    const Workload workload = services_of(Family::ipv4);
    const auto wire = new_wire();
    const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
    if (rig->delivery() == Delivery::direct) {
      return;
    }
    for (const Service& service : {workload.services()[0], workload.services()[1]}) {  // UDP, TCP
      CAPTURE(to_string(service.frontend.protocol));
      const bool wrapped = rig->delivery() == Delivery::wrapped;
      constexpr std::uint32_t flows = 3000;
      TargetRange range;  // a new one a try: it counts from the start
      const auto arrivals = undisturbed(*rig, [&] {
        range = must(wire->add_targets(std::array{Target{service.frontend, service.endpoints, wrapped}}));
        return send(*wire, *rig, {.targets = range, .flows = flows, .packets = flows});
      });
      check_exact(arrivals, flows, false);
      const double expected = flows / static_cast<double>(service.endpoints.size());
      double statistic = 0;
      std::uint64_t all = 0;
      for (const Endpoint& endpoint : service.endpoints) {
        const Endpoint at{endpoint.address, wrapped ? service.frontend.port : endpoint.port};
        const auto hits = must(wire->hits(range.first, at, wrapped));
        all += hits;
        statistic += std::pow(static_cast<double>(hits) - expected, 2) / expected;
      }
      CHECK(all == flows);
      // Pearson's test. An even spread exceeds this once in a million runs.
      const boost::math::chi_squared distribution(static_cast<double>(service.endpoints.size() - 1));
      CHECK(statistic < boost::math::quantile(boost::math::complement(distribution, 1e-6)));
    }
    CHECK_FALSE(wire->hits(0, {Address::from_ipv4(1), 1}));  // no backend of it
  });
}

TEST_CASE("wire: no room for another target is an Error") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const auto wire = must(Wire::create({.targets = 1, .backends = 1}));
    const Target one{{Address::from_ipv4(0x0A600001), 80, Protocol::udp},
                     {{Address::from_ipv4(0x0A800001), 80}}};
    CHECK(wire->add_targets(std::array{one}));
    const auto full = wire->add_targets(std::array{one});
    REQUIRE_FALSE(full);
    CHECK(says(full.error(), "no room for another target"));
  });
}

}  // namespace svcbench
