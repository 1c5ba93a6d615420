// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One run, all of its outputs: each says the same number, to the digit that it prints.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "report/explain.h"
#include "report/export.h"
#include "report/full.h"
#include "report/html/page_data.h"
#include "report/screen.h"
#include "run/run_file.h"

namespace svcbench {
namespace {

using nlohmann::json;

// A figure as people read it: its value in the unit of cells, and half of its last digit.
struct Printed {
  double value = 0;
  double half_step = 0;
};

double one_of(const std::string& unit) {
  static const std::map<std::string, double> units{
      {"us", 1e3},  {"ms", 1e6},  {"s", 1e9},     {"KiB", 1024}, {"MiB", 1024.0 * 1024},
      {"k/s", 1e3}, {"M/s", 1e6}, {"", 1},        {"ns", 1},     {"B", 1},
      {"/s", 1},    {"instr", 1}, {"entries", 1}, {"packets", 1}};
  const auto found = units.find(unit);
  CHECK_MESSAGE(found != units.end(), unit);
  return found == units.end() ? 1 : found->second;
}

Printed printed_as(std::string digits, const std::string& unit) {
  std::erase(digits, ',');
  const std::size_t point = digits.find('.');
  const auto decimals = point == std::string::npos ? 0 : static_cast<int>(digits.size() - point - 1);
  return {.value = std::stod(digits) * one_of(unit),
          .half_step = 0.5000001 * std::pow(10, -decimals) * one_of(unit)};
}

// "1.84 us", "6,000", "0.012"; behind a blank or at the beginning.
const std::string figure_pattern =
    R"((-?[0-9][0-9,]*(?:\.[0-9]+)?)(?: (us|ms|s|ns|KiB|MiB|B|k/s|M/s|/s|instr|entries|packets)(?![a-z]))?)";

// The figures of a line in their order, without the intervals.
std::vector<Printed> figures_of(std::string line) {
  line = std::regex_replace(line, std::regex(R"( \[[^\]]*\])"), "");
  const std::regex pattern(figure_pattern);
  std::vector<Printed> figures;
  for (std::sregex_iterator it(line.begin(), line.end(), pattern), end; it != end; ++it) {
    figures.push_back(printed_as((*it)[1], (*it)[2]));
  }
  return figures;
}

bool is(const Printed& printed, double value) {
  return std::abs(printed.value - value) <= printed.half_step;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields;
  std::string field;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.push_back(std::exchange(field, ""));
    } else if (c != '\r') {
      field += c;
    }
  }
  fields.push_back(field);
  return fields;
}

// ---- what each output says of a cell ----

// By id, then by column.
std::map<std::string, std::map<std::string, double>> of_csv(const std::string& csv) {
  const auto lines = lines_of(csv);
  const auto columns = split(lines.front());
  std::map<std::string, std::map<std::string, double>> all;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const auto fields = split(lines[i]);
    for (std::size_t column = 0; column < fields.size(); ++column) {
      if (!fields[column].empty() && columns[column].find('_') != std::string::npos) {
        char* end = nullptr;
        const double value = std::strtod(fields[column].c_str(), &end);
        if (*end == '\0') {
          all[fields[0]][columns[column]] = value;
        }
      }
    }
  }
  return all;
}

// By family, scenario, plane, services and what, as the labels have them; quantiles by their share.
std::map<std::string, double> of_prometheus(const std::string& text) {
  std::map<std::string, double> all;
  for (const std::string& line : lines_of(text)) {
    if (const std::size_t space = line.rfind(' '); !line.starts_with("#")) {
      all[line.substr(0, space)] = std::stod(line.substr(space + 1));
    }
  }
  return all;
}

std::string labels_of(const Cell& cell) {
  return fmt::format("{{scenario=\"{}\",plane=\"{}\",services=\"{}\",what=\"{}\"", cell.scenario,
                     cell.plane, cell.services, cell.what);
}

void check_csv(const Cell& cell, const std::map<std::string, double>& row) {
  const std::string unit = cell.unit == "packets/s"   ? "packets_per_second"
                           : cell.unit == "changes/s" ? "changes_per_second"
                                                      : cell.unit;
  REQUIRE(row.contains("median_" + unit));
  CHECK(row.at("median_" + unit) == cell.value);
  for (const char* quantile : {"p90", "p99", "p99.9", "p99.99", "max"}) {
    if (cell.also.contains(quantile)) {
      std::string column = quantile;
      std::erase(column, '.');
      CHECK(row.at(column + "_" + unit) == cell.also.at(quantile));
    }
  }
}

void check_prometheus(const Cell& cell, const std::map<std::string, double>& samples) {
  const bool time = cell.unit == "ns";
  if (!time && cell.unit != "bytes") {
    return;
  }
  const double scale = time ? 1e-9 : 1;
  const std::string name = time ? "seconds" : "bytes";
  const std::string labels = labels_of(cell);
  const auto found = samples.find("svcbench_" + name + labels + "}");
  REQUIRE_MESSAGE(found != samples.end(), cell.id);
  CHECK(found->second == doctest::Approx(cell.value * scale));
  for (const auto& [part, share] :
       {std::pair{"p99", "0.99"}, std::pair{"p99.9", "0.999"}, std::pair{"p99.99", "0.9999"}}) {
    if (cell.also.contains(part)) {
      const auto quantile =
          samples.find(fmt::format("svcbench_quantile_{}{},quantile=\"{}\"}}", name, labels, share));
      REQUIRE_MESSAGE(quantile != samples.end(), cell.id);
      CHECK(quantile->second == doctest::Approx(cell.also.at(part) * scale));
    }
  }
}

// The row of a table for this plane, size and these words; "" where there is none.
std::string row_of(const std::vector<std::string>& lines, const std::string& begins) {
  const auto found = std::find_if(lines.begin(), lines.end(), [&](const std::string& line) {
    std::string words = line;
    words.erase(
        std::unique(words.begin(), words.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
        words.end());
    return words.starts_with(begins) || words.starts_with(" " + begins);
  });
  if (found == lines.end()) {
    return "";
  }
  std::string words = *found;
  words.erase(std::unique(words.begin(), words.end(), [](char a, char b) { return a == ' ' && b == ' '; }),
              words.end());
  return words.substr(words.find(begins) + begins.size());
}

std::string grouped_digits(std::size_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) {
    text.insert(at - 3, ",");
  }
  return text;
}

// The path table: p50, p90, p99, p99.9, max, count.
void check_path_row(const Cell& cell, const std::vector<std::string>& terminal) {
  std::string what = cell.what;
  what.erase(what.find(" flow"), 5);
  const std::string row =
      row_of(terminal, fmt::format("{} {} {} ", cell.plane, grouped_digits(cell.services), what));
  if (row.empty()) {
    return;  // at the smaller sizes of many planes only what grows is there
  }
  std::vector<double> expected{cell.value};
  for (const char* part : {"p90", "p99", "p99.9", "max", "packets"}) {
    if (cell.also.contains(part)) {
      expected.push_back(cell.also.at(part));
    }
  }
  const auto figures = figures_of(row);
  REQUIRE_MESSAGE(figures.size() == expected.size(), row);
  for (std::size_t i = 0; i < figures.size(); ++i) {
    CHECK_MESSAGE(is(figures[i], expected[i]), row);
  }
}

// Whether one of the printed figures of a text is this.
// The lines of Markdown that tell of a scenario.
std::vector<std::string> section_of(const std::vector<std::string>& lines, const std::string& scenario) {
  const auto begin = std::find_if(lines.begin(), lines.end(), [&](const std::string& line) {
    return line.starts_with("<details><summary>" + scenario + ": ");
  });
  return {begin, std::find(begin, lines.end(), "</details>")};
}

bool says(const std::string& text, double value) {
  const auto figures = figures_of(text);
  return std::any_of(figures.begin(), figures.end(),
                     [&](const Printed& printed) { return is(printed, value); });
}

}  // namespace

TEST_CASE("outputs: terminal, screen, page, CSV, Markdown, Prometheus and explain say the same numbers") {
  for (const char* name : {"compare-1", "path-1", "ebpf-1", "iptables-1", "connect-1"}) {
    CAPTURE(name);
    const auto read = read_run(fmt::format("{}/runs/{}.json", SVCBENCH_TEST_DATA, name));
    REQUIRE(read);
    const auto& run = *read;
    const auto csv = of_csv(export_csv(run));
    const auto prometheus = of_prometheus(export_prometheus(run));
    const auto markdown = lines_of(export_markdown(run));
    const auto terminal = lines_of(render_full(run, false, Bars::digits));
    const auto page = html::page_data(std::span(&run, 1));
    REQUIRE(page);
    REQUIRE(page->at("cells").size() == run.cells.size());
    std::size_t paths = 0;
    for (std::size_t i = 0; i < run.cells.size(); ++i) {
      const Cell& cell = run.cells[i];
      CAPTURE(cell.id);
      REQUIRE(csv.contains(cell.id));
      check_csv(cell, csv.at(cell.id));
      check_prometheus(cell, prometheus);
      const json& shown = page->at("cells")[i];
      CHECK(shown[1] == cell.id);
      CHECK(shown[6] == cell.value);
      CHECK(shown[10] == (cell.also.empty() ? json() : json(cell.also)));
      // Its scenario's table; empty rows: of figures that are told elsewhere.
      const std::string row = row_of(
          section_of(markdown, cell.scenario),
          fmt::format("| {} | {} | {} | ", cell.plane.empty() ? "" : "`" + cell.plane + "`",
                      cell.services == 0 ? "" : grouped_digits(cell.services), "`" + cell.what + "`"));
      CHECK_MESSAGE((row.empty() || says(row, cell.value)), row);
      const auto explained = lines_of(explain_cell(run, cell));
      CHECK(says(explained[1].substr(explained[1].rfind(": ")), cell.value));
      if (cell.scenario == "path") {
        check_path_row(cell, terminal);
        ++paths;
      }
    }
    CHECK((paths > 0) == (std::string_view(name) != "iptables-1" && std::string_view(name) != "connect-1"));
  }
}

TEST_CASE("outputs: Table 4.1 and the screen's table have the cells' figures") {
  const auto read = read_run(fmt::format("{}/runs/iptables-1.json", SVCBENCH_TEST_DATA));
  REQUIRE(read);
  for (const std::string& text : {render_full(*read, false, Bars::digits), render_screen(*read, false)}) {
    const auto lines = lines_of(text);
    for (const auto& [load, id] : {std::pair{"first load", "first"}, std::pair{"reload", "reload"}}) {
      const std::string row = row_of(lines, fmt::format("40 127 {} ", load));
      REQUIRE_MESSAGE(!row.empty(), text);
      for (const char* backend : {"legacy", "nft"}) {
        const Cell* cell = read->find(fmt::format("chapter/iptables-{}/40/{}", backend, id));
        REQUIRE(cell != nullptr);
        CHECK_MESSAGE(says(row, cell->value), row);
      }
    }
  }
}

}  // namespace svcbench
