// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The text of kube-proxy's iptables rules: written, changed in parts, and read back. No kernel.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plane/kube_proxy/iptables.h"
#include "plane/kube_proxy/iptables_readback.h"
#include "plane/kube_proxy/iptables_rules.h"
#include "plane/kube_proxy/names.h"
#include "service/cluster.h"

namespace svcbench::kube_proxy {
namespace {

using Lines = std::vector<std::string>;
using Services = std::vector<Service>;
using Sync = IptablesRules::Sync;

Service service(std::string name, const std::string& address, std::uint16_t port, Lines endpoints,
                Protocol protocol = Protocol::tcp) {
  Service result;
  result.name = std::move(name);
  result.frontend = {*Address::parse(address), port, protocol};
  result.kind =
      result.frontend.address.is_unspecified() ? FrontendKind::node_port : FrontendKind::cluster_ip;
  for (const auto& endpoint : endpoints) {
    result.endpoints.push_back({*Address::parse(endpoint), 80});
  }
  return result;
}

Service svc4() { return service("ns4/svc4:p80", "172.30.0.44", 80, {"10.180.0.4", "10.180.0.5"}); }

// As many TCP services of as many endpoints each.
Services many(std::uint32_t count, std::uint32_t endpoints) {
  Services services;
  for (std::uint32_t i = 0; i < count; ++i) {
    Service one;
    one.name = fmt::format("bench/svc-{}", i);
    one.frontend = {Address::from_ipv4(0x0A600001U + i), 80, Protocol::tcp};
    for (std::uint32_t e = 0; e < endpoints; ++e) {
      one.endpoints.push_back({Address::from_ipv4(0x0AB40001U + i * endpoints + e), 8080});
    }
    services.push_back(one);
  }
  return services;
}

std::string full_input(const Services& services, Family family = Family::ipv4) {
  IptablesRules rules(family, PlaneConfiguration{});
  const auto replaced = rules.replace(services);
  REQUIRE_MESSAGE(replaced, replaced.error().message);
  return rules.restore_input(Sync::full);
}

// "*nat" or "*filter" to its COMMIT.
std::string table_of(const std::string& input, const std::string& table) {
  const auto start = input.find("*" + table + "\n");
  REQUIRE(start != std::string::npos);
  return input.substr(start, input.find("COMMIT\n", start) + 7 - start);
}

Lines lines_with(const std::string& text, const std::string& start) {
  Lines lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) {
    if (line.starts_with(start)) {
      lines.push_back(line);
    }
  }
  return lines;
}

Lines nat_rules(const std::string& input) { return lines_with(table_of(input, "nat"), "-A "); }

void replace_in(std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE_MESSAGE(at != std::string::npos, from);
  text.replace(at, from.size(), to);
}

// A kernel that knows what iptables-restore --noflush does to chains.
struct Tables {
  std::map<std::string, Lines> nat, filter;

  void restore(const std::string& input) {
    restore(nat, table_of(input, "nat"));
    restore(filter, table_of(input, "filter"));
  }
  static void restore(std::map<std::string, Lines>& chains, const std::string& text) {
    std::istringstream input(text);
    for (std::string line; std::getline(input, line);) {
      const auto chain =
          line.substr(line.starts_with(':') ? 1 : 3, line.find(' ', 3) - (line[0] == ':' ? 1 : 3));
      if (line.starts_with(':')) {
        chains[chain].clear();
      } else if (line.starts_with("-A ")) {
        REQUIRE_MESSAGE(chains.contains(chain), line);
        chains[chain].push_back(line);
      } else if (line.starts_with("-X ")) {
        REQUIRE_MESSAGE(chains.contains(chain), line);
        CHECK_MESSAGE(chains[chain].empty(), line);
        chains.erase(chain);
      }
    }
    for (const auto& [name, rules] : chains) {
      for (const auto& rule : rules) {
        const auto jump = rule.rfind("-j KUBE-");
        CHECK_MESSAGE((jump == std::string::npos || chains.contains(rule.substr(jump + 3))), rule);
      }
    }
  }
  bool operator==(const Tables&) const = default;
};

}  // namespace

TEST_CASE("kube-proxy iptables: the rules of its own example, byte for byte") {
  CHECK(table_of(full_input({svc4()}), "nat") ==
        R"(*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-SVC-4SW47YFZTEDKD3PK - [0:0]
:KUBE-SEP-UKSFD7AGPMPPLUHC - [0:0]
:KUBE-SEP-C6EBXVWJJZMIWKLZ - [0:0]
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000
-A KUBE-SERVICES -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp -p tcp -d 172.30.0.44 --dport 80 -j KUBE-SVC-4SW47YFZTEDKD3PK
-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp -p tcp -d 172.30.0.44 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ
-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-UKSFD7AGPMPPLUHC
-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80" -j KUBE-SEP-C6EBXVWJJZMIWKLZ
-A KUBE-SEP-UKSFD7AGPMPPLUHC -m comment --comment ns4/svc4:p80 -s 10.180.0.4 -j KUBE-MARK-MASQ
-A KUBE-SEP-UKSFD7AGPMPPLUHC -m comment --comment ns4/svc4:p80 -m tcp -p tcp -j DNAT --to-destination 10.180.0.4:80
-A KUBE-SEP-C6EBXVWJJZMIWKLZ -m comment --comment ns4/svc4:p80 -s 10.180.0.5 -j KUBE-MARK-MASQ
-A KUBE-SEP-C6EBXVWJJZMIWKLZ -m comment --comment ns4/svc4:p80 -m tcp -p tcp -j DNAT --to-destination 10.180.0.5:80
-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
COMMIT
)");
}

TEST_CASE("kube-proxy iptables: the filter table's base") {
  CHECK(table_of(full_input({svc4()}), "filter") ==
        R"(*filter
:KUBE-SERVICES - [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-FIREWALL - [0:0]
-A KUBE-FIREWALL -m comment --comment "block incoming localnet connections" -d 127.0.0.0/8 ! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
COMMIT
)");
}

TEST_CASE("kube-proxy iptables: a NodePort and a ClusterIP of one port share its chain") {
  auto node_port = service("ns4/svc4:p80", "0.0.0.0", 30080, {"10.180.0.4", "10.180.0.5"});
  const auto alone = nat_rules(full_input({svc4()}));
  const auto both = nat_rules(full_input({svc4(), node_port}));
  Lines more;
  for (const auto& line : both) {
    if (std::find(alone.begin(), alone.end(), line) == alone.end()) {
      more.push_back(line);
    }
  }
  CHECK(both.size() == alone.size() + 3);
  CHECK(
      more ==
      Lines{
          R"(-A KUBE-EXT-4SW47YFZTEDKD3PK -m comment --comment "masquerade traffic for ns4/svc4:p80 external destinations" -j KUBE-MARK-MASQ)",
          "-A KUBE-EXT-4SW47YFZTEDKD3PK -j KUBE-SVC-4SW47YFZTEDKD3PK",
          "-A KUBE-NODEPORTS -m comment --comment ns4/svc4:p80 -m tcp -p tcp --dport 30080 -j "
          "KUBE-EXT-4SW47YFZTEDKD3PK"});

  node_port.endpoints.pop_back();
  IptablesRules rules(Family::ipv4, PlaneConfiguration{});
  const auto other = rules.replace(Services{svc4(), node_port});
  REQUIRE(!other);
  CHECK(other.error().message.find("different endpoints") != std::string::npos);
}

TEST_CASE("kube-proxy iptables: without endpoints there is a REJECT and no chain") {
  const auto input =
      full_input({service("ns1/a:p", "172.30.0.41", 80, {}), service("ns1/a:p", "0.0.0.0", 3001, {}),
                  service("ns1/b:q", "172.30.0.42", 53, {}, Protocol::udp)});
  CHECK(nat_rules(input).size() == 5);
  CHECK(input.find("KUBE-SVC-") == std::string::npos);
  CHECK(
      lines_with(table_of(input, "filter"), "-A KUBE-SERVICES") ==
      Lines{
          R"(-A KUBE-SERVICES -m comment --comment "ns1/a:p has no endpoints" -m tcp -p tcp -d 172.30.0.41 --dport 80 -j REJECT)",
          R"(-A KUBE-SERVICES -m comment --comment "ns1/b:q has no endpoints" -m udp -p udp -d 172.30.0.42 --dport 53 -j REJECT)"});
  CHECK(
      lines_with(table_of(input, "filter"), "-A KUBE-EXTERNAL-SERVICES") ==
      Lines{
          R"(-A KUBE-EXTERNAL-SERVICES -m comment --comment "ns1/a:p has no endpoints" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 3001 -j REJECT)"});
}

TEST_CASE("kube-proxy iptables: IPv6") {
  const auto rules = nat_rules(full_input(
      {service("ns6/svc6:p", "fd00:96::a", 53, {"fd00:180::1"}, Protocol::udp), svc4()}, Family::ipv6));
  REQUIRE(rules.size() == 5 + 2 + 3);
  const auto id = hashed("ns6/svc6:pudp", 16);
  const auto end = hashed("ns6/svc6:pudp[fd00:180::1]:80", 16);
  CHECK(
      Lines(rules.begin() + 4, rules.end()) ==
      Lines{
          R"(-A KUBE-SERVICES -m comment --comment "ns6/svc6:p cluster IP" -m udp -p udp -d fd00:96::a --dport 53 -j KUBE-SVC-)" +
              id,
          "-A KUBE-SVC-" + id +
              R"( -m comment --comment "ns6/svc6:p cluster IP" -m udp -p udp -d fd00:96::a --dport 53 ! -s fd00::/8 -j KUBE-MARK-MASQ)",
          "-A KUBE-SVC-" + id + R"( -m comment --comment "ns6/svc6:p -> [fd00:180::1]:80" -j KUBE-SEP-)" +
              end,
          "-A KUBE-SEP-" + end + " -m comment --comment ns6/svc6:p -s fd00:180::1 -j KUBE-MARK-MASQ",
          "-A KUBE-SEP-" + end +
              " -m comment --comment ns6/svc6:p -m udp -p udp -j DNAT --to-destination [fd00:180::1]:80",
          "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the "
          "last rule in this chain\" -m addrtype --dst-type LOCAL ! -d ::1/128 -j KUBE-NODEPORTS"});
}

TEST_CASE("kube-proxy iptables: 5 + S(2 + 3E) rules, as kube-proxy's own metric counts them") {
  for (const auto& [s, e] : {std::pair{0U, 0U}, {1U, 1U}, {10U, 10U}, {100U, 3U}, {1000U, 10U}}) {
    const auto services = many(s, e);
    IptablesRules rules(Family::ipv4, PlaneConfiguration{});
    REQUIRE(rules.replace(services));
    const std::size_t expected = 5 + s * (2 + 3 * e);
    CHECK(rules.counts() == RuleCounts{s, expected, 4});
    const auto input = rules.restore_input(Sync::full);
    CHECK(nat_rules(input).size() == expected);
    CHECK(lines_with(input, ":KUBE-S").size() == 2 + s * (1 + e));  // KUBE-SERVICES in two tables
  }
  IptablesRules rules(Family::ipv4, PlaneConfiguration{});
  REQUIRE(rules.replace(many(10, 10)));
  CHECK(rules.counts().nat == 325);
}

TEST_CASE("kube-proxy iptables: probabilities") {
  CHECK(probability_text(2) == "0.5000000000");
  CHECK(probability_text(3) == "0.3333333333");
  CHECK(probability_text(10) == "0.1000000000");
  CHECK(probability_text(100001) == "0.0000099999");
  const auto jumps = lines_with(full_input(many(1, 4)), "-A KUBE-SVC-");
  REQUIRE(jumps.size() == 5);
  CHECK(jumps[1].find(" --mode random --probability 0.2500000000 -j ") != std::string::npos);
  CHECK(jumps[2].find(" --mode random --probability 0.3333333333 -j ") != std::string::npos);
  CHECK(jumps[3].find(" --mode random --probability 0.5000000000 -j ") != std::string::npos);
  CHECK(jumps[4].find("statistic") == std::string::npos);
}

TEST_CASE("kube-proxy iptables: above 1,000 endpoints comments are left out of the endpoints' rules") {
  const auto with = full_input(many(100, 10));
  CHECK(lines_with(with, "-A KUBE-SEP-")[0].find(" -m comment --comment bench/svc-0 -s ") !=
        std::string::npos);
  auto services = many(100, 10);
  services[0].endpoints.push_back({Address::from_ipv4(0x0AC00001U), 80});
  const auto without = full_input(services);
  for (const auto& line : lines_with(without, "-A KUBE-SEP-")) {
    CHECK(line.find("comment") == std::string::npos);
  }
  for (const auto& line : lines_with(without, "-A KUBE-SVC-")) {
    // That of the cluster IP's mark stays.
    CHECK((line.find("comment") != std::string::npos) == line.ends_with("-j KUBE-MARK-MASQ"));
  }
  for (const auto& line : lines_with(without, "-A KUBE-SERVICES")) {
    CHECK(line.find("comment") != std::string::npos);
  }
}

TEST_CASE("kube-proxy iptables: the order is that of the services given") {
  auto services = many(5, 1);
  std::reverse(services.begin(), services.end());
  IptablesRules rules(Family::ipv4, PlaneConfiguration{});
  REQUIRE(rules.replace(services));
  const auto order = [&] {
    std::string names;
    for (const auto& line : lines_with(rules.restore_input(Sync::partial), "-A KUBE-SERVICES -m comment")) {
      const auto at = line.find("bench/svc-");
      names += at == std::string::npos ? '.' : line[at + 10];
    }
    return names;
  };
  CHECK(order() == "43210.");
  rules.synced();
  services[1].endpoints[0].port = 9;
  REQUIRE(rules.apply({Operation::change_endpoints, services[1]}));
  CHECK(order() == "43210.");
  REQUIRE(rules.apply({Operation::remove_service, services[2]}));
  CHECK(order() == "4310.");
  REQUIRE(rules.apply({Operation::add_service, services[2]}));
  CHECK(order() == "43102.");
}

TEST_CASE("kube-proxy iptables: a partial sync has every portal, and the chains of what changed") {
  auto services = many(20, 3);
  IptablesRules rules(Family::ipv4, PlaneConfiguration{});
  REQUIRE(rules.replace(services));
  // The kernel knows nothing yet: everything.
  CHECK(rules.restore_input(Sync::partial) == rules.restore_input(Sync::full));
  rules.synced();
  CHECK(lines_with(rules.restore_input(Sync::partial), ":KUBE-SVC-").empty());

  const auto gone = endpoint_chain(services[7], services[7].endpoints[1]);
  services[7].endpoints[1].port = 9;
  const auto come = endpoint_chain(services[7], services[7].endpoints[1]);
  REQUIRE(rules.apply({Operation::change_endpoints, services[7]}));
  const auto input = rules.restore_input(Sync::partial);
  CHECK(lines_with(input, "-A KUBE-SERVICES").size() == 21);
  CHECK(lines_with(input, ":KUBE-SVC-") ==
        Lines{":" + service_chain("KUBE-SVC-", services[7]) + " - [0:0]"});
  CHECK(lines_with(input, ":KUBE-SEP-").size() == 4);
  CHECK(lines_with(input, "-A KUBE-SEP-").size() == 6);
  CHECK(lines_with(input, ":" + gone).size() == 1);
  CHECK(lines_with(input, ":" + come).size() == 1);
  CHECK(lines_with(input, "-X ") == Lines{"-X " + gone});
  // A sync that did not succeed is made up for by the next.
  services[8].endpoints.clear();
  REQUIRE(rules.apply({Operation::change_endpoints, services[8]}));
  CHECK(lines_with(rules.restore_input(Sync::partial), "-A " + come).size() == 2);
  CHECK(lines_with(rules.restore_input(Sync::partial), "-X ").size() == 1 + 4);
  rules.synced();
  CHECK(lines_with(rules.restore_input(Sync::full), "-X ").empty());
}

TEST_CASE("kube-proxy iptables: partial and full syncs end where a fresh install does") {
  for (const Sync sync : {Sync::partial, Sync::full}) {
    auto services = many(30, 2);
    services.insert(services.begin() + 3, services[4]);
    services[3].frontend = {Address::from_ipv4(0), 30004, Protocol::tcp};  // NodePort, of what comes next
    services.push_back(service("ns/none:p", "172.30.0.1", 80, {}));
    IptablesRules rules(Family::ipv4, PlaneConfiguration{});
    REQUIRE(rules.replace(services));
    Tables tables;
    tables.restore(rules.restore_input(sync));
    rules.synced();
    const auto check = [&] {
      tables.restore(rules.restore_input(sync));
      rules.synced();
      Tables fresh;
      fresh.restore(full_input(services));
      CHECK(tables == fresh);
      CHECK(nat_rules(full_input(services)).size() == rules.counts().nat);
    };
    const auto apply = [&](Operation operation, const Service& changed) {
      const auto applied = rules.apply({operation, changed});
      REQUIRE_MESSAGE(applied, applied.error().message);
    };
    services[9].endpoints.push_back({Address::from_ipv4(0x0AC00001U), 80});
    apply(Operation::change_endpoints, services[9]);
    check();
    services[9].endpoints = {{Address::from_ipv4(0x0AC00002U), 80}};
    apply(Operation::change_endpoints, services[9]);
    check();
    std::swap(services[10].endpoints[0], services[10].endpoints[1]);
    apply(Operation::change_endpoints, services[10]);
    check();
    services[9].endpoints.clear();
    apply(Operation::change_endpoints, services[9]);
    check();
    services.back().endpoints = {{Address::from_ipv4(0x0AC00003U), 80}};
    apply(Operation::change_endpoints, services.back());
    check();
    // Through the ClusterIP, for both frontends of the port.
    services[3].endpoints = services[5].endpoints = {{Address::from_ipv4(0x0AC00004U), 80}};
    apply(Operation::change_endpoints, services[5]);
    check();
    // The port's first frontend goes, and comes back at the end.
    const auto node_port = services[3];
    services.erase(services.begin() + 3);
    apply(Operation::remove_service, node_port);
    check();
    services.push_back(node_port);
    apply(Operation::add_service, node_port);
    check();
    // Gone and back before the sync.
    apply(Operation::remove_service, node_port);
    apply(Operation::add_service, node_port);
    check();
    // The ClusterIP goes and its NodePort stays: the mark must go from the chain that they share.
    const auto cluster_ip = services[4];
    services.erase(services.begin() + 4);
    apply(Operation::remove_service, cluster_ip);
    check();
    services.push_back(cluster_ip);
    apply(Operation::add_service, cluster_ip);
    check();
    // Both go in one sync, and one of them returns in the same.
    std::erase(services, node_port);
    apply(Operation::remove_service, node_port);
    apply(Operation::remove_service, cluster_ip);
    apply(Operation::add_service, cluster_ip);
    check();
    // Another set altogether.
    services = many(10, 3);
    services[2].name = "bench/other";
    REQUIRE(rules.replace(services));
    check();
  }
}

namespace {

// All frontends of tests/data/policies.json on that node, of one family.
Services policies(const std::string& node, Family family) {
  auto cluster = read_cluster(SVCBENCH_TEST_DATA "/policies.json", {.node = node});
  REQUIRE_MESSAGE(cluster, cluster.error().message);
  std::erase_if(cluster->services,
                [&](const Service& one) { return one.frontend.address.family != family; });
  return cluster->services;
}

Service& at(Services& services, const std::string& frontend) {
  const auto found = std::find_if(services.begin(), services.end(), [&](const Service& service) {
    return service.frontend.text() == frontend;
  });
  REQUIRE_MESSAGE(found != services.end(), frontend);
  return *found;
}

// Rules of a table that mention the service's name or a chain of its port, but for those of endpoints.
Lines rules_of(const std::string& input, const std::string& table, const Service& named) {
  const auto id = service_chain("", named);
  Lines lines;
  for (auto& line : lines_with(table_of(input, table), "-A ")) {
    if (!line.starts_with("-A KUBE-SEP-") &&
        (line.find(named.name + " ") != std::string::npos || line.find(id) != std::string::npos)) {
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace

TEST_CASE("kube-proxy iptables: a Local policy, external addresses and the node's own packets") {
  auto services = policies("node-a", Family::ipv4);
  const auto input = full_input(services);
  // ns2/svc2 of kube-proxy's own tests has these rules.
  const Service& edge = at(services, "10.96.1.1:80/TCP");
  const auto id = service_chain("", edge);
  const auto sep = [&](const char* address) {
    return endpoint_chain(edge, {*Address::parse(address), 8080});
  };
  CHECK(rules_of(input, "filter", edge).empty());
  CHECK(
      rules_of(input, "nat", edge) ==
      Lines{
          R"(-A KUBE-SERVICES -m comment --comment "shop/edge:http cluster IP" -m tcp -p tcp -d 10.96.1.1 --dport 80 -j KUBE-SVC-)" +
              id,
          "-A KUBE-SVC-" + id +
              R"( -m comment --comment "shop/edge:http cluster IP" -m tcp -p tcp -d 10.96.1.1 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ)",
          "-A KUBE-EXT-" + id +
              R"( -m comment --comment "pod traffic for shop/edge:http external destinations" -s 10.0.0.0/8 -j KUBE-SVC-)" +
              id,
          "-A KUBE-EXT-" + id +
              R"( -m comment --comment "masquerade LOCAL traffic for shop/edge:http external destinations" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ)",
          "-A KUBE-EXT-" + id +
              R"( -m comment --comment "route LOCAL traffic for shop/edge:http external destinations" -m addrtype --src-type LOCAL -j KUBE-SVC-)" +
              id,
          "-A KUBE-EXT-" + id + " -j KUBE-SVL-" + id,
          "-A KUBE-SVC-" + id +
              R"( -m comment --comment "shop/edge:http -> 10.244.1.1:8080" -m statistic --mode random --probability 0.3333333333 -j )" +
              sep("10.244.1.1"),
          "-A KUBE-SVC-" + id +
              R"( -m comment --comment "shop/edge:http -> 10.244.1.2:8080" -m statistic --mode random --probability 0.5000000000 -j )" +
              sep("10.244.1.2"),
          "-A KUBE-SVC-" + id + R"( -m comment --comment "shop/edge:http -> 10.244.2.1:8080" -j )" +
              sep("10.244.2.1"),
          "-A KUBE-SVL-" + id +
              R"( -m comment --comment "shop/edge:http -> 10.244.1.1:8080" -m statistic --mode random --probability 0.5000000000 -j )" +
              sep("10.244.1.1"),
          "-A KUBE-SVL-" + id + R"( -m comment --comment "shop/edge:http -> 10.244.1.2:8080" -j )" +
              sep("10.244.1.2"),
          "-A KUBE-NODEPORTS -m comment --comment shop/edge:http -m tcp -p tcp --dport 31080 -j KUBE-EXT-" +
              id,
          R"(-A KUBE-SERVICES -m comment --comment "shop/edge:http external IP" -m tcp -p tcp -d 192.0.2.10 --dport 80 -j KUBE-EXT-)" +
              id,
          R"(-A KUBE-SERVICES -m comment --comment "shop/edge:http loadbalancer IP" -m tcp -p tcp -d 203.0.113.10 --dport 80 -j KUBE-EXT-)" +
              id});
}

TEST_CASE("kube-proxy iptables: endpoints on other nodes only are dropped from outside, none are refused") {
  auto services = policies("node-a", Family::ipv4);
  const auto input = full_input(services);
  const Service& edge = at(services, "10.96.1.2:80/TCP");
  CHECK(
      rules_of(input, "filter", edge) ==
      Lines{
          R"(-A KUBE-EXTERNAL-SERVICES -m comment --comment "shop/edge-b:http has no local endpoints" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 31081 -j DROP)",
          R"(-A KUBE-EXTERNAL-SERVICES -m comment --comment "shop/edge-b:http has no local endpoints" -m tcp -p tcp -d 203.0.113.11 --dport 80 -j DROP)"});
  const auto id = service_chain("", edge);
  CHECK(lines_with(input, ":KUBE-SVL-" + id).empty());
  const auto external = lines_with(input, "-A KUBE-EXT-" + id);
  REQUIRE(external.size() == 3);  // what the node and its pods send, and nothing else
  CHECK(external[2].ends_with("--src-type LOCAL -j KUBE-SVC-" + id));

  CHECK(
      rules_of(input, "filter", at(services, "10.96.1.5:80/TCP")) ==
      Lines{
          R"(-A KUBE-SERVICES -m comment --comment "kube-system/agent:api has no local endpoints" -m tcp -p tcp -d 10.96.1.5 --dport 80 -j DROP)"});
  CHECK(rules_of(input, "nat", at(services, "10.96.1.5:80/TCP")).empty());

  const auto refused = rules_of(input, "filter", at(services, "10.96.1.7:80/TCP"));
  REQUIRE(refused.size() == 4);
  for (const auto& line : refused) {
    CHECK(line.find("shop/empty:http has no endpoints") != std::string::npos);
    CHECK(line.ends_with("-j REJECT"));
  }
  CHECK(rules_of(input, "nat", at(services, "10.96.1.7:80/TCP")).empty());
}

TEST_CASE("kube-proxy iptables: session affinity") {
  auto sticky = svc4();
  sticky.affinity_seconds = 10800;
  const auto rules = nat_rules(full_input({sticky}));
  REQUIRE(rules.size() == 5 + 2 + 4 * 2);
  CHECK(
      Lines(rules.begin() + 5, rules.end() - 1) ==
      Lines{
          R"(-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 cluster IP" -m tcp -p tcp -d 172.30.0.44 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ)",
          R"(-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80" -m recent --name KUBE-SEP-UKSFD7AGPMPPLUHC --rcheck --seconds 10800 --reap -j KUBE-SEP-UKSFD7AGPMPPLUHC)",
          R"(-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80" -m recent --name KUBE-SEP-C6EBXVWJJZMIWKLZ --rcheck --seconds 10800 --reap -j KUBE-SEP-C6EBXVWJJZMIWKLZ)",
          R"(-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.4:80" -m statistic --mode random --probability 0.5000000000 -j KUBE-SEP-UKSFD7AGPMPPLUHC)",
          R"(-A KUBE-SVC-4SW47YFZTEDKD3PK -m comment --comment "ns4/svc4:p80 -> 10.180.0.5:80" -j KUBE-SEP-C6EBXVWJJZMIWKLZ)",
          "-A KUBE-SEP-UKSFD7AGPMPPLUHC -m comment --comment ns4/svc4:p80 -s 10.180.0.4 -j KUBE-MARK-MASQ",
          "-A KUBE-SEP-UKSFD7AGPMPPLUHC -m comment --comment ns4/svc4:p80 -m recent --name "
          "KUBE-SEP-UKSFD7AGPMPPLUHC --set -m tcp -p tcp -j DNAT --to-destination 10.180.0.4:80",
          "-A KUBE-SEP-C6EBXVWJJZMIWKLZ -m comment --comment ns4/svc4:p80 -s 10.180.0.5 -j KUBE-MARK-MASQ",
          "-A KUBE-SEP-C6EBXVWJJZMIWKLZ -m comment --comment ns4/svc4:p80 -m recent --name "
          "KUBE-SEP-C6EBXVWJJZMIWKLZ --set -m tcp -p tcp -j DNAT --to-destination 10.180.0.5:80"});
}

TEST_CASE("kube-proxy iptables: every policy is counted and read back, on each node") {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (const std::string node : {"node-a", "node-b", "node-c", ""}) {
      CAPTURE(node);
      const auto services = policies(node, family);
      const auto input = full_input(services, family);
      IptablesRules rules(family, PlaneConfiguration{});
      REQUIRE(rules.replace(services));
      CHECK(rules.counts() == RuleCounts{services.size(), nat_rules(input).size(),
                                         lines_with(table_of(input, "filter"), "-A ").size()});
      const auto saved = parse_saved(table_of(input, "nat"), table_of(input, "filter"), family);
      REQUIRE_MESSAGE(saved, saved.error().message);
      CHECK(saved->services.size() == services.size());
      const KubeProxyIptables plane(IptablesBackend{}, {});
      for (const Service& service : services) {
        const auto found =
            std::find_if(saved->services.begin(), saved->services.end(),
                         [&](const Service& other) { return other.frontend == service.frontend; });
        REQUIRE_MESSAGE(found != saved->services.end(), service.frontend.text());
        CHECK_MESSAGE(*found == plane.programmed(service), service.frontend.text());
      }
    }
  }
}

TEST_CASE("kube-proxy iptables: changes of policy, affinity and addresses end where a fresh install does") {
  for (const Sync sync : {Sync::partial, Sync::full}) {
    auto services = policies("node-a", Family::ipv4);
    IptablesRules rules(Family::ipv4, PlaneConfiguration{});
    REQUIRE(rules.replace(services));
    Tables tables;
    tables.restore(rules.restore_input(sync));
    rules.synced();
    const auto check = [&] {
      tables.restore(rules.restore_input(sync));
      rules.synced();
      Tables fresh;
      fresh.restore(full_input(services));
      CHECK(tables == fresh);
      CHECK(nat_rules(full_input(services)).size() == rules.counts().nat);
    };
    // Of all frontends of a port alike: what the cluster's object says.
    const auto change = [&](const std::string& name, const auto& edit) {
      for (Service& service : services) {
        if (service.name == name) {
          edit(service);
          const auto applied = rules.apply({Operation::change_endpoints, service});
          REQUIRE_MESSAGE(applied, applied.error().message);
        }
      }
      check();
    };
    change("shop/web:http", [](Service& service) { service.affinity_seconds = 0; });
    change("shop/web:http", [](Service& service) { service.affinity_seconds = 60; });
    change("shop/edge:http", [](Service& service) {  // this node's last endpoint goes
      if (service.local_only) {
        service.endpoints.clear();
      }
    });
    change("shop/edge:http", [](Service& service) {
      if (service.local_only) {
        service.endpoints = {service.cluster_endpoints[0]};
      }
    });
    change("shop/edge:http", [](Service& service) {
      if (service.local_only) {
        service.endpoints = service.cluster_endpoints;
        service.cluster_endpoints.clear();
        service.local_only = false;
      }
    });
    const auto remove = [&](const std::string& frontend) {
      const Service gone = at(services, frontend);
      std::erase(services, gone);
      REQUIRE(rules.apply({Operation::remove_service, gone}));
      check();
      return gone;
    };
    for (const char* frontend : {"192.0.2.11:80/TCP", "203.0.113.11:80/TCP", "0.0.0.0:31081/TCP",
                                 "192.0.2.13:80/TCP", "0.0.0.0:31083/TCP", "10.96.1.5:80/TCP"}) {
      const Service gone = remove(frontend);
      services.push_back(gone);
      REQUIRE(rules.apply({Operation::add_service, gone}));
      check();
    }
    remove("0.0.0.0:31083/TCP");
    remove("192.0.2.13:80/TCP");
  }
}

TEST_CASE("kube-proxy iptables: what is written is read back") {
  Services services = many(20, 3);
  services.push_back(svc4());
  services.push_back(service("ns4/svc4:p80", "0.0.0.0", 30080, {"10.180.0.4", "10.180.0.5"}));
  services.push_back(service("ns/none:p", "172.30.0.1", 80, {}));
  services.push_back(service("ns/none:p", "0.0.0.0", 30081, {}));
  const auto input = full_input(services);
  const auto saved = parse_saved(table_of(input, "nat"), table_of(input, "filter"), Family::ipv4);
  REQUIRE_MESSAGE(saved, saved.error().message);
  CHECK(saved->services == services);
  CHECK(saved->nat == 5 + 20 * 11 + 8 + 3);
  CHECK(saved->filter == 4 + 2);
}

TEST_CASE("kube-proxy iptables: every part of a service's rules is looked at") {
  const auto input =
      full_input({svc4(), service("ns4/svc4:p80", "0.0.0.0", 30080, {"10.180.0.4", "10.180.0.5"}),
                  service("ns/none:p", "172.30.0.1", 80, {})});
  const auto refused = [&](const std::string& table, const std::string& from, const std::string& to) {
    auto text = table_of(input, table);
    replace_in(text, from, to);
    const auto saved = table == "nat" ? parse_saved(text, table_of(input, "filter"), Family::ipv4)
                                      : parse_saved(table_of(input, "nat"), text, Family::ipv4);
    CHECK_MESSAGE(!saved, from << " instead of " << to);
    return saved ? "" : saved.error().message;
  };
  CHECK(refused("nat", "--to-destination 10.180.0.5:80", "--to-destination 10.180.0.6:80")
            .find("10.180.0.6") != std::string::npos);
  refused("nat", "--to-destination 10.180.0.5:80", "--to-destination 10.180.0.5:81");
  refused("nat", "-s 10.180.0.4 ", "-s 10.180.0.5 ");
  CHECK(refused("nat", "0.5000000000", "0.5000001000").find("1/2") != std::string::npos);
  refused("nat", "-m statistic --mode random --probability 0.5000000000 ", "");
  refused("nat", "-m tcp -p tcp -d 172.30.0.44 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ",
          "-m tcp -p tcp -d 172.30.0.45 --dport 80 ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ");
  refused("nat", "-j KUBE-SEP-C6EB",
          "-m statistic --mode random --probability 1.0000000000 -j KUBE-SEP-C6EB");
  refused("nat", "! -s 10.0.0.0/8", "-s 10.0.0.0/8");
  refused("nat", "--dport 80 -j KUBE-SVC-4SW47YFZTEDKD3PK", "--dport 80 -j KUBE-SVC-AAAAAAAAAAAAAAAA");
  refused("nat", "\"ns4/svc4:p80 cluster IP\"", "\"ns4/svc5:p80 cluster IP\"");
  refused("nat", "external destinations\" -j KUBE-MARK-MASQ", "external destinations\" -j RETURN");
  refused("nat", "-A KUBE-EXT-4SW47YFZTEDKD3PK -j", "-A KUBE-EXT-4SW47YFZTEDKD3PK -s 10.0.0.1 -j");
  refused("nat", "--dport 30080", "-m limit --limit 1/s --dport 30080");
  refused("nat", "--dst-type LOCAL", "--dst-type UNICAST");
  refused("nat", "-p tcp -j DNAT", "-p udp -j DNAT");
  refused("filter", "-j REJECT", "-j DROP");
  refused("filter", "has no endpoints", "has no local endpoints");
  refused("filter", "has no endpoints", "has no endpoint");
  // Right in itself, but under another name than its service's.
  auto renamed = table_of(full_input({svc4()}), "nat");
  for (int i = 0; i < 5; ++i) {
    replace_in(renamed, "KUBE-SVC-4SW47YFZTEDKD3PK", "KUBE-SVC-AAAAAAAAAAAAAAAA");
  }
  CHECK(renamed.find("KUBE-SVC-4SW47") == std::string::npos);
  CHECK(!parse_saved(renamed, "", Family::ipv4));
  // The kernel's rounding is not a difference: this is how it keeps 1/3.
  auto thirds = table_of(full_input(many(1, 3)), "nat");
  replace_in(thirds, "0.3333333333", "0.33333333349");
  CHECK(parse_saved(thirds, "", Family::ipv4));
}

TEST_CASE("kube-proxy iptables: every part of a policy's rules is looked at") {
  const auto input = full_input(policies("node-a", Family::ipv4));
  const auto refused = [&](const std::string& table, const std::string& from, const std::string& to) {
    auto text = table_of(input, table);
    replace_in(text, from, to);
    const auto saved = table == "nat" ? parse_saved(text, table_of(input, "filter"), Family::ipv4)
                                      : parse_saved(table_of(input, "nat"), text, Family::ipv4);
    CHECK_MESSAGE(!saved, from << " instead of " << to);
  };
  const std::string pods = "\"pod traffic for shop/edge:http external destinations\" -s 10.0.0.0/8";
  refused("nat", pods, pods.substr(0, pods.find(" -s")));
  refused("nat", "edge:http external destinations\" -m addrtype --src-type LOCAL -j KUBE-MARK-MASQ",
          "edge:http external destinations\" -m addrtype --src-type LOCAL -j RETURN");
  refused("nat", "edge:http external destinations\" -m addrtype --src-type LOCAL -j KUBE-SVC-",
          "edge:http external destinations\" -m addrtype --dst-type LOCAL -j KUBE-SVC-");
  refused("nat", "--rcheck --seconds 600 --reap", "");
  refused("nat", "--rcheck --seconds 600 --reap", "--rcheck --seconds 601 --reap");
  refused("nat", " --set ", " ");
  refused("filter", "-j DROP", "-j REJECT");
  refused("filter", "has no local endpoints\" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 31081",
          "has no local endpoints\" -m addrtype --dst-type LOCAL -m tcp -p tcp --dport 31082");
  refused("nat", "external IP\"", "internal IP\"");
}

TEST_CASE("kube-proxy iptables: what cannot be told apart or written is refused") {
  IptablesRules rules(Family::ipv4, PlaneConfiguration{});
  const auto refused = [&](const Services& services) {
    const auto replaced = rules.replace(services);
    REQUIRE(!replaced);
    return replaced.error().message;
  };
  CHECK(refused({svc4(), svc4()}).find("two services have the frontend") != std::string::npos);
  auto other = svc4();
  other.frontend.port = 81;
  CHECK(refused({svc4(), other}).find("both ClusterIPs of ns4/svc4:p80") != std::string::npos);
  CHECK(refused({service("a b", "172.30.0.1", 80, {})}).find("no iptables comment") != std::string::npos);
  CHECK(refused({service("a\nCOMMIT", "172.30.0.1", 80, {})}).find('\n') == std::string::npos);
  CHECK(refused({service("", "172.30.0.1", 80, {})}).find("172.30.0.1:80/TCP") != std::string::npos);
  CHECK(refused({service("a", "172.30.0.1", 80, {"10.0.0.1", "10.0.0.1"})}).find("twice") !=
        std::string::npos);
  CHECK(refused({service("a", "172.30.0.1", 80, {"fd00::1"})}).find("[fd00::1]:80") != std::string::npos);
  other = svc4();
  other.frontend.protocol = Protocol::udp;
  CHECK(rules.replace(Services{svc4(), other}));
  CHECK(!rules.apply({Operation::add_service, svc4()}));
  CHECK(rules.apply({Operation::remove_service, other}));
  CHECK(!rules.apply({Operation::remove_service, other}));
  CHECK(!rules.apply({Operation::change_endpoints, other}));
  other = svc4();
  other.name = "ns4/other:p80";
  CHECK(!rules.apply({Operation::change_endpoints, other}));
  CHECK(rules.counts() == RuleCounts{1, 5 + 2 + 6, 4});
}

TEST_CASE("kube-proxy iptables plane: ways, and what of a service it programs") {
  KubeProxyIptables plane({"/bin/false", "/bin/false", "", "", "iptables-test", "nft"}, {});
  REQUIRE(plane.ways().size() == 2);
  CHECK(plane.ways()[0] == "partial");
  CHECK(plane.ways()[1] == "full");
  CHECK(plane.choose_way(1));
  CHECK(!plane.choose_way(2));
  CHECK(plane.programmed(svc4()) == svc4());
  const auto refused = plane.install(Services{svc4()});
  REQUIRE(!refused);
  CHECK(refused.error().message.find("/bin/false") != std::string::npos);
  const auto six = plane.install(Services{service("a", "fd00:96::1", 80, {"fd00::1"})});
  REQUIRE(!six);
  CHECK(six.error().message.find("/bin/false") != std::string::npos);
}

}  // namespace svcbench::kube_proxy
