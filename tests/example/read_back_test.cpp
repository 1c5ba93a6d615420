// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The scenario of CONTRIBUTING.md: a file and a row, and everything that other scenarios have. Needs root.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "measure/selection.h"
#include "plane/probed.h"
#include "private_place.h"
#include "read_back_scenario.h"
#include "report/explain.h"
#include "report/export.h"
#include "report/html/page_data.h"
#include "report/progress_line.h"
#include "run/as_run.h"
#include "run/diff.h"
#include "run/run_json.h"
#include "shown.h"
#include "temporary_folder.h"

namespace svcbench {
namespace {

using test::must;

constexpr std::string_view id = "read-back/ebpf-tc/40";

CompareResults measured(const Workload& workload, Journal& journal) {
  MonotonicClock clock;
  const Selection selection{
      .scenarios = {&example::read_back_row()},
      .planes = must(probe_planes(std::array{find_plane("null"), find_plane("ebpf-tc")})),
      .sweep = {10, 20, 40},
      .rounds = 8,
      .budget_seconds = 60,
      .journal = &journal};
  const auto progress = make_progress(true);
  return must(run_compare(workload, selection, clock, *progress));
}

}  // namespace

TEST_CASE("example scenario: schedule, resume, table, chart, CSV, explain and diff of a file and a row") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  test::in_private_namespaces([] {
    const Workload workload = must(Workload::generate(40, 2, {Family::ipv4}, 1, {Protocol::tcp}));
    const testing::TemporaryFolder folder;
    const nlohmann::json identity{{"seed", 1}};
    const auto first = [&] {
      auto journal = must(Journal::begin(folder.path("run.json"), identity));
      return measured(workload, journal);
    }();
    REQUIRE(first.cells.size() == 3);  // plain forwarding has none
    for (const Cell& cell : first.cells) {
      CHECK(cell.values.size() % 8 == 0);  // every round, or several times in every one
      CHECK(cell.values.size() > 0);
      CHECK(cell.interval);
    }
    auto journal = must(Journal::resume(folder.path("run.json"), identity));
    const CompareResults again = measured(workload, journal);
    REQUIRE(again.cells.size() == 3);
    CHECK(journal.restored() == journal.kept());
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(again.cells[i].values == first.cells[i].values);
    }

    CompareResults about = first;
    about.environment = nlohmann::json::object();
    about.run = {{"command", "compare"}};
    const Run run = must(run_of_json(run_json(as_run(about)), "run.json"));
    const Cell* cell = run.find(id);
    REQUIRE(cell != nullptr);
    CHECK(run.find("growth/ebpf-tc/read-one-service-back") != nullptr);
    const std::string text = test::full_line(run);
    CHECK(text.find("read-back: median [95 % interval]") != std::string::npos);
    const auto has = [](const std::string& in, std::string_view what) {
      return in.find(what) != std::string::npos;
    };
    CHECK(has(export_csv(run), id));
    CHECK(has(export_markdown(run), "read one service back"));
    CHECK(has(export_prometheus(run), "scenario=\"read-back\""));
    CHECK(has(explain_cell(run, *cell), "found as it was given"));
    const nlohmann::json page = must(html::page_data(std::span(&run, 1)));
    CHECK(has(page.dump(), "growth-read-back-0"));
    const RunDiff changed = must(diff_runs(run, run, {.force = true}));
    CHECK(std::any_of(changed.figures.begin(), changed.figures.end(),
                      [](const Changed& one) { return one.after->id == id; }));
  });
}

}  // namespace svcbench
