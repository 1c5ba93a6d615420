// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/address_range.h"

#include <doctest/doctest.h>

namespace svcbench {
namespace {

bool holds(const char* range, const char* address) {
  return AddressRange::parse(range).value().contains(Address::parse(address).value());
}

}  // namespace

TEST_CASE("a range of addresses is read as Kubernetes reads it, and holds its own") {
  CHECK(AddressRange::parse(" 203.0.113.77/25\t").value().text() == "203.0.113.0/25");
  CHECK(AddressRange::parse("fd00:1:2::9/33").value().text() == "fd00:1::/33");
  CHECK(AddressRange::parse("0.0.0.0/0").value().is_everything());
  CHECK(holds("192.168.0.0/24", "192.168.0.255"));
  CHECK_FALSE(holds("192.168.0.0/24", "192.168.1.0"));
  CHECK(holds("192.168.0.2/32", "192.168.0.2"));
  CHECK(holds("10.128.0.0/9", "10.255.0.1"));
  CHECK_FALSE(holds("10.128.0.0/9", "10.127.255.255"));
  CHECK(holds("0.0.0.0/0", "1.2.3.4"));
  CHECK_FALSE(holds("0.0.0.0/0", "::1"));
  CHECK(holds("fd00::/8", "fdff::1"));
  CHECK(holds("::/0", "2001:db8::1"));
}

TEST_CASE("how many bits two addresses have in common") {
  const auto common = [](const char* a, const char* b) {
    return common_prefix(Address::parse(a).value(), Address::parse(b).value());
  };
  CHECK(common("10.0.0.0", "138.0.0.0") == 0);
  CHECK(common("10.128.0.0", "10.0.0.0") == 8);
  CHECK(common("10.0.0.4", "10.0.0.7") == 30);
  CHECK(common("10.0.0.4", "10.0.0.4") == 32);
  CHECK(common("fd00::1", "fd00::3") == 126);
  CHECK(common("fd00::1", "fd00::1") == 128);
}

TEST_CASE("what is no range of addresses is refused") {
  for (const char* text :
       {"", " ", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "fd00::/129", "/8", "10.0.0.0/8x", "10.0.0/8",
        "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0.0/99999999999"}) {
    CAPTURE(text);
    CHECK_FALSE(AddressRange::parse(text));
  }
}

}  // namespace svcbench
