// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run as JSON and back: of every stored run, and what is no run.
#include "run/run_json.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>

#include "report/export.h"
#include "report/html/page_data.h"
#include "run/run_file.h"

namespace svcbench {
namespace {

using nlohmann::json;

std::vector<Run> stored_runs() {
  std::vector<Run> runs;
  for (const auto& entry : std::filesystem::directory_iterator(SVCBENCH_TEST_DATA "/runs")) {
    if (entry.path().extension() == ".json") {
      auto run = read_run(entry.path().string());
      REQUIRE_MESSAGE(run, (run ? "" : run.error().message));
      runs.push_back(std::move(*run));
    }
  }
  REQUIRE(runs.size() >= 9);
  return runs;
}

// Everything that a cell of each origin can have.
Run whole_run() {
  Run run;
  run.command = "compare";
  run.run = {{"command", "compare"}, {"seed", 7}};
  run.environment = {{"kernel", {{"release", "6.18"}}}};
  run.seconds = 12.5;
  run.details = {{"notes", {"a note"}}};
  run.verdicts = {{.id = "update-flat",
                   .claim = "updates are flat",
                   .outcome = Outcome::inconclusive,
                   .summary = "inconclusive: noise",
                   .evidence = {"b = 0.1"},
                   .would_settle = "more rounds"}};
  Cell& cell = run.cells.emplace_back();
  cell.id = "update/ebpf-xdp/1000/change/full";
  cell.scenario = "update";
  cell.plane = "ebpf-xdp";
  cell.services = 1000;
  cell.what = "change endpoints, full";
  cell.unit = "ns";
  cell.value = 2.5;
  cell.interval = stats::Interval{1, 4};
  cell.samples = 4;
  cell.blocks = {{1, 4}, {}, {2, 3}};
  cell.values = {2.5, 2.5};
  cell.also = {{"p99", 4}, {"stage_ns", 0.5}};
  cell.at = {{"operation", "change endpoints"}, {"way", "full"}};
  cell.histogram = {{.low = 1, .high = 2, .count = 3}};
  cell.parts = {{"stage_ns", {{0.25, 0.75}}}};
  cell.checks = {"read back"};
  Cell& scaled = run.unmeasured.emplace_back(cell);
  scaled.id = "update/ipvs/1000/change/full";
  scaled.origin = Origin::scaled;
  scaled.better = Better::neither;
  scaled.by_way_of = {
      {"nftables", {2, stats::Interval{1, 3}, 6}, {4, std::nullopt, 1}, {8, std::nullopt, 1}}};
  Cell& left_out = run.unmeasured.emplace_back();
  left_out.id = "sync/ipvs/1000";
  left_out.scenario = "sync";
  left_out.what = "sync";
  left_out.unit = "ns";
  left_out.origin = Origin::left_out;
  left_out.reason = "too dear";
  return run;
}

TEST_CASE("run JSON: every stored run comes back as it was") {
  for (const Run& run : stored_runs()) {
    CAPTURE(run.path);
    const json document = run_json(run);
    CHECK(document["schema_version"] == run_schema_version);
    const auto back = parse_run(document.dump(1), run.path);
    REQUIRE_MESSAGE(back, (back ? "" : back.error().message));
    CHECK(run_json(*back) == document);
    CHECK(back->command == run.command);
    CHECK(back->cells.size() == run.cells.size());
    CHECK(back->unmeasured.size() == run.unmeasured.size());
    CHECK(export_csv(*back) == export_csv(run));
    CHECK(export_markdown(*back) == export_markdown(run));
    CHECK(export_prometheus(*back) == export_prometheus(run));
    const std::vector<Run> one{run};
    const std::vector<Run> other{*back};
    CHECK(*html::page_data(one) == *html::page_data(other));
  }
}

TEST_CASE("run JSON: all that a cell can have comes back") {
  const Run run = whole_run();
  const json document = run_json(run);
  const auto back = run_of_json(document, "x");
  REQUIRE_MESSAGE(back, (back ? "" : back.error().message));
  CHECK(run_json(*back) == document);
  const Cell& cell = back->cells.at(0);
  CHECK(cell.values == run.cells[0].values);
  CHECK(cell.blocks == run.cells[0].blocks);
  CHECK(cell.also == run.cells[0].also);
  CHECK(cell.at == run.cells[0].at);
  CHECK(cell.parts == run.cells[0].parts);
  CHECK(cell.checks == run.cells[0].checks);
  CHECK(cell.histogram.at(0).high == 2);
  const Cell* scaled = back->find_unmeasured("update/ipvs/1000/change/full");
  REQUIRE(scaled != nullptr);
  CHECK(scaled->origin == Origin::scaled);
  CHECK(scaled->better == Better::neither);
  CHECK(scaled->by_way_of.at(0).ratio.interval->high == 3);
  CHECK_FALSE(scaled->by_way_of.at(0).here.interval);
  CHECK(back->find("update/ipvs/1000/change/full") == nullptr);
  CHECK(back->find_unmeasured("sync/ipvs/1000")->reason == "too dear");
  CHECK(back->verdicts.at(0).would_settle == "more rounds");
}

TEST_CASE("run JSON: what no svcbench can have written is refused, in a sentence") {
  const auto refused = [](const std::function<void(json&)>& change, const std::string& word) {
    json document = run_json(whole_run());
    change(document);
    const auto run = parse_run(document.dump(), "x.json");
    CAPTURE(word);
    REQUIRE_FALSE(run);
    CHECK(run.error().kind == Error::Kind::usage);
    CHECK_MESSAGE(run.error().message.find(word) != std::string::npos, run.error().message);
    CHECK(run.error().message.starts_with("x.json"));
    CHECK(run.error().message.find('\n') == std::string::npos);
    CHECK(run.error().message.find('\x1b') == std::string::npos);
  };
  refused([](json& top) { top["schema_version"] = 5; }, "reads up to 4");
  refused([](json& top) { top["run"]["command"] = "tele\x1bport"; }, "tele\\x1bport");
  for (const char* part : {"run", "environment", "details"}) {
    refused([&](json& top) { top.erase(part); }, "not a run of svcbench");
    refused([&](json& top) { top[part] = 7; }, "not a run of svcbench");
  }
  refused([](json& top) { top["run"].erase("command"); }, "not a run of svcbench");
  refused([](json& top) { top["seconds"] = "long"; }, ".seconds: expected a number");
  refused([](json& top) { top["cells"] = 3; }, ".cells: expected an array");
  refused([](json& top) { top["cells"][0] = 3; }, ".cells[0]: expected an object");
  refused([](json& top) { top["cells"][0]["id"] = "a b"; }, "\"a b\" is no figure's id");
  refused([](json& top) { top["cells"][1]["id"] = top["cells"][0]["id"]; }, "two of its figures");
  refused([](json& top) { top["cells"][0]["value"] = nullptr; }, ".value: expected a number, found null");
  refused([](json& top) { top["cells"][0]["value"] = 1e30; }, ".value: expected a number");
  refused([](json& top) { top["cells"][0]["interval"] = {2, 1}; }, "expected an interval");
  refused([](json& top) { top["cells"][0]["services"] = -1; }, "expected a count, found -1");
  refused([](json& top) { top["cells"][0]["samples"] = 1.5; }, "expected a count");
  refused([](json& top) { top["cells"][0]["origin"] = "dreamt"; }, ".origin: expected");
  refused([](json& top) { top["cells"][0]["quantity"]["better"] = "best"; }, ".better: expected");
  refused([](json& top) { top["cells"][0]["blocks"] = {1, 2}; }, ".blocks[0]: expected an array");
  refused([](json& top) { top["cells"][0]["blocks"][0][0] = "1"; }, "expected numbers");
  refused([](json& top) { top["cells"][0]["histogram"][0] = {2, 1, 1}; }, "expected a bucket");
  refused([](json& top) { top["cells"][0]["histogram"][0] = {1, 2}; }, "expected a bucket");
  refused([](json& top) { top["cells"][0]["at"] = {1}; }, ".at: expected an object");
  refused([](json& top) { top["cells"][0]["at"]["way"] = 1; }, ".at.way: expected a name");
  refused([](json& top) { top["cells"][0]["beside"]["p99"] = "x"; }, ".beside.p99: expected a number");
  refused([](json& top) { top["cells"][1]["by_way_of"][0]["ratio"] = 3; }, ".ratio");
  refused([](json& top) { top["verdicts"][0]["outcome"] = "maybe"; }, ".outcome: expected");
}

}  // namespace
}  // namespace svcbench
