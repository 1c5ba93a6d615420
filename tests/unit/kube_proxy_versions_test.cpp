// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// kube-proxy's versions: which there are, and what each one's rules are. No kernel.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "plane/kube_proxy/nftables.h"
#include "plane/kube_proxy/versions.h"
#include "service/cluster.h"

namespace svcbench::kube_proxy {
namespace {

Version version(std::string_view text) {
  const auto parsed = Version::parse(text);
  REQUIRE_MESSAGE(parsed, parsed.error().message);
  return *parsed;
}

// What nft is given for the cluster of upstream's own test.
std::string overall(std::string_view text) {
  ClusterOptions options;
  options.node = "test-node";
  options.sctp = true;
  const auto cluster = read_cluster(std::string(SVCBENCH_TEST_DATA) + "/kube-proxy/overall.json", options);
  REQUIRE(cluster);
  PlaneConfiguration configuration;
  configuration.node_addresses = {Address::from_ipv4(0xC0A8'0002)};
  configuration.kube_proxy.version = version(text);
  configuration.kube_proxy.service_cidrs = {"172.30.0.0/16"};
  return KubeProxyNftables::install_input(cluster->services, configuration).value();
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST_CASE("kube-proxy versions: a row a trait, in their order, ascending, each with its source") {
  int before = 0;
  std::size_t place = 0;
  for (const TraitRow& row : traits()) {
    CHECK(static_cast<std::size_t>(row.trait) == place++);
    CHECK(row.since >= before);
    CHECK(!row.source.empty());
    before = row.since;
  }
}

TEST_CASE("kube-proxy versions: as they are written") {
  for (const Version& each : Version::all()) {
    CHECK(version(each.text()) == each);
  }
  CHECK(version("v1.30") == version("1.30"));
  CHECK(version("1.30.5") == version("1.30"));
  CHECK(Version::all().front().text() == "1.28");
  CHECK(Version::all().back().text() == "1.36");
  for (const char* text :
       {"", "1", "1.", "2.30", "1.27", "1.37", "1.30.", "1.30.x", "1.030303", "30", "x"}) {
    CAPTURE(text);
    const auto parsed = Version::parse(text);
    REQUIRE(!parsed);
    CHECK(parsed.error().kind == Error::Kind::usage);
    CHECK(parsed.error().message.find("1.28 to 1.36") != std::string::npos);
  }
}

TEST_CASE("kube-proxy versions: the default is known in every mode; one that is not says who is") {
  for (const Mode mode : {Mode::iptables, Mode::nftables, Mode::ipvs}) {
    CHECK(Version().check(mode));
  }
  const Status unknown = version("1.28").check(Mode::nftables);
  REQUIRE(!unknown);
  CHECK(unknown.error().kind == Error::Kind::usage);
  CHECK(unknown.error().message.find(versions_of(Mode::nftables)) != std::string::npos);
  CHECK(version("1.28").check(Mode::iptables));
}

TEST_CASE("kube-proxy versions: nftables' hooks, masquerade rule and drops are the version's") {
  const std::string service =
      "add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 ip daddr 172.30.0.41";
  const std::string rest = " ip saddr != 10.0.0.0/8 jump mark-for-masquerade";
  const std::string drop =
      "add rule ip kube-proxy cluster-ips-check ip daddr { 172.30.0.0/16 } drop comment \"Drop traffic to "
      "unallocated ClusterIPs\"";
  const std::string early = overall("1.30");
  CHECK(has_line(early, service + " tcp dport 80" + rest));
  CHECK(has_line(early, "add chain ip kube-proxy filter-input { type filter hook input priority -110 ; }"));
  CHECK(has_line(
      early, "add chain ip kube-proxy filter-output-post-dnat { type filter hook output priority -90 ; }"));
  CHECK(has_line(early, "add rule ip kube-proxy filter-prerouting ct state new jump firewall-check"));
  CHECK(early.find("pre-dnat") == std::string::npos);
  CHECK(!has_line(early, drop));
  CHECK(early.find("firewall-ips { 5.6.7.8 . tcp . 80 comment \"ns5/svc5:p80\" : goto firewall-") !=
        std::string::npos);

  CHECK(overall("1.32").find("firewall-ips { 5.6.7.8 . tcp . 80 : goto firewall-") != std::string::npos);
  CHECK(has_line(overall("1.33"), drop));

  const std::string late = overall("1.35");
  CHECK(has_line(late, service + rest));
  CHECK(has_line(late, "add chain ip kube-proxy filter-input { type filter hook input priority 0 ; }"));
  CHECK(
      has_line(late, "add rule ip kube-proxy filter-prerouting-pre-dnat ct state new jump firewall-check"));
  CHECK(late.find("post-dnat") == std::string::npos);
  CHECK(overall("1.34") == late);
}

TEST_CASE("kube-proxy versions: 1.36 translates in a service's chain, and marks in place") {
  const std::string text = overall("1.36");
  CHECK(text.find("mark-for-masquerade") == std::string::npos);
  CHECK(
      has_line(text,
               "add rule ip kube-proxy services ip daddr @cluster-ips ip saddr != 10.0.0.0/8 mark set mark "
               "or 0x4000 comment \"masquerade clusterIP traffic from outside cluster\""));
  CHECK(has_line(
      text,
      "add rule ip kube-proxy masquerading mark and 0x4000 != 0 mark set mark xor 0x4000 masquerade "
      "fully-random"));
  CHECK(
      has_line(text,
               "add rule ip kube-proxy masquerading ct status dnat ip saddr . ip daddr . meta l4proto . th "
               "dport @hairpin-connections masquerade fully-random"));
  CHECK(has_line(text,
                 "add rule ip kube-proxy service-ULMVA6XW-ns1/svc1/tcp/p80 meta l4proto tcp dnat ip addr . "
                 "port to numgen random mod 1 map { 0 : 10.180.0.1 . 80 }"));
  CHECK(text.find("endpoint-5OJB2KTY-ns1/svc1") == std::string::npos);
  // With affinity an endpoint still has a chain.
  CHECK(text.find("add chain ip kube-proxy endpoint-") != std::string::npos);
}

}  // namespace
}  // namespace svcbench::kube_proxy
