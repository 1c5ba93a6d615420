// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Clusters after kube-proxy's own tests, and what kube-proxy writes for them: tests/data/kube-proxy. No
// kernel.
//
// NAME.rules tells, a line each, what is in which input ("iptables", "nftables", "ipset", "ipvs" and
// "ipvsadm") and, with "not" before it, which words are nowhere in it.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>

#include "plane/kube_proxy/iptables_rules.h"
#include "plane/kube_proxy/ipvs_text.h"
#include "plane/kube_proxy/nftables.h"
#include "service/cluster.h"

namespace svcbench::kube_proxy {
namespace {

const std::string folder = std::string(SVCBENCH_TEST_DATA) + "/kube-proxy/";
const Address node = Address::from_ipv4(0xC0A8'0002);  // 192.168.0.2

PlaneConfiguration test_configuration() {
  PlaneConfiguration configuration;
  configuration.node_addresses = {node};
  return configuration;
}

std::string iptables_text(const std::vector<Service>& services, const PlaneConfiguration& configuration,
                          Family family = Family::ipv4) {
  IptablesRules rules(family, configuration);
  const auto replaced = rules.replace(services);
  REQUIRE_MESSAGE(replaced, replaced.error().message);
  return rules.restore_input(IptablesRules::Sync::full);
}

std::map<std::string, std::string> inputs_of(const std::vector<Service>& services,
                                             const PlaneConfiguration& configuration) {
  const auto in_use = ipsets_in_use(services, Family::ipv4, configuration);
  return {{"iptables", iptables_text(services, configuration)},
          {"nftables", KubeProxyNftables::install_input(services, configuration).value()},
          {"ipset", ipset_restore(services, {}, Family::ipv4, configuration)},
          {"ipvs", ipvs_rules(Family::ipv4, configuration.cluster_cidr.ipv4, false, in_use)},
          {"ipvsadm", ipvsadm_restore(services, configuration.node_addresses, Family::ipv4)}};
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) {
    lines.insert(line);
  }
  return lines;
}

ClusterServices cluster_of(const std::string& name, ClusterOptions options = {}) {
  options.node = "test-node";
  options.sctp = true;
  options.may_be_empty = true;
  return read_cluster(folder + name + ".json", options).value();
}

void check_case(const std::string& name, const ClusterServices& cluster,
                const PlaneConfiguration& configuration) {
  const auto inputs = inputs_of(cluster.services, configuration);
  std::ifstream rules(folder + name + ".rules");
  REQUIRE(rules);
  std::size_t checked = 0;
  for (std::string line; std::getline(rules, line);) {
    if (line.empty() || line.starts_with('#')) {
      continue;
    }
    CAPTURE(name);
    CAPTURE(line);
    const bool absent = line.starts_with("not ");
    const std::string rest = line.substr(absent ? 4 : 0);
    const std::size_t space = rest.find(' ');
    const auto input = inputs.find(rest.substr(0, space));
    REQUIRE(input != inputs.end());
    const std::string wanted = rest.substr(space + 1);
    if (absent) {
      CHECK(input->second.find(wanted) == std::string::npos);
    } else {
      CHECK(lines_of(input->second).contains(wanted));
    }
    ++checked;
  }
  CHECK(checked > 0);
}

// A Service and a slice of it, as JSON: `spec` and `slice` are what they have besides.
std::string list_of(const std::string& labels, const std::string& spec, const std::string& endpoints,
                    const std::string& more = "") {
  return R"({"kind": "List", "items": [{"kind": "Service", "apiVersion": "v1", "metadata": {"namespace": "ns1",
      "name": "svc1", "labels": {)" +
         labels + R"(}}, "spec": {"clusterIP": "172.30.0.41", )" + spec +
         R"(}}, {"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "metadata": {"namespace": "ns1",
      "name": "svc1-1", "labels": {"kubernetes.io/service-name": "svc1"}}, "addressType": "IPv4",
      "ports": [{"name": "p80", "port": 80, "protocol": "TCP"}, {"name": "s80", "port": 80, "protocol": "SCTP"}],
      "endpoints": [)" +
         endpoints + "]}" + more + "]}";
}

constexpr const char* http =
    R"("ports": [{"name": "p80", "port": 80, "protocol": "TCP", "nodePort": 3001}])";

std::string endpoint_at(const std::string& address, const std::string& more = "") {
  return R"({"addresses": [")" + address + R"("])" + more + "}";
}

std::vector<Service> services_of(const std::string& json, ClusterOptions options = {}) {
  options.may_be_empty = true;
  options.sctp = true;
  return parse_cluster(json, "test", options).value().services;
}

}  // namespace

TEST_CASE("kube-proxy's own cases: its rules for them") {
  for (const char* name : {"overall", "srcranges", "hints_zone", "headlesslabel", "affinity_unsorted"}) {
    ClusterOptions options;
    options.zone = "zone-a";
    check_case(name, cluster_of(name, options), test_configuration());
  }
}

TEST_CASE("kube-proxy's own cases: IPv6 and NodePorts off 127.0.0.0/8 have no rule of KUBE-FIREWALL") {
  PlaneConfiguration configuration = test_configuration();
  const auto services = services_of(list_of("", http, endpoint_at("10.180.0.1")));
  CHECK(iptables_text(services, configuration).find("KUBE-FIREWALL") != std::string::npos);
  CHECK(iptables_text({}, configuration, Family::ipv6).find("KUBE-FIREWALL") == std::string::npos);
  configuration.kube_proxy.localhost_node_ports = false;
  const std::string off = iptables_text(services, configuration);
  CHECK(off.find("KUBE-FIREWALL") == std::string::npos);
  CHECK(off.find("-m addrtype --dst-type LOCAL ! -d 127.0.0.0/8 -j KUBE-NODEPORTS\n") != std::string::npos);
}

TEST_CASE("kube-proxy's own cases: --nodeport-addresses") {
  PlaneConfiguration configuration = test_configuration();
  configuration.node_addresses.push_back(Address::from_ipv4(0x0A00'0009));
  configuration.kube_proxy.node_port_addresses = {"192.168.0.0/24", "2001:db8::/64"};
  const auto services = services_of(list_of("", http, endpoint_at("10.180.0.1")));
  const std::string jump =
      "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last "
      "rule in "
      "this chain\" ";
  auto lines = lines_of(iptables_text(services, configuration));
  CHECK(lines.contains(jump + "-d 192.168.0.2 -j KUBE-NODEPORTS"));
  CHECK_FALSE(lines.contains(jump + "-d 10.0.0.9 -j KUBE-NODEPORTS"));
  CHECK_FALSE(lines.contains(jump + "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"));

  const auto nft = [&] {
    return lines_of(KubeProxyNftables::install_input(services, configuration).value());
  };
  CHECK(nft().contains("add element ip kube-proxy nodeport-ips { 192.168.0.2 }"));
  CHECK_FALSE(nft().contains("add element ip kube-proxy nodeport-ips { 10.0.0.9 }"));
  configuration.kube_proxy.node_port_addresses = {"10.0.0.0/8", "192.168.0.0/24"};
  CHECK(nft().contains("add element ip kube-proxy nodeport-ips { 10.0.0.9 }"));
  configuration.kube_proxy.node_port_addresses = {"0.0.0.0/0"};
  CHECK(nft().contains(
      "add rule ip kube-proxy services fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . "
      "th dport vmap @service-nodeports"));
  CHECK(lines_of(iptables_text(services, configuration))
            .contains(jump + "-m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"));
}

TEST_CASE(
    "kube-proxy's own cases: NodePorts at 127.0.0.1 alone, and IPVS's at some of the node's addresses") {
  PlaneConfiguration configuration = test_configuration();
  const auto services = services_of(list_of("", http, endpoint_at("10.180.0.1")));
  configuration.kube_proxy.node_port_addresses = {"127.0.0.0/8"};
  const std::string text = iptables_text(services, configuration);
  CHECK(text.find("in this chain\" -d 127.0.0.1 -j KUBE-NODEPORTS\n") != std::string::npos);
  CHECK(text.find("-d 192.168.0.2 -j KUBE-NODEPORTS") == std::string::npos);
  CHECK(text.find("-A KUBE-FIREWALL ") != std::string::npos);
  CHECK(ipvs_node_addresses(configuration, Family::ipv4).empty());
  configuration.kube_proxy.node_port_addresses = {"192.168.0.0/24"};
  CHECK(iptables_text(services, configuration).find("KUBE-FIREWALL") == std::string::npos);
  configuration.node_addresses.push_back(Address::from_ipv4(0x0A00'0009));
  CHECK(ipvs_node_addresses(configuration, Family::ipv4) == std::vector<Address>{node});
}

TEST_CASE("kube-proxy's own cases: packets that its counters count") {
  PlaneConfiguration configuration = test_configuration();
  configuration.kube_proxy.nfacct = true;
  const auto lines =
      lines_of(iptables_text(services_of(list_of("", http, endpoint_at("10.180.0.1"))), configuration));
  CHECK(
      lines.contains("-A KUBE-FORWARD -m conntrack --ctstate INVALID -m nfacct --nfacct-name "
                     "ct_state_invalid_dropped_pkts -j DROP"));
  CHECK(lines.contains(
      "-A KUBE-NODEPORTS -m comment --comment ns1/svc1:p80 -m tcp -p tcp -d 127.0.0.0/8 --dport "
      "3001 -m nfacct --nfacct-name localhost_nps_accepted_pkts -j KUBE-EXT-XPGD46QRK7WJZT7O"));
  CHECK(
      lines.contains("-A KUBE-NODEPORTS -m comment --comment ns1/svc1:p80 -m tcp -p tcp --dport 3001 -j "
                     "KUBE-EXT-XPGD46QRK7WJZT7O"));
}

TEST_CASE("kube-proxy's own cases: SCTP is a protocol like others") {
  const auto services = services_of(
      list_of("", R"("ports": [{"name": "s80", "port": 80, "protocol": "SCTP", "nodePort": 3001}])",
              endpoint_at("10.180.0.1")));
  const auto inputs = inputs_of(services, test_configuration());
  CHECK(inputs.at("iptables").find("-m sctp -p sctp -d 172.30.0.41 --dport 80 -j KUBE-SVC-") !=
        std::string::npos);
  CHECK(inputs.at("iptables").find("-m sctp -p sctp -j DNAT --to-destination 10.180.0.1:80\n") !=
        std::string::npos);
  CHECK(inputs.at("nftables").find("{ 172.30.0.41 . sctp . 80 : goto service-") != std::string::npos);
  CHECK(inputs.at("nftables").find("meta l4proto sctp dnat to 10.180.0.1:80\n") != std::string::npos);
  CHECK(inputs.at("ipset").find("add KUBE-NODE-PORT-SCTP-HASH 192.168.0.2,sctp:3001\n") !=
        std::string::npos);
  CHECK(inputs.at("ipset").find("add KUBE-CLUSTER-IP 172.30.0.41,sctp:80\n") != std::string::npos);
  CHECK(inputs.at("ipvs").find("--match-set KUBE-NODE-PORT-SCTP-HASH dst,dst -j KUBE-MARK-MASQ\n") !=
        std::string::npos);
  CHECK(inputs.at("ipvsadm").find("-A --sctp-service 172.30.0.41:80 -s rr\n") != std::string::npos);
}

TEST_CASE("kube-proxy's own cases: endpoints that are not ready are counted, and nothing else") {
  const auto comments_with = [](std::size_t unready) {
    std::string endpoints = endpoint_at("10.180.0.1");
    for (std::size_t i = 0; i < unready; ++i) {
      endpoints += "," + endpoint_at(fmt::format("10.1.{}.{}", i / 250, 1 + i % 250),
                                     R"(, "conditions": {"ready": false})");
    }
    const std::string text = iptables_text(services_of(list_of("", http, endpoints)), test_configuration());
    CHECK(text.find("10.1.") == std::string::npos);
    return text.find("--comment \"ns1/svc1:p80 -> 10.180.0.1:80\"") != std::string::npos;
  };
  CHECK(comments_with(999));
  CHECK_FALSE(comments_with(1000));
}

TEST_CASE("kube-proxy's own cases: Services of others are none of its") {
  CHECK(services_of(list_of(R"("service.kubernetes.io/service-proxy-name": "other")", http,
                            endpoint_at("10.180.0.1")))
            .empty());
  CHECK(services_of(list_of(R"("service.kubernetes.io/headless": "")", http, endpoint_at("10.180.0.1")))
            .empty());
  CHECK(services_of(list_of("", http, endpoint_at("10.180.0.1"))).size() == 2);
}

TEST_CASE("kube-proxy's own cases: topology hints") {
  const auto hinted = [](const std::string& address, const std::string& zone, const std::string& at = "",
                         const std::string& more = "") {
    return endpoint_at(
        address, R"(, "hints": {)" + (zone.empty() ? "" : R"("forZones": [{"name": ")" + zone + R"("}])") +
                     (zone.empty() || at.empty() ? "" : ", ") +
                     (at.empty() ? "" : R"("forNodes": [{"name": ")" + at + R"("}])") + "}" + more);
  };
  const auto chosen = [](const std::string& endpoints, const std::string& zone,
                         const std::string& more = "") {
    ClusterOptions options;
    options.node = "test-node";
    options.zone = zone;
    std::string text;
    const std::vector<Service> services = services_of(list_of("", http, endpoints, more), options);
    for (const Endpoint& endpoint : services.front().endpoints) {
      text += endpoint.address.text() + " ";
    }
    return text;
  };
  const std::string two = hinted("10.1.0.1", "zone-a") + "," + hinted("10.1.0.2", "zone-b");
  CHECK(chosen(two, "zone-a") == "10.1.0.1 ");
  CHECK(chosen(two, "zone-b") == "10.1.0.2 ");
  CHECK(chosen(two, "zone-c") == "10.1.0.1 10.1.0.2 ");  // none is for there
  CHECK(chosen(two, "") == "10.1.0.1 10.1.0.2 ");
  CHECK(chosen(two + "," + endpoint_at("10.1.0.3"), "zone-a") == "10.1.0.1 10.1.0.2 10.1.0.3 ");
  // One that is not ready needs no hint, and one that is not ready does not count for its zone.
  CHECK(chosen(two + "," + endpoint_at("10.1.0.3", R"(, "conditions": {"ready": false})"), "zone-a") ==
        "10.1.0.1 ");
  CHECK(chosen(hinted("10.1.0.1", "zone-a", "", R"(, "conditions": {"ready": false})") + "," +
                   hinted("10.1.0.2", "zone-b"),
               "zone-a") == "10.1.0.2 ");
  // A node's come before its zone's.
  const std::string nodes =
      hinted("10.1.0.1", "zone-a", "test-node") + "," + hinted("10.1.0.2", "zone-a", "other");
  CHECK(chosen(nodes, "zone-a") == "10.1.0.1 ");
  const std::string others = hinted("10.1.0.1", "zone-a", "n1") + "," + hinted("10.1.0.2", "zone-b", "n2");
  CHECK(chosen(others, "zone-b") == "10.1.0.2 ");
  // The zone as the Node has it.
  CHECK(
      chosen(two, "", R"(, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "test-node", "labels":
      {"topology.kubernetes.io/zone": "zone-b"}}})") == "10.1.0.2 ");
  const auto unknown = parse_cluster(list_of("", http, two), "test", {}).value();
  REQUIRE(unknown.notes.size() == 1);
  CHECK(unknown.notes[0].starts_with("topology hints of 2 endpoints are not looked at"));
}

TEST_CASE(
    "kube-proxy's own cases: what is for no Service's ClusterIP is dropped, where their ranges are known") {
  const auto cluster =
      parse_cluster(
          list_of("", http, endpoint_at("10.180.0.1"),
                  R"(, {"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name":
      "kubernetes"}, "spec": {"cidrs": ["172.30.0.0/16", "fd00:96::/112"]}})"),
          "test", {})
          .value();
  PlaneConfiguration configuration = test_configuration();
  configuration.kube_proxy.service_cidrs = cluster.service_cidrs;
  const std::string text = KubeProxyNftables::install_input(cluster.services, configuration).value();
  CHECK(lines_of(text).contains(
      "add rule ip kube-proxy cluster-ips-check ip daddr { 172.30.0.0/16 } drop comment "
      "\"Drop traffic to unallocated ClusterIPs\""));
  CHECK(text.find("fd00:96::/112") == std::string::npos);
}

TEST_CASE("kube-proxy's own cases: source ranges are of a family, and what is none is left out") {
  const std::string spec =
      std::string(http) +
      R"(, "type": "LoadBalancer", "loadBalancerSourceRanges": ["fd00::/8", "no", "1.2.3.4/8"])";
  const std::string status = R"(}, "status": {"loadBalancer": {"ingress": [{"ip": "5.6.7.8"}]})";
  const auto services = services_of(list_of("", spec + status, endpoint_at("10.180.0.1")));
  REQUIRE(services.size() == 3);
  CHECK(services[2].source_ranges == std::vector<std::string>{"1.0.0.0/8"});
}

}  // namespace svcbench::kube_proxy
