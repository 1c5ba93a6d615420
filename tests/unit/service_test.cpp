// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/service.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <unordered_set>

#include "service/text.h"

using namespace svcbench;

namespace {

std::string reprinted(std::string_view text) {
  const auto address = Address::parse(text);
  return address ? address->text() : address.error().message;
}

}  // namespace

TEST_CASE("an address is printed as RFC 5952 asks, however it was written") {
  CHECK(reprinted("10.96.0.1") == "10.96.0.1");
  CHECK(reprinted("FD00:0010:0096:0:0:0:0:5A5C") == "fd00:10:96::5a5c");
  CHECK(reprinted("2001:db8:0:0:1:0:0:1") == "2001:db8::1:0:0:1");
  CHECK(reprinted("::") == "::");
}

TEST_CASE("an address keeps its bytes in network order, and zeros behind an IPv4 one") {
  const Address ipv4 = Address::from_ipv4(0x0A60'0102);
  CHECK(ipv4.text() == "10.96.1.2");
  CHECK(ipv4 == Address::parse("10.96.1.2"));
  CHECK(ipv4.bytes[0] == 10);
  CHECK(ipv4.bytes[4] == 0);

  const Address ipv6 = Address::from_ipv6(0xFD00'0010'0096'0000, 0x0000'0000'0001'0002);
  CHECK(ipv6.text() == "fd00:10:96::1:2");
  CHECK(ipv6 == Address::parse("fd00:10:96::1:2"));
  CHECK(ipv6.bytes[15] == 2);
}

TEST_CASE("an address further on, by its last 32 bits") {
  const auto plus = [](const char* text, std::uint32_t count) {
    return Address::parse(text).value().plus(count).text();
  };
  CHECK(plus("10.0.0.254", 3) == "10.0.1.1");
  CHECK(plus("255.255.255.255", 1) == "0.0.0.0");
  CHECK(plus("fd00::ffff:ffff", 2) == "fd00::1");
  CHECK(plus("fd00::1", 0) == "fd00::1");
}

TEST_CASE("what is no address is refused by a sentence that names it") {
  for (const std::string_view text : {"", "10.96.0", "10.96.0.256", "10.96.0.1/32", " 10.96.0.1", "web",
                                      "1:2", "fe80::1%eth0", "[::1]", "10.96.000.001"}) {
    CAPTURE(text);
    const auto address = Address::parse(text);
    REQUIRE_FALSE(address);
    CHECK(address.error().kind == Error::Kind::usage);
    CHECK(address.error().message ==
          "\"" + std::string(text) + "\" is neither an IPv4 nor an IPv6 address");
  }
}

TEST_CASE("an address does not end at a NUL, and control bytes are not printed") {
  const auto nul = Address::parse(std::string_view("10.96.0.1\0x", 11));
  REQUIRE_FALSE(nul);
  CHECK(nul.error().message == "\"10.96.0.1\\x00x\" is neither an IPv4 nor an IPv6 address");
  CHECK(reprinted("\x1b[2J\xff") == "\"\\x1b[2J\\xff\" is neither an IPv4 nor an IPv6 address");
  CHECK_FALSE(Address::parse("10.96.0.1" + std::string(100, ' ')));
}

TEST_CASE("the unspecified address is all zeros, of either family") {
  CHECK(Address::parse("0.0.0.0")->is_unspecified());
  CHECK(Address::parse("::")->is_unspecified());
  CHECK_FALSE(Address::parse("0.0.0.1")->is_unspecified());
  CHECK_FALSE(Address::parse("::1")->is_unspecified());
  CHECK(*Address::parse("0.0.0.0") != *Address::parse("::"));
}

TEST_CASE("endpoints and frontends in words") {
  const Address ipv4 = *Address::parse("10.0.0.1");
  const Address ipv6 = *Address::parse("fd00::1");
  CHECK(Endpoint{ipv4, 80}.text() == "10.0.0.1:80");
  CHECK(Endpoint{ipv6, 80}.text() == "[fd00::1]:80");
  CHECK(Frontend{ipv4, 443, Protocol::tcp}.text() == "10.0.0.1:443/TCP");
  CHECK(Frontend{ipv6, 53, Protocol::udp}.text() == "[fd00::1]:53/UDP");
}

TEST_CASE("enumerators in words") {
  CHECK(to_string(Family::ipv4) == "IPv4");
  CHECK(to_string(Family::ipv6) == "IPv6");
  CHECK(to_string(Protocol::tcp) == "TCP");
  CHECK(to_string(Protocol::udp) == "UDP");
  CHECK(to_string(FrontendKind::cluster_ip) == "ClusterIP");
  CHECK(to_string(FrontendKind::node_port) == "NodePort");
  CHECK(to_string(FrontendKind::external_ip) == "ExternalIP");
  CHECK(to_string(FrontendKind::load_balancer) == "LoadBalancer");
  CHECK(to_string(Operation::change_endpoints) == "change endpoints");
  CHECK(to_string(Operation::add_service) == "add service");
  CHECK(to_string(Operation::remove_service) == "remove service");
}

TEST_CASE("the hash of a frontend depends on each of its parts") {
  const std::hash<Frontend> hash;
  const Frontend frontend{Address::from_ipv4(0x0A60'0001), 80, Protocol::tcp};
  CHECK(hash(frontend) == hash(Frontend(frontend)));

  Frontend other = frontend;
  other.address.bytes[3] = 2;
  CHECK(hash(other) != hash(frontend));
  other = frontend;
  other.address.bytes[15] = 1;
  CHECK(hash(other) != hash(frontend));
  other = frontend;
  other.address.family = Family::ipv6;
  CHECK(hash(other) != hash(frontend));
  other = frontend;
  other.port = 81;
  CHECK(hash(other) != hash(frontend));
  other = frontend;
  other.protocol = Protocol::udp;
  CHECK(hash(other) != hash(frontend));
}

TEST_CASE("the hash fills buckets evenly: its low bits differ where only high bytes of the address do") {
  std::unordered_set<std::size_t> buckets;
  for (std::uint32_t i = 0; i < 256; ++i) {
    buckets.insert(std::hash<Frontend>()({Address::from_ipv4(i << 24), 80, Protocol::tcp}) % 65'536);
  }
  CHECK(buckets.size() > 250);  // of 256 random ones 0.5 collide on average
}

TEST_CASE("text for errors") {
  CHECK(printable("a~ b") == "a~ b");
  CHECK(printable("a\nb\t\x7f\xc3\xa9") == "a\\x0ab\\x09\\x7f\\xc3\\xa9");
  CHECK(printable(std::string(80, 'x')) == std::string(80, 'x'));
  CHECK(printable(std::string(81, 'x')) == std::string(80, 'x') + "...");
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1'000) == "1,000");
  CHECK(grouped(123'456) == "123,456");
  CHECK(grouped(1'234'567'890) == "1,234,567,890");
}
