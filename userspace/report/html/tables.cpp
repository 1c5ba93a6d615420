// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of a page: sections (report/section.h), and what a page alone has room for.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

#include "report/html/page_run.h"
#include "report/quantity.h"
#include "report/section.h"
#include "report/table42.h"
#include "report/tables.h"
#include "service/text.h"

namespace svcbench::html {

namespace {

using nlohmann::json;

void add(const PageRun& run, const Section& section, json& blocks) {
  if (!section.rows.empty()) {
    blocks.push_back(section_block(section, run));
  }
}

// ---- verify ----

struct Behaviour {
  std::vector<std::string> passed{};
  std::vector<std::string> failed{};
  std::vector<std::string> differing{};
  std::vector<std::string> not_offered{};
};

json behaviour_cell(const Behaviour& one) {
  if (!one.failed.empty()) {
    return {{"text", "✕ fails"}, {"mood", "bad"}, {"note", fmt::format("{}", fmt::join(one.failed, ", "))}};
  }
  if (!one.differing.empty()) {
    return {{"text", "≠ differs"},
            {"mood", "open"},
            {"note", fmt::format("{}", fmt::join(one.differing, ", "))}};
  }
  if (!one.passed.empty()) {
    json out{{"text", "✓ passes"}, {"mood", "good"}};
    if (!one.not_offered.empty()) {
      out["note"] = fmt::format("not offered: {}", fmt::join(one.not_offered, ", "));
    }
    return out;
  }
  return one.not_offered.empty() ? json() : json{{"text", "not offered"}, {"mood", "none"}};
}

}  // namespace

void add_table41(const PageRun& run, json& blocks) {
  if (run.file().command == "iptables") {
    add(run, table41(run), blocks);
  }
}

void add_table42(const PageRun& run, json& blocks) {
  const auto table = table42(run);
  if (!table) {
    return;
  }
  add(run, *table, blocks);
  for (const Field& missing : run.details().at("missing").elements()) {
    blocks.back()["after"].push_back(fmt::format(
        "{} was not measured: {}", label_of(missing.at("plane").text()), missing.at("why").text()));
  }
}

void add_crossings(const PageRun& run, json& blocks) {
  for (const Section& section : crossing_matrices(run)) {
    add(run, section, blocks);
  }
}

void add_scaled(const PageRun& run, json& blocks) {
  if (const auto section = scaled_figures(run)) {
    add(run, *section, blocks);
  }
}

void add_calibration(const PageRun& run, json& blocks) {
  add(run, relative_table(run), blocks);
  add(run, calibration_table(run), blocks);
}

void add_behaviours(const PageRun& run, json& blocks) {
  if (run.file().command != "verify") {
    return;
  }
  const Field document = run.details();
  std::vector<std::string> planes;
  std::vector<std::string> names;
  std::map<std::pair<std::string, std::string>, Behaviour> matrix;
  json evidence = json::array();
  for (const Field& one : document.at("cases").elements()) {
    const std::string plane = one.at("plane").text();
    const std::string name = one.at("behaviour").text();
    const std::string outcome = one.at("outcome").text();
    const std::string variant = one.at("family").text() + " " + one.at("protocol").text();
    add_unique(planes, plane);
    add_unique(names, name);
    Behaviour& cell = matrix[{name, plane}];
    (outcome == "pass"      ? cell.passed
     : outcome == "fail"    ? cell.failed
     : outcome == "differs" ? cell.differing
                            : cell.not_offered)
        .push_back(variant);
    evidence.push_back({name, label_of(plane), variant, outcome, one.at("evidence").text_if_any()});
  }
  json head = json::array({"behaviour"});
  for (const std::string& plane : planes) {
    head.push_back({{"plane", plane}});
  }
  json rows = json::array();
  for (const std::string& name : names) {
    const Field about = document.at("behaviours").at(name.c_str());
    json row = json::array();
    row.push_back({{"text", about.at("title").text_if_any()}, {"note", about.at("demands").text_if_any()}});
    for (const std::string& plane : planes) {
      row.push_back(behaviour_cell(matrix[{name, plane}]));
    }
    rows.push_back(std::move(row));
  }
  json after = json::array();
  for (const Field& missing : document.at("missing").elements()) {
    after.push_back(fmt::format("{} was not tried: {}", label_of(missing.at("plane").text()),
                                missing.at("why").text()));
  }
  blocks.push_back({{"id", fmt::format("behaviours-{}", run.index())},
                    {"run", run.index()},
                    {"title", "What each plane does"},
                    {"caption", "Real clients and servers talk through every plane, set up alike."},
                    {"head", std::move(head)},
                    {"rows", std::move(rows)},
                    {"after", std::move(after)}});
  blocks.push_back({{"id", fmt::format("behaviour-evidence-{}", run.index())},
                    {"run", run.index()},
                    {"title", "What was seen"},
                    {"folded", true},
                    {"head", {"behaviour", "plane", "variant", "outcome", "evidence"}},
                    {"rows", std::move(evidence)}});
}

void add_churn(const PageRun& run, json& blocks) {
  if (run.file().command != "churn") {
    return;
  }
  Section section = churn_table(run);
  const Field document = run.details().at("churn");
  const Field changes = document.at("changes");
  const auto rate = changes.at("rate").number_if_any();
  section.after.push_back(fmt::format("{} changes in {:.1f} s: {:.1f} a second{}",
                                      grouped(changes.at("done").count()), changes.at("seconds").number(),
                                      changes.at("rate_reached").number(),
                                      rate ? fmt::format(", {:.1f} asked for", *rate) : ""));
  for (const Cell& cell : run.file().cells) {
    if (cell.id.ends_with("/effect") || cell.id.ends_with("/highest-rate")) {
      section.after.push_back(
          fmt::format("{}: {} (of {})", cell.what, quantity(cell), grouped(cell.samples)));
    }
  }
  for (const Field& example : document.at("examples").elements()) {
    section.after.push_back("seen: " + example.text());
  }
  add(run, section, blocks);
}

void add_ruleset(const PageRun& run, json& blocks) { add(run, ruleset_table(run), blocks); }

void add_connects(const PageRun& run, json& blocks) {
  if (run.file().command == "connect") {
    add(run, connect_table(run), blocks);
  }
}

}  // namespace svcbench::html
