// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Table 4.1, whole but small.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

std::size_t measured_backends(const json& result) {
  return static_cast<std::size_t>(std::count_if(result["details"]["backends"].begin(),
                                                result["details"]["backends"].end(),
                                                [](const json& one) { return one["missing"].is_null(); }));
}

void check_loads(const json& result) {
  CHECK(left_out_of(result, "chapter").empty());
  for (const json& cell : cells_of(result, "chapter")) {
    // null: the table without services.
    const std::size_t services = cell["services"].is_null() ? 0 : cell["services"].get<std::size_t>();
    CHECK(cell["beside"]["rules"] == 3 * services + 7);
    CHECK(cell["beside"]["input_bytes"] > 200 + 200 * services);
    CHECK(cell["values"].size() == 6);
    const json& parts = cell["parts"];
    for (const char* samples : {"tool_user_ns", "tool_system_ns", "generate_ns"}) {
      CHECK(parts[samples][0].size() == 6);
    }
    for (std::size_t i = 0; i < 6; ++i) {
      const double wall = cell["values"][i];
      const double cpu =
          parts["tool_user_ns"][0][i].get<double>() + parts["tool_system_ns"][0][i].get<double>();
      CHECK(wall > 0);
      CHECK(cpu > 0);
      CHECK(cpu < 1.5 * wall);  // one process, one thread; the two clocks round differently
      CHECK(parts["generate_ns"][0][i] > 0);
    }
  }
}

int code_of(const json& result) {
  const std::string outcome = result["verdicts"][0]["outcome"];
  return outcome == "holds" ? 0 : outcome == "does not hold" ? 3 : 4;
}

}  // namespace

TEST_CASE("iptables --shape chapter: 3N + 7, every back end, valid JSON, and the host is as it was") {
  const HostState before = HostState::now();
  const TemporaryFolder folder;
  const std::string file = folder.path("table41.json");
  const Ran ran = svcbench({"iptables", "--shape", "chapter", "--services", "1000", "--sweep", "10,100",
                            "--rounds", "6", "--full", "--json", file});
  INFO(ran.err);
  REQUIRE((ran.status == 0 || ran.status == 3 || ran.status == 4));
  const json result = read_json(file);
  const std::size_t backends = measured_backends(result);
  CHECK(backends >= 1);
  CHECK(cells_of(result, "chapter").size() == backends * 4 * 2);
  CHECK(cells_of(result, "floor").size() == 1 + backends);
  check_loads(result);
  CHECK(code_of(result) == ran.status);
  std::string words = ran.out;
  words.erase(std::unique(words.begin(), words.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
              words.end());
  CHECK(words.find("\n 100 307 reload 32 ms") != std::string::npos);
  CHECK(words.find("\n 1,000 3,007 first load 82 ms") != std::string::npos);
  CHECK(ran.out.find("Claim: sync grows linearly with the number of rules") != std::string::npos);
  std::istringstream lines(ran.out);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  check_against_schema(file, "run");
  CHECK(host_becomes(before));
}

bool is_ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

TEST_CASE("iptables: curves of blocks in UTF-8, of digits with --ascii or in another locale") {
  const auto curves = [](const std::string& locale, const std::vector<std::string>& options) {
    std::vector<std::string> argv{"env",           "LC_ALL=" + locale,
                                  SVCBENCH_BINARY, "iptables",
                                  "--services",    "100",
                                  "--sweep",       "10,50",
                                  "--rounds",      "2",
                                  "--quiet",       "--full"};
    argv.insert(argv.end(), options.begin(), options.end());
    const Ran ran = run_program(argv);
    CHECK_MESSAGE(ran.status == 4, ran.err);  // two rounds decide nothing
    CHECK(ran.out.find("Curves over N: a bar at each of 3 sizes") != std::string::npos);
    return ran.out;
  };
  const std::string blocks = curves("C.UTF-8", {});
  CHECK(blocks.find("\nreload of the whole table  ▁ ") != std::string::npos);
  for (const std::string& digits : {curves("C.UTF-8", {"--ascii"}), curves("C", {})}) {
    CHECK(digits.find("\nreload of the whole table  1 ") != std::string::npos);
    CHECK(is_ascii(digits));
  }
  // Fewer than three sizes are no curve.
  const Ran two =
      svcbench({"iptables", "--services", "20", "--sweep", "10", "--rounds", "1", "--quiet", "--full"});
  CHECK(two.status == 4);
  CHECK(two.out.find("Curves") == std::string::npos);
}

TEST_CASE("iptables: one round decides nothing, and --quiet says nothing") {
  const Ran ran = svcbench({"iptables", "--services", "3", "--rounds", "1", "--quiet"});
  CHECK_MESSAGE(ran.status == 4, ran.err);
  CHECK(ran.err.empty());
}

TEST_CASE("iptables: shapes that are not there, and sizes that are none") {
  for (const auto& [arguments, word] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"iptables", "--shape", "kube-proxy"}, "--shape kube-proxy is measured by"},
           {{"iptables", "--shape", "calico"}, "calico"},
           {{"iptables", "--services", "0"}, "1 to 1,000,000"},
           {{"iptables", "--services", "5", "--sweep", "6"}, "--sweep"},
           {{"iptables", "--json", "/no/such/folder/run.json"}, "/no/such"}}) {
    const Ran ran = svcbench(arguments);
    INFO(ran.err);
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK(ran.err.find(word) != std::string::npos);
  }
}

TEST_CASE("iptables: a signal in mid-run ends it with its code, and nothing is left") {
  const HostState before = HostState::now();
  for (const int number : {SIGINT, SIGKILL}) {
    const TemporaryFolder folder;
    Background run({"iptables", "--services", "2000", "--json", folder.path("run.json")});
    REQUIRE(run.wait_for("cell "));
    run.signal(number);
    CHECK(run.wait() == 128 + number);
    for (const std::string& name : folder.names()) {
      CHECK(name == "run.json.part");  // what was measured, to go on from: there is no half result
    }
    CHECK(host_becomes(before));
  }
}

TEST_CASE("export: a command that measures writes each format by itself, as export does from its JSON") {
  const TemporaryFolder folder;
  const Ran ran =
      svcbench({"iptables", "--services", "10", "--sweep", "10", "--rounds", "2", "--budget", "2",
                "--quiet", "--json", folder.path("run.json"), "--csv", folder.path("run.csv"), "--markdown",
                folder.path("run.md"), "--prometheus", "-"});
  INFO(ran.err);
  CHECK((ran.status == 0 || ran.status == 3 || ran.status == 4));
  const Ran csv = svcbench({"export", folder.path("run.json"), "--csv"});
  CHECK(csv.out == read_file(folder.path("run.csv")));
  CHECK(csv.out.find("chapter/iptables-nft/10/first") != std::string::npos);
  const Ran prometheus = svcbench({"export", folder.path("run.json"), "--prometheus"});
  CHECK(prometheus.out == ran.out);  // and no table beside it
  CHECK(read_file(folder.path("run.md")).find("**svcbench iptables**") != std::string::npos);
}

}  // namespace svcbench::testing
