// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run that is killed is continued: nothing that it had measured is lost, and the result is a whole one.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "program.h"
#include "service/text.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

constexpr std::size_t rounds = 8;

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++found;
  }
  return found;
}

// Until `file` holds `word` so many times; false after a minute.
bool becomes(const std::string& file, const std::string& word, std::size_t times) {
  for (int tries = 0; tries < 6000; ++tries) {
    if (count(read_file(file), word) >= times) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::string ruleset() {
  std::string text = "*nat\n:PREROUTING ACCEPT [0:0]\n";
  for (int i = 0; i < 2000; ++i) {
    text += "-A PREROUTING -d 10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250) +
            "/32 -p tcp -m tcp --dport 80 -j ACCEPT\n";
  }
  return text + "COMMIT\n";
}

// Every cell of the scenario has a value of `rounds` visits; compare visits wide ones again.
void check_whole(const json& result, const std::string& scenario, bool again) {
  const auto cells = cells_of(result, scenario);
  CHECK_FALSE(cells.empty());
  for (const json& cell : cells) {
    const std::size_t visits = cell.at(cell.contains("blocks") ? "blocks" : "values").size();
    CHECK_MESSAGE((again ? visits >= rounds : visits == rounds), cell.dump().substr(0, 200));
  }
}

struct Killed {
  std::vector<std::string> arguments;
  std::string visit;   // begins the label of three in the journal, when it is killed
  std::string differ;  // an option that with 9 makes it another run
  std::string scenario;
};

void check_resumed(const Killed& run, const TemporaryFolder& folder) {
  CAPTURE(run.arguments.front() + ", " + run.visit);
  const std::string file = folder.path("run.json");
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = run.arguments;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  };
  {
    Background first(with({"--json", file}));
    REQUIRE_MESSAGE(becomes(file + ".part", "\"step\":\"" + run.visit, 3), first.err());
    first.signal(SIGKILL);
    CHECK(first.wait() == 128 + SIGKILL);
  }
  REQUIRE_FALSE(std::filesystem::exists(file));
  const std::string kept = read_file(file + ".part");

  const Ran both = svcbench(with({"--json", file, "--resume", file}));
  CHECK(both.status == 2);
  CHECK(both.err.find("leave --json out") != std::string::npos);
  std::vector<std::string> others = with({"--resume", file});
  const auto given = std::find(others.begin(), others.end(), run.differ);
  others.erase(given, std::min(given + 2, others.end()));
  others.insert(others.end(), {run.differ, "9"});
  const Ran other = svcbench(others);
  CHECK(other.status == 2);
  CHECK(other.err.find("had another " + run.differ.substr(2) + " (") != std::string::npos);
  CHECK(read_file(file + ".part") == kept);

  const Ran second = svcbench(with({"--resume", file, "--full"}));
  INFO(second.err);
  REQUIRE((second.status == 0 || second.status == 3 || second.status == 4));
  CHECK_FALSE(std::filesystem::exists(file + ".part"));
  check_against_schema(file, "run");
  const json result = read_json(file);
  check_whole(result, run.scenario, run.arguments.front() == "compare");
  const std::string note = grouped(count(kept, "\"step\":\"")) +
                           " visits of cells are of an earlier part of this run, which was cut off";
  CHECK_MESSAGE(result.dump().find(note) != std::string::npos, note);
  CHECK_MESSAGE(second.out.find(note) != std::string::npos, note);

  const Ran none = svcbench(with({"--resume", file}));
  CHECK(none.status == 2);
  CHECK(none.err.find("no run that was to write " + file + " was cut off") != std::string::npos);
}

TEST_CASE("killed and resumed: the main job, among the updates and on the path") {
  const std::vector<std::string> arguments{"ebpf", "--services", "30", "--sweep", "10", "--rounds", "8"};
  for (const char* visit : {"update, 30 services, ebpf", "path, 30 services, ebpf-tc"}) {
    const TemporaryFolder folder;
    check_resumed({arguments, visit, "--seed", "update"}, folder);
  }
}

TEST_CASE("killed and resumed: compare") {
  const TemporaryFolder folder;
  check_resumed({{"compare", "--services", "30", "--sweep", "30", "--planes", "nftables", "--rounds", "8",
                  "--scenarios", "sync,path"},
                 "path, 30 services, nftables",
                 "--seed",
                 "sync"},
                folder);
}

TEST_CASE("killed and resumed: Table 4.1") {
  const TemporaryFolder folder;
  check_resumed({{"iptables", "--services", "200", "--sweep", "20", "--rounds", "8"},
                 "20 services: iptables-",
                 "--seed",
                 "chapter"},
                folder);
}

TEST_CASE("killed and resumed: a ruleset") {
  const TemporaryFolder folder;
  const std::string file = folder.write("rules", ruleset());
  check_resumed({{"iptables", "--ruleset", file, "--rounds", "8"}, "iptables-", "--rounds", "ruleset"},
                folder);
}

}  // namespace
}  // namespace svcbench::testing
