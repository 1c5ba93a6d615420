// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// connect() of real sockets through a testbed, with the socket plane and without. Needs root.
#include <doctest/doctest.h>

#include <array>
#include <string>
#include <vector>

#include "measure/connect.h"
#include "plane/ebpf/sock_plane.h"
#include "private_place.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;

Address address(const char* text) { return *Address::parse(text); }

Target through_vip(Family family, Protocol protocol) {
  const bool ipv6 = family == Family::ipv6;
  return {{address(ipv6 ? "2001:db8:96::44" : "172.30.0.44"), 80, protocol},
          {{address(ipv6 ? "fd00:180::5" : "10.180.0.5"), 9090},
           {address(ipv6 ? "fd00:180::4" : "10.180.0.4"), 8080}}};
}

Target direct(Family family, Protocol protocol) {
  const Endpoint backend = through_vip(family, protocol).backends.front();
  return {{backend.address, backend.port, protocol}, {backend}};
}

std::size_t total(const Blocks& blocks) {
  std::size_t count = 0;
  for (const auto& block : blocks) {
    count += block.size();
  }
  return count;
}

TEST_CASE("connect: a socket plane's beside a plain one, every connection checked") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    if (const Status usable = probe_ebpf_sock(); !usable) {
      MESSAGE("skipped: " << usable.error().message);
      return;
    }
    const auto wire = must(Wire::create({}));
    const auto cgroup = must(Cgroup::create());
    MonotonicClock clock;
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      CAPTURE(to_string(family));
      const auto testbed = must(Testbed::create(wire->programs()));
      std::vector<Service> services;
      for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
        const Target target = through_vip(family, protocol);
        services.push_back({"test/vip", FrontendKind::cluster_ip, target.to, target.backends});
      }
      PlaneConfiguration configuration;
      configuration.cgroup = cgroup.path();
      SockPlane plane(configuration);
      must(plane.install(services));

      ConnectSubject plain{.name = "plain", .testbed = &testbed};
      plain.udp = direct(family, Protocol::udp);
      plain.tcp = direct(family, Protocol::tcp);
      ConnectSubject translated{.name = "translated", .testbed = &testbed, .cgroup = &cgroup};
      translated.udp = through_vip(family, Protocol::udp);
      translated.tcp = through_vip(family, Protocol::tcp);

      const ConnectCounts counts{.blocks = 8, .connects = 10};
      const auto samples = must(measure_connects(std::array{plain, translated}, counts, clock));
      REQUIRE(samples.size() == 2);
      for (const ConnectSamples& one : samples) {
        CAPTURE(one.name);
        CHECK(!one.tcp_not_offered);
        CHECK(total(one.udp_connect_ns) == 80);
        CHECK(total(one.tcp_connect_ns) == 80);
        CHECK(total(one.first_packet_ns) == 80);
        CHECK(one.from_dialled == 80);
        CHECK(one.from_backend == 0);
      }
      const auto added = added_ns(samples[1].udp_connect_ns, samples[0].udp_connect_ns);
      REQUIRE(added);
      MESSAGE("a translated connect() takes " << added->value << " ns more");
      CHECK(added->value > 0);

      // The same client outside of the cgroup reaches nobody.
      const auto another = must(Testbed::create(wire->programs()));
      translated.testbed = &another;
      translated.cgroup = nullptr;
      const auto nobody = measure_connects(std::array{translated}, counts, clock);
      REQUIRE(!nobody);
      CHECK(nobody.error().message.find("connect, translated: connect() of a TCP socket") == 0);
    }
  });
}

TEST_CASE("connect: what one takes more than another is the median of blocks of pairs") {
  const Blocks under{{100, 200, 300}, {100, 200, 300}};
  const Blocks over{{110, 230, 320}, {140, 240, 400}};
  const auto added = added_ns(over, under);
  REQUIRE(added);
  CHECK(added->value == 30);  // medians of the blocks: 20 and 40
  CHECK(added->samples == 6);
  CHECK(!added_ns(over, {}));
  CHECK(!added_ns({{}}, under));
}

}  // namespace
}  // namespace svcbench
