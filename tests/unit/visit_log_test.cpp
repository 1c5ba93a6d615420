// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>

#include <unistd.h>

#include "measure/visit_log.h"
#include "run/run.h"
#include "run/speeds.h"

namespace svcbench::test {
namespace {

// A machine of 1,000 ticks a second of the run, of which the host takes `stolen` in each visit.
struct Machine {
  double seconds = 0;
  CpuLook look{.ticks = 0.0, .steal = 0.0, .mhz = 2000.0};

  Step step(std::string label, std::string cell, double stolen) {
    Step step;
    step.label = std::move(label);
    step.run = [this, stolen](std::size_t) -> Status {
      seconds += 0.5;
      *look.ticks += 500;
      *look.steal += stolen;
      look.switches += 3;
      look.mhz = 1500.0;
      return {};
    };
    step.cell = std::move(cell);
    return step;
  }
};

TEST_CASE("visit log: when each visit was, and what the machine did meanwhile") {
  Machine machine;
  VisitLog log([&machine] { return machine.look; });
  const double tick_ms = 1e3 / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::vector<Step> steps{machine.step("quiet", "a/b", 0), machine.step("disturbed", "", 10)};
  log.watch(steps, [&machine] { return machine.seconds; });
  REQUIRE(steps[0].run(0));
  CHECK(log.disturbed().empty());
  REQUIRE(steps[1].run(0));
  REQUIRE(log.visits().size() == 2);
  CHECK(log.visits()[0].begin_s == 0);
  CHECK(log.visits()[0].meanwhile.stolen_ms == 0);
  CHECK(log.visits()[1].step == 1);
  CHECK(log.visits()[1].begin_s == 0.5);
  CHECK(log.visits()[1].seconds == 0.5);
  CHECK(log.visits()[1].meanwhile.stolen_ms == doctest::Approx(10 * tick_ms));
  CHECK(log.visits()[1].meanwhile.switches == 3);
  CHECK(log.visits()[1].meanwhile.mhz == 1500);
  const auto disturbed = log.disturbed();
  REQUIRE(disturbed.size() == 1);
  CHECK(disturbed[0].starts_with("In 1 of 2 visits the host took more than 5 % of a CPU away"));
  CHECK(disturbed[0].ends_with("of 500 (disturbed)"));

  const nlohmann::json all = log.json();
  CHECK(all["steps"] == nlohmann::json::parse(R"([{"label": "quiet", "cell": "a/b"},
                                                  {"label": "disturbed"}])"));
  CHECK(all["visits"][1]["step"] == 1);
  CHECK(all["visits"][1]["mhz"] == 1500);
}

TEST_CASE("visit log: what the kernel does not tell is left out") {
  VisitLog log([] { return CpuLook{}; });
  std::vector<Step> steps(1);
  steps[0].run = [](std::size_t) { return Status{}; };
  log.watch(steps, [] { return 0.0; });
  REQUIRE(steps[0].run(0));
  const nlohmann::json visit = log.json()["visits"][0];
  CHECK_FALSE(visit.contains("stolen_ms"));
  CHECK_FALSE(visit.contains("mhz"));
}

TEST_CASE("visit log: a visit that failed is none") {
  VisitLog log([] { return CpuLook{}; });
  std::vector<Step> steps(1);
  steps[0].run = [](std::size_t) -> Status { return failure("broken"); };
  log.watch(steps, [] { return 0.0; });
  CHECK_FALSE(steps[0].run(0));
  CHECK(log.visits().empty());
}

TEST_CASE("visit log: visits go into a journal with their samples, and come back") {
  Machine machine;
  VisitLog log([&machine] { return machine.look; });
  std::vector<Step> steps{machine.step("quiet", "", 0), machine.step("kept", "", 7)};
  steps[1].samples = [] { return nlohmann::json(42); };
  steps[1].restore = [](const nlohmann::json&) { return Status{}; };
  log.watch(steps, [&machine] { return machine.seconds; });
  REQUIRE(steps[0].run(0));
  REQUIRE(steps[1].run(0));
  const nlohmann::json kept = steps[1].samples();

  VisitLog later([] { return CpuLook{}; });
  std::vector<Step> again(1);
  again[0].run = [](std::size_t) { return Status{}; };
  again[0].samples = [] { return nlohmann::json(); };
  int restored = 0;
  again[0].restore = [&restored](const nlohmann::json& samples) -> Status {
    restored = samples.get<int>();
    return {};
  };
  later.watch(again, [] { return 9.0; });
  REQUIRE(again[0].restore(kept));
  CHECK(restored == 42);
  REQUIRE(later.visits().size() == 1);
  CHECK(later.visits()[0].step == 0);
  CHECK(later.visits()[0].begin_s == 0.5);
  CHECK(later.visits()[0].meanwhile.stolen_ms == log.visits()[1].meanwhile.stolen_ms);
  CHECK_FALSE(again[0].restore(nlohmann::json(42)));
}

// Known work that takes 1 and, in the second half of the run, 2; between its visits those of another cell.
Run run_of_two_speeds() {
  Run run;
  Cell& cell = run.cells.emplace_back();
  cell.id = "calibration/work";
  cell.scenario = "calibration";
  nlohmann::json visits = nlohmann::json::array();
  for (int i = 0; i < 40; ++i) {
    cell.values.push_back((i < 20 ? 1.0 : 2.0) + 0.001 * (i % 3));
    visits.push_back({{"step", 0}, {"begin_s", i}, {"seconds", 0.1}});
    visits.push_back({{"step", 1}, {"begin_s", i + 0.3}, {"seconds", 0.1}});  // nearer to the one before
  }
  run.environment["noise"]["visits"] = {
      {{"steps", {{{"label", "work"}, {"cell", cell.id}}, {{"label", "other"}}}},
       {"visits", std::move(visits)}}};
  return run;
}

TEST_CASE("speeds: which visits were made while the machine was slow") {
  Run run = run_of_two_speeds();
  add_speeds(run);
  const nlohmann::json slow = run.details["speeds"][0]["slow_meanwhile"];
  REQUIRE(slow.size() == 1);
  REQUIRE(slow[0].size() == 40);
  CHECK(slow[0].front() == 40);
  CHECK(slow[0].back() == 79);

  run.environment["noise"]["visits"][0]["steps"][0].erase("cell");
  add_speeds(run);
  CHECK_FALSE(run.details["speeds"][0].contains("slow_meanwhile"));
  run.environment.erase("noise");
  add_speeds(run);
  CHECK_FALSE(run.details["speeds"][0].contains("slow_meanwhile"));
}

}  // namespace
}  // namespace svcbench::test
