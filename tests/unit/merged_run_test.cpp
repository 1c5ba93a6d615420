// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Several runs taken together: figures, what is lacking, verdicts; and two such held against each other.
#include "run/merged_run.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "run/cells.h"
#include "run/confirmation.h"
#include "run/judge.h"
#include "run/run_file.h"
#include "run/run_json.h"

namespace svcbench {
namespace {

using nlohmann::json;

// A path and its control, each at two repeats.
Run run_of(double cost, double plain) {
  Run run;
  run.command = "path";
  run.run = {{"command", "path"}, {"seed", 1}, {"started_unix_seconds", 1}};
  run.seconds = 2;
  const auto add_path = [&](const char* plane, double ns) {
    Cell cell = path_cell(plane, 100, "new flow", "last", "UDP", "IPv4", "ns");
    cell.value = ns;
    cell.samples = 2;
    cell.values = {ns * 0.99, ns * 1.01};
    cell.interval = stats::Interval{ns * 0.99, ns * 1.01};
    cell.also = {{"packets", 10}, {"p90", 1}, {"max", ns * 2}};
    cell.histogram = {{ns, ns + 1, 10}};
    add(run, cell);
  };
  add_path("null", plain);
  add_path("nftables", cost);
  return run;
}

const Cell& figure(const Run& run) { return *run.find("path/nftables/100/new/last/UDP"); }

TEST_CASE("merged run: a figure a run, and what runs differ by in its interval") {
  const auto whole = merged({run_of(100, 10), run_of(110, 10), run_of(120, 10)});
  REQUIRE(whole);
  CHECK(runs_of(*whole) == 3);
  CHECK(runs_of(run_of(1, 1)) == 1);
  CHECK(whole->seconds == 6);
  const Cell& cell = figure(*whole);
  CHECK(cell.values == std::vector<double>{100, 110, 120});
  CHECK(cell.blocks.size() == 3);
  CHECK(cell.blocks[1] == std::vector<double>{110 * 0.99, 110 * 1.01});
  CHECK(cell.samples == 3);
  CHECK(cell.value == doctest::Approx(109.696).epsilon(1e-5));
  REQUIRE(cell.interval);
  CHECK(cell.interval->low < 90);
  CHECK(cell.interval->high > 130);
  CHECK(cell.also.at("packets") == 30);
  CHECK(cell.also.at("max") == 121);  // the end of the last bucket of all
  CHECK(cell.histogram.size() == 3);
  CHECK(cell.also.at("p90") > 119);
}

TEST_CASE("merged run: what one of them lacks is left out, by its reason") {
  Run lacking = run_of(110, 10);
  lacking.cells.pop_back();
  const auto whole = merged({run_of(100, 10), std::move(lacking), run_of(120, 10)});
  REQUIRE(whole);
  CHECK(whole->find("path/nftables/100/new/last/UDP") == nullptr);
  const Cell* left_out = whole->find_unmeasured("path/nftables/100/new/last/UDP");
  REQUIRE(left_out != nullptr);
  CHECK(left_out->origin == Origin::left_out);
  CHECK(left_out->reason == "2 of 3 runs measured it");
  CHECK(whole->cells.size() == 1);
}

TEST_CASE("merged run: the machine's noise is that of all of them") {
  const auto with = [](double steal, double switches, const char* told) {
    Run run = run_of(1, 1);
    run.environment["noise"] = {{"warnings", {"a"}},
                                {"meanwhile", {told}},
                                {"steal_share", steal},
                                {"involuntary_switches", switches}};
    return run;
  };
  const auto whole = merged({with(0.01, 3, "b"), with(0.04, 5, "c"), with(0.02, 1, "b")});
  REQUIRE(whole);
  const json& noise = whole->environment["noise"];
  CHECK(noise["warnings"] == json{"a"});
  CHECK(noise["meanwhile"] == json{"b", "c"});
  CHECK(noise["steal_share"] == 0.04);
  CHECK(noise["involuntary_switches"] == 9);
}

TEST_CASE("merged run: runs that differ are refused, and so are those that are several already") {
  Run other = run_of(1, 1);
  other.run["seed"] = 2;
  const auto differing = merged({run_of(1, 1), std::move(other)});
  REQUIRE_FALSE(differing);
  CHECK(differing.error().message.find("seed (1 and 2)") != std::string::npos);
  const auto once = merged({run_of(1, 1), run_of(1, 1)});
  REQUIRE(once);
  CHECK_FALSE(merged({*once, *once}));
}

TEST_CASE("merged run: crossings are told where the runs agree") {
  const auto with = [](const char* kind, json services) {
    Run run = run_of(1, 1);
    run.details["crossings"] = {{{"what", "w"},
                                 {"plane", "a"},
                                 {"beside", "b"},
                                 {"kind", kind},
                                 {"services", std::move(services)},
                                 {"interval", json()},
                                 {"sizes", {10, 100}},
                                 {"rounds", 6}}};
    return run;
  };
  const auto agreed =
      merged({with("becomes costlier", 40), with("becomes costlier", 50), with("becomes costlier", 45)});
  REQUIRE(agreed);
  const json& one = agreed->details["crossings"][0];
  CHECK(one["services"].get<double>() == doctest::Approx(44.81).epsilon(1e-3));
  CHECK(one["interval"].is_array());
  CHECK(one["rounds"] == 3);
  const auto open =
      merged({with("becomes costlier", 40), with("undecided", json()), with("becomes costlier", 45)});
  REQUIRE(open);
  CHECK(open->details["crossings"][0]["kind"] == "undecided");
  CHECK(open->details["crossings"][0]["services"].is_null());
}

TEST_CASE("merged run: of every stored run, with its verdicts, to a file and back") {
  for (const auto& entry : std::filesystem::directory_iterator(SVCBENCH_TEST_DATA "/runs")) {
    if (entry.path().extension() != ".json") {
      continue;
    }
    auto run = read_run(entry.path().string());
    REQUIRE(run);
    if (run->command == "churn" || run->command == "verify" ||
        !value_at(*run, "/details/scaled_from").is_null()) {
      continue;
    }
    CAPTURE(run->path);
    const auto whole = merged({*run, *run, *run});
    REQUIRE_MESSAGE(whole, (whole ? "" : whole.error().message));
    CHECK(whole->cells.size() == run->cells.size());
    for (const Cell& cell : whole->cells) {
      CAPTURE(cell.id);
      CHECK(cell.value == doctest::Approx(run->find(cell.id)->value));
    }
    // Three runs that are the same leave nothing to doubt, where there is a figure at all.
    const std::vector<Verdict> alone = judge(*run);
    REQUIRE(whole->verdicts.size() == alone.size());
    for (std::size_t i = 0; i < alone.size(); ++i) {
      CHECK(whole->verdicts[i].id == alone[i].id);
      if (alone[i].outcome != Outcome::inconclusive) {
        CHECK(to_string(whole->verdicts[i].outcome) == to_string(alone[i].outcome));
      }
    }
    const json document = run_json(*whole);
    const auto back = run_of_json(document, "x");
    REQUIRE_MESSAGE(back, (back ? "" : back.error().message));
    CHECK(run_json(*back) == document);
  }
}

TEST_CASE("merged run: two of them are held against each other by what their runs had") {
  const auto runs = [](double factor) {
    return *merged({run_of(100 * factor, 10), run_of(104 * factor, 10.2), run_of(98 * factor, 9.9),
                    run_of(101 * factor, 10.1)});
  };
  const auto diff = diff_runs(runs(1), runs(1.02), {});
  REQUIRE(diff);
  REQUIRE(diff->figures.size() == 1);
  CHECK(diff->figures[0].ratio->value == doctest::Approx(1.02));
  CHECK(diff->figures[0].ratio->samples == 4);
  CHECK(diff->figures[0].finding == Finding::unresolved);
  CHECK(confirmation_of(*diff).confirmed.size() == 1);
  const auto slower = diff_runs(runs(1), runs(1.5), {});
  REQUIRE(slower);
  CHECK(slower->figures[0].finding == Finding::slower);
  const auto apart = diff_runs(runs(1), run_of(100, 10), {});
  REQUIRE_FALSE(apart);
  CHECK(apart.error().message.find("number of runs (4 and 1)") != std::string::npos);
}

}  // namespace
}  // namespace svcbench
