// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// churn, whole, and small.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  CHECK(text.find('\x1b') == std::string::npos);
}

void check_refused(const std::vector<std::string>& arguments, const std::string& word) {
  const Ran ran = svcbench(arguments);
  INFO(ran.err);
  CHECK(ran.status == 2);
  CHECK(ran.out.empty());
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK(ran.err.find(word) != std::string::npos);
}

}  // namespace

TEST_CASE("churn: the eBPF plane changes and no packet is wrong; what it says is what it wrote") {
  const TemporaryFolder folder;
  const HostState before = HostState::now();
  const Ran ran =
      svcbench({"churn", "--plane", "ebpf-xdp", "--rate", "200", "--services", "100", "--duration", "2s",
                "--find-rate", "--full", "--json", folder.path("run.json")});
  INFO(ran.err);
  INFO(ran.out);
  CHECK(ran.status == 0);
  check_width(ran.out);
  check_against_schema(folder.path("run.json"), "run");
  const json result = read_json(folder.path("run.json"));
  for (const char* bad : {"wrong", "half-changed", "damaged"}) {
    CHECK_MESSAGE(cell_of(result, std::string("churn/ebpf-xdp/100/") + bad)["value"] == 0, bad);
  }
  const json& churn = result["details"]["churn"];
  CHECK(churn["changes"]["due"] == 400);
  CHECK(churn["phases"].size() == 4);
  CHECK(cell_of(result, "churn/ebpf-xdp/100/during/new/changing")["samples"] > 1000);
  CHECK(churn["trials"].size() >= 2);
  const json& table = churn["flow_table"];
  CHECK(table["entries"] > 0);
  CHECK(table["entries"] <= table["capacity"]);
  CHECK(table["opened"] < table["packets"]);
  CHECK(table["hit_rate"] > 0);
  CHECK(ran.out.find("Flow table: ") != std::string::npos);
  CHECK(ran.out.find("holds: 0 wrong, 0 half-changed") != std::string::npos);
  CHECK(host_becomes(before));
}

TEST_CASE("churn: SIGINT while changes are made: 130, and nothing is left") {
  const HostState before = HostState::now();
  const TemporaryFolder folder;
  Background run({"churn", "--plane", "ebpf-tc", "--rate", "0.01", "--services", "100", "--json",
                  folder.path("run.json")});
  REQUIRE(run.wait_for("changes a second"));
  run.signal(SIGINT);
  CHECK(run.wait() == 128 + SIGINT);
  CHECK(folder.names().empty());
  CHECK(host_becomes(before));
}

TEST_CASE("churn: wrong words are refused in one sentence") {
  check_refused({"churn", "--rate", "1", "--services", "10"}, "--plane");
  check_refused({"churn", "--plane", "null", "--rate", "1", "--services", "10"}, "null");
  check_refused({"churn", "--plane", "ebpf-xdp", "--services", "10"}, "--rate");
  check_refused({"churn", "--plane", "ebpf-xdp", "--rate", "0", "--services", "10"}, "--rate");
  check_refused({"churn", "--plane", "ebpf-xdp", "--rate", "often", "--services", "10"}, "--rate");
  check_refused({"churn", "--plane", "ebpf-xdp", "--rate", "1"}, "--services");
  check_refused({"churn", "--plane", "ebpf-xdp", "--rate", "1", "--services", "1"}, "two services");
  check_refused({"churn", "--plane", "ebpf-xdp", "--rate", "1", "--services", "9", "--duration", "soon"},
                "soon");
  check_refused({"churn", "--plane", "ebpf-xdp", "--rate", "1", "--services", "9", "--sweep", "1"},
                "--sweep");
  check_refused({"churn", "--plane", "ebpf-xdp", "--rate", "1", "--services", "9", "--packets", "1"},
                "--packets");
}

}  // namespace svcbench::testing
