// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The plane that runs a kube-proxy of the user's, with a stand-in for one. Needs root, nft and python3.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "plane/real_kube_proxy/real_kube_proxy.h"
#include "private_place.h"
#include "sys/child_process.h"

namespace svcbench {
namespace {

using test::must;

const std::string stand_in = std::string(SVCBENCH_SOURCE) + "/tests/bpf/stand_in_kube_proxy.py";

Service numbered(std::uint32_t i, std::uint32_t endpoints) {
  Service service;
  service.name = fmt::format("test/service-{}", i);
  service.frontend = {Address::from_ipv4(0x0A600001U + i), 80, i % 2 == 0 ? Protocol::tcp : Protocol::udp};
  for (std::uint32_t e = 0; e < endpoints; ++e) {
    service.endpoints.push_back({Address::from_ipv4(0x0AB40000U + 100 * i + e), 8080});
  }
  return service;
}

// Sets how the stand-in misbehaves, for as long as it lives.
class Misbehaving {
 public:
  explicit Misbehaving(const char* how) { setenv("STAND_IN", how, 1); }
  ~Misbehaving() { unsetenv("STAND_IN"); }
  Misbehaving(const Misbehaving&) = delete;
  Misbehaving& operator=(const Misbehaving&) = delete;
};

bool can_run() {
  return test::may_program_the_kernel() && find_program("python3").has_value() &&
         find_program("nft").has_value();
}

std::unique_ptr<DataPlane> make() {
  PlaneConfiguration configuration;
  configuration.kube_proxy.binary = stand_in;
  return must(make_kube_proxy_nftables(configuration));
}

void check_holds(const DataPlane& plane, const Service& service) {
  CAPTURE(service.name);
  const auto held = must(plane.find(service.frontend));
  REQUIRE(held);
  CHECK(*held == plane.programmed(service));
}

}  // namespace

TEST_CASE("a kube-proxy of the user's: installed, changed, added to, removed from, and gone") {
  if (!can_run()) {
    return;
  }
  test::in_private_namespaces([] {
    std::vector<Service> services;
    for (std::uint32_t i = 0; i < 20; ++i) {
      services.push_back(numbered(i, i % 7 == 6 ? 0 : 3));
    }
    {
      const auto plane = make();
      must(plane->install(services));
      CHECK(must(plane->entries()) == services.size());
      CHECK(plane->sync_cost().commit_ns > 0);
      for (const Service& service : services) {
        check_holds(*plane, service);
      }
      Service changed = services[3];
      changed.endpoints[1].address = Address::from_ipv4(0x0AB4FFFE);
      must(plane->stage({Operation::change_endpoints, changed}));
      check_holds(*plane, services[3]);  // nothing yet
      CHECK(plane->controllers_account().has_value());
      must(plane->commit());
      const auto account = plane->controllers_account();
      REQUIRE(account.has_value());
      CHECK(account->sync_ns > 0);
      CHECK(account->sync_ns <
            plane->sync_cost().commit_ns);  // by another clock, and without the way there
      CHECK(account->peak_bytes.value_or(0) > 1'000'000);
      CHECK(plane->controllers_account()->sync_ns == 0);  // nothing since
      check_holds(*plane, changed);
      check_holds(*plane, services[4]);
      CHECK(plane->sync_cost().commit_ns > 0);

      const Service more = numbered(100, 2);
      must(plane->stage({Operation::add_service, more}));
      must(plane->commit());
      check_holds(*plane, more);
      CHECK(must(plane->entries()) == services.size() + 1);
      must(plane->stage({Operation::remove_service, more}));
      must(plane->commit());
      CHECK_FALSE(must(plane->find(more.frontend)));
      CHECK_FALSE(plane->stage({Operation::remove_service, more}));
      CHECK_FALSE(plane->stage({Operation::add_service, services[0]}));

      must(plane->install(std::vector<Service>{services[0]}));
      CHECK(must(plane->entries()) == 1);
    }
    const auto left = must(run_child({"nft", "list", "ruleset"}));
    CHECK(left.out.find("kube-proxy") == std::string::npos);
    const auto running = must(run_child({"pgrep", "-f", stand_in}));
    CHECK(running.out.empty());
  });
}

TEST_CASE("a kube-proxy of the user's that exits is told with its last words") {
  if (!can_run()) {
    return;
  }
  test::in_private_namespaces([] {
    const Misbehaving how("exit");
    const auto plane = make();
    const Status installed = plane->install(std::vector<Service>{numbered(1, 2)});
    REQUIRE_FALSE(installed);
    CHECK(installed.error().message.find("ended by itself") != std::string::npos);
    CHECK(installed.error().message.find("cannot go on") != std::string::npos);
  });
}

TEST_CASE("a kube-proxy of the user's that hangs, or does not heed a change, is told of") {
  if (!can_run()) {
    return;
  }
  test::in_private_namespaces([] {
    PlaneConfiguration configuration;
    configuration.kube_proxy.binary = stand_in;
    constexpr RealKubeProxy::Patience short_one{.start_ns = 10'000'000'000, .change_ns = 1'000'000'000};
    const Service service = numbered(1, 2);
    {
      const Misbehaving how("hang");
      RealKubeProxy plane(RealKubeProxy::nftables(), configuration, {.start_ns = 8'000'000'000});
      const Status installed = plane.install(std::vector<Service>{service});
      REQUIRE_FALSE(installed);
      CHECK(installed.error().message.find("did not say within 8 s of its start") != std::string::npos);
      CHECK(installed.error().message.find("hanging") != std::string::npos);
    }
    const Misbehaving how("deaf");
    RealKubeProxy plane(RealKubeProxy::nftables(), configuration, short_one);
    must(plane.install(std::vector<Service>{service}));
    Service changed = service;
    changed.endpoints.pop_back();
    must(plane.stage({Operation::change_endpoints, changed}));
    const Status committed = plane.commit();
    REQUIRE_FALSE(committed);
    CHECK(committed.error().message.find("of its change") != std::string::npos);
  });
}

TEST_CASE("a kube-proxy of the user's: the memory of its tools counts") {
  if (!can_run()) {
    return;
  }
  test::in_private_namespaces([] {
    const auto peak_of = [](const char* how) {
      const Misbehaving misbehaving(how);
      const auto plane = make();
      must(plane->install(std::vector<Service>{numbered(0, 3)}));
      const auto account = plane->controllers_account();
      REQUIRE(account.has_value());
      return account->peak_bytes.value_or(0);
    };
    const std::uint64_t light = peak_of("");
    CHECK(light < 60'000'000);
    CHECK(peak_of("heavy") > 60'000'000);
  });
}

TEST_CASE("a plane that runs a kube-proxy wants one") {
  const auto made = make_kube_proxy_nftables({});
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("--kube-proxy PATH") != std::string::npos);
}

}  // namespace svcbench
