// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One answer on a screen, whatever a run holds.
#include "report/screen.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "plane/registry.h"
#include "run/run_file.h"

namespace svcbench {
namespace {

using nlohmann::json;

const std::string long_reason =
    "a reason that a person wrote on a long day, with the kernel's module, the package, the remedy, and "
    "two commands that would install it, which are as long as such commands are wont to be";

Cell cell_of(const std::string& plane, const std::string& scenario, const std::string& rest,
             const std::string& unit, double value) {
  Cell cell;
  cell.scenario = scenario;
  cell.plane = plane;
  cell.services = scenario == "growth" ? 0 : 1000;
  cell.id = scenario == "growth" ? fmt::format("growth/{}/{}", plane, rest)
                                 : fmt::format("{}/{}/1000/{}", scenario, plane, rest);
  cell.unit = unit;
  cell.value = value;
  cell.interval = stats::Interval{value * 0.01, value * 12.34};
  cell.samples = 12;
  return cell;
}

// Every plane, every claim, much that is missing, and sentences without end.
Run worst() {
  Run run;
  run.path = "run.json";
  run.command = "compare";
  run.run = {{"command", "compare"},
             {"svcbench_version", "0.1.0"},
             {"git_revision", "0123456789ab-dirty"},
             {"seed", 18'446'744'073'709'551'615U},
             {"workload", long_reason},
             {"notes", json::array({long_reason, long_reason})}};
  run.environment = {{"emulated", "tcg"},
                     {"cpu", {{"model", long_reason}}},
                     {"kernel", {{"release", "6.12.57+deb13-cloud-amd64"}}},
                     {"noise", {{"warnings", json::array({long_reason, long_reason, long_reason})}}}};
  run.details = {{"notes", json::array({long_reason, long_reason, long_reason})},
                 {"missing", json::array()}};
  for (const PlaneRow& row : planes()) {
    if (row.probe == nullptr) {
      continue;
    }
    const std::string plane(row.name);
    run.details["planes"].push_back(plane);
    run.details["missing"].push_back({{"plane", plane + "-other"}, {"why", long_reason}});
    run.details["behaviours"]["failed"].push_back({{"plane", plane},
                                                   {"behaviour", "reply comes from the VIP"},
                                                   {"variants", "TCP IPv4, UDP IPv4"},
                                                   {"evidence", long_reason}});
    for (const char* rest : {"new/last/UDP", "established/random/UDP", "new/random/UDP"}) {
      run.cells.push_back(cell_of(plane, "path", rest, "ns", 123'456'789));
    }
    run.cells.push_back(cell_of(plane, "update", "change", "ns", 12'345'678'901));
    run.cells.push_back(cell_of(plane, "state", "conntrack", "entries", 1000));
    run.cells.push_back(cell_of(plane, "state", "kernel-memory", "bytes", 123'456'789));
    run.cells.push_back(cell_of(plane, "growth", "new-flow-last-UDP", "exponent", 0.4567));
    run.cells.push_back(cell_of(plane, "growth", "change-endpoints", "exponent", -0.4567));
  }
  for (int i = 0; i < 7; ++i) {
    run.verdicts.push_back(
        {.id = fmt::format("claim-{}", i),
         .claim = "iptables reloads the whole table at every change, at a cost that grows with it",
         .outcome = i % 2 == 0 ? Outcome::does_not_hold : Outcome::inconclusive,
         .summary = (i % 2 == 0 ? "does not hold: " : "inconclusive: ") + long_reason,
         .evidence = {},
         .would_settle = long_reason});
  }
  return run;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

void check_fits(const std::string& text) {
  const auto lines = lines_of(text);
  CHECK_MESSAGE(lines.size() <= screen_lines, text);
  for (const std::string& line : lines) {
    CHECK_MESSAGE(line.size() <= screen_columns, line);
  }
}

std::size_t count_of(const std::string& text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("screen: the worst of runs fits 45 lines of 100 columns, with every claim and every plane") {
  const std::string text = render_screen(worst(), false);
  check_fits(text);
  CHECK(count_of(text, "  does not hold  iptables reloads") == 4);
  CHECK(count_of(text, "  inconclusive   iptables reloads") == 3);
  for (const PlaneRow& row : planes()) {
    if (row.probe != nullptr) {
      CHECK_MESSAGE(text.find(fmt::format("\n{} ", row.name)) != std::string::npos, row.name);
    }
  }
  CHECK(text.find("more (--full)") != std::string::npos);
  CHECK(text.find("123 ms") != std::string::npos);
  // Colours take no room.
  const std::string painted = render_screen(worst(), true);
  CHECK(lines_of(painted).size() == lines_of(text).size());
  CHECK(painted.find("\x1b[1;31mdoes not hold\x1b[0m  iptables reloads") != std::string::npos);
}

TEST_CASE("screen: what there is room for is whole, and nothing stands for what is not there") {
  Run run = worst();
  run.verdicts.erase(run.verdicts.begin() + 1);
  run.details["missing"] = json::array({{{"plane", "ipvs"}, {"why", "no module ip_vs here"}}});
  run.details["behaviours"] = nullptr;
  run.details["notes"] = json::array();
  run.run["notes"] = json::array();
  const std::string text = render_screen(run, false);
  check_fits(text);
  CHECK(text.find("\nipvs: not measured: no module ip_vs here\n") != std::string::npos);
  CHECK(text.find("more (--full)") == std::string::npos);
  run.cells.clear();
  run.verdicts.clear();
  const std::string bare = render_screen(run, false);
  CHECK(bare.find("Claims") == std::string::npos);
  CHECK(bare.find("Table 4.2") == std::string::npos);
}

TEST_CASE("screen: every command's stored run fits") {
  for (const char* name : {"churn-1", "compare-1", "connect-1", "ebpf-1", "iptables-1", "path-1",
                           "ruleset-1", "ruleset-2", "verify-1"}) {
    CAPTURE(name);
    const auto run = read_run(fmt::format("{}/runs/{}.json", SVCBENCH_TEST_DATA, name));
    REQUIRE(run);
    const std::string text = render_screen(*run, false);
    check_fits(text);
    CHECK(lines_of(text).size() > 6);
  }
}

}  // namespace svcbench
