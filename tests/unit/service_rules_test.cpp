// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A node's rules, taken apart into kube-proxy's and the rest.
#include "capture/service_rules.h"

#include <doctest/doctest.h>

namespace svcbench {
namespace {

constexpr std::string_view node =
    "*filter\n"
    ":INPUT ACCEPT [0:0]\n"
    ":FORWARD DROP [0:0]\n"
    ":DOCKER-USER - [0:0]\n"
    ":KUBE-EXTERNAL-SERVICES - [0:0]\n"
    ":KUBE-SERVICES - [0:0]\n"
    "-A INPUT -m conntrack --ctstate NEW -j KUBE-EXTERNAL-SERVICES\n"
    "-A FORWARD -j DOCKER-USER\n"
    "-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES\n"
    "-A DOCKER-USER -m comment --comment \"-j KUBE-SERVICES\" -j RETURN\n"
    "-A KUBE-SERVICES -d 10.96.0.9/32 -p udp -m comment --comment \"a/b has no endpoints\" -m udp --dport "
    "53 "
    "-j REJECT\n"
    "COMMIT\n"
    "*nat\n"
    ":PREROUTING ACCEPT [0:0]\n"
    ":KUBE-SEP-AAAAAAAAAAAAAAAA - [0:0]\n"
    ":KUBE-SERVICES - [0:0]\n"
    ":KUBE-SVC-BBBBBBBBBBBBBBBB - [0:0]\n"
    "-A PREROUTING -j KUBE-SERVICES\n"
    "-A PREROUTING -i docker0 -j ACCEPT\n"
    "-A KUBE-SEP-AAAAAAAAAAAAAAAA -p tcp -m tcp -j DNAT --to-destination 10.244.0.7:8080\n"
    "-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-BBBBBBBBBBBBBBBB\n"
    "-A KUBE-SVC-BBBBBBBBBBBBBBBB -j KUBE-SEP-AAAAAAAAAAAAAAAA\n"
    "COMMIT\n";

TEST_CASE("service rules: kube-proxy's and the rest are two rulesets, and together the whole") {
  const SplitRules split = split_rules(node).value();
  CHECK(split.rest ==
        "*filter\n"
        ":INPUT ACCEPT [0:0]\n"
        ":FORWARD DROP [0:0]\n"
        ":DOCKER-USER - [0:0]\n"
        "-A FORWARD -j DOCKER-USER\n"
        "-A DOCKER-USER -m comment --comment \"-j KUBE-SERVICES\" -j RETURN\n"
        "COMMIT\n"
        "*nat\n"
        ":PREROUTING ACCEPT [0:0]\n"
        "-A PREROUTING -i docker0 -j ACCEPT\n"
        "COMMIT\n");
  CHECK(split.rest_rules == 3);
  CHECK(split.service_rules == 7);
  CHECK(split.services.find("DOCKER") == std::string::npos);
  CHECK(split.services.find("-A PREROUTING -j KUBE-SERVICES\n") != std::string::npos);
  CHECK(split_rules(split.services).value().services == split.services);
}

TEST_CASE("service rules: a jump from the one to the other is named, and nothing is split") {
  const auto split = split_rules(
      "*filter\n:FORWARD ACCEPT [0:0]\n:acme - [0:0]\n:KUBE-FORWARD - [0:0]\n-A acme -j "
      "KUBE-FORWARD\nCOMMIT\n");
  REQUIRE(!split);
  CHECK(split.error().message.find("\"-A acme -j KUBE-FORWARD\" leads from one") != std::string::npos);
}

TEST_CASE("service rules: the frontends that they have, and where each leads") {
  const auto frontends = frontends_of_rules(node, Family::ipv4).value();
  REQUIRE(frontends.size() == 2);
  const Frontend tcp{Address::parse("10.96.0.1").value(), 443, Protocol::tcp};
  const Frontend udp{Address::parse("10.96.0.9").value(), 53, Protocol::udp};
  REQUIRE(frontends.at(tcp).size() == 1);
  CHECK(frontends.at(tcp)[0].text() == "10.244.0.7:8080");
  CHECK(frontends.at(udp).empty());
}

}  // namespace
}  // namespace svcbench
