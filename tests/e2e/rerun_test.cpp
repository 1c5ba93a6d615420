// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// rerun: a run's command once more, and what it confirms.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

std::vector<std::string> ids_of(const json& run) {
  std::vector<std::string> ids;
  for (const json& cell : run.at("cells")) {
    ids.push_back(cell.at("id"));
  }
  return ids;
}

TEST_CASE("rerun: the same command, its figures beside the run's, and the machine as it was") {
  const TemporaryFolder folder;
  const std::string path = folder.path("run.json");
  const Ran first = svcbench({"compare", "--services", "20", "--sweep", "10,20", "--planes", "null,ebpf-tc",
                              "--scenarios", "path,update", "--rounds", "6", "--packets", "100", "--full",
                              "--csv", folder.path("run.csv"), "--quiet", "--json", path});
  INFO(first.err);
  REQUIRE((first.status == 0 || first.status == 3 || first.status == 4));
  const json run = read_json(path);
  const HostState before = HostState::now();
  const std::string again = folder.path("again.json");
  const Ran ran = svcbench({"rerun", path, "--quiet", "--json", again});
  INFO(ran.err);
  INFO(ran.out);
  // What it finds depends on the machine; that it judges does not.
  CHECK((ran.status == 0 || ran.status == 3));
  CHECK((ran.out.find(ran.status == 0 ? "\nCONFIRMED: " : "\nNOT CONFIRMED: ") != std::string::npos));
  CHECK(ran.err.empty());
  CHECK(host_becomes(before));
  check_against_schema(again, "run");
  const json rerun = read_json(again);
  CHECK(ids_of(rerun) == ids_of(run));
  CHECK(rerun["run"]["seed"] == run["run"]["seed"]);
  CHECK(rerun["run"]["rounds"] == run["run"]["rounds"]);
  // The run's own outputs are as they were.
  CHECK(read_json(path) == run);

  // A rerun is a run, and can be repeated itself.
  const Ran third = svcbench({"rerun", again, "--quiet", "--all", "--absolute"});
  INFO(third.err);
  CHECK((third.status == 0 || third.status == 3));

  // Nor is a signal lost on the way: the measuring child takes its planes down.
  Background interrupted({"rerun", path});
  REQUIRE(interrupted.wait_for("prepare"));
  interrupted.signal(SIGTERM);
  CHECK(interrupted.wait() == 128 + SIGTERM);
  CHECK(host_becomes(before));
}

TEST_CASE("rerun: without root one sentence") {
  const TemporaryFolder folder;
  json run = read_json(SVCBENCH_TEST_DATA "/runs/compare-3.json");
  run["run"]["arguments"] = {"compare", "--services", "20"};
  const std::string path = folder.write("run.json", run.dump());
  const std::string copy = folder.path("svcbench");
  std::filesystem::copy_file(SVCBENCH_BINARY, copy);
  const Ran ran = run_program(
      {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "rerun", path, "--force"});
  INFO(ran.err);
  CHECK(ran.status == 1);
  CHECK(ran.err.find("sudo") != std::string::npos);
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
}

TEST_CASE("rerun: what cannot be repeated is told before anything is measured") {
  const TemporaryFolder folder;
  const auto refused = [](const std::string& path, const std::string& word) {
    const Ran ran = svcbench({"rerun", path});
    INFO(ran.err);
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(ran.err.find(word) != std::string::npos);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  };
  refused(folder.path("none.json"), "none.json");
  const std::string old = SVCBENCH_TEST_DATA "/runs/compare-3.json";
  const Ran forced = svcbench({"rerun", old, "--force"});
  CHECK(forced.status == 2);
  CHECK(forced.err.find("word by word") != std::string::npos);
  json run = read_json(old);
  const auto with = [&](const json& arguments, const std::string& cpu) {
    run["run"]["arguments"] = arguments;
    run["environment"]["cpu"]["model"] = cpu;
    return folder.write("run.json", run.dump());
  };
  const std::vector<std::string> whole{"compare", "--services", "20"};
  refused(with(whole, "another CPU"), "another machine");
  refused(with({"compare", "--cluster", "-"}, "another CPU"), "standard input");
  refused(with({"sh", "-c", "true"}, "another CPU"), "do not begin with its command");
  refused(with({1, 2}, "another CPU"), "word by word");
}

}  // namespace
}  // namespace svcbench::testing
