// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The chapter's iptables plane against the kernel, in namespaces of its own. Needs root.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "plane/iptables_chapter.h"
#include "plane_checks.h"
#include "private_place.h"
#include "sys/child_process.h"
#include "sys/memfd.h"

namespace svcbench {
namespace {

using Services = std::vector<Service>;
using test::check_holds;
using test::in_private_namespaces;
using test::must;

// Mixed: both families, both protocols, none, one and two endpoints, a NodePort.
Services mixed_services(std::uint32_t count) {
  Services services;
  for (std::uint32_t i = 0; i < count; ++i) {
    Service one;
    const bool six = i % 5 == 4;
    one.name = fmt::format("test/service-{}", i);
    one.frontend.address =
        six ? Address::from_ipv6(0xfd00'0096'0000'0000, i + 1) : Address::from_ipv4(0x0A600001U + i);
    one.frontend.port = static_cast<std::uint16_t>(80 + i);
    one.frontend.protocol = i % 2 == 0 ? Protocol::tcp : Protocol::udp;
    for (std::uint32_t e = 0; e < i % 3; ++e) {
      one.endpoints.push_back({six ? Address::from_ipv6(0xfd00'0180'0000'0000, 100 * i + e)
                                   : Address::from_ipv4(0x0AB40000U + 100 * i + e),
                               static_cast<std::uint16_t>(8000 + e)});
    }
    services.push_back(one);
  }
  services[0].kind = FrontendKind::node_port;
  services[0].frontend.address = Address::from_ipv4(0);
  return services;
}

void change(IptablesChapter& plane, Operation operation, const Service& service) {
  test::change(plane, operation, service);
  CHECK(plane.cost().wall_ns > 0);
  CHECK(plane.input_bytes() > 0);
}

std::string nat_tables(const IptablesBackend& backend) {
  return run_child({backend.save, "-t", "nat"})->out + run_child({backend.save6, "-t", "nat"})->out;
}

void exercise(const IptablesBackend& backend) {
  auto services = mixed_services(50);
  {
    IptablesChapter plane(backend);
    must(plane.install(services));
    CHECK(plane.rules() == 3 * services.size() + 14);
    check_holds(plane, services);

    services[7].endpoints = {{Address::from_ipv4(0x0AB5FFFFU), 9999}};
    change(plane, Operation::change_endpoints, services[7]);
    services[9].endpoints.clear();  // IPv6
    change(plane, Operation::change_endpoints, services[9]);
    auto added = mixed_services(53);
    services.push_back(added[52]);
    change(plane, Operation::add_service, services.back());
    const auto removed = services[3];
    services.erase(services.begin() + 3);
    change(plane, Operation::remove_service, removed);
    check_holds(plane, services);
    CHECK(!plane.find(removed.frontend)->has_value());

    // Without IPv6 services that table is emptied of them too.
    std::erase_if(services, [](const auto& s) { return s.frontend.address.family == Family::ipv6; });
    REQUIRE(plane.install(services));
    check_holds(plane, services);
  }
  CHECK(nat_tables(backend).find("-A ") == std::string::npos);
  CHECK(nat_tables(backend).find("KUBE") == std::string::npos);
}

// The back ends that are here; the others are told of.
std::vector<IptablesBackend> installed_backends() {
  std::vector<IptablesBackend> backends;
  for (const char* name : {"iptables-nft-restore", "iptables-legacy-restore"}) {
    const auto path = find_program(name);
    if (!path) {
      MESSAGE(name << " is not installed: skipped");
      continue;
    }
    const auto backend = find_iptables(*path);
    REQUIRE_MESSAGE(backend, backend.error().message);
    backends.push_back(*backend);
  }
  return backends;
}

// The rules of both back ends, without the lines that carry the time.
std::string host_rules() {
  std::string rules;
  for (const auto& backend : installed_backends()) {
    for (const auto& program : {backend.save, backend.save6}) {
      std::istringstream lines(run_child({program})->out);
      for (std::string line; std::getline(lines, line);) {
        rules += line.starts_with('#') ? "" : line + "\n";
      }
    }
  }
  return rules;
}

}  // namespace

TEST_CASE("iptables plane: install, change, add, remove, and the kernel's own account of it") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  const auto before = host_rules();
  for (const auto& backend : installed_backends()) {
    CAPTURE(backend.label);
    in_private_namespaces([&] { exercise(backend); });
  }
  CHECK(host_rules() == before);
}

TEST_CASE("iptables plane: both back ends one after the other in one namespace") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    for (int round = 0; round < 2; ++round) {
      for (const auto& backend : installed_backends()) {
        exercise(backend);
      }
    }
  });
}

TEST_CASE("iptables plane: a rule that is not ours is noticed") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const auto& backend : installed_backends()) {
    in_private_namespaces([&] {
      IptablesChapter plane(backend);
      REQUIRE(plane.install(mixed_services(5)));
      const auto extra = memfd_of("extra", "*nat\n-A OUTPUT -j RETURN\nCOMMIT\n");
      ChildOptions options;
      options.stdin_fd = extra->get();
      REQUIRE(run_child({backend.restore, "--noflush"}, options)->exit_status == 0);
      const auto entries = plane.entries();
      REQUIRE(!entries);
      CHECK(entries.error().message.find("4 services and 20 rules, not 3 x 4 + 7 = 19") !=
            std::string::npos);
    });
  }
}

TEST_CASE("iptables plane: what the kernel refuses is told in its program's words") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const auto& backend : installed_backends()) {
    in_private_namespaces([&] {
      IptablesChapter plane(backend);
      auto services = mixed_services(3);
      services[2].endpoints[0].address = Address::from_ipv6(1, 1);  // an IPv6 backend of an IPv4 service
      const auto installed = plane.install(services);
      REQUIRE(!installed);
      CHECK(installed.error().message.find(backend.restore) != std::string::npos);
      CHECK(installed.error().message.find('\n') == std::string::npos);
      MESSAGE(installed.error().message);
    });
  }
}

TEST_CASE("sandbox: a namespace of its own, loopback up, /run empty") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const auto links = run_child({"cat", "/proc/self/net/dev"});
    CHECK(std::count(links->out.begin(), links->out.end(), '\n') == 3);  // two heads and lo
    CHECK(run_child({"ls", "-A", "/run"})->out.empty());
    const auto routes = run_child({"cat", "/proc/self/net/fib_trie"});
    CHECK(routes->out.find("127.0.0.1") != std::string::npos);  // lo has its address only when it is up
  });
}

}  // namespace svcbench
