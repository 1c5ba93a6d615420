// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The main job, whole: small, but with everything that a large one does.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

std::size_t samples_of(const json& blocks) {
  std::size_t count = 0;
  for (const json& block : blocks) {
    count += block.size();
  }
  return count;
}

int code_of(const json& verdicts) {
  int code = 0;
  for (const json& verdict : verdicts) {
    if (verdict["outcome"] == "does not hold") {
      return 3;
    }
    code = verdict["outcome"] == "inconclusive" ? 4 : code;
  }
  return code;
}

void check_updates(const json& result) {
  std::map<std::string, std::size_t> cells;
  CHECK(left_out_of(result, "update").empty());
  for (const json& cell : cells_of(result, "update")) {
    const std::string plane = cell["plane"];
    ++cells[plane];
    if (plane == "ebpf" || plane == "bare") {
      CHECK(samples_of(cell["blocks"]) >= 1000);
      CHECK(cell["beside"]["p99"].is_number());
    } else {
      CHECK(cell["beside"]["rules"] == 3 * cell["services"].get<std::size_t>() + 7);
      CHECK(samples_of(cell["blocks"]) >= 6);
    }
  }
  CHECK(cells.size() == 3);
  for (const auto& cell : cells) {
    CHECK_MESSAGE(cell.second == 3 * 3, cell.first);  // three sizes, three operations
  }
}

void check_programs(const json& result) {
  std::size_t cells = 0;
  for (const json& cell : cells_of(result, "program")) {
    ++cells;
    CHECK(samples_of(cell["blocks"]) >= 6 * 16);
    // Two clocks: the program's own readings and the kernel's, whole ns a packet rounded down. A burst that
    // was interrupted makes ours larger, so the least burst is what may not exceed the kernel's.
    double least = 1e18;
    for (const json& block : cell["blocks"]) {
      for (const json& sample : block) {
        least = std::min(least, sample.get<double>());
      }
    }
    double most_by_kernel = 0;
    for (const json& ns : cell["parts"]["kernel_ns"][0]) {
      most_by_kernel = std::max(most_by_kernel, ns.get<double>());
    }
    CHECK(least < most_by_kernel + 1);
  }
  CHECK(cells == 2 * (2 + 3 * 3 * 4));  // hooks x (floors + sizes x depths x destinations)
}

TEST_CASE("the main job: figures, verdicts and exit code agree, and the host is as it was") {
  const HostState before = HostState::now();
  const TemporaryFolder folder;
  const Ran ran = svcbench({"ebpf", "--services", "60", "--sweep", "10,30", "--rounds", "6", "--full",
                            "--json", folder.path("run.json")});
  INFO(ran.err);
  REQUIRE((ran.status == 0 || ran.status == 3 || ran.status == 4));
  CHECK(folder.names() == std::vector<std::string>{"run.json"});
  const json result = read_json(folder.path("run.json"));
  CHECK(result["schema_version"] == 4);
  CHECK(result["run"]["sweep"] == json({10, 30, 60}));
  CHECK(result["environment"]["kernel"]["release"].is_string());
  check_updates(result);
  check_programs(result);
  check_against_schema(folder.path("run.json"), "run");
  CHECK(code_of(result["verdicts"]) == ran.status);
  CHECK_FALSE(cells_of(result, "fill").empty());
  for (const json& fill : cells_of(result, "fill")) {
    CHECK(fill["values"].size() >= 6);
    CHECK(fill["beside"]["map_bytes"] > 0);
    CHECK(fill["beside"]["backends"] == 3 * fill["services"].get<std::size_t>());
  }

  // For people: no line over 100 columns, no escape where there is no terminal, every verdict in words.
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  CHECK(ran.out.find('\x1b') == std::string::npos);
  CHECK(ran.err.find('\x1b') == std::string::npos);
  for (const json& verdict : result["verdicts"]) {
    CHECK(ran.out.find("Claim: " + verdict["claim"].get<std::string>()) != std::string::npos);
  }
  CHECK(host_becomes(before));
}

TEST_CASE("a cluster's services are measured as what they are: both families, TCP and UDP") {
  const TemporaryFolder folder;
  const Ran ran =
      svcbench({"ebpf", "--cluster", std::string(SVCBENCH_TEST_DATA) + "/kind-dualstack.json", "--services",
                "20", "--sweep", "10", "--rounds", "2", "--json", folder.path("run.json")});
  INFO(ran.err);
  REQUIRE(ran.status == 4);  // two rounds make no interval: nothing can be decided
  const json result = read_json(folder.path("run.json"));
  bool ipv4 = false;
  bool ipv6 = false;
  for (const json& cell : cells_of(result, "program")) {
    ipv4 = ipv4 || cell["at"]["family"] == "IPv4";
    ipv6 = ipv6 || cell["at"]["family"] == "IPv6";
  }
  CHECK(ipv4);
  CHECK(ipv6);
  CHECK(ran.out.find("4 NodePort frontends are not measured") != std::string::npos);
  CHECK(ran.out.find("\nClaims (") != std::string::npos);
  CHECK(ran.out.find("\nWhat N services cost") != std::string::npos);
  CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') <= 45);  // one screen
  CHECK(result["run"]["notes"].size() == 1);
}

TEST_CASE("small and tight runs work too") {
  const std::string cluster = std::string(SVCBENCH_TEST_DATA) + "/kind-dualstack.json";
  for (const std::vector<std::string>& input :
       {std::vector<std::string>{"--services", "1"},
        {"--services", "2", "--family", "dual"},
        {"--cluster", cluster},  // a sweep of 1, 2 and 5: the first has one family, what is added the other
        {"--services", "30", "--services-capacity", "31", "--backends-capacity", "600"},
        {"--services", "5", "--endpoints", "200"}}) {
    std::vector<std::string> arguments{"ebpf", "--rounds", "1", "--quiet"};
    arguments.insert(arguments.end(), input.begin(), input.end());
    const Ran ran = svcbench(arguments);
    CHECK_MESSAGE(ran.status == 4, ran.err);  // one round decides nothing
    CHECK(ran.err.empty());
  }
}

TEST_CASE("--iptables chooses the back end") {
  const TemporaryFolder folder;
  const std::string legacy = "/usr/sbin/iptables-legacy-restore";
  if (access(legacy.c_str(), X_OK) != 0) {
    MESSAGE("no iptables-legacy here");
    return;
  }
  const Ran ran = svcbench({"ebpf", "--services", "4", "--rounds", "1", "--iptables", legacy, "--quiet",
                            "--json", folder.path("run.json")});
  INFO(ran.err);
  REQUIRE(ran.status == 4);
  CHECK(ran.err.empty());  // --quiet
  CHECK(read_json(folder.path("run.json"))["run"]["iptables"]["backend"] == "legacy");
}

TEST_CASE("SIGINT and SIGTERM in mid-run: the right exit code, and nothing left behind") {
  const HostState before = HostState::now();
  for (const int number : {SIGINT, SIGTERM}) {
    const TemporaryFolder folder;
    Background run({"ebpf", "--services", "2000", "--json", folder.path("run.json")});
    REQUIRE(run.wait_for("cell "));
    run.signal(number);
    CHECK(run.wait() == 128 + number);
    for (const std::string& name : folder.names()) {
      CHECK(name == "run.json.part");  // what was measured, to go on from: there is no half result
    }
    CHECK(host_becomes(before));
  }
}

TEST_CASE("SIGKILL leaves nothing either: no rule, no program, no child, no namespace") {
  const HostState before = HostState::now();
  Background run({"ebpf", "--services", "5000"});
  REQUIRE(run.wait_for("cell "));
  run.signal(SIGKILL);
  CHECK(run.wait() == 128 + SIGKILL);
  CHECK(host_becomes(before));
}

}  // namespace
}  // namespace svcbench::testing
