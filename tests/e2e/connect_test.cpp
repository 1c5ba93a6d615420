// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// connect, whole: small, and the host as it was, its cgroups too.
#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>
#include <set>

#include "program.h"
#include "sys/cgroup.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

// Names beside those of `mine`, which shows the cgroup that we are in.
std::set<std::string> cgroups_beside(const Cgroup& mine) {
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(mine.path().substr(0, mine.path().rfind('/')))) {
    if (entry.is_directory()) {
      names.insert(entry.path().filename());
    }
  }
  return names;
}

TEST_CASE("connect: plain and at the socket, every connection checked, and the host is as it was") {
  const auto mine = Cgroup::create();
  if (!mine) {
    MESSAGE("skipped: " << mine.error().message);
    return;
  }
  const auto cgroups = cgroups_beside(*mine);
  const HostState before = HostState::now();
  for (const char* family : {"ipv4", "ipv6"}) {
    CAPTURE(std::string(family));
    const TemporaryFolder folder;
    const Ran ran = svcbench({"connect", "--services", "20", "--rounds", "6", "--planes", "ebpf-sock",
                              "--family", family, "--json", folder.path("run.json")});
    INFO(ran.err);
    REQUIRE(ran.status == 0);
    check_against_schema(folder.path("run.json"), "run");
    const json result = read_json(folder.path("run.json"));
    const json& replies = result["details"]["replies"];
    REQUIRE(replies.size() == 3);
    CHECK(replies[0]["plane"] == "plain");
    CHECK(replies[1]["plane"] == "ebpf-sock");
    CHECK(replies[2]["plane"] == "ebpf-sock, no service");
    for (const json& plane : replies) {
      CHECK(plane["from_dialled"] == 6 * 16);
    }
    CHECK(cells_of(result, "connect").size() == 3 * 3);
    for (const json& cell : cells_of(result, "connect")) {
      CHECK(cell["samples"] == 6 * 16);
    }
    CHECK(ran.out.find("of a UDP socket") != std::string::npos);
  }
  CHECK(host_becomes(before));
  CHECK(cgroups_beside(*mine) == cgroups);
}

TEST_CASE(
    "connect: every plane that can run here, where none is named; replies of direct server return go by") {
  const TemporaryFolder folder;
  const Ran ran =
      svcbench({"connect", "--services", "20", "--rounds", "1", "--json", folder.path("run.json")});
  INFO(ran.err);
  REQUIRE(ran.status == 0);
  const json result = read_json(folder.path("run.json"));
  const json& replies = result["details"]["replies"];
  CHECK(replies.size() + result["details"]["missing"].size() >= 8);
  for (const json& plane : replies) {
    CAPTURE(plane["plane"].get<std::string>());
    CHECK(plane["from_dialled"] == 16);
  }
  const Ran dsr = svcbench({"connect", "--services", "20", "--planes", "ebpf-tc-dsr"});
  CHECK(dsr.status == 2);
  CHECK(dsr.err.find("--planes") != std::string::npos);
}

TEST_CASE("connect: SIGINT in mid-run leaves no cgroup") {
  const auto mine = Cgroup::create();
  if (!mine) {
    return;
  }
  const auto cgroups = cgroups_beside(*mine);
  Background run({"connect", "--services", "20", "--rounds", "1000", "--planes", "ebpf-sock"});
  REQUIRE(run.wait_for("cell 1 of"));  // what is visited first is chance
  CHECK(cgroups_beside(*mine) != cgroups);
  run.signal(SIGINT);
  CHECK(run.wait() == 128 + SIGINT);
  CHECK(cgroups_beside(*mine) == cgroups);
}

}  // namespace
}  // namespace svcbench::testing
