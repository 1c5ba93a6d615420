// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// kube-proxy's iptables planes against the kernel, by the real tools, in namespaces of their own. Needs
// root.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "plane/kube_proxy/iptables.h"
#include "plane_checks.h"
#include "private_place.h"
#include "service/cluster.h"
#include "sys/child_process.h"
#include "sys/memfd.h"
#include "sys/net_namespace.h"

namespace svcbench {
namespace {

using Services = std::vector<Service>;
using test::check_holds;
using test::in_private_namespaces;
using test::must;

// `count` services of 3 endpoints each; every fifth is IPv6, every second UDP.
Services mixed_services(std::uint32_t count, std::uint32_t endpoints = 3) {
  Services services;
  for (std::uint32_t i = 0; i < count; ++i) {
    const bool six = i % 5 == 4;
    Service one;
    one.name = fmt::format("test/service-{}:http", i);
    one.frontend.address =
        six ? Address::from_ipv6(0xfd00'0096'0000'0000, i + 1) : Address::from_ipv4(0x0A600001U + i);
    one.frontend.port = static_cast<std::uint16_t>(80 + i);
    one.frontend.protocol = i % 2 == 0 ? Protocol::tcp : Protocol::udp;
    for (std::uint32_t e = 0; e < endpoints; ++e) {
      one.endpoints.push_back({six ? Address::from_ipv6(0xfd00'0180'0000'0000, 100 * i + e)
                                   : Address::from_ipv4(0x0AB40000U + 100 * i + e),
                               static_cast<std::uint16_t>(8000 + e)});
    }
    services.push_back(one);
  }
  return services;
}

// And: a NodePort beside its ClusterIP in both families, a NodePort alone, services without endpoints.
Services all_kinds() {
  auto services = mixed_services(20);
  const auto node_port = [](Service service, std::uint16_t port) {
    service.kind = FrontendKind::node_port;
    service.frontend.address = {.bytes = {}, .family = service.frontend.address.family};
    service.frontend.port = port;
    return service;
  };
  services[2].endpoints.clear();
  services.push_back(node_port(services[0], 30000));
  services.push_back(node_port(services[4], 30001));
  services.push_back(node_port(services[2], 30002));
  auto alone = node_port(services[6], 30003);
  alone.name = "test/alone";
  services.push_back(alone);
  return services;
}

// Chains and rules of both families as the kernel has them, in the order that packets meet: chains by name
// (which order iptables-save prints them in is history), the rules of each in theirs. No counters.
std::string kernel_rules(const IptablesBackend& backend) {
  std::string all;
  for (const auto& program : {backend.save, backend.save6}) {
    for (const auto* table : {"filter", "nat"}) {
      std::vector<std::string> lines;
      std::istringstream text(run_child({program, "-t", table})->out);
      for (std::string line; std::getline(text, line);) {
        if (line.starts_with(':') || line.starts_with("-A ")) {
          lines.push_back(line.starts_with(':') ? line.substr(0, line.find(' ')) : line);
        }
      }
      const auto chain = [](const std::string& line) {
        return line.starts_with(':') ? line : line.substr(0, line.find(' ', 3));
      };
      std::stable_sort(lines.begin(), lines.end(),
                       [&](const auto& a, const auto& b) { return chain(a) < chain(b); });
      for (const auto& line : lines) {
        all += line + "\n";
      }
    }
  }
  return all;
}

// What a fresh install of `services` leaves, in a network namespace of its own.
std::string fresh_rules(const IptablesBackend& backend, const Services& services) {
  const auto place = NetNamespace::create();
  REQUIRE(place);
  const auto visit = place->enter();
  REQUIRE(visit);
  KubeProxyIptables plane(backend, {});
  must(plane.install(services));
  return kernel_rules(backend);
}

void each_backend(const std::function<void(const IptablesBackend&)>& body) {
  if (!test::may_program_the_kernel()) {
    return;
  }
  for (const char* name : {"iptables-legacy-restore", "iptables-nft-restore"}) {
    if (!find_program(name)) {
      MESSAGE(name << " is not installed: skipped");
      continue;
    }
    const auto backend = find_iptables(name);
    REQUIRE_MESSAGE(backend, backend.error().message);
    CAPTURE(backend->label);
    in_private_namespaces([&] { body(*backend); });
  }
}

void change(DataPlane& plane, Operation operation, const Service& service) {
  test::change(plane, operation, service);
  CHECK(plane.sync_cost().generate_ns > 0);
  CHECK(plane.sync_cost().commit_ns > 0);
  CHECK(plane.sync_cost().user_us + plane.sync_cost().system_us > 0);
  CHECK(plane.sync_cost().tools == 1);
}

void restore(const IptablesBackend& backend, std::string_view text) {
  const auto input = memfd_of("edit", text);
  ChildOptions options;
  options.stdin_fd = input->get();
  const auto result = run_child({backend.restore, "--noflush"}, options);
  REQUIRE_MESSAGE(result->exit_status == 0, result->err);
}

// The line of iptables-save with `part` in it, without its -A.
std::string rule_with(const IptablesBackend& backend, const std::string& part) {
  std::istringstream text(run_child({backend.save, "-t", "nat"})->out);
  for (std::string line; std::getline(text, line);) {
    if (line.find(part) != std::string::npos) {
      return line.substr(3);
    }
  }
  FAIL("no rule has " << part);
  return {};
}

}  // namespace

TEST_CASE("kube-proxy iptables plane: 200 services of 3 endpoints, installed and read back") {
  each_backend([](const IptablesBackend& backend) {
    const auto services = mixed_services(200);
    {
      KubeProxyIptables plane(backend, {});
      CHECK(plane.entries() == 0U);
      CHECK(!plane.find(services[0].frontend)->has_value());
      must(plane.install(services));
      CHECK(plane.sync_cost().tools == 2);
      CHECK(plane.sync_cost().input_bytes > 200'000);
      CHECK(plane.sync_cost().generate_ns > 0);
      check_holds(plane, services, 13);
      // 160 and 40 services, and the 3 jumps.
      const auto nat = run_child({backend.save, "-t", "nat"})->out;
      const auto nat6 = run_child({backend.save6, "-t", "nat"})->out;
      const auto rules = [](const std::string& text) {
        std::size_t count = 0;
        for (auto at = text.find("\n-A "); at != std::string::npos; at = text.find("\n-A ", at + 1)) {
          ++count;
        }
        return count;
      };
      CHECK(rules(nat) == 5 + 160 * (2 + 9) + 3);
      CHECK(rules(nat6) == 5 + 40 * (2 + 9) + 3);
      // A smaller set takes its place.
      must(plane.install(mixed_services(50)));
      check_holds(plane, mixed_services(50), 7);
      CHECK(kernel_rules(backend) == fresh_rules(backend, mixed_services(50)));
      CHECK(kernel_rules(backend).find("KUBE-SVC-") != std::string::npos);
    }
    CHECK(kernel_rules(backend).find("-A ") == std::string::npos);
    CHECK(kernel_rules(backend).find("KUBE") == std::string::npos);
  });
}

TEST_CASE(
    "kube-proxy iptables plane: after changes by either way the kernel holds what a fresh install gives") {
  each_backend([](const IptablesBackend& backend) {
    for (const std::size_t way : {0U, 1U}) {
      CAPTURE(way);
      auto services = all_kinds();
      KubeProxyIptables plane(backend, {});
      must(plane.choose_way(way));
      must(plane.install(services));
      check_holds(plane, services);

      services[7].endpoints = {{Address::from_ipv4(0x0AB5FFFFU), 9999}};
      change(plane, Operation::change_endpoints, services[7]);
      const auto partial_bytes = plane.sync_cost().input_bytes;
      services[9].endpoints.clear();  // IPv6
      change(plane, Operation::change_endpoints, services[9]);
      services[2].endpoints = services[22].endpoints = {{Address::from_ipv4(0x0AB6FFFFU), 9999}};
      change(plane, Operation::change_endpoints, services[2]);
      check_holds(plane, services);
      CHECK(kernel_rules(backend) == fresh_rules(backend, services));

      services.push_back(mixed_services(28)[27]);
      change(plane, Operation::add_service, services.back());
      services.push_back(mixed_services(30)[29]);
      change(plane, Operation::add_service, services.back());
      CHECK(kernel_rules(backend) == fresh_rules(backend, services));
      for (const std::size_t place : {21U, 3U, 0U}) {  // an IPv6 NodePort, a ClusterIP, one with a NodePort
        const auto removed = services[place];
        services.erase(services.begin() + static_cast<std::ptrdiff_t>(place));
        change(plane, Operation::remove_service, removed);
        CHECK(!plane.find(removed.frontend)->has_value());
      }
      check_holds(plane, services);
      CHECK(kernel_rules(backend) == fresh_rules(backend, services));

      must(plane.choose_way(1 - way));
      services[7].endpoints[0].port = 1;
      change(plane, Operation::change_endpoints, services[7]);
      CHECK((plane.sync_cost().input_bytes > partial_bytes) == (way == 0));
      CHECK(kernel_rules(backend) == fresh_rules(backend, services));
    }
  });
}

TEST_CASE("kube-proxy iptables plane: across 1,000 endpoints both kinds of rules are read back") {
  each_backend([](const IptablesBackend& backend) {
    auto services = mixed_services(125, 10);  // 1,000 endpoints of IPv4
    KubeProxyIptables plane(backend, {});
    must(plane.install(services));
    services[0].endpoints.push_back({Address::from_ipv4(0x0AB5FFFFU), 9999});
    change(plane, Operation::change_endpoints, services[0]);
    check_holds(plane, services, 31);
    CHECK(kernel_rules(backend) != fresh_rules(backend, services));  // the untouched keep their comments
    must(plane.choose_way(1));
    change(plane, Operation::change_endpoints, services[0]);
    check_holds(plane, services, 31);
    CHECK(kernel_rules(backend) == fresh_rules(backend, services));
  });
}

TEST_CASE("kube-proxy iptables plane: what is not as it was to be is noticed") {
  each_backend([](const IptablesBackend& backend) {
    const auto services = mixed_services(4);
    const auto broken = [&](const std::function<std::string()>& edit, const std::string& words) {
      KubeProxyIptables plane(backend, {});
      must(plane.install(services));
      restore(backend, "*nat\n" + edit() + "COMMIT\n");
      const auto entries = plane.entries();
      CHECK_MESSAGE(!entries, words);
      if (!entries) {
        CHECK_MESSAGE(entries.error().message.find(words) != std::string::npos, entries.error().message);
        CHECK(entries.error().message.find('\n') == std::string::npos);
      }
      return plane.find(services[0].frontend).has_value();
    };
    const auto replaced = [&](const std::string& part, const std::string& from, const std::string& to) {
      auto rule = rule_with(backend, part);
      const auto old = rule;
      rule.replace(rule.find(from), from.size(), to);
      return "-A " + rule + "\n-D " + old + "\n";
    };
    // Another DNAT of the first service's second endpoint.
    CHECK(!broken(
        [&] { return replaced("--to-destination 10.180.0.1:8001", "10.180.0.1:8001", "10.180.0.9:8001"); },
        "10.180.0.9:8001"));
    // A probability: the first of service 0's three, where its rule must stay the second.
    CHECK(!broken(
        [&] {
          auto rule = rule_with(backend, "test/service-0:http -> 10.180.0.0:8000");
          const auto chain = rule.substr(0, rule.find(' '));
          rule.replace(rule.find("0.3333"), 6, "0.3334");
          return "-R " + chain + " 2" + rule.substr(chain.size()) + "\n";
        },
        "1/3"));
    // Elsewhere: found by the number of rules, and the service itself is right.
    CHECK(broken([] { return std::string("-A OUTPUT -j RETURN\n"); }, "has 53 rules, and was to have 52"));
  });
}

TEST_CASE("kube-proxy iptables plane: a failed sync changes nothing, and the next one makes up for it") {
  each_backend([](const IptablesBackend& backend) {
    auto services = mixed_services(6);
    KubeProxyIptables plane(backend, {});
    must(plane.install(services));
    const auto before = kernel_rules(backend);
    // A foreign rule leads to the chain that is to be deleted.
    const auto rule = rule_with(backend, "--to-destination 10.180.0.1:8001");
    const auto chain = rule.substr(0, rule.find(' '));
    restore(backend, "*nat\n-A OUTPUT -j " + chain + "\nCOMMIT\n");
    services[0].endpoints.erase(services[0].endpoints.begin() + 1);
    must(plane.stage({Operation::change_endpoints, services[0]}));
    const auto refused = plane.commit();
    REQUIRE(!refused);
    CHECK(refused.error().message.find(backend.restore) != std::string::npos);
    restore(backend, "*nat\n-D OUTPUT -j " + chain + "\nCOMMIT\n");
    CHECK(kernel_rules(backend) == before);
    services[1].endpoints[0].port = 1;
    change(plane, Operation::change_endpoints, services[1]);
    check_holds(plane, services);
    CHECK(kernel_rules(backend) == fresh_rules(backend, services));
  });
}

TEST_CASE("kube-proxy iptables plane: a cluster's services") {
  const auto cluster = read_cluster(SVCBENCH_TEST_DATA "/kind-dualstack.json");
  REQUIRE_MESSAGE(cluster, cluster.error().message);
  each_backend([&](const IptablesBackend& backend) {
    KubeProxyIptables plane(backend, {});
    must(plane.install(cluster->services));
    check_holds(plane, cluster->services);
  });
}

TEST_CASE("kube-proxy iptables plane: policies, affinity, external addresses, on each node") {
  each_backend([&](const IptablesBackend& backend) {
    for (const std::string node : {"node-a", "node-c", ""}) {
      CAPTURE(node);
      auto cluster = read_cluster(SVCBENCH_TEST_DATA "/policies.json", {.node = node});
      REQUIRE_MESSAGE(cluster, cluster.error().message);
      auto& services = cluster->services;
      KubeProxyIptables plane(backend, {});
      must(plane.install(services));
      check_holds(plane, services);
      for (Service& service : services) {
        if (service.name == "shop/web:http") {
          service.affinity_seconds = 0;
          change(plane, Operation::change_endpoints, service);
        }
        if (service.name == "shop/edge:http" && service.local_only) {
          service.endpoints = {service.cluster_endpoints.back()};
          change(plane, Operation::change_endpoints, service);
        }
      }
      check_holds(plane, services);
      CHECK(kernel_rules(backend) == fresh_rules(backend, services));
    }
  });
}

TEST_CASE("kube-proxy iptables planes: probe and make") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  struct Row {
    const char* program;
    Status (*probe)();
    Result<std::unique_ptr<DataPlane>> (*make)(const PlaneConfiguration&);
  };
  for (const auto& row : {Row{"iptables-legacy-restore", probe_iptables_legacy, make_iptables_legacy},
                          Row{"iptables-nft-restore", probe_iptables_nft, make_iptables_nft}}) {
    in_private_namespaces([&] {
      const auto probed = row.probe();
      if (!find_program(row.program)) {
        REQUIRE(!probed);
        CHECK(probed.error().message.find(row.program) != std::string::npos);
        return;
      }
      REQUIRE_MESSAGE(probed, probed.error().message);
      const auto backend = find_iptables(row.program);
      CHECK(kernel_rules(*backend).find("KUBE") == std::string::npos);
      PlaneConfiguration configuration;
      configuration.cluster_cidr.ipv4 = "10.180.0.0/16";
      auto plane = row.make(configuration);
      REQUIRE(plane);
      must((*plane)->install(mixed_services(2)));
      check_holds(**plane, mixed_services(2));
      CHECK(kernel_rules(*backend).find("! -s 10.180.0.0/16 ") != std::string::npos);
    });
  }
}

}  // namespace svcbench
