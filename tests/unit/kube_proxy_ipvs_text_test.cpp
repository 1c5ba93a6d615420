// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plane/kube_proxy/ipvs_text.h"

namespace svcbench::kube_proxy {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Where `part` stands; it has to.
std::size_t place_of(const std::string& text, const std::string& part) {
  INFO(part);
  REQUIRE(has(text, part));
  return text.find(part);
}

Service service(const char* address, std::uint16_t port, Protocol protocol) {
  Service one;
  one.frontend = {*Address::parse(address), port, protocol};
  return one;
}

}  // namespace

TEST_CASE("kube-proxy's ipsets: names, cut where the kernel's are") {
  CHECK(ipset_name(cluster_ip_set, Family::ipv4) == "KUBE-CLUSTER-IP");
  CHECK(ipset_name(cluster_ip_set, Family::ipv6) == "KUBE-6-CLUSTER-IP");
  CHECK(ipset_name("LOAD-BALANCER-SOURCE-CIDR", Family::ipv4) == "KUBE-LOAD-BALANCER-SOURCE-CIDR");
  CHECK(ipset_name("LOAD-BALANCER-SOURCE-CIDR", Family::ipv6) == "KUBE-6-LOAD-BALANCER-SOURCE-CID");

  std::set<std::string> names;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    for (const auto& shape : ipset_shapes()) {
      const auto name = ipset_name(shape.name, family);
      CHECK(name.size() <= 31);
      names.insert(name);
    }
  }
  CHECK(names.size() == 2 * 17);
}

TEST_CASE("kube-proxy's ipsets: how they are made") {
  const auto words = [](std::string_view name, Family family) {
    const auto shapes = ipset_shapes();
    const auto shape =
        std::find_if(shapes.begin(), shapes.end(), [&](const auto& s) { return s.name == name; });
    REQUIRE(shape != shapes.end());
    return fmt::format("{}", fmt::join(ipset_create(*shape, family), " "));
  };
  CHECK(words("CLUSTER-IP", Family::ipv4) ==
        "create KUBE-CLUSTER-IP hash:ip,port family inet hashsize 1024 maxelem 65536 -exist");
  CHECK(words("LOOP-BACK", Family::ipv6) ==
        "create KUBE-6-LOOP-BACK hash:ip,port,ip family inet6 hashsize 1024 maxelem 65536 -exist");
  CHECK(words("NODE-PORT-UDP", Family::ipv4) ==
        "create KUBE-NODE-PORT-UDP bitmap:port range 0-65535 -exist");
}

TEST_CASE("kube-proxy's ipsets: members in and out") {
  const std::vector<Service> services{service("10.96.0.1", 80, Protocol::tcp),
                                      service("10.96.0.1", 53, Protocol::udp),
                                      service("fd00::1", 443, Protocol::tcp)};
  const std::vector<Address> addresses{*Address::parse("10.96.0.1"), *Address::parse("fd00::1")};
  CHECK(cluster_ip_member(services[2].frontend) == "fd00::1,tcp:443");

  const auto ipv4 = ipset_restore(services, addresses, Family::ipv4);
  CHECK(count_of(ipv4, "create ") == 17);
  CHECK(count_of(ipv4, "flush ") == 17);
  CHECK(has(ipv4,
            "\nadd KUBE-CLUSTER-IP 10.96.0.1,tcp:80\nadd KUBE-CLUSTER-IP 10.96.0.1,udp:53\n"
            "add KUBE-IPVS-IPS 10.96.0.1\n"));
  CHECK(count_of(ipv4, "add ") == 3);
  const auto ipv6 = ipset_restore(services, addresses, Family::ipv6);
  CHECK(ipv6.ends_with("\nadd KUBE-6-CLUSTER-IP fd00::1,tcp:443\nadd KUBE-6-IPVS-IPS fd00::1\n"));
  CHECK(count_of(ipv6, "add ") == 2);

  const auto members = ipset_members(
      "Name: KUBE-CLUSTER-IP\nType: hash:ip,port\nNumber of entries: 2\n"
      "Members:\n10.96.0.1,udp:53\n10.96.0.1,tcp:80\n");
  CHECK(members == std::vector<std::string_view>{"10.96.0.1,udp:53", "10.96.0.1,tcp:80"});
  CHECK(ipset_members("Name: A\nMembers:\n").empty());
  CHECK(ipset_members("").empty());
}

namespace {

Service of_kind(FrontendKind kind, const char* address, std::uint16_t port, bool local) {
  Service one = service(address, port, Protocol::tcp);
  one.kind = kind;
  one.local_only = local;
  one.endpoints = {{*Address::parse("10.244.0.1"), 8080}};
  one.cluster_endpoints =
      local ? std::vector<Endpoint>{one.endpoints[0], {*Address::parse("10.244.0.2"), 8080}}
            : std::vector<Endpoint>{};
  return one;
}

std::string entries_of(const Service& one, bool here = false) {
  std::string text;
  for (const IpsetMember& entry : ipset_entries(one, {.endpoints_are_here = here})) {
    text += fmt::format("{}{} {}", text.empty() ? "" : "; ", entry.set, entry.member);
  }
  return text;
}

}  // namespace

TEST_CASE("kube-proxy's ipsets: what each kind of frontend puts where") {
  using Kind = FrontendKind;
  const std::string loop = "; LOOP-BACK 10.244.0.1,tcp:8080,10.244.0.1";
  CHECK(entries_of(of_kind(Kind::cluster_ip, "10.96.0.1", 80, false)) == "CLUSTER-IP 10.96.0.1,tcp:80");
  CHECK(entries_of(of_kind(Kind::cluster_ip, "10.96.0.1", 80, false), true) ==
        "CLUSTER-IP 10.96.0.1,tcp:80" + loop);
  CHECK(entries_of(of_kind(Kind::cluster_ip, "10.96.0.1", 80, true)) ==
        "CLUSTER-IP 10.96.0.1,tcp:80" + loop);
  CHECK(entries_of(of_kind(Kind::external_ip, "192.0.2.1", 80, false)) == "EXTERNAL-IP 192.0.2.1,tcp:80");
  CHECK(entries_of(of_kind(Kind::external_ip, "192.0.2.1", 80, true)) ==
        "EXTERNAL-IP-LOCAL 192.0.2.1,tcp:80" + loop);
  CHECK(entries_of(of_kind(Kind::load_balancer, "192.0.2.1", 80, true)) ==
        "LOAD-BALANCER 192.0.2.1,tcp:80; LOAD-BALANCER-LOCAL 192.0.2.1,tcp:80" + loop);
  CHECK(entries_of(of_kind(Kind::node_port, "0.0.0.0", 30080, true)) ==
        "NODE-PORT-TCP 30080; NODE-PORT-LOCAL-TCP 30080" + loop);
  Service udp = of_kind(Kind::node_port, "0.0.0.0", 30053, false);
  udp.frontend.protocol = Protocol::udp;
  CHECK(entries_of(udp) == "NODE-PORT-UDP 30053");
}

TEST_CASE("kube-proxy's virtual servers, as ipvsadm reads them") {
  Service plain = of_kind(FrontendKind::cluster_ip, "10.96.0.1", 80, false);
  plain.endpoints.insert(plain.endpoints.begin(), {*Address::parse("10.244.0.9"), 8080});
  plain.terminating = {{*Address::parse("10.244.0.5"), 8080}};
  Service node = of_kind(FrontendKind::node_port, "0.0.0.0", 30080, true);
  node.affinity_seconds = 600;
  Service udp = service("fd00::1", 53, Protocol::udp);
  udp.endpoints = {{*Address::parse("fd00:1::1"), 53}};
  udp.terminating = {{*Address::parse("fd00:1::2"), 53}};
  const std::vector<Address> nodes{*Address::parse("192.168.0.1"), *Address::parse("fd00:7::1"),
                                   *Address::parse("192.168.0.2")};
  CHECK(ipvsadm_restore(std::vector{plain, node, udp}, nodes, Family::ipv4) ==
        "-A -t 10.96.0.1:80 -s rr\n"
        "-a -t 10.96.0.1:80 -r 10.244.0.1:8080 -m -w 1\n"
        "-a -t 10.96.0.1:80 -r 10.244.0.9:8080 -m -w 1\n"
        "-A -t 192.168.0.1:30080 -s rr -p 600\n"
        "-a -t 192.168.0.1:30080 -r 10.244.0.1:8080 -m -w 1\n"
        "-A -t 192.168.0.2:30080 -s rr -p 600\n"
        "-a -t 192.168.0.2:30080 -r 10.244.0.1:8080 -m -w 1\n");
  CHECK(ipvsadm_restore(std::vector{plain, node, udp}, nodes, Family::ipv6) ==
        "-A -u [fd00::1]:53 -s rr\n-a -u [fd00::1]:53 -r [fd00:1::1]:53 -m -w 1\n");
  // No endpoint on this node: the cluster's.
  node.endpoints.clear();
  CHECK(count_of(ipvsadm_restore(std::vector{node}, nodes, Family::ipv4), "-a ") == 4);
}

TEST_CASE("kube-proxy's rules of IPVS mode: more where sets have members") {
  const std::vector<Service> services{of_kind(FrontendKind::cluster_ip, "10.96.0.1", 80, false),
                                      of_kind(FrontendKind::external_ip, "192.0.2.1", 80, false),
                                      of_kind(FrontendKind::external_ip, "192.0.2.2", 80, true),
                                      of_kind(FrontendKind::load_balancer, "192.0.2.3", 80, true),
                                      of_kind(FrontendKind::node_port, "0.0.0.0", 30080, true)};
  const auto in_use = ipsets_in_use(services, Family::ipv4);
  CHECK(in_use == IpsetsInUse{"CLUSTER-IP", "EXTERNAL-IP", "EXTERNAL-IP-LOCAL", "LOAD-BALANCER",
                              "LOAD-BALANCER-LOCAL", "LOOP-BACK", "NODE-PORT-LOCAL-TCP", "NODE-PORT-TCP"});
  CHECK(ipsets_in_use(services, Family::ipv6).empty());
  const auto text = ipvs_rules(Family::ipv4, "10.0.0.0/8", false, in_use);
  CHECK(count_of(text, "\n-A ") == 20 + 3 + 2 + 3 + 2);
  CHECK(count_of(ipvs_rules(Family::ipv4, "10.0.0.0/8", false, {}), "\n-A ") == 18);
  // External IPs: masqueraded, accepted from other machines and at this one's addresses; Local ones not
  // masqueraded.
  CHECK(count_of(text, "KUBE-EXTERNAL-IP dst,dst -j KUBE-MARK-MASQ\n") == 1);
  CHECK(count_of(text, "KUBE-EXTERNAL-IP-LOCAL dst,dst -j KUBE-MARK-MASQ\n") == 0);
  CHECK(count_of(text, "dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT\n") ==
        2);
  CHECK(count_of(text, "dst,dst -m addrtype --dst-type LOCAL -j ACCEPT\n") == 2);
  // What is Local returns before the mark, in the chains of load balancers and of NodePorts.
  CHECK(place_of(text, "KUBE-LOAD-BALANCER-LOCAL dst,dst -j RETURN") <
        place_of(text, "-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ"));
  CHECK(place_of(text, "KUBE-NODE-PORT-LOCAL-TCP dst -j RETURN") <
        place_of(text, "KUBE-NODE-PORT-TCP dst -j KUBE-MARK-MASQ"));
  CHECK(place_of(text, "KUBE-LOAD-BALANCER dst,dst -j KUBE-LOAD-BALANCER") <
        place_of(text, "KUBE-LOAD-BALANCER dst,dst -j ACCEPT"));
}

TEST_CASE("kube-proxy's ipsets: only its own of one family are destroyed") {
  CHECK(ipset_destroy("KUBE-CLUSTER-IP\nother\nKUBE-6-CLUSTER-IP\nKUBE-CLUSTER-IP-X\nKUBE-LOOP-BACK",
                      Family::ipv4) == "destroy KUBE-CLUSTER-IP\ndestroy KUBE-LOOP-BACK\n");
  CHECK(ipset_destroy("", Family::ipv6).empty());
}

TEST_CASE("kube-proxy's rules of IPVS mode: twenty, whose order matters") {
  const auto text = ipvs_rules(Family::ipv4, "10.0.0.0/8", false);
  CHECK(count_of(text, "\n-A ") == 20);
  CHECK(count_of(text, "\n-I ") == 0);
  CHECK(count_of(text, "\n:") == 11);
  CHECK(count_of(text, "COMMIT\n") == 2);

  // Masqueraded before it is accepted, and local clients first of all.
  const auto masquerade = place_of(text, "KUBE-CLUSTER-IP dst,dst ! -s 10.0.0.0/8 -j KUBE-MARK-MASQ");
  CHECK(place_of(text, "-A KUBE-SERVICES -s 127.0.0.0/8 -j RETURN") < masquerade);
  CHECK(masquerade <
        place_of(text, "-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT"));
  // Hairpins before the mark is looked at; the mark is cleared before the packet is masqueraded.
  const auto unmarked = place_of(text, "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN");
  const auto cleared = place_of(text, "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000");
  CHECK(place_of(text, "--match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE") < unmarked);
  CHECK(unmarked < cleared);
  CHECK(cleared < place_of(text, "requiring SNAT\" -j MASQUERADE --random-fully"));
  // What is no service's port is refused at a service's address, last of all.
  CHECK(place_of(text, "-A KUBE-IPVS-FILTER -m set --match-set KUBE-CLUSTER-IP dst,dst -j RETURN") <
        place_of(text, "KUBE-IPVS-IPS dst -j REJECT"));

  const auto ipv6 = ipvs_rules(Family::ipv6, "fd00::/8", false);
  CHECK(has(ipv6, "-s ::1/128 -j RETURN"));
  CHECK(has(ipv6, "--match-set KUBE-6-CLUSTER-IP dst,dst ! -s fd00::/8 -j KUBE-MARK-MASQ"));
  CHECK(!has(ipv6, "KUBE-CLUSTER-IP"));
  CHECK(!has(ipv6, "10.0.0.0"));
}

TEST_CASE("kube-proxy's rules of IPVS mode: every set that a rule names is made") {
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    std::set<std::string> made;
    for (const auto& shape : ipset_shapes()) {
      made.insert(ipset_name(shape.name, family));
    }
    std::istringstream words(ipvs_rules(family, "10.0.0.0/8", true));
    std::size_t matches = 0;
    for (std::string word; words >> word;) {
      if (word == "--match-set") {
        words >> word;
        CHECK_MESSAGE(made.contains(word), word);
        ++matches;
      }
    }
    CHECK(matches == 10);
  }
}

TEST_CASE("kube-proxy's rules of IPVS mode: jumps come and go with them") {
  const auto text = ipvs_rules(Family::ipv4, "10.0.0.0/8", true);
  CHECK(count_of(text, "\n-I ") == 9);
  CHECK(
      has(text, "\n-I PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n"));
  CHECK(place_of(text, "-I POSTROUTING") < place_of(text, "*filter"));
  CHECK(place_of(text, "-I INPUT") > place_of(text, "*filter"));

  const auto removal = ipvs_rules_removal();
  CHECK(count_of(removal, "\n-D ") == 9);
  CHECK(count_of(removal, "\n-X ") == 11);
  CHECK(has(removal,
            "\n-D PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES\n"));

  CHECK(fmt::format("{}", fmt::join(jump_command("-C", ipvs_jumps()[0]), " ")) ==
        "-w 5 -C OUTPUT -t nat -m comment --comment kubernetes service portals -j KUBE-SERVICES");
}

}  // namespace svcbench::kube_proxy
