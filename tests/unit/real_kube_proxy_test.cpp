// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a real kube-proxy says and writes, as far as it needs no kernel.
#include <doctest/doctest.h>

#include "plane/real_kube_proxy/kube_proxy_process.h"
#include "plane/real_kube_proxy/metrics.h"
#include "plane/real_kube_proxy/rules_reader.h"

using namespace svcbench;
using namespace svcbench::kubernetes;

namespace {

Frontend frontend(const char* address, std::uint16_t port, Protocol protocol = Protocol::tcp) {
  return {*Address::parse(address), port, protocol};
}

Endpoint endpoint(const char* address, std::uint16_t port) { return {*Address::parse(address), port}; }

// A ClusterIP, an external address and a NodePort of two endpoints, and a ClusterIP of none.
void check_leads(const Programmed& read) {
  const std::vector<Endpoint> both{endpoint("10.0.0.1", 8080), endpoint("10.0.0.2", 8080)};
  REQUIRE(read.size() == 4);
  CHECK(read.at(frontend("10.96.0.1", 80)) == both);
  CHECK(read.at(frontend("192.0.2.1", 80)) == both);
  CHECK(read.at(frontend("0.0.0.0", 30080)) == both);
  CHECK(read.at(frontend("10.96.0.9", 53, Protocol::udp)).empty());
}

}  // namespace

TEST_CASE("kube-proxy: durations as Go prints them") {
  CHECK(go_duration_ns("44.5ms") == 44'500'000);
  CHECK(go_duration_ns("1m2.5s") == 62'500'000'000);
  CHECK(go_duration_ns("350\xC2\xB5s") == 350'000);
  CHECK(go_duration_ns("2us") == 2000);
  CHECK(go_duration_ns("7ns") == 7);
  CHECK(go_duration_ns("1h0m0s") == 3'600'000'000'000);
  for (const char* wrong : {"", "ms", "5", "5 ms", "-1s", "1s2"}) {
    CAPTURE(wrong);
    CHECK_FALSE(go_duration_ns(wrong));
  }
}

TEST_CASE("kube-proxy: a completed sync is known in each form that versions log it in") {
  const auto newer = completed_sync(
      "I1129 19:00:00.123456    7 proxier.go:796] \"SyncProxyRules complete\" ipFamily=\"IPv6\" "
      "elapsed=\"1ms\"");
  REQUIRE(newer);
  CHECK(newer->elapsed_ns == 1'000'000);
  CHECK(newer->family == Family::ipv6);
  const auto plain = completed_sync(
      "I1129 19:00:00.123456    7 proxier.go:796] \"SyncProxyRules complete\" elapsed=\"44.5ms\"");
  REQUIRE(plain);
  CHECK(plain->elapsed_ns == 44'500'000);
  CHECK_FALSE(plain->family);
  CHECK(completed_sync("I1129 proxier.go:796] syncProxyRules took 1.2s")->elapsed_ns == 1'200'000'000);
  CHECK_FALSE(completed_sync("I1129 proxier.go:796] \"Syncing iptables rules\""));
  CHECK_FALSE(completed_sync("\"SyncProxyRules complete\" elapsed=\"soon\""));
}

TEST_CASE("kube-proxy: its configuration names mode and node, and leaves the host's settings alone") {
  PlaneConfiguration configuration;
  const std::string text = configuration_text("nftables", "node-1", configuration);
  CHECK(text.find("mode: nftables\n") != std::string::npos);
  CHECK(text.find("hostnameOverride: node-1\n") != std::string::npos);
  CHECK(text.find("maxPerCore: 0\n") != std::string::npos);
  CHECK(text.find("clusterCIDR: \"10.0.0.0/8\"\n") != std::string::npos);
  CHECK(text.find("minSyncPeriod: 10ms\n") != std::string::npos);
  configuration.node_addresses = {*Address::parse("fd00::1")};
  CHECK(configuration_text("iptables", "n", configuration).find("10.0.0.0/8,fd00::/8") !=
        std::string::npos);
}

TEST_CASE("kube-proxy: iptables rules lead frontends to endpoints, whatever else they match") {
  const char* nat =
      "*nat\n"
      ":KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n:KUBE-SVC-A - [0:0]\n:KUBE-EXT-A - [0:0]\n"
      ":KUBE-SEP-1 - [0:0]\n:KUBE-SEP-2 - [0:0]\n"
      "-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m comment --comment \"a/b:p cluster IP -j x\" -m tcp "
      "--dport 80 "
      "-j KUBE-SVC-A\n"
      "-A KUBE-SERVICES -d 192.0.2.1/32 -p tcp -m comment --comment \"a/b:p external IP\" -m tcp --dport "
      "80 -j "
      "KUBE-EXT-A\n"
      "-A KUBE-SERVICES -m comment --comment \"nodeports\" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n"
      "-A KUBE-NODEPORTS -p tcp -m comment --comment a/b:p -m tcp --dport 30080 -j KUBE-EXT-A\n"
      "-A KUBE-EXT-A -m comment --comment \"masquerade\" -j KUBE-MARK-MASQ\n"
      "-A KUBE-EXT-A -j KUBE-SVC-A\n"
      "-A KUBE-SVC-A -m statistic --mode random --probability 0.5 -j KUBE-SEP-2\n"
      "-A KUBE-SVC-A -j KUBE-SEP-1\n"
      "-A KUBE-SEP-1 -s 10.0.0.1/32 -j KUBE-MARK-MASQ\n"
      "-A KUBE-SEP-1 -p tcp -m tcp -j DNAT --to-destination 10.0.0.1:8080\n"
      "-A KUBE-SEP-2 -p tcp -m tcp -j DNAT --to-destination 10.0.0.2:8080\n"
      "COMMIT\n";
  const char* filter =
      "*filter\n:KUBE-SERVICES - [0:0]\n"
      "-A KUBE-SERVICES -d 10.96.0.9/32 -p udp -m comment --comment \"a/none has no endpoints\" -m udp "
      "--dport 53 "
      "-j REJECT --reject-with icmp-port-unreachable\n"
      "COMMIT\n";
  const auto read = programmed_by_iptables(nat, filter, Family::ipv4);
  REQUIRE(read);
  check_leads(*read);

  const auto broken = programmed_by_iptables(
      "-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-GONE\n", "", Family::ipv4);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().message.find("KUBE-SVC-GONE") != std::string::npos);
}

TEST_CASE("kube-proxy: nftables maps lead frontends to endpoints, through numgen or without it") {
  const char* listed = R"({"nftables":[
    {"map":{"name":"service-ips","elem":[
      [{"concat":["10.96.0.1","tcp",80]},{"goto":{"target":"service-A"}}],
      [{"elem":{"val":{"concat":["192.0.2.1","tcp",80]},"comment":"a/b"}},{"goto":{"target":"external-A"}}]]}},
    {"map":{"name":"service-nodeports","elem":[[{"concat":["tcp",30080]},{"goto":{"target":"external-A"}}]]}},
    {"map":{"name":"no-endpoint-services","elem":[
      [{"elem":{"val":{"concat":["10.96.0.9","udp",53]},"comment":"a/none"}},{"goto":{"target":"reject-chain"}}]]}},
    {"chain":{"name":"reject-chain"}},{"chain":{"name":"mark-for-masquerade"}},
    {"chain":{"name":"service-A"}},{"chain":{"name":"external-A"}},
    {"chain":{"name":"endpoint-1"}},{"chain":{"name":"endpoint-2"}},
    {"rule":{"chain":"external-A","expr":[{"jump":{"target":"mark-for-masquerade"}}]}},
    {"rule":{"chain":"external-A","expr":[{"goto":{"target":"service-A"}}]}},
    {"rule":{"chain":"service-A","expr":[{"vmap":{"key":{"numgen":{"mode":"random","mod":2,"offset":0}},
      "data":{"set":[[0,{"goto":{"target":"endpoint-2"}}],[1,{"goto":{"target":"endpoint-1"}}]]}}}]}},
    {"rule":{"chain":"endpoint-1","expr":[{"dnat":{"addr":"10.0.0.1","port":8080}}]}},
    {"rule":{"chain":"endpoint-2","expr":[{"dnat":{"addr":"10.0.0.2","port":8080}}]}}]})";
  const auto read = programmed_by_nftables(listed, Family::ipv4);
  REQUIRE(read);
  check_leads(*read);
  CHECK_FALSE(programmed_by_nftables("no JSON", Family::ipv4));
}

TEST_CASE("kube-proxy: a rule that translates to one of a map leads to each of them, as from 1.36 on") {
  const std::string listed = R"({"nftables":[
    {"map":{"name":"service-ips","elem":[[{"concat":["10.96.0.1","tcp",80]},{"goto":{"target":"service-A"}}],
                                         [{"concat":["10.96.0.2","tcp",80]},{"goto":{"target":"service-B"}}]]}},
    {"chain":{"name":"service-A"}},{"chain":{"name":"service-B"}},
    {"rule":{"chain":"service-A","expr":[{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":"tcp"}},
      {"dnat":{"family":"ip","addr":{"map":{"key":{"numgen":{"mode":"random","mod":2,"offset":0}},
        "data":{"set":[[0,{"concat":["10.0.0.2",8080]}],[1,{"concat":["10.0.0.1",8081]}]]}}}}}]}},
    {"rule":{"chain":"service-B","expr":[{"dnat":{"family":"ip","addr":"10.0.0.3","port":8080}}]}}]})";
  const auto read = programmed_by_nftables(listed, Family::ipv4);
  REQUIRE(read);
  CHECK(read->at(frontend("10.96.0.1", 80)) ==
        std::vector<Endpoint>{endpoint("10.0.0.1", 8081), endpoint("10.0.0.2", 8080)});
  CHECK(read->at(frontend("10.96.0.2", 80)) == std::vector<Endpoint>{endpoint("10.0.0.3", 8080)});

  std::string half = listed;
  half.replace(half.find(R"(["10.0.0.2",8080])"), 17, R"(["10.0.0.2"]      )");
  const auto refused = programmed_by_nftables(half, Family::ipv4);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("no address and port") != std::string::npos);
}

TEST_CASE("kube-proxy: its own account of syncs, of one family or both") {
  const auto one = sync_account(
      "# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram\n"
      "kubeproxy_sync_proxy_rules_duration_seconds_bucket{le=\"0.001\"} 7\n"
      "kubeproxy_sync_proxy_rules_duration_seconds_sum 1.5\n"
      "kubeproxy_sync_proxy_rules_duration_seconds_count 3\n");
  REQUIRE(one);
  CHECK(one->seconds == 1.5);
  CHECK(one->syncs == 3);
  const auto both = sync_account(
      "kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family=\"IPv4\"} 1.5\n"
      "kubeproxy_sync_proxy_rules_duration_seconds_sum{ip_family=\"IPv6\"} 2e-1\n"
      "kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv4\"} 3\n"
      "kubeproxy_sync_proxy_rules_duration_seconds_count{ip_family=\"IPv6\"} 1\n");
  REQUIRE(both);
  CHECK(both->seconds == 1.7);
  CHECK(both->syncs == 4);
  CHECK_FALSE(sync_account("kubeproxy_sync_proxy_rules_duration_seconds_sum 1.5\n"));
  CHECK_FALSE(
      sync_account("kubeproxy_sync_proxy_rules_duration_seconds_sum NaN\n"
                   "kubeproxy_sync_proxy_rules_duration_seconds_count 1\n"));
  CHECK_FALSE(sync_account(""));
}

TEST_CASE("kube-proxy: its version is told from what other programs say") {
  CHECK(version_said("Kubernetes v1.30.5") == "v1.30.5");
  CHECK(version_said("Kubernetes v1.36.0-rc.1\r") == "v1.36.0-rc.1");
  CHECK(version_said("ls (GNU coreutils) 9.1").empty());
}
