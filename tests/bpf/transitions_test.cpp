// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Services go from every state to every other, in the kernel: whatever the way, the end is what a fresh
// installation of the same services is. Needs root.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plane/ebpf/ebpf_plane.h"
#include "plane/kube_proxy/iptables.h"
#include "plane/kube_proxy/ipvs.h"
#include "plane/kube_proxy/nftables.h"
#include "plane_checks.h"
#include "private_place.h"
#include "sys/child_process.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::may_program_the_kernel;
using test::must;
using Services = std::vector<Service>;

constexpr std::size_t ports = 4;
constexpr std::size_t endpoints_of_a_port = 5;

// Where a port's endpoints are.
enum class Where : std::uint8_t { nowhere, elsewhere, here };

// What may change of one port of a Service, all at once.
struct State {
  Where where = Where::nowhere;
  bool internal_local = false;
  bool external_local = false;
  std::uint32_t affinity_seconds = 0;
  std::size_t first_endpoint = 0;  // of those that it may have, in turn
  std::size_t renamed = 0;
  Protocol protocol = Protocol::tcp;
  std::vector<std::string> source_ranges{};
};

Endpoint endpoint(std::size_t port, std::size_t number) {
  return {Address::from_ipv4(0x0AB4'0001U + static_cast<std::uint32_t>(256 * port + number)), 8080};
}

// The frontends of a port: a ClusterIP, a NodePort, an external IP and a load balancer's address.
Services frontends(std::size_t port, const State& state) {
  const auto place = static_cast<std::uint32_t>(port);
  Service common;
  common.name = fmt::format("ns/svc-{}:p{}", port, state.renamed);
  common.affinity_seconds = state.affinity_seconds;
  std::vector<Endpoint> cluster;
  for (std::size_t i = 0; i < 2 && state.where != Where::nowhere; ++i) {
    cluster.push_back(endpoint(port, (state.first_endpoint + i) % endpoints_of_a_port));
  }
  const std::vector<Endpoint> local(cluster.begin(),
                                    cluster.begin() + (state.where == Where::here ? 1 : 0));
  Services all;
  const auto add = [&](FrontendKind kind, std::uint32_t address, std::uint16_t number) {
    Service one = common;
    one.kind = kind;
    one.frontend = {Address::from_ipv4(address), number, state.protocol};
    one.local_only = kind == FrontendKind::cluster_ip ? state.internal_local : state.external_local;
    one.endpoints = one.local_only ? local : cluster;
    if (one.local_only) {
      one.cluster_endpoints = cluster;
    }
    if (kind == FrontendKind::load_balancer) {
      one.source_ranges = state.source_ranges;
    }
    all.push_back(one);
  };
  add(FrontendKind::cluster_ip, 0x0A60'0001U + place, 80);
  add(FrontendKind::node_port, 0, static_cast<std::uint16_t>(30'000 + port));
  add(FrontendKind::external_ip, 0xC633'6401U + place, 80);
  add(FrontendKind::load_balancer, 0xCB00'7101U + place, 80);
  return all;
}

State any_state(std::mt19937& random, const State& before, bool with_affinity) {
  const auto below = [&random](std::size_t most) { return static_cast<std::size_t>(random() % most); };
  State state = before;
  state.where = std::array{Where::nowhere, Where::elsewhere, Where::here}.at(below(3));
  state.internal_local = below(2) == 0;
  state.external_local = below(2) == 0;
  state.affinity_seconds = with_affinity ? std::array{0U, 100U, 10'800U}.at(below(3)) : 0;
  state.first_endpoint = below(endpoints_of_a_port);
  if (below(4) == 0) {
    state.renamed = below(3);
  }
  if (below(6) == 0) {
    state.protocol = state.protocol == Protocol::tcp ? Protocol::udp : Protocol::tcp;
  }
  state.source_ranges.clear();
  for (const char* range : {"203.0.113.0/25", "10.0.0.0/8"}) {
    if (below(3) == 0) {
      state.source_ranges.emplace_back(range);
    }
  }
  return state;
}

// The change outlives its commit, which some planes look at it in.
void change(DataPlane& plane, Operation operation, const Service& service) {
  const Change one{operation, service};
  must(plane.stage(one));
  must(plane.commit());
}

// Makes the port what it is to be, one frontend after another; how many changes that took.
std::size_t go(DataPlane& plane, std::size_t port, const State& before, const State& after) {
  const Services old = frontends(port, before);
  const Services wanted = frontends(port, after);
  if (before.renamed == after.renamed && before.protocol == after.protocol) {
    for (const Service& service : wanted) {
      change(plane, Operation::change_endpoints, service);
    }
    return wanted.size();
  }
  for (const Service& service : old) {
    change(plane, Operation::remove_service, service);
  }
  for (const Service& service : wanted) {
    change(plane, Operation::add_service, service);
  }
  return old.size() + wanted.size();
}

std::string output_of(const std::vector<std::string>& argv) {
  const auto result = must(run_child(argv));
  REQUIRE_MESSAGE(result.exit_status == 0, result.err);
  return result.out;
}

// What the kernel holds by a tool's account. The order of rules that are for different services is that of
// their arrival, and the order of elements that of a hash: neither counts.
using Held = std::multiset<std::string>;

Held rules_of(const std::vector<std::string>& save) {
  Held held;
  std::istringstream lines(output_of(save));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with('#')) {
      held.insert(line.substr(0, line.find(" [")));
    }
  }
  return held;
}

Held tables_of_nft() {
  Held held;
  std::map<std::string, std::size_t> place;  // of the next rule in its chain
  for (auto& object : nlohmann::json::parse(output_of({"nft", "-j", "list", "ruleset"})).at("nftables")) {
    for (auto& [kind, value] : object.items()) {
      value.erase("handle");
      if (kind == "rule") {
        value["place"] = place[value.at("chain").get<std::string>()]++;
      }
      if (value.contains("elem")) {
        auto& elements = value["elem"];
        std::sort(elements.begin(), elements.end(),
                  [](const auto& a, const auto& b) { return a.dump() < b.dump(); });
      }
      held.insert(kind + value.dump());
    }
  }
  return held;
}

struct Walk {
  std::size_t changes = 0;
  bool with_affinity = true;
};

// As many changes, then the same services into the same plane at once: `held` tells one from the other.
void check_walk(DataPlane& plane, Walk walk, const std::function<Held()>& held) {
  std::mt19937 random(20'260'111);
  std::array<State, ports> states{};
  const auto services = [&states] {
    Services all;
    for (std::size_t port = 0; port < ports; ++port) {
      const Services own = frontends(port, states.at(port));
      all.insert(all.end(), own.begin(), own.end());
    }
    return all;
  };
  must(plane.install(services()));
  std::size_t made = 0;
  for (std::size_t step = 0; made < walk.changes; ++step) {
    const std::size_t port = random() % ports;
    const State next = any_state(random, states.at(port), walk.with_affinity);
    CAPTURE(step);
    made += go(plane, port, states.at(port), next);
    states.at(port) = next;
    if (step % 8 == 0) {
      test::check_holds(plane, services());
    }
  }
  // Once more, to nothing new: what went out of use at the last change may go now.
  made += go(plane, 0, states.at(0), states.at(0));
  MESSAGE(made << " changes");
  test::check_holds(plane, services());
  const Held after_changes = held();
  must(plane.install(services()));
  test::check_holds(plane, services());
  const Held fresh = held();
  CHECK(after_changes.size() == fresh.size());
  std::vector<std::string> differ;
  std::set_symmetric_difference(after_changes.begin(), after_changes.end(), fresh.begin(), fresh.end(),
                                std::back_inserter(differ));
  for (const std::string& line : differ) {
    CAPTURE(line);
    CHECK(after_changes.count(line) == fresh.count(line));
  }
}

PlaneConfiguration configuration() {
  PlaneConfiguration configuration;
  configuration.node_addresses = {Address::from_ipv4(0xC000'0207)};
  return configuration;
}

}  // namespace

TEST_CASE("transitions: nftables, from every state to any other") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const auto plane = must(make_nftables(configuration()));
    check_walk(*plane, {.changes = 1000}, tables_of_nft);
  });
}

TEST_CASE("transitions: nftables, other versions, from every state to any other") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    // Whole tables, and chains without endpoints' own.
    for (const char* version : {"1.30", "1.36"}) {
      CAPTURE(version);
      PlaneConfiguration of_version = configuration();
      of_version.kube_proxy.version = must(kube_proxy::Version::parse(version));
      of_version.endpoints_are_here = true;  // hairpins, which ports share
      const auto plane = must(make_nftables(of_version));
      check_walk(*plane, {.changes = 300}, tables_of_nft);
    }
  });
}

TEST_CASE("transitions: iptables, from every state to any other") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const auto plane = must(make_iptables_nft(configuration()));
    // Affinity needs the kernel's match `recent`, which not every one has.
    State affine;
    affine.where = Where::here;
    affine.affinity_seconds = 100;
    const bool with_affinity = plane->install(frontends(0, affine)).has_value();
    check_walk(*plane, {.changes = 200, .with_affinity = with_affinity},
               [] { return rules_of({"iptables-nft-save"}); });
  });
}

TEST_CASE("transitions: IPVS, from every state to any other, by either way") {
  if (!may_program_the_kernel()) {
    return;
  }
  for (const std::size_t way : {std::size_t{0}, std::size_t{1}}) {
    in_private_namespaces([way] {
      if (const Status probed = kube_proxy::probe_ipvs(); !probed) {
        MESSAGE(probed.error().message);
        return;
      }
      const auto plane = must(kube_proxy::make_ipvs(configuration()));
      must(plane->choose_way(way));
      // A sync of kube-proxy's is some 60 processes.
      check_walk(*plane, {.changes = way == 0 ? std::size_t{40} : std::size_t{300}}, [] {
        Held held = rules_of({"ipset", "save"});
        held.merge(rules_of({"iptables-save"}));
        return held;
      });
    });
  }
}

TEST_CASE("transitions: eBPF, from every state to any other") {
  if (!may_program_the_kernel()) {
    return;
  }
  EbpfOptions options;
  options.programs = false;
  std::vector<Service> most;
  State here;
  here.where = Where::here;
  for (std::size_t port = 0; port < ports; ++port) {
    const Services own = frontends(port, here);
    most.insert(most.end(), own.begin(), own.end());
  }
  options.capacity = MapCapacity::for_services(most);
  auto plane = must(EbpfPlane::load(options));
  std::mt19937 random(7);
  std::array<State, ports> states{};
  Services first;
  for (std::size_t port = 0; port < ports; ++port) {
    const Services own = frontends(port, states.at(port));
    first.insert(first.end(), own.begin(), own.end());
  }
  must(plane->install(first));
  for (std::size_t made = 0; made < 1000;) {
    const std::size_t port = random() % ports;
    const State next = any_state(random, states.at(port), true);
    made += go(*plane, port, states.at(port), next);
    states.at(port) = next;
  }
  CHECK(must(plane->entries()) == first.size());
  for (std::size_t port = 0; port < ports; ++port) {
    for (const Service& service : frontends(port, states.at(port))) {
      const auto found = must(plane->find(service.frontend));
      REQUIRE(found);
      CHECK(found->endpoints == service.endpoints);
      CHECK(found->affinity_seconds == service.affinity_seconds);
    }
  }
}

}  // namespace svcbench
