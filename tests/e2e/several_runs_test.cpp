// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --runs and --across: several runs of a command, taken together.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

const std::vector<std::string> small{"compare",  "--services", "20",       "--sweep",     "10,20",
                                     "--planes", "ebpf-tc",    "--rounds", "6",           "--packets",
                                     "100",      "--budget",   "30",       "--scenarios", "path,update"};

std::vector<std::string> small_and(const std::vector<std::string>& more) {
  std::vector<std::string> words = small;
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_CASE("--runs: three runs, one figure of each, and the machine as it was") {
  const TemporaryFolder folder;
  const std::string path = folder.path("run.json");
  const HostState before = HostState::now();
  const Ran ran = svcbench(small_and({"--runs", "3", "--json", path, "--csv", folder.path("run.csv")}));
  INFO(ran.err);
  REQUIRE((ran.status == 0 || ran.status == 3 || ran.status == 4));
  CHECK(host_becomes(before));
  CHECK(ran.err.find("run 1 of 3") != std::string::npos);
  CHECK(ran.err.find("run 3 of 3, about ") != std::string::npos);
  CHECK(ran.out.find("3 runs together: ") != std::string::npos);
  CHECK(ran.out.find("x plain") != std::string::npos);
  check_against_schema(path, "run");
  const json run = read_json(path);
  CHECK(run["run"]["runs"].size() == 3);
  CHECK(run["run"]["arguments"].size() == small.size() + 6);
  const json cell = cell_of(run, "path/ebpf-tc/20/new/last/UDP");
  REQUIRE_FALSE(cell.is_null());
  CHECK(cell["samples"] == 3);
  CHECK(cell["blocks"].size() == 3);
  CHECK(cell["blocks"][0].size() >= 6);
  CHECK(cell["interval"].is_array());
  CHECK(std::filesystem::file_size(folder.path("run.csv")) > 1000);

  // Held against itself nothing has changed, and all of it can be judged.
  const Ran same = svcbench({"diff", path, path, "--json", "-"});
  CHECK(same.status == 0);
  for (const json& figure : json::parse(same.out)["figures"]) {
    CHECK(figure["change"] == "no difference resolved");
  }
}

TEST_CASE("--runs: what cannot be several runs is refused before anything is measured") {
  const TemporaryFolder folder;
  const auto refused = [](const std::vector<std::string>& more, const std::string& word) {
    const Ran ran = svcbench(small_and(more));
    INFO(ran.err);
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(ran.err.find(word) != std::string::npos);
  };
  refused({"--runs", "3", "--resume", folder.path("run.json")}, "--resume is about one run");
  refused({"--runs=3", "--with=" SVCBENCH_TEST_DATA "/runs/compare-3.json"}, "--with is about one run");
  refused({"--runs", "0"}, "--runs");
  refused({"--across", "soon"}, "--across");
  refused({"--across", "10m", "--runs", "1"}, "--runs 2 or more");
  refused({"--runs", "3", "--cluster", "-"}, "standard input");
  // What the first run refuses is told once, by itself.
  const Ran ran = svcbench({"compare", "--cluster", folder.path("none.json"), "--runs", "3", "--quiet"});
  CHECK(ran.status == 2);
  CHECK(ran.err.find("none.json") != std::string::npos);
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
}

TEST_CASE("--runs: a signal ends the run that is being made, and the others are not begun") {
  const TemporaryFolder folder;
  const HostState before = HostState::now();
  Background run(small_and({"--runs", "3", "--across", "10m", "--json", folder.path("run.json")}));
  REQUIRE(run.wait_for("prepare"));
  run.signal(SIGTERM);
  CHECK(run.wait() == 128 + SIGTERM);
  CHECK(host_becomes(before));
  CHECK_FALSE(std::filesystem::exists(folder.path("run.json")));
}

}  // namespace
}  // namespace svcbench::testing
