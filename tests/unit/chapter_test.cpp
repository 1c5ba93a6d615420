// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The run of Table 4.1 over back ends without a kernel, whose costs are known beforehand; and its figures.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <sstream>

#include "fake_plane.h"
#include "measure/selection.h"
#include "run/as_run.h"
#include "run/run_json.h"
#include "shown.h"

namespace svcbench::test {
namespace {

constexpr double ms = 1e6;

class SilentProgress final : public Progress {
 public:
  void phase(const std::string&) override {}
  void step(const std::string&, std::size_t, std::size_t, double) override {}
  void finished() override {}
};

// What a back end costs, and what was asked of it.
struct FakeTool {
  double floor_ns = 2 * ms;
  double ns_a_rule = 10'000;
  double first_factor = 0.5;  // a first load costs so much of a reload, above the floor
  // Tables made from this one on say yes and forget a service.
  std::size_t loses_from = std::numeric_limits<std::size_t>::max();
  bool forgets_changes = false;
  std::size_t made = 0;
  std::size_t empties = 0;

  [[nodiscard]] double reload_ns(std::size_t services) const {
    return floor_ns + ns_a_rule * static_cast<double>(3 * services + 7);
  }
  [[nodiscard]] double first_ns(std::size_t services) const {
    return floor_ns + first_factor * (reload_ns(services) - floor_ns);
  }
};

class FakeTable final : public DataPlane {
 public:
  FakeTable(FakeClock& clock, const FakeTool& tool)
      : clock_(&clock),
        tool_(&tool),
        loses_one_(tool.made > tool.loses_from),
        plane_(clock, [&tool](std::size_t n) { return tool.reload_ns(n); }) {
    plane_.forgets_changes = tool.forgets_changes;
  }

  Status install(std::span<const Service> services) override {
    const double ns = installed_ ? tool_->reload_ns(services.size()) : tool_->first_ns(services.size());
    installed_ = true;
    note(ns);
    clock_->pass(ns);
    return plane_.install(loses_one_
                              ? services.first(services.size() - std::min<std::size_t>(services.size(), 1))
                              : services);
  }
  Status stage(const Change& change) override { return plane_.stage(change); }
  Status commit() override {
    note(tool_->reload_ns(plane_.entries().value()));
    return plane_.commit();
  }
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }
  [[nodiscard]] Result<std::size_t> entries() const override { return plane_.entries(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    return plane_.find(frontend);
  }

 private:
  void note(double ns) {
    const auto whole = static_cast<std::int64_t>(ns);
    cost_ = {.generate_ns = 1000,
             .commit_ns = whole,
             .user_us = whole / 4000,
             .system_us = whole / 2000,
             .tools = 1,
             .input_bytes = 100};
  }

  FakeClock* clock_;
  const FakeTool* tool_;
  bool loses_one_;
  FakePlane plane_;
  SyncCost cost_{};
  bool installed_ = false;
};

struct Bench {
  FakeClock clock{};
  FakeTool legacy{};
  FakeTool nft{};
  Selection options{.sweep = {100, 1000, 10'000}, .seed = 3, .rounds = 6, .budget_seconds = 1000};
  std::vector<std::string> order{};  // of what was asked of which tool
  std::size_t fail_at =
      std::numeric_limits<std::size_t>::max();  // so many executions, and the run is cut off
  std::size_t executions = 0;

  ChapterSubject subject(const std::string& name, FakeTool& tool) {
    return {name,
            [this, name, &tool]() -> Result<std::unique_ptr<DataPlane>> {
              ++tool.made;
              order.push_back(name);
              return std::make_unique<FakeTable>(clock, tool);
            },
            [this, &tool]() -> Result<SyncCost> {
              ++tool.empties;
              clock.pass(tool.floor_ns);
              return SyncCost{.commit_ns = static_cast<std::int64_t>(tool.floor_ns), .user_us = 500};
            }};
  }

  Result<ChapterResults> run() {
    const auto workload = Workload::generate(options.sweep.back(), 1, {Family::ipv4}, 1);
    SilentProgress progress;
    const auto nothing = [this]() -> Result<SyncCost> {
      if (executions++ == fail_at) {
        return failure("cut off");
      }
      clock.pass(ms);
      return SyncCost{.commit_ns = static_cast<std::int64_t>(ms)};
    };
    return run_chapter(
        *workload,
        {{.name = "legacy", .label = "iptables-legacy 1", .program = "/l", .is_default = true},
         {.name = "nft", .label = "iptables-nft 1", .program = "/n"}},
        {subject("legacy", legacy), subject("nft", nft)}, nothing, options, clock, progress);
  }
};

TEST_CASE("chapter: its own figures") {
  CHECK(chapter_seconds(5000) == 0.320);
  CHECK_FALSE(chapter_seconds(5001));
  for (const ChapterRow& row : chapter_table) {
    CHECK(row.rules == 3 * row.services + 7);
  }
  // Least squares by hand: mean x 10,867, mean y 0.2396 s; sum of products 11,797 s over squares 5.8039e8
  // are 20.33 us a rule; 0.2396 - 10,867 x 20.33e-6 = 0.0187 s.
  CHECK(chapter_line().slope == doctest::Approx(20'327).epsilon(0.001));
  CHECK(chapter_line().intercept == doctest::Approx(18.7 * ms).epsilon(0.01));
}

TEST_CASE("chapter run: every cell, every round, and the costs that were put in") {
  Bench bench;
  const auto results = bench.run();
  REQUIRE_MESSAGE(results, results.error().message);
  CHECK(results->loads.size() == 2 * 4 * 2);
  for (const LoadCell& cell : results->loads) {
    CAPTURE(cell.services);
    CHECK(cell.rules == 3 * cell.services + 7);
    CHECK(cell.input_bytes == 100);
    CHECK(cell.skipped.empty());
    const double ns = cell.load == Load::first ? bench.legacy.first_ns(cell.services)
                                               : bench.legacy.reload_ns(cell.services);
    CHECK(cell.tool.wall_ns == std::vector<double>(6, ns));
    CHECK(cell.tool.user_ns.size() == 6);
    CHECK(cell.tool.user_ns[0] == doctest::Approx(ns / 4).epsilon(0.002));  // whole us
    CHECK(cell.tool.system_ns[5] == doctest::Approx(ns / 2).epsilon(0.002));
    CHECK(cell.generate_ns == std::vector<double>(6, 1000));
  }
  // A new plane for each first load, and one that stays for the reloads, per size.
  CHECK(bench.legacy.made == 4 * (6 + 1));
  CHECK(bench.nft.made == 4 * (6 + 1));
  CHECK(bench.legacy.empties == 6 * 3);
  REQUIRE(results->floors.size() == 3);
  CHECK(find_floor(*results, "exec", "")->blocks.size() == 6);
  CHECK(floor_figure(*find_floor(*results, "empty transaction", "nft"), &ProcessSamples::wall_ns)->value ==
        2 * ms);
  // Back ends in turn, not one after the other: after the pilots both appear in the first round's loads.
  const std::vector<std::string> first_round(bench.order.begin() + 8, bench.order.begin() + 16);
  CHECK(std::count(first_round.begin(), first_round.end(), "nft") == 4);
  CHECK_FALSE(std::is_sorted(first_round.begin(), first_round.end()));
}

TEST_CASE("chapter run: figures, growth and verdict of a linear cost") {
  Bench bench;
  bench.nft.floor_ns = 5 * ms;
  bench.nft.ns_a_rule = 5000;
  const auto results = bench.run();
  REQUIRE(results);
  const LoadCell* reload = find_load(*results, "legacy", Load::reload, 10'000);
  REQUIRE(reload != nullptr);
  // 2 ms + 30,007 x 10 us = 302.07 ms; the chapter's is 632 ms.
  CHECK(times_chapter(*reload)->value == doctest::Approx(0.30207 / 0.632));
  CHECK(times_chapter(*reload)->interval->low == doctest::Approx(0.30207 / 0.632));
  CHECK(times_chapter(*reload)->interval->high == doctest::Approx(0.30207 / 0.632));
  CHECK(times_other(*reload, *find_load(*results, "legacy", Load::first, 10'000))->value ==
        doctest::Approx(302.07 / 152.035));
  const ChapterGrowth growth = growth_of(*results, "legacy", Load::reload);
  CHECK(growth.line->slope == doctest::Approx(10'000));
  CHECK(growth.line->intercept == doctest::Approx(2 * ms));
  CHECK(growth.worst_residual < 1e-9);
  CHECK(growth.cpu_line->slope == doctest::Approx(7500).epsilon(0.001));  // three quarters of it
  CHECK(growth.sizes == std::vector<std::size_t>{100, 1000, 10'000});
  CHECK(growth.above_base->exponent == doctest::Approx(1));  // with the fixed part in it, it would be 0.89
  REQUIRE(as_run(*results).verdicts.size() == 1);
  test::check_judged_again(test::run_of_command(as_run(*results), "iptables"));
  CHECK(as_run(*results).verdicts[0].outcome == Outcome::holds);
  CHECK(as_run(*results).verdicts[0].evidence.size() == 2 * 4 + 1);

  // 2 + 0.01 r = 5 + 0.005 r at 600 rules, 198 services: between 100 and 1,000, where both are straight.
  const auto crossings = crossings_of(*results);
  REQUIRE(crossings.size() == 2);
  CHECK(crossings[1].load == Load::reload);
  REQUIRE(crossings[1].measured);
  CHECK(crossings[1].measured->kind == stats::CrossingKind::becomes_cheaper);
  CHECK(*crossings[1].measured->services == doctest::Approx((600.0 - 7) / 3));
  CHECK_FALSE(crossings[1].predicted);
}

TEST_CASE("chapter run: one that was cut off gives what it would have given") {
  std::string folder = (std::filesystem::temp_directory_path() / "svcb-chapter-XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string file = folder + "/run.json";
  const nlohmann::json identity{{"seed", 3}};
  Bench whole;
  const auto expected = whole.run();
  REQUIRE(expected);
  {
    auto journal = Journal::begin(file, identity);
    REQUIRE(journal);
    Bench first;
    first.options.journal = &*journal;
    first.fail_at = 3 * 3 + 1;  // in the fourth round's visit
    const auto cut_off = first.run();
    REQUIRE_FALSE(cut_off);
    CHECK(journal->kept() > 3 * 19);  // 16 loads and 3 floors in each of three rounds
    CHECK(journal->kept() < 4 * 19);
  }
  auto journal = Journal::resume(file, identity);
  REQUIRE(journal);
  Bench second;
  second.options.journal = &*journal;
  second.options.budget_seconds = 20;  // would measure less by itself: the first part's plan holds
  const auto results = second.run();
  REQUIRE_MESSAGE(results, results.error().message);
  CHECK(journal->restored() > 3 * 19);
  CHECK(journal->kept() == 6 * 19);
  CHECK(second.legacy.made < whole.legacy.made);
  const auto without_seconds = [](const ChapterResults& of) {
    nlohmann::json json = run_json(as_run(of));
    json.erase("seconds");
    return json;
  };
  CHECK(without_seconds(*results) == without_seconds(*expected));
  std::filesystem::remove_all(folder);
}

TEST_CASE("chapter run: a crossing beyond the sweep is a prediction, in services") {
  Bench bench;
  bench.nft.floor_ns = 202 * ms;  // 200 ms more, 5 us a rule less: 40,000 rules, 13,331 services
  bench.nft.ns_a_rule = 5000;
  const auto results = bench.run();
  REQUIRE(results);
  const auto crossing = crossings_of(*results)[1];
  CHECK(crossing.measured->kind == stats::CrossingKind::costlier_throughout);
  REQUIRE(crossing.predicted);
  CHECK(crossing.predicted->services == doctest::Approx(39'993.0 / 3));
  CHECK_FALSE(crossing.predicted->becomes_costlier);
  const std::string text = test::full_line(as_run(*results), "iptables");
  CHECK(text.find("predicted from the two lines, not measured: cheaper at about 13,331 services") !=
        std::string::npos);
}

TEST_CASE("chapter run: too dear a size is not begun, and is told with what it would take") {
  Bench bench;
  bench.options.sweep = {100, 1000, 2000, 100'000};
  bench.options.budget_seconds = 20;  // a reload at 100,000 takes 3 s, a first load 1.5 s
  const auto results = bench.run();
  REQUIRE(results);
  const LoadCell* skipped = find_load(*results, "nft", Load::reload, 100'000);
  REQUIRE(skipped != nullptr);
  CHECK(skipped->skipped.find("--budget 20") != std::string::npos);
  CHECK(skipped->tool.wall_ns.empty());
  CHECK(*skipped->predicted_ns > 1e9);
  CHECK(as_run(*results).verdicts[0].outcome == Outcome::holds);  // from the three sizes that were measured
  const std::string text = test::full_text(as_run(*results), "iptables");
  CHECK(text.find("(about 2") != std::string::npos);
  const std::string why = "iptables-nft, 100,000 services: left out: a load with its reload is predicted";
  REQUIRE(text.find(why) != std::string::npos);
  CHECK(text.find(why) == text.rfind(why));  // once for both loads
  const Run run = as_run(*results);
  const Cell* cell = run.find_unmeasured("chapter/iptables-nft/100000/reload");
  REQUIRE(cell != nullptr);
  CHECK(cell->origin == Origin::predicted);
  CHECK(cell->reason == skipped->skipped);
  CHECK(cell->value == *skipped->predicted_ns);
}

TEST_CASE("chapter run: what the budget drops after the pilot is told too") {
  Bench bench;
  bench.options.sweep = {100'000};
  bench.options.budget_seconds = 12;  // the pilots take 9 s of it
  const auto results = bench.run();
  REQUIRE(results);
  for (const Load load : all_loads) {
    const LoadCell* cell = find_load(*results, "legacy", load, 100'000);
    CHECK(cell->tool.wall_ns.empty());
    CHECK(cell->skipped.find("6 visits would take") != std::string::npos);
    CHECK(*cell->predicted_ns > 1e9);
  }
  CHECK(find_load(*results, "legacy", Load::reload, 0)->tool.wall_ns.size() == 6);
  CHECK(as_run(*results).verdicts[0].outcome == Outcome::inconclusive);
}

TEST_CASE("chapter run: a table that does not hold what it was given has no figure") {
  Bench loses;
  loses.nft.loses_from = 0;
  const auto lost = loses.run();
  REQUIRE_FALSE(lost);
  CHECK(lost.error().message.find("100 services were to be there, and the kernel has 99") !=
        std::string::npos);
  Bench later;  // the pilots hold what they were given, the first load of the first round does not
  later.options.rounds = 1;
  later.nft.loses_from = 4;
  const auto lost_later = later.run();
  REQUIRE_FALSE(lost_later);
  CHECK(lost_later.error().message.find("services were to be there, and the kernel has") !=
        std::string::npos);
  Bench forgets;
  forgets.legacy.forgets_changes = true;
  const auto forgotten = forgets.run();
  REQUIRE_FALSE(forgotten);
  CHECK(forgotten.error().message.find("its figures would be of wrong work") != std::string::npos);
}

TEST_CASE("chapter: a cost that grows with the square does not pass for linear") {
  Bench bench;
  const auto measured = bench.run();
  REQUIRE(measured);
  ChapterResults results = *measured;
  for (LoadCell& cell : results.loads) {
    for (double& ns : cell.tool.wall_ns) {
      const auto rules = static_cast<double>(cell.rules);
      ns = cell.backend == "nft" ? 2 * ms + rules * rules : ns;
    }
  }
  const auto verdicts = as_run(results).verdicts;
  CHECK(verdicts[0].outcome == Outcome::does_not_hold);
  CHECK(verdicts[0].summary.find("nft, first load (from 1,000 services) grows more than linearly") !=
        std::string::npos);
}

TEST_CASE("chapter: a size that does not stand above the table without services is left out, and told") {
  Bench bench;
  const auto measured = bench.run();
  REQUIRE(measured);
  ChapterResults results = *measured;
  for (LoadCell& cell : results.loads) {
    if (cell.backend == "nft" && cell.load == Load::reload && cell.services == 100) {
      cell.tool.wall_ns[2] = 4.13 * ms;  // the base is 2.07 ms
    }
  }
  const ChapterGrowth growth = growth_of(results, "nft", Load::reload);
  CHECK(growth.sizes == std::vector<std::size_t>{1000, 10'000});
  REQUIRE(growth.above_base);
  CHECK(growth.above_base->exponent == doctest::Approx(1));
  const auto verdict = as_run(results).verdicts[0];
  CHECK(verdict.outcome == Outcome::holds);
  CHECK(verdict.evidence[3].find("nft, reload (from 1,000 services): ") == 0);
}

TEST_CASE("chapter: repeats of a dear size are paired with those of the same rounds") {
  // Two sizes, 12 rounds; the larger was visited in every other round only. The machine becomes twice as
  // slow for the second half: unpaired, the ratio of the sizes would be off.
  ChapterResults results;
  results.rounds = 12;
  results.sweep = {100, 1000};
  results.backends = {{.name = "nft", .label = "n", .program = "/n"}};
  LoadCell small{.backend = "nft", .load = Load::reload, .services = 100, .rules = 307};
  LoadCell large{.backend = "nft", .load = Load::reload, .services = 1000, .rules = 3007};
  for (int round = 0; round < 12; ++round) {
    const double slow = round < 6 ? 1 : 2;
    small.tool.wall_ns.push_back(300e4 * slow);
    if (round % 2 == 1) {
      large.tool.wall_ns.push_back(3000e4 * slow);
    }
  }
  LoadCell base{.backend = "nft", .load = Load::reload, .services = 0, .rules = 7};
  base.tool.wall_ns = {0};
  results.loads = {base, small, large};
  const ChapterGrowth growth = growth_of(results, "nft", Load::reload);
  REQUIRE(growth.above_base);
  CHECK(growth.above_base->interval->low == doctest::Approx(1));
  CHECK(growth.above_base->interval->high == doctest::Approx(1));
  CHECK(times_other(large, small)->interval->low == doctest::Approx(10));
  CHECK(times_other(large, small)->interval->high == doctest::Approx(10));
}

TEST_CASE("chapter: a crossing is looked for in rounds as they were") {
  // The machine is half as fast in the second half, for both back ends; at 1,000 services nft was visited
  // in every other round, and is a twentieth cheaper there. Taken for the first six rounds, its slow
  // samples would stand beside legacy's fast ones.
  ChapterResults results;
  results.rounds = 12;
  results.sweep = {100, 1000};
  results.backends = {{.name = "legacy", .label = "l", .program = "/l"},
                      {.name = "nft", .label = "n", .program = "/n"}};
  std::array<LoadCell, 4> cells;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i].backend = i < 2 ? "legacy" : "nft";
    cells[i].load = Load::reload;
    cells[i].services = i % 2 == 0 ? 100 : 1000;
    cells[i].rules = 3 * cells[i].services + 7;
  }
  for (int round = 0; round < 12; ++round) {
    const double slow = round < 6 ? 1 : 2;
    cells[0].tool.wall_ns.push_back(100 * slow);
    cells[1].tool.wall_ns.push_back(1000 * slow);
    cells[2].tool.wall_ns.push_back(300 * slow);
    if (round % 2 == 1) {
      cells[3].tool.wall_ns.push_back(950 * slow);
    }
  }
  for (LoadCell& cell : cells) {
    cell.tool.user_ns = cell.tool.wall_ns;
    cell.tool.system_ns = cell.tool.wall_ns;
    results.loads.push_back(cell);
  }
  const auto measured = crossings_of(results)[1].measured;
  REQUIRE(measured);
  CHECK(measured->rounds == 6);
  CHECK(measured->becomes_cheaper > 0.75);
}

TEST_CASE("chapter: tables for people, JSON for machines") {
  Bench bench;
  auto results = bench.run();
  REQUIRE(results);
  results->backends[1].missing = "iptables-nft-restore is not there";
  const std::string text = test::full_text(as_run(*results), "iptables");
  std::string words = text;
  words.erase(std::unique(words.begin(), words.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
              words.end());
  CHECK(words.find(" 10,000 30,007 reload 632 ms 302 ms [302, 302] 0.4") != std::string::npos);
  CHECK(text.find("iptables-nft: not measured: iptables-nft-restore is not there\n") != std::string::npos);
  CHECK(
      text.find(
          "iptables-legacy: a reload takes 1.99 times [1.99, 1.99] the first load (10,000 services).\n") !=
      std::string::npos);
  CHECK(text.find("  nft  ") == std::string::npos);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  const Run run = as_run(*results);
  CHECK(run.details["chapter"]["rows"].size() == 5);
  CHECK(run.details["backends"][1]["missing"] == "iptables-nft-restore is not there");
  CHECK(run.details["backends"][1]["program"].is_null());
  CHECK(run.details["crossings"].empty());  // one back end has none
  CHECK(run.cells[0].id == "chapter/iptables-legacy/0/first");
  CHECK(run.cells[0].values.size() == 6);
  CHECK(run.cells[0].also.count("chapter_ns") == 0);
  CHECK(run.find("chapter/iptables-legacy/100/first")->also.at("chapter_ns") == 32e6);
  CHECK(run.find("floor/exec")->coordinate("backend").empty());
  CHECK(run_json(run).dump().find("null,null") == std::string::npos);
}

}  // namespace
}  // namespace svcbench::test
