// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The text of kube-proxy's nftables mode, and what is understood of what nft prints.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "plane/kube_proxy/names.h"
#include "plane/kube_proxy/nftables_readback.h"
#include "plane/kube_proxy/nftables_rules.h"

using namespace svcbench;
using namespace svcbench::kube_proxy;

namespace {

using Lines = std::vector<std::string>;

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

Endpoint endpoint(std::string_view address, std::uint16_t port) { return {*Address::parse(address), port}; }

ServicePort svc4() {
  return {.name = "ns4/svc4:p80",
          .family = Family::ipv4,
          .protocol = Protocol::tcp,
          .cluster_ip = Frontend{*Address::parse("172.30.0.44"), 80, Protocol::tcp},
          .node_port = std::nullopt,
          .endpoints = {endpoint("10.180.0.4", 80), endpoint("10.180.0.5", 80)}};
}

Frontend node_port(std::uint16_t port) { return {Address::from_ipv4(0), port, Protocol::tcp}; }

struct Sync {
  Lines lines;
  std::vector<std::string> leftover;
};

Sync sync(const ServicePort* before, const ServicePort* after, bool shared = false) {
  std::string text;
  auto leftover = write_nft_sync(text, before, after, shared, {});
  return {lines_of(text), std::move(leftover)};
}

constexpr const char* service = "service-LAUZTJTB-ns4/svc4/tcp/p80";
constexpr const char* external = "external-LAUZTJTB-ns4/svc4/tcp/p80";
constexpr const char* first = "endpoint-UNZV3OEC-ns4/svc4/tcp/p80__10.180.0.4/80";
constexpr const char* second = "endpoint-5RFCDDV7-ns4/svc4/tcp/p80__10.180.0.5/80";

std::string line(std::string_view command, std::string_view chain, std::string_view rest = "") {
  return fmt::format("{} ip kube-proxy {}{}{}", command, chain, rest.empty() ? "" : " ", rest);
}

}  // namespace

TEST_CASE("nftables: chains have the names of kube-proxy's own examples") {
  CHECK(nft_service_chain(svc4()) == service);
  CHECK(nft_external_chain(svc4()) == external);
  CHECK(nft_endpoint_chain(svc4(), endpoint("10.180.0.4", 80)) == first);
  CHECK(nft_endpoint_chain(svc4(), endpoint("10.180.0.5", 80)) == second);
  ServicePort six = svc4();
  six.name = "ns1/svc1:p80";
  six.family = Family::ipv6;
  CHECK(nft_endpoint_chain(six, endpoint("fd00:10:180::1", 80)) ==
        "endpoint-ZVRFLKHO-ns1/svc1/tcp/p80__fd00.10.180..1/80");
}

TEST_CASE("nftables: a name that is too long is cut as kube-proxy cuts it, and stays its own") {
  ServicePort port = svc4();
  port.name = fmt::format("{}/{}:{}", std::string(63, 'n'), std::string(63, 's'), std::string(63, 'p'));
  CHECK(nft_service_chain(port).size() == 8 + 9 + 63 + 1 + 63 + 1 + 3 + 1 + 63);  // whole
  CHECK(service_name_of_nft_chain(nft_service_chain(port)) == port.name);

  const auto cut = nft_endpoint_chain(port, endpoint("fd00:1111:2222:3333:4444:5555:6666:7777", 60000));
  CHECK(cut.size() == std::string_view("endpoint-").size() + 240);
  CHECK(cut.ends_with("__fd00.1111.2222.3333.4444.5555.6..."));
  const auto other = nft_endpoint_chain(port, endpoint("fd00:1111:2222:3333:4444:5555:6666:7777", 60001));
  CHECK(cut.substr(17) == other.substr(17));
  CHECK(cut != other);  // the hash is of the whole name

  port.name = "ns/" + std::string(253, 's');
  CHECK(nft_service_chain(port).size() == 8 + 240);
  CHECK(service_name_of_nft_chain(nft_service_chain(port)).ends_with("sss..."));
}

TEST_CASE("nftables: names come back from chains") {
  for (const char* name : {"ns4/svc4:p80", "default/web", "web", "kube-system/kube-dns:dns-tcp"}) {
    ServicePort port = svc4();
    port.name = name;
    CHECK(service_name_of_nft_chain(nft_service_chain(port)) == name);
  }
  for (const char* chain :
       {"", "service-", "service-LAUZTJTB-", "service-LAUZTJTB-a", "service-LAUZTJTB-/"}) {
    CHECK(service_name_of_nft_chain(chain).size() <= 1);  // nothing that was ever written, and no crash
  }
}

TEST_CASE("nftables: what would end a command is no name") {
  CHECK(check_nft_name("ns4/svc4:p80"));
  for (const char* name : {"", "a b", "a/b;", "a/b\nflush ruleset", "a/\"b", "a:b:c", "a/{b}", "a/b#"}) {
    const auto checked = check_nft_name(name);
    REQUIRE(!checked);
    CHECK(checked.error().message.find('\n') == std::string::npos);
  }
}

TEST_CASE("nftables: a new service, line by line") {
  const ServicePort port = svc4();
  const Sync made = sync(nullptr, &port);
  CHECK(
      made.lines ==
      Lines{
          line("add chain", first),
          line("flush chain", first),
          line("add chain", second),
          line("flush chain", second),
          line("add chain", service),
          line("flush chain", service),
          line("add element", "cluster-ips", "{ 172.30.0.44 }"),
          line("add element", "service-ips",
               "{ 172.30.0.44 . tcp . 80 : goto service-LAUZTJTB-ns4/svc4/tcp/p80 }"),
          line("add rule", service, "ip daddr 172.30.0.44 ip saddr != 10.0.0.0/8 jump mark-for-masquerade"),
          line("add rule", service,
               "numgen random mod 2 vmap { 0 : goto endpoint-UNZV3OEC-ns4/svc4/tcp/p80__10.180.0.4/80 , "
               "1 : goto endpoint-5RFCDDV7-ns4/svc4/tcp/p80__10.180.0.5/80 }"),
          line("add rule", first, "ip saddr 10.180.0.4 jump mark-for-masquerade"),
          line("add rule", first, "meta l4proto tcp dnat to 10.180.0.4:80"),
          line("add rule", second, "ip saddr 10.180.0.5 jump mark-for-masquerade"),
          line("add rule", second, "meta l4proto tcp dnat to 10.180.0.5:80"),
      });
  CHECK(made.leftover.empty());
}

TEST_CASE("nftables: other endpoints are other chains; elements stay") {
  const ServicePort before = svc4();
  ServicePort after = before;
  after.endpoints[0] = endpoint("10.180.0.6", 8080);
  const std::string third = nft_endpoint_chain(after, after.endpoints[0]);
  const Sync made = sync(&before, &after);
  CHECK(
      made.lines ==
      Lines{
          line("add chain", third),
          line("flush chain", third),
          line("add chain", second),  // kube-proxy writes those that stay anew as well
          line("flush chain", second),
          line("add chain", service),
          line("flush chain", service),
          line("add rule", service, "ip daddr 172.30.0.44 ip saddr != 10.0.0.0/8 jump mark-for-masquerade"),
          line("add rule", service,
               fmt::format("numgen random mod 2 vmap {{ 0 : goto {} , 1 : goto {} }}", third, second)),
          line("add rule", third, "ip saddr 10.180.0.6 jump mark-for-masquerade"),
          line("add rule", third, "meta l4proto tcp dnat to 10.180.0.6:8080"),
          line("add rule", second, "ip saddr 10.180.0.5 jump mark-for-masquerade"),
          line("add rule", second, "meta l4proto tcp dnat to 10.180.0.5:80"),
          line("flush chain", first),
      });
  CHECK(made.leftover == std::vector<std::string>{first});
}

TEST_CASE("nftables: a service without endpoints is refused, and has no chains") {
  const ServicePort before = svc4();
  ServicePort after = before;
  after.endpoints.clear();
  const Sync made = sync(&before, &after);
  CHECK(made.lines == Lines{
                          line("delete element", "service-ips", "{ 172.30.0.44 . tcp . 80 }"),
                          line("add element", "no-endpoint-services",
                               "{ 172.30.0.44 . tcp . 80 comment \"ns4/svc4:p80\" : goto reject-chain }"),
                          line("flush chain", second),
                          line("flush chain", first),
                          line("flush chain", service),
                      });
  CHECK(made.leftover == std::vector<std::string>{second, first, service});

  const Sync back = sync(&after, &before);
  CHECK(std::count(back.lines.begin(), back.lines.end(),
                   line("delete element", "no-endpoint-services", "{ 172.30.0.44 . tcp . 80 }")) == 1);
  CHECK(back.leftover.empty());
}

TEST_CASE("nftables: what is dropped and then rejected is taken out before it is put in again") {
  ServicePort elsewhere = svc4();
  elsewhere.node_port = Frontend{{.bytes = {}, .family = Family::ipv4}, 30'080, Protocol::tcp};
  elsewhere.external_local = true;
  ServicePort nowhere = elsewhere;
  nowhere.endpoints.clear();
  for (const auto& [before, after] : {std::pair{&elsewhere, &nowhere}, std::pair{&nowhere, &elsewhere}}) {
    const Sync made = sync(before, after);
    const auto place = [&](const std::string& start) {
      return std::find_if(made.lines.begin(), made.lines.end(),
                          [&](const std::string& one) { return one.starts_with(start); }) -
             made.lines.begin();
    };
    const auto end = static_cast<std::ptrdiff_t>(made.lines.size());
    const auto goes = place("delete element ip kube-proxy no-endpoint-nodeports { tcp . 30080 }");
    const auto comes = place("add element ip kube-proxy no-endpoint-nodeports { tcp . 30080 comment");
    REQUIRE(goes < end);
    REQUIRE(comes < end);
    CHECK(goes < comes);
  }
}

TEST_CASE("nftables: a service goes, and its ClusterIP with its last port") {
  const ServicePort before = svc4();
  const Sync last = sync(&before, nullptr);
  CHECK(last.lines == Lines{
                          line("delete element", "cluster-ips", "{ 172.30.0.44 }"),
                          line("delete element", "service-ips", "{ 172.30.0.44 . tcp . 80 }"),
                          line("flush chain", second),
                          line("flush chain", first),
                          line("flush chain", service),
                      });
  const Sync shared = sync(&before, nullptr, true);
  CHECK(std::count(shared.lines.begin(), shared.lines.end(), last.lines[0]) == 0);
  CHECK(shared.lines.size() == last.lines.size() - 1);
  CHECK(sync(nullptr, &before, true).lines.size() == sync(nullptr, &before).lines.size() - 1);
}

TEST_CASE("nftables: a NodePort leads through the external chain to the service's") {
  const ServicePort before = svc4();
  ServicePort after = before;
  after.node_port = node_port(30080);
  const Lines lines = sync(&before, &after).lines;
  const auto has = [&](const std::string& wanted) {
    return std::find(lines.begin(), lines.end(), wanted) != lines.end();
  };
  CHECK(has(line("add chain", external)));
  CHECK(has(line("add rule", external, "jump mark-for-masquerade")));
  CHECK(has(line("add rule", external, "goto service-LAUZTJTB-ns4/svc4/tcp/p80")));
  CHECK(has(line("add element", "service-nodeports",
                 "{ tcp . 30080 : goto external-LAUZTJTB-ns4/svc4/tcp/p80 }")));

  ServicePort refused = after;
  refused.endpoints.clear();
  const Sync gone = sync(&after, &refused);
  CHECK(std::count(gone.lines.begin(), gone.lines.end(),
                   line("add element", "no-endpoint-nodeports",
                        "{ tcp . 30080 comment \"ns4/svc4:p80\" : goto reject-chain }")) == 1);
  CHECK(gone.leftover == std::vector<std::string>{second, first, external, service});

  ServicePort alone = after;  // without a ClusterIP nothing is masqueraded by it
  alone.cluster_ip.reset();
  const Lines only = sync(nullptr, &alone).lines;
  CHECK(std::none_of(only.begin(), only.end(), [](const auto& one) {
    return one.find("daddr") != std::string::npos || one.find("cluster-ips") != std::string::npos;
  }));
}

namespace {

// With an external IP, a load balancer's address and a NodePort, whose policy is Local: one of two
// endpoints is on this node.
ServicePort local4() {
  ServicePort port = svc4();
  port.external_local = true;
  port.local = {port.endpoints[1]};
  port.node_port = node_port(30080);
  for (const char* address : {"192.168.99.22", "1.2.3.4"}) {
    port.addresses.push_back({*Address::parse(address), 80, Protocol::tcp});
  }
  return port;
}

Lines matching(const Lines& lines, std::string_view part) {
  Lines found;
  std::copy_if(lines.begin(), lines.end(), std::back_inserter(found),
               [&](const std::string& one) { return one.find(part) != std::string::npos; });
  return found;
}

constexpr const char* local = "local-LAUZTJTB-ns4/svc4/tcp/p80";

}  // namespace

TEST_CASE("nftables: a Local policy, external addresses and the node's own packets") {
  const ServicePort port = local4();
  const Lines lines = sync(nullptr, &port).lines;
  const std::string to_service = std::string("goto ") + service;
  CHECK(matching(lines, std::string("add rule ip kube-proxy ") + external) ==
        Lines{line("add rule", external,
                   "ip saddr 10.0.0.0/8 " + to_service + " comment \"short-circuit pod traffic\""),
              line("add rule", external,
                   "fib saddr type local jump mark-for-masquerade comment \"masquerade local traffic\""),
              line("add rule", external,
                   "fib saddr type local " + to_service + " comment \"short-circuit local traffic\""),
              line("add rule", external, std::string("goto ") + local)});
  CHECK(matching(lines, std::string("add rule ip kube-proxy ") + local) ==
        Lines{line("add rule", local, fmt::format("numgen random mod 1 vmap {{ 0 : goto {} }}", second))});
  const std::string to_external = std::string(": goto ") + external + " }";
  CHECK(matching(lines, "add element") ==
        Lines{line("add element", "cluster-ips", "{ 172.30.0.44 }"),
              line("add element", "service-ips",
                   fmt::format("{{ 172.30.0.44 . tcp . 80 : goto {} }}", service)),
              line("add element", "service-ips", "{ 192.168.99.22 . tcp . 80 " + to_external),
              line("add element", "service-ips", "{ 1.2.3.4 . tcp . 80 " + to_external),
              line("add element", "service-nodeports", "{ tcp . 30080 " + to_external)});

  ServicePort elsewhere = port;
  elsewhere.local.clear();
  const Sync gone = sync(&port, &elsewhere);
  CHECK(matching(gone.lines, "element") ==
        Lines{line("add element", "no-endpoint-services",
                   "{ 192.168.99.22 . tcp . 80 comment \"ns4/svc4:p80\" : drop }"),
              line("add element", "no-endpoint-services",
                   "{ 1.2.3.4 . tcp . 80 comment \"ns4/svc4:p80\" : drop }"),
              line("add element", "no-endpoint-nodeports",
                   "{ tcp . 30080 comment \"ns4/svc4:p80\" : drop }")});
  CHECK(matching(gone.lines, std::string("add rule ip kube-proxy ") + external).size() == 3);
  CHECK(gone.leftover == std::vector<std::string>{local});

  ServicePort none = elsewhere;
  none.endpoints.clear();
  CHECK(matching(sync(nullptr, &none).lines, "goto reject-chain").size() == 4);
}

TEST_CASE("nftables: a ClusterIP with a Local policy alone has only this node's endpoints") {
  ServicePort port = svc4();
  port.internal_local = true;
  port.local = {port.endpoints[0]};
  const Sync made = sync(nullptr, &port);
  CHECK(matching(made.lines, "add chain") == Lines{line("add chain", first), line("add chain", local)});
  CHECK(matching(made.lines, std::string("add rule ip kube-proxy ") + local).front() ==
        line("add rule", local, "ip daddr 172.30.0.44 ip saddr != 10.0.0.0/8 jump mark-for-masquerade"));
  port.local.clear();
  CHECK(sync(nullptr, &port).lines ==
        Lines{line("add element", "cluster-ips", "{ 172.30.0.44 }"),
              line("add element", "no-endpoint-services",
                   "{ 172.30.0.44 . tcp . 80 comment \"ns4/svc4:p80\" : drop }")});
}

TEST_CASE("nftables: session affinity") {
  ServicePort port = svc4();
  port.affinity_seconds = 10800;
  const std::string sets[] = {"affinity-UNZV3OEC-ns4/svc4/tcp/p80__10.180.0.4/80",
                              "affinity-5RFCDDV7-ns4/svc4/tcp/p80__10.180.0.5/80"};
  const std::string type = "{ type ipv4_addr ; flags dynamic,timeout ; timeout 10800s ; }";
  const Lines lines = sync(nullptr, &port).lines;
  CHECK(Lines(lines.begin() + 9, lines.end()) ==
        Lines{
            line("add set", sets[0], type),
            line("add set", sets[1], type),
            line("add rule", service, "ip saddr @" + sets[0] + " goto " + first),
            line("add rule", service, "ip saddr @" + sets[1] + " goto " + second),
            line("add rule", service,
                 fmt::format("numgen random mod 2 vmap {{ 0 : goto {} , 1 : goto {} }}", first, second)),
            line("add rule", first, "ip saddr 10.180.0.4 jump mark-for-masquerade"),
            line("add rule", first, "update @" + sets[0] + " { ip saddr }"),
            line("add rule", first, "meta l4proto tcp dnat to 10.180.0.4:80"),
            line("add rule", second, "ip saddr 10.180.0.5 jump mark-for-masquerade"),
            line("add rule", second, "update @" + sets[1] + " { ip saddr }"),
            line("add rule", second, "meta l4proto tcp dnat to 10.180.0.5:80"),
        });
  ServicePort fewer = port;
  fewer.endpoints.pop_back();
  CHECK(matching(sync(&port, &fewer).lines, "delete set") == Lines{line("delete set", sets[1])});
  const ServicePort without = svc4();
  CHECK(matching(sync(&port, &without).lines, "delete set").size() == 2);
  fewer.affinity_seconds = 60;  // made anew, before it is added
  const Lines other = sync(&port, &fewer).lines;
  CHECK(matching(other, " set ") ==
        Lines{line("delete set", sets[0]),
              line("add set", sets[0], "{ type ipv4_addr ; flags dynamic,timeout ; timeout 60s ; }"),
              line("delete set", sets[1])});
}

TEST_CASE("nftables: IPv6 and UDP") {
  ServicePort port;
  port.name = "ns1/svc1:p80";
  port.family = Family::ipv6;
  port.protocol = Protocol::udp;
  port.cluster_ip = Frontend{*Address::parse("fd00:172:30::41"), 53, Protocol::udp};
  port.endpoints = {endpoint("fd00:10:180::1", 5353)};
  const Lines lines = sync(nullptr, &port).lines;
  REQUIRE(lines.size() == 10);
  const std::string chain = nft_service_chain(port);
  CHECK(lines[5] ==
        fmt::format("add element ip6 kube-proxy service-ips {{ fd00:172:30::41 . udp . 53 : goto {} }}",
                    chain));
  CHECK(lines[6] ==
        fmt::format("add rule ip6 kube-proxy {} ip6 daddr fd00:172:30::41 ip6 saddr != fd00::/8 "
                    "jump mark-for-masquerade",
                    chain));
  CHECK(lines[8].ends_with(" ip6 saddr fd00:10:180::1 jump mark-for-masquerade"));
  CHECK(lines[9].ends_with(" meta l4proto udp dnat to [fd00:10:180::1]:5353"));
}

TEST_CASE("nftables: an endpoint that is listed twice has one chain") {
  ServicePort port = svc4();
  port.endpoints[1] = port.endpoints[0];
  const Lines lines = sync(nullptr, &port).lines;
  CHECK(std::count(lines.begin(), lines.end(), line("add chain", first)) == 1);
  CHECK(std::count(lines.begin(), lines.end(),
                   line("add rule", first, "meta l4proto tcp dnat to 10.180.0.4:80")) == 1);
  CHECK(lines[6].find("mod 2 vmap") == std::string::npos);
  CHECK(lines[7].find("numgen random mod 2 vmap { 0 : goto ") != std::string::npos);
}

TEST_CASE("nftables: base tables of both families are kube-proxy's") {
  std::string four;
  write_nft_base(four, Family::ipv4, {});
  for (const char* wanted : {
           "add table ip kube-proxy { comment \"rules for kube-proxy\" ; }",
           "add set ip kube-proxy cluster-ips { type ipv4_addr ; comment \"Active ClusterIPs\" ; }",
           "add chain ip kube-proxy nat-prerouting { type nat hook prerouting priority -100 ; }",
           "add chain ip kube-proxy nat-output { type nat hook output priority -100 ; }",
           "add chain ip kube-proxy nat-postrouting { type nat hook postrouting priority 100 ; }",
           "add chain ip kube-proxy filter-forward { type filter hook forward priority 0 ; }",
           "add chain ip kube-proxy filter-output-pre-dnat { type filter hook output priority -110 ; }",
           "add rule ip kube-proxy nat-prerouting jump services",
           "add rule ip kube-proxy nat-output jump services",
           "add rule ip kube-proxy mark-for-masquerade mark set mark or 0x4000",
           "add rule ip kube-proxy masquerading mark and 0x4000 == 0 return",
           "add rule ip kube-proxy masquerading mark set mark xor 0x4000",
           "add rule ip kube-proxy masquerading masquerade fully-random",
           "add rule ip kube-proxy services ip daddr . meta l4proto . th dport vmap @service-ips",
           "meta l4proto . th dport vmap @no-endpoint-nodeports",
           "ip daddr . meta l4proto . th dport vmap @no-endpoint-services",
       }) {
    CHECK_MESSAGE(four.find(std::string(wanted) + "\n") != std::string::npos, wanted);
  }
  CHECK(
      four.find("add rule ip kube-proxy services fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto "
                ". th dport vmap @service-nodeports\n") != std::string::npos);
  const auto type = four.find("service-ips { type ipv4_addr . inet_proto . inet_service : verdict ;");
  CHECK(type != std::string::npos);
  CHECK(four.find("service-nodeports { type inet_proto . inet_service : verdict ;") != std::string::npos);

  std::string six;
  write_nft_base(six, Family::ipv6, {});
  CHECK(lines_of(six).size() == lines_of(four).size());
  CHECK(six.find(" ip ") == std::string::npos);
  CHECK(six.find("127.0.0") == std::string::npos);
  CHECK(six.find("ip6 daddr != ::1") != std::string::npos);
}

TEST_CASE("nftables: what nft prints is understood, and what it does not print is not made up") {
  CHECK(!NftTable::parse("", Family::ipv4));
  CHECK(!NftTable::parse("{\"nftables\": 1}", Family::ipv4));
  CHECK(!NftTable::parse("{\"nftables\": [{\"map\": {\"name\": \"service-ips\", \"elem\": [1]}}]}",
                         Family::ipv4));
  const auto empty = NftTable::parse("{\"nftables\": []}", Family::ipv4);
  REQUIRE(empty);
  CHECK(!empty->find(*svc4().cluster_ip)->has_value());
  CHECK(!empty->services({}));  // not even the maps

  // A map that leads to a chain that is not there.
  const auto dangling = NftTable::parse(
      R"({"nftables": [{"map": {"name": "service-ips", "elem":
          [[{"concat": ["172.30.0.44", 6, 80]}, {"goto": {"target": "service-X-a/b/tcp/"}}]]}}]})",
      Family::ipv4);
  REQUIRE(dangling);
  const auto found = dangling->find(*svc4().cluster_ip);
  REQUIRE(!found);
  CHECK(found.error().message.find("service-X-a/b/tcp/") != std::string::npos);
}
