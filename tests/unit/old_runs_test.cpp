// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Old files stay readable: a result of every command and schema version (tests/data/runs).
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>

#include "report/explain.h"
#include "report/export.h"
#include "run/diff.h"
#include "run/run_file.h"

namespace svcbench {
namespace {

std::map<std::string, Run> all_runs() {
  std::map<std::string, Run> runs;
  for (const auto& entry : std::filesystem::directory_iterator(SVCBENCH_TEST_DATA "/runs")) {
    if (entry.path().extension() == ".json") {
      auto run = read_run(entry.path().string());
      REQUIRE_MESSAGE(run, (run ? "" : run.error().message));
      runs.emplace(entry.path().stem().string(), std::move(*run));
    }
  }
  return runs;
}

TEST_CASE("old runs: each is read, with the figures that it has") {
  const auto runs = all_runs();
  const std::map<std::string, std::set<std::string>> expected{
      {"compare-1", {"sync", "update", "path", "throughput", "state", "instrument", "growth"}},
      {"path-1", {"path", "instrument", "growth"}},
      {"ebpf-1", {"update", "fill", "program", "path", "instrument", "growth"}},
      {"iptables-1", {"chapter", "floor"}},
      {"connect-1", {"connect"}},
      {"churn-1", {"churn"}},
      {"verify-1", {}},
      {"ruleset-1", {"ruleset"}},
      {"ruleset-2", {"ruleset"}},
  };
  for (const auto& [name, scenarios] : expected) {
    CAPTURE(name);
    REQUIRE(runs.count(name) == 1);
    const Run& run = runs.at(name);
    const std::string command = name.substr(0, name.find('-'));
    CHECK(run.command == (command == "ruleset" ? "iptables" : command));
    CHECK(std::to_string(run.schema_version) == name.substr(command.size() + 1));
    std::set<std::string> found;
    for (const Cell& cell : run.cells) {
      found.insert(cell.scenario);
    }
    for (const std::string& scenario : scenarios) {
      CAPTURE(scenario);
      CHECK(found.count(scenario) == 1);
    }
    CHECK(found.empty() == scenarios.empty());
  }
}

TEST_CASE("old runs: a figure is what its values make it") {
  std::size_t checked = 0;
  for (const auto& [name, run] : all_runs()) {
    for (const Cell& cell : run.cells) {
      CAPTURE(name);
      CAPTURE(cell.id);
      if (const auto median = stats::median_of(cell.values)) {
        CHECK(median->value == doctest::Approx(cell.value).epsilon(1e-9));
        ++checked;
      }
      CHECK(cell.id.find_first_not_of(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+:-/") ==
            std::string::npos);
      CHECK_FALSE(cell.what.empty());
      CHECK_FALSE(cell.unit.empty());
    }
  }
  CHECK(checked > 60);
}

TEST_CASE("old runs: every figure can be explained, exported, and compared with itself") {
  for (const auto& [name, run] : all_runs()) {
    CAPTURE(name);
    for (const Cell& cell : run.cells) {
      CAPTURE(cell.id);
      REQUIRE(story_of(run, cell) != nullptr);
      const std::string text = explain_cell(run, cell);
      CHECK(text.find("Timed") != std::string::npos);
      CHECK(explain_json(run, cell)["figures"][0]["how"].is_object());
      std::size_t begin = 0;
      for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
        CHECK(end - begin <= 100);
        begin = end + 1;
      }
    }
    CHECK_FALSE(export_markdown(run).empty());
    const auto diff = diff_runs(run, run, {.limit = 0.0});
    REQUIRE(diff);
    CHECK(diff->figures.size() + diff->controls.size() + diff->derived == run.cells.size());
    CHECK(diff->count(Finding::slower) + diff->count(Finding::faster) == 0);
    CHECK(diff->beyond_limit() == 0);
  }
}

// Text that was broken into lines, in one.
std::string on_one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  text.erase(std::unique(text.begin(), text.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
             text.end());
  return text;
}

TEST_CASE("explain: JSON has every fact that the text has") {
  for (const auto& [name, run] : all_runs()) {
    for (const Cell& cell : run.cells) {
      CAPTURE(name);
      CAPTURE(cell.id);
      const std::string text = on_one_line(explain_cell(run, cell));
      const nlohmann::json document = explain_json(run, cell);
      const nlohmann::json& figure = document["figures"][0];
      CHECK(figure["id"] == cell.id);
      CHECK(figure["value"] == cell.value);
      CHECK(figure["samples"] == cell.samples);
      CHECK(figure["beside"].size() == cell.also.size());
      const nlohmann::json& how = figure["how"];
      CHECK(how["values"].size() == cell.values.size());
      CHECK(how["spread"].is_null() == (text.find(" Spread ") == std::string::npos));
      CHECK(how["drift"].is_null() == (text.find(" Drift ") == std::string::npos));
      std::vector<std::string> sentences{how["timed"], how["not_in_it"], how["checked"], how["made_of"],
                                         how["could_bias"]};
      for (const char* list : {"second_instruments", "machine", "notes"}) {
        sentences.insert(sentences.end(), how[list].begin(), how[list].end());
      }
      for (const nlohmann::json& cost : how["instrument"]) {
        sentences.push_back(cost["what"].get<std::string>() + ": ");
      }
      for (const std::string& sentence : sentences) {
        CHECK_MESSAGE(text.find(on_one_line(sentence)) != std::string::npos, sentence);
      }
    }
  }
}

TEST_CASE("explain: JSON of numbers worked by hand, and the list") {
  const auto runs = all_runs();
  Run run = runs.at("compare-1");
  Cell& cell = run.cells.front();
  cell.value = 14;
  cell.interval = stats::Interval{12, 16};
  cell.values = {10, 12, 14, 16, 18, 20};
  const nlohmann::json all = explain_json(run, cell);
  const nlohmann::json& how = all["figures"][0]["how"];
  CHECK(all["figures"][0]["interval"] == nlohmann::json({12.0, 16.0}));
  CHECK(how["spread"]["least"] == 10);
  CHECK(how["spread"]["largest"] == 20);
  CHECK(how["spread"]["quarter"] == 12);
  CHECK(how["spread"]["three_quarters"] == 18);
  CHECK(how["spread"]["middle_half"] == doctest::Approx(6.0 / 14));
  CHECK(how["drift"]["first_third"] == 11);
  CHECK(how["drift"]["last_third"] == 19);
  CHECK(how["drift"]["slope"]["share"] == doctest::Approx(10.0 / 15));
  CHECK(how["drift"]["slope"]["resolved"] == true);

  const nlohmann::json list = cells_json(run);
  CHECK(list["schema_version"] == explain_schema_version);
  CHECK(list["figures"].size() == run.cells.size());
  CHECK_FALSE(list["figures"][0].contains("how"));
  CHECK(list["run"]["run"] == run.run);
  run.path = "caf\xe9.json";  // a name that is no UTF-8
  CHECK_FALSE(cells_json(run).dump().empty());
}

TEST_CASE("explain: the instrument's own cost, drift, and what of the machine to doubt") {
  const auto runs = all_runs();
  const Run& run = runs.at("compare-1");
  const auto found = std::find_if(run.cells.begin(), run.cells.end(), [](const Cell& cell) {
    return cell.scenario == "path" && cell.plane == "ebpf-xdp";
  });
  REQUIRE(found != run.cells.end());
  const std::string text = explain_cell(run, *found);
  for (const char* word : {"one reading of the clock: ", "empty sink at the node's ingress", "Checked",
                           "right backend", "first third", "Theil and Sen", "Could bias", "Again"}) {
    CAPTURE(word);
    CHECK(text.find(word) != std::string::npos);
  }
  Cell drifting = *found;
  for (std::size_t i = 0; i < drifting.values.size(); ++i) {
    drifting.values[i] = 1000 + 100 * static_cast<double>(i);
  }
  CHECK(explain_cell(run, drifting).find("IT DRIFTED") != std::string::npos);
  for (double& value : drifting.values) {
    value = 1000;
  }
  CHECK(explain_cell(run, drifting).find("no drift resolved") != std::string::npos);

  const nlohmann::json quiet{{"cpu", {{"governor", "performance"}, {"logical", 8}, {"hypervisor", false}}},
                             {"clocksource", "tsc"},
                             {"bpf", {{"jit_enable", 1}}},
                             {"load_average", {0.1, 0.1, 0.1}}};
  CHECK(doubts_about(quiet).empty());
  for (const auto& [pointer, value] :
       std::vector<std::pair<const char*, nlohmann::json>>{{"/cpu/governor", "powersave"},
                                                           {"/cpu/boost", true},
                                                           {"/cpu/smt_active", true},
                                                           {"/cpu/hypervisor", true},
                                                           {"/clocksource", "hpet"},
                                                           {"/bpf/jit_enable", 0},
                                                           {"/rcu/expedited", 1},
                                                           {"/load_average/0", 7},
                                                           {"/emulated", "tcg"}}) {
    CAPTURE(pointer);
    nlohmann::json noisy = quiet;
    noisy[nlohmann::json::json_pointer(pointer)] = value;
    CHECK(doubts_about(noisy).size() == 1);
  }
  nlohmann::json normal = quiet;
  normal["rcu"] = {{"expedited", 1}, {"normal", 1}};  // the kernel's own order: normal is asked for first
  CHECK(doubts_about(normal).empty());
}

}  // namespace
}  // namespace svcbench
