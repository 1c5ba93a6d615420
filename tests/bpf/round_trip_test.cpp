// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Round trips of real sockets through the testbed, in namespaces of their own. Needs root.
#include <bpf/libbpf.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/wire/agreement.h"
#include "measure/wire/round_trip.h"
#include "plane/ebpf/attached_ebpf.h"
#include "plane/iptables_chapter.h"
#include "private_place.h"
#include "sys/child_process.h"
#include "sys/iptables_backend.h"
#include "sys/memfd.h"
#include "sys/pinned.h"
#include "tries.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;

// A testbed with both instruments.
struct Place {
  std::unique_ptr<Wire> wire;
  std::unique_ptr<Testbed> testbed;
  std::unique_ptr<RoundTrips> trips;
};

Place make_place() {
  Place place;
  place.wire = must(Wire::create({}));
  place.testbed = std::make_unique<Testbed>(must(Testbed::create(place.wire->programs())));
  place.trips = must(RoundTrips::create(*place.testbed));
  return place;
}

constexpr std::array protocols{Protocol::udp, Protocol::tcp};
constexpr std::array families{Family::ipv4, Family::ipv6};
constexpr std::array kinds{FlowKind::fresh, FlowKind::established};

Address address(const char* text) { return *Address::parse(text); }

Endpoint backend_of(Family family) {
  return {address(family == Family::ipv4 ? "10.180.0.4" : "fd00:180::4"), 8080};
}

// A client dials the backend itself.
Target direct(Family family, Protocol protocol) {
  const Endpoint backend = backend_of(family);
  return {{backend.address, backend.port, protocol}, {backend}};
}

// A client dials a service.
Target through_vip(Family family, Protocol protocol) {
  return {{address(family == Family::ipv4 ? "172.30.0.44" : "2001:db8:96::44"), 80, protocol},
          {{address(family == Family::ipv4 ? "10.180.0.5" : "fd00:180::5"), 9090}, backend_of(family)}};
}

// libbpf says aloud that a hook is there already, at every attach_redirect() but the first.
struct QuietLibbpf {
  QuietLibbpf() : before(libbpf_set_print(nullptr)) {}
  ~QuietLibbpf() { libbpf_set_print(before); }
  QuietLibbpf(const QuietLibbpf&) = delete;
  QuietLibbpf& operator=(const QuietLibbpf&) = delete;
  libbpf_print_fn_t before;
};

double median(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() / 2];
}

void require_answers_from_dialled(RoundTrips& trips,
                                  const std::function<Target(Family, Protocol)>& target) {
  constexpr std::size_t count = 50;
  MonotonicClock clock;
  for (const Protocol protocol : protocols) {
    for (const Family family : families) {
      for (const FlowKind kind : kinds) {
        CAPTURE(to_string(protocol));
        CAPTURE(to_string(family));
        CAPTURE(kind == FlowKind::fresh);
        const auto samples = must(trips.measure(target(family, protocol), kind, count, clock));
        CHECK(!samples.not_offered);
        REQUIRE(samples.ns.size() == count);
        CHECK(samples.from_dialled == count);
        CHECK(samples.from_backend == 0);
        CHECK(*std::min_element(samples.ns.begin(), samples.ns.end()) > 1000);
        MESSAGE(fmt::format("{} {} {}: {:.1f} us", to_string(protocol), to_string(family),
                            kind == FlowKind::fresh ? "fresh" : "established", median(samples.ns) / 1000));
      }
    }
  }
}

// DNAT of every protocol's frontend to its last backend.
std::string dnat_rules(Family family) {
  std::string rules = "*nat\n";
  for (const Protocol protocol : protocols) {
    const Target target = through_vip(family, protocol);
    rules += fmt::format("-A PREROUTING -p {} -d {} --dport {} -j DNAT --to-destination {}\n",
                         protocol == Protocol::tcp ? "tcp" : "udp", target.to.address.text(),
                         target.to.port, target.backends.back().text());
  }
  return rules + "COMMIT\n";
}

void load_dnat(const IptablesBackend& iptables, const NetNamespace& node) {
  for (const Family family : families) {
    const auto rules = must(memfd_of("rules", dnat_rules(family)));
    const auto inside = must(node.enter());
    ChildOptions options;
    options.stdin_fd = rules.get();
    const auto loaded =
        must(run_child({family == Family::ipv4 ? iptables.restore : iptables.restore6}, options));
    REQUIRE_MESSAGE(loaded.exit_status == 0, loaded.first_error_line());
  }
}

std::vector<Service> services() {
  std::vector<Service> result;
  for (const Protocol protocol : protocols) {
    for (const Family family : families) {
      const Target target = through_vip(family, protocol);
      result.push_back({fmt::format("test/{}-{}", to_string(protocol), to_string(family)),
                        FrontendKind::cluster_ip, target.to, target.backends});
    }
  }
  return result;
}

// A node whose iptables hold so many services, of which clients dial the last.
struct Sized {
  std::unique_ptr<Testbed> testbed;
  std::unique_ptr<RoundTrips> trips;
  std::unique_ptr<IptablesChapter> plane;
  Target target;
  TargetRange range;

  Sized() = default;
  Sized(const Sized&) = delete;
  Sized& operator=(const Sized&) = delete;
  ~Sized() {
    const auto visit = testbed->node().enter();
    plane.reset();
  }
};

std::unique_ptr<Sized> make_sized(Wire& wire, const IptablesBackend& iptables, std::uint32_t count) {
  std::vector<Service> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    all.push_back({fmt::format("test/service-{}", i),
                   FrontendKind::cluster_ip,
                   {Address::from_ipv4(0xAC100000U + i), 53, Protocol::udp},
                   {{Address::from_ipv4(0x0AB40000U + i), 8053}}});
  }
  auto place = std::make_unique<Sized>();
  place->testbed = std::make_unique<Testbed>(must(Testbed::create(wire.programs())));
  place->trips = must(RoundTrips::create(*place->testbed));
  place->target = {all.back().frontend, all.back().endpoints};
  place->range = must(wire.add_targets(std::array{place->target}));
  const auto inside = must(place->testbed->node().enter());
  place->plane = std::make_unique<IptablesChapter>(iptables);
  must(place->plane->install(all));
  return place;
}

}  // namespace

TEST_CASE("round trips: no data plane, every protocol, family and kind of flow") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Place place = make_place();
    require_answers_from_dialled(*place.trips, direct);
  });
}

TEST_CASE("round trips: with DNAT by netfilter the replies come from the service's address") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  const auto iptables = find_iptables({});
  if (!iptables) {
    MESSAGE("skipped: " << iptables.error().message);
    return;
  }
  in_private_namespaces([&] {
    const Place place = make_place();
    load_dnat(*iptables, place.testbed->node());
    require_answers_from_dialled(*place.trips, through_vip);
  });
}

TEST_CASE("round trips: a plane without reverse NAT answers from the backend, and cannot do TCP") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const EbpfHook hook : {EbpfHook::tc, EbpfHook::xdp}) {
    in_private_namespaces([hook] {
      const Place place = make_place();
      const auto inside = must(place.testbed->node().enter());
      PlaneConfiguration configuration;
      configuration.ingress = place.testbed->ingress();
      AttachedEbpf plane(hook, configuration);
      must(plane.install(services()));
      MonotonicClock clock;
      constexpr std::size_t count = 50;
      for (const Family family : families) {
        CAPTURE(to_string(family));
        for (const FlowKind kind : kinds) {
          const auto udp =
              must(place.trips->measure(through_vip(family, Protocol::udp), kind, count, clock));
          CHECK(udp.ns.size() == count);
          CHECK(udp.from_backend == count);
          CHECK(udp.from_dialled == 0);
          const auto tcp =
              must(place.trips->measure(through_vip(family, Protocol::tcp), kind, count, clock));
          CHECK(tcp.ns.empty());
          REQUIRE(tcp.not_offered);
          CHECK(tcp.not_offered->find("no reverse NAT") != std::string::npos);
          CHECK(tcp.not_offered->find(through_vip(family, Protocol::tcp).to.address.text()) !=
                std::string::npos);
        }
      }
    });
  }
}

// Interleaved, so that what the machine does meanwhile hits both.
TEST_CASE("round trips: a known delay on the way is seen") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Place place = make_place();
    MonotonicClock clock;
    const Target target = direct(Family::ipv4, Protocol::udp);
    constexpr std::uint64_t delay_ns = 20'000;
    const QuietLibbpf quiet;
    must(place.wire->attach_redirect(*place.testbed, Wire::Hook::tc));
    CHECK(test::in_one_of(3, [&] {
      std::vector<double> without;
      std::vector<double> with;
      for (int block = 0; block < 60; ++block) {
        const bool delayed = block % 2 == 1;
        place.wire->set_redirect(*place.testbed, delayed ? delay_ns : 0);
        const auto samples = must(place.trips->measure(target, FlowKind::fresh, 50, clock));
        auto& all = delayed ? with : without;
        all.insert(all.end(), samples.ns.begin(), samples.ns.end());
      }
      const double added = median(with) - median(without);
      MESSAGE("a delay of 20 us adds " << added / 1000 << " us to " << median(without) / 1000);
      return added == doctest::Approx(delay_ns).epsilon(0.15);
    }));
  });
}

TEST_CASE("round trips: a backend that cannot be reached is an Error, not a long figure") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Place place = make_place();
    {
      const auto inside = must(place.testbed->backend().enter());
      const auto down = must(run_child({"ip", "link", "set", "vb", "down"}));
      REQUIRE_MESSAGE(down.exit_status == 0, down.first_error_line());
    }
    MonotonicClock clock;
    for (const Protocol protocol : protocols) {
      for (const FlowKind kind : kinds) {
        const auto lost = place.trips->measure(direct(Family::ipv4, protocol), kind, 1000, clock);
        REQUIRE(!lost);
        CHECK(lost.error().message.find("after 0 that went well") != std::string::npos);
        CHECK(lost.error().message.find("200 ms") != std::string::npos);
      }
    }
  });
}

TEST_CASE("round trips: a packet that comes out at a stranger's is an Error") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Place place = make_place();
    MonotonicClock clock;
    for (const Protocol protocol : protocols) {
      for (const FlowKind kind : kinds) {
        // Nothing translates, so it arrives at the dialled address, which is no backend's, by a port that
        // one listens at.
        Target target = direct(Family::ipv4, protocol);
        target.to.address = address("10.180.7.7");
        const auto wrong = place.trips->measure(target, kind, 10, clock);
        REQUIRE(!wrong);
        CHECK(wrong.error().message.find("10.180.7.7:8080, which is no backend") != std::string::npos);
      }
    }
  });
}

TEST_CASE("instruments: what more iptables rules cost a new flow, by the wire and by round trips") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  const auto iptables = find_iptables({});
  if (!iptables) {
    MESSAGE("skipped: " << iptables.error().message);
    return;
  }
  in_private_namespaces([&] {
    const auto wire = must(Wire::create({.targets = 4, .backends = 4}));
    const Pinned pinned = must(Pinned::to_last_cpu());  // both instruments
    constexpr std::array<std::uint32_t, 2> sizes{1, 3000};
    constexpr std::size_t rounds = 12;
    constexpr std::uint32_t flows = 200;
    std::array<std::unique_ptr<Sized>, 2> places;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      places[i] = make_sized(*wire, *iptables, sizes[i]);
    }
    MonotonicClock clock;
    std::uint32_t first_flow = 0;
    // Not that they "agree" by their intervals: on some processors round trips say a tenth more, run after
    // run, for what they do between two packets takes rules out of the caches. A wrong one is further off.
    CHECK(test::in_one_of(3, [&] {
      std::array<std::vector<double>, 2> by_wire;
      std::array<std::vector<double>, 2> by_trips;
      for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t k = 0; k < places.size(); ++k) {
          const std::size_t i = round % 2 == 0 ? k : 1 - k;
          Sized& place = *places[i];
          const auto arrivals = must(wire->send(
              *place.testbed,
              {.targets = place.range, .first_flow = first_flow, .flows = flows, .packets = flows}));
          must(require_all_right(arrivals));
          by_wire[i].push_back(*arrivals.latency.quantile(0.5));
          const auto samples = must(place.trips->measure(place.target, FlowKind::fresh, flows, clock));
          REQUIRE(!samples.not_offered);
          by_trips[i].push_back(median(samples.ns));
        }
        first_flow += flows;
      }
      const Comparison comparison =
          compare_instruments({by_wire[1], by_wire[0]}, {by_trips[1], by_trips[0]});
      MESSAGE(comparison.summary);
      REQUIRE(comparison.first);
      REQUIRE(comparison.second);
      const double ratio = comparison.second->value / comparison.first->value;
      return ratio > 0.8 && ratio < 1.25;
    }));
  });
}

}  // namespace svcbench
