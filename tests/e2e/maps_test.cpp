// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench maps: a real cluster, through the kernel and back.
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>

#include <set>
#include <thread>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

constexpr const char* cluster_file = SVCBENCH_TEST_DATA "/kind-dualstack.json";

// frontend, protocol, backends: what the cluster's own agent has in its maps (tests/data/README.md), with
// each NodePort once for each family.
using Row = std::tuple<std::string, std::string, std::set<std::string>>;

std::set<Row> expected_rows() {
  const std::set<std::string> http4{"10.244.2.162:80", "10.244.1.231:80"};
  const std::set<std::string> http6{"[fd00:10:244:2::143d]:80", "[fd00:10:244:1::4021]:80"};
  const std::set<std::string> tftp4{"10.244.2.162:69", "10.244.1.231:69"};
  const std::set<std::string> tftp6{"[fd00:10:244:2::143d]:69", "[fd00:10:244:1::4021]:69"};
  return {{"10.96.164.78:80", "TCP", http4},
          {"10.96.164.78:69", "UDP", tftp4},
          {"[fd00:10:96::5a5c]:80", "TCP", http6},
          {"[fd00:10:96::5a5c]:69", "UDP", tftp6},
          {"10.96.0.1:443", "TCP", {"172.18.0.7:6443"}},
          {"node addresses (IPv4):32150", "TCP", http4},
          {"node addresses (IPv6):32150", "TCP", http6},
          {"node addresses (IPv4):30784", "UDP", tftp4},
          {"node addresses (IPv6):30784", "UDP", tftp6}};
}

std::set<Row> rows_of(const json& maps) {
  std::set<Row> rows;
  for (const json& row : maps["frontends"]) {
    rows.insert({row["frontend"], row["protocol"], row["backends"].get<std::set<std::string>>()});
  }
  return rows;
}

TEST_CASE("the table of the real cluster, as JSON") {
  const Ran ran = svcbench({"maps", "--cluster", cluster_file, "--json", "-"});
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  CHECK(rows_of(json::parse(ran.out)) == expected_rows());
}

TEST_CASE("the same from standard input, as a table and a file") {
  const TemporaryFolder folder;
  const Ran ran =
      svcbench({"maps", "--cluster", "-", "--json", folder.path("maps.json")}, read_file(cluster_file));
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  CHECK(rows_of(read_json(folder.path("maps.json"))) == expected_rows());
  for (const auto& [frontend, protocol, backends] : expected_rows()) {
    CHECK(ran.out.find(frontend) != std::string::npos);
  }
}

TEST_CASE("maps that are too small are named, with the flag that raises them") {
  Ran ran = svcbench({"maps", "--cluster", cluster_file, "--backends-capacity", "4"});
  CHECK(ran.status == 1);
  CHECK(ran.out.empty());
  CHECK(ran.err == "svcbench: map backends4 is full: it holds 4 entries; raise --backends-capacity\n");
  ran = svcbench({"maps", "--cluster", cluster_file, "--services-capacity", "1"});
  CHECK(ran.status == 1);
  CHECK(ran.err == "svcbench: map services4 is full: it holds 1 entries; raise --services-capacity\n");
}

TEST_CASE("a kernel without BTF will do") {
  Ran ran;
  bool hidden = false;
  std::thread([&] {  // a mount namespace of this thread's own
    hidden = unshare(CLONE_NEWNS) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
             mount("none", "/sys/kernel/btf", "tmpfs", 0, nullptr) == 0;
    if (hidden) {
      ran = svcbench({"maps", "--cluster", cluster_file, "--json", "-"});
    }
  })
      .join();
  if (!hidden) {
    MESSAGE("cannot hide /sys/kernel/btf here");
    return;
  }
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  CHECK(rows_of(json::parse(ran.out)) == expected_rows());
}

TEST_CASE("probe and list") {
  const Ran list = svcbench({"list"});
  CHECK(list.status == 0);
  CHECK(list.out.find("iptables") != std::string::npos);
  const Ran probe = svcbench({"probe", "--json", "-"});
  REQUIRE(probe.status == 0);
  const json features = json::parse(probe.out)["features"];
  CHECK(features.size() > 10);
  for (const json& feature : features) {
    CHECK(feature["available"].get<bool>() == feature["remedy"].is_null());
  }
}

}  // namespace
}  // namespace svcbench::testing
