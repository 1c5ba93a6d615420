// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plane/iptables_chapter.h"

namespace svcbench {
namespace {

Service service(const std::string& address, std::uint16_t port, Protocol protocol,
                const std::vector<std::string>& backends) {
  Service result;
  result.name = "test/service";
  result.frontend = {*Address::parse(address), port, protocol};
  for (const auto& backend : backends) {
    result.endpoints.push_back({*Address::parse(backend), 8080});
  }
  return result;
}

std::vector<Service> many(std::size_t count) {
  std::vector<Service> services;
  for (std::uint32_t i = 0; i < count; ++i) {
    Service one = service("0.0.0.0", 80, Protocol::tcp, {"0.0.0.0"});
    one.frontend.address = Address::from_ipv4(0x0A600001U + i);
    one.endpoints[0].address = Address::from_ipv4(0x0AB40001U + i);
    services.push_back(one);
  }
  return services;
}

std::vector<std::string> lines_with(const std::string& text, const std::string& start) {
  std::vector<std::string> lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) {
    if (line.starts_with(start)) {
      lines.push_back(line);
    }
  }
  return lines;
}

// The word after `option`.
std::string value_of(const std::string& line, const std::string& option) {
  std::istringstream words(line);
  std::string word;
  while (words >> word && word != option) {
  }
  words >> word;
  return word;
}

}  // namespace

TEST_CASE("chapter table: 3N + 7 rules, as the chapter counts them") {
  for (const std::size_t n : {0U, 1U, 100U, 1'000U, 5'000U}) {
    const auto text = chapter_nat_table(many(n), Family::ipv4);
    CHECK(lines_with(text, "-A ").size() == 3 * n + 7);
    CHECK(lines_with(text, ":KUBE-SVC-").size() == n);
    CHECK(lines_with(text, ":KUBE-SEP-").size() == n);
    CHECK(text.starts_with("*nat\n"));
    CHECK(text.ends_with("\nCOMMIT\n"));
    CHECK(lines_with(chapter_nat_table(many(n), Family::ipv6), "-A ").size() == 7);
  }
}

TEST_CASE("chapter table: the seven") {
  const auto rules = lines_with(chapter_nat_table({}, Family::ipv4), "-A ");
  CHECK(rules == std::vector<std::string>{
                     "-A PREROUTING -j KUBE-SERVICES",
                     "-A OUTPUT -j KUBE-SERVICES",
                     "-A POSTROUTING -j KUBE-POSTROUTING",
                     "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
                     "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
                     "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
                     "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
                 });
}

TEST_CASE("chapter table: three rules a service, chained, first endpoint only") {
  struct Case {
    Service service;
    Family family;
    std::string match;
    std::string end;
  };
  const std::vector<Case> cases{
      {service("10.96.0.10", 443, Protocol::tcp, {"10.180.0.1", "10.180.0.2"}), Family::ipv4,
       "-d 10.96.0.10/32 -p tcp -m tcp --dport 443",
       "-p tcp -m tcp -j DNAT --to-destination 10.180.0.1:8080"},
      {service("10.96.0.10", 53, Protocol::udp, {"10.180.0.1"}), Family::ipv4,
       "-d 10.96.0.10/32 -p udp -m udp --dport 53",
       "-p udp -m udp -j DNAT --to-destination 10.180.0.1:8080"},
      {service("fd00:96::a", 443, Protocol::tcp, {"fd00:180::1"}), Family::ipv6,
       "-d fd00:96::a/128 -p tcp -m tcp --dport 443",
       "-p tcp -m tcp -j DNAT --to-destination [fd00:180::1]:8080"},
      {service("0.0.0.0", 30080, Protocol::tcp, {"10.180.0.1"}), Family::ipv4,
       "-m addrtype --dst-type LOCAL -p tcp -m tcp --dport 30080",
       "-p tcp -m tcp -j DNAT --to-destination 10.180.0.1:8080"},
      {service("10.96.0.10", 443, Protocol::tcp, {}), Family::ipv4,
       "-d 10.96.0.10/32 -p tcp -m tcp --dport 443", "-p tcp -m tcp -j RETURN"},
  };
  for (const auto& [one, family, match, end] : cases) {
    const auto text = chapter_nat_table(std::vector{one}, family);
    const auto entry = lines_with(text, "-A KUBE-SERVICES ");
    REQUIRE(entry.size() == 1);
    const auto chain = value_of(entry[0], "-j");
    CHECK(entry[0] == fmt::format("-A KUBE-SERVICES {} -j {}", match, chain));
    CHECK(chain.starts_with("KUBE-SVC-"));
    CHECK(chain.size() == 9 + 16);
    CHECK(chain.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 9) == std::string::npos);
    const auto jump = lines_with(text, "-A " + chain + " ");
    REQUIRE(jump.size() == 1);
    const auto endpoint_chain = value_of(jump[0], "-j");
    CHECK(jump[0] == fmt::format("-A {} -j {}", chain, endpoint_chain));
    CHECK(endpoint_chain.starts_with("KUBE-SEP-"));
    CHECK(lines_with(text, "-A " + endpoint_chain + " ") ==
          std::vector<std::string>{fmt::format("-A {} {}", endpoint_chain, end)});
    CHECK(lines_with(text, ":" + chain + " - [0:0]").size() == 1);
    CHECK(lines_with(text, ":" + endpoint_chain + " - [0:0]").size() == 1);
  }
}

TEST_CASE("chapter table: every chain has a name of its own, also where only one field differs") {
  auto services = many(20'000);
  auto udp = services[0];
  udp.frontend.protocol = Protocol::udp;
  auto port = services[0];
  port.frontend.port = 81;
  services.push_back(udp);
  services.push_back(port);
  std::set<std::string> names;
  for (const auto& line : lines_with(chapter_nat_table(services, Family::ipv4), ":KUBE-S")) {
    names.insert(line);
  }
  CHECK(names.size() == 2 * services.size() + 1);  // and KUBE-SERVICES
}

TEST_CASE("chapter table: an endpoint's change renames its chain, and nothing else") {
  auto services = many(3);
  const auto before = chapter_nat_table(services, Family::ipv4);
  services[1].endpoints[0].port = 9;
  const auto after = chapter_nat_table(services, Family::ipv4);
  CHECK(lines_with(before, "-A KUBE-SERVICES") == lines_with(after, "-A KUBE-SERVICES"));
  CHECK(lines_with(before, ":KUBE-SEP-")[0] == lines_with(after, ":KUBE-SEP-")[0]);
  CHECK(lines_with(before, ":KUBE-SEP-")[1] != lines_with(after, ":KUBE-SEP-")[1]);
  CHECK(after.find("--to-destination 10.180.0.2:9\n") != std::string::npos);
}

TEST_CASE("chapter table: what is written is read back") {
  const std::vector<Service> services{
      service("10.96.0.10", 443, Protocol::tcp, {"10.180.0.1"}),
      service("10.96.0.10", 53, Protocol::udp, {}),
      service("0.0.0.0", 30080, Protocol::tcp, {"10.180.0.3"}),
      service("fd00:96::a", 443, Protocol::tcp, {"fd00:180::1"}),
  };
  const auto table = parse_chapter_table(chapter_nat_table(services, Family::ipv4), Family::ipv4);
  REQUIRE(table);
  CHECK(table->rules == 3 * 3 + 7);
  REQUIRE(table->services.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(table->services[i].first == services[i].frontend);
    const auto& chain = table->service_chains.at(table->services[i].second);
    CHECK(table->endpoint_chains.count(chain) == services[i].endpoints.size());
    if (!services[i].endpoints.empty()) {
      CHECK(table->endpoint_chains.at(chain) == services[i].endpoints[0]);
    }
  }
  const auto table6 = parse_chapter_table(chapter_nat_table(services, Family::ipv6), Family::ipv6);
  REQUIRE(table6);
  REQUIRE(table6->services.size() == 1);
  CHECK(table6->services[0].first == services[3].frontend);
  CHECK(table6->endpoint_chains.begin()->second == services[3].endpoints[0]);
}

TEST_CASE("chapter table: a foreign table is an error, not a wrong answer") {
  CHECK(!parse_chapter_table("-A KUBE-SERVICES -d 10.0.0.1/32 -j KUBE-SVC-X\n", Family::ipv4));
  CHECK(!parse_chapter_table("-A KUBE-SEP-X -p tcp -j DNAT --to-destination 10.0.0.1\n", Family::ipv4));
}

TEST_CASE("chapter plane: a change that does not fit is refused before anything is generated") {
  IptablesChapter plane({"/bin/false", "/bin/false", "", "", "iptables-test", "nft"});
  const auto one = service("10.96.0.10", 443, Protocol::tcp, {"10.180.0.1"});
  CHECK(!plane.stage({Operation::change_endpoints, one}));
  CHECK(!plane.stage({Operation::remove_service, one}));
  CHECK(plane.stage({Operation::add_service, one}));
  CHECK(!plane.stage({Operation::add_service, one}));
  CHECK(plane.stage({Operation::change_endpoints, one}));
  CHECK(plane.stage({Operation::remove_service, one}));
  CHECK(!plane.install(std::vector{one, one}));
}

TEST_CASE("chapter plane: what restore says is the error") {
  IptablesChapter plane({"/bin/ls", "/bin/false", "", "", "iptables-test", "nft"});
  const auto six = service("fd00:96::a", 443, Protocol::tcp, {"fd00:180::1"});
  const auto result = plane.install(std::vector{six});
  REQUIRE(!result);
  CHECK(result.error().message.find("ip6tables-restore") != std::string::npos);
  IptablesChapter failing({"/bin/false", "/bin/false", "", "", "iptables-test", "nft"});
  const auto refused = failing.install({});
  REQUIRE(!refused);
  CHECK(refused.error().message.find("/bin/false") != std::string::npos);
  CHECK(failing.rules() == 0);
}

TEST_CASE("chapter plane: what of a service it programs") {
  const IptablesChapter plane({"/bin/false", "/bin/false", "", "", "iptables-test", "nft"});
  const auto whole = service("10.96.0.10", 443, Protocol::tcp, {"10.180.0.1", "10.180.0.2"});
  const auto part = plane.programmed(whole);
  CHECK(part.name.empty());
  CHECK(part.frontend == whole.frontend);
  CHECK(part.endpoints == std::vector{whole.endpoints[0]});
}

}  // namespace svcbench
