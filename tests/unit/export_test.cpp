// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Exports, read back by readers of their own; names that would be more than text in a format.
#include "report/export.h"

#include <doctest/doctest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "report/escape.h"
#include "run/cells.h"
#include "run/run_file.h"

namespace svcbench {
namespace {

using nlohmann::json;

// What could end a field, a row, a line, a cell, a label, a code span or a terminal's good behaviour.
const std::string hostile =
    "a\"b,c\nd|e`f``g\\h<script>alert(1)</script>\x1b[31m\xe2\x80\xaei @team =1+1 \xff";
const std::string hostile_utf8 = hostile.substr(0, hostile.size() - 1);  // JSON holds no other

Run hostile_run() {
  Run run;
  run.path = hostile;
  run.command = "compare";
  run.seconds = 12.5;
  run.run = {{"command", "compare"}, {"workload", hostile_utf8}, {"seed", 1}};
  run.environment = {{"kernel", {{"release", hostile_utf8}}}};
  run.verdicts = {{.id = "a-claim",
                   .claim = hostile_utf8,
                   .outcome = Outcome::holds,
                   .summary = hostile_utf8,
                   .evidence = {},
                   .would_settle = ""}};
  Cell path;
  path.id = "path/x/100/new";
  path.scenario = "path";
  path.plane = hostile;
  path.services = 100;
  path.what = "=cmd()" + hostile;
  path.unit = "ns";
  path.value = 1500;
  path.interval = stats::Interval{.low = 1400, .high = 1600.5};
  path.samples = 16;
  path.also = {{"p99", 2000}, {"p99.9", 3000}, {"packets", 16000}, {"max", 9000}};
  Cell memory;
  memory.id = "state/y/100/kernel-memory";
  memory.scenario = "state";
  memory.plane = "y";
  memory.services = 100;
  memory.what = "kernel memory";
  memory.unit = "bytes";
  memory.value = 4096;
  memory.samples = 1;
  run.cells = {path, memory};
  return run;
}

// RFC 4180, strictly: nullopt where it is broken.
using Table = std::vector<std::vector<std::string>>;
std::optional<Table> read_csv(const std::string& text) {
  Table table(1, std::vector<std::string>(1));
  std::size_t i = 0;
  while (i < text.size()) {
    std::string& field = table.back().back();
    if (text[i] == '"' && field.empty()) {
      for (++i;; ++i) {
        if (i >= text.size()) {
          return std::nullopt;
        }
        if (text[i] == '"' && (++i >= text.size() || text[i] != '"')) {
          break;
        }
        field += text[i];
      }
      if (i >= text.size() || (text[i] != ',' && text[i] != '\r')) {
        return std::nullopt;
      }
    } else if (text[i] == ',') {
      table.back().emplace_back();
      ++i;
    } else if (text[i] == '\r') {
      if (text.substr(i, 2) != "\r\n") {
        return std::nullopt;
      }
      i += 2;
      if (i < text.size()) {
        table.emplace_back(1);
      }
    } else if (text[i] == '\n' || text[i] == '"') {
      return std::nullopt;
    } else {
      field += text[i++];
    }
  }
  return table;
}

TEST_CASE("export: CSV is RFC 4180, a row a figure and a unit a column") {
  const auto table = read_csv(export_csv(hostile_run()));
  REQUIRE(table);
  REQUIRE(table->size() == 3);
  std::map<std::string, std::size_t> column;
  for (std::size_t i = 0; i < table->at(0).size(); ++i) {
    CHECK(column.emplace(table->at(0)[i], i).second);
  }
  for (const auto& row : *table) {
    CHECK(row.size() == table->at(0).size());
  }
  const auto at = [&](std::size_t row, const char* name) {
    CAPTURE(name);
    REQUIRE(column.count(name) == 1);
    return table->at(row)[column[name]];
  };
  CHECK(at(1, "median_ns") == "1500");
  CHECK(at(1, "high_ns") == "1600.5");
  CHECK(at(1, "p999_ns") == "3000");
  CHECK(at(1, "max_ns") == "9000");
  CHECK(at(1, "packets") == "16000");
  CHECK(at(1, "median_bytes").empty());
  CHECK(at(2, "median_bytes") == "4096");
  CHECK(at(2, "median_ns").empty());
  CHECK(column.count("low_bytes") == 0);  // no figure has one
  CHECK(at(2, "command") == "compare");
  // Text, whole but for what no terminal should get; no formula.
  CHECK(at(1, "plane") ==
        "a\"b,c\nd|e`f``g\\h<script>alert(1)</script>\\x1b[31m\\xe2\\x80\\xaei @team =1+1 \\xff");
  CHECK(at(1, "what").starts_with("'=cmd()a\"b"));
}

TEST_CASE("export: Markdown names the kube-proxy whose rules were made, and the binary that was run") {
  Run run = hostile_run();
  CHECK(export_markdown(run).find("Rules and syncs") == std::string::npos);
  run.run["kube_proxy"] = {{"version", "1.30"}};
  CHECK(export_markdown(run).find("\nRules and syncs of `kube-proxy 1.30`\n") != std::string::npos);
  run.run["kube_proxy"]["binary_version"] = "v1.30.5";
  CHECK(export_markdown(run).find("`kube-proxy 1.30; the binary is v1.30.5`") != std::string::npos);
}

TEST_CASE("export: Markdown shows hostile names as code, in one cell") {
  const std::string text = export_markdown(hostile_run());
  std::istringstream lines(text);
  std::string line;
  std::size_t columns = 0;
  std::size_t rows = 0;
  while (std::getline(lines, line)) {
    CHECK(line.find('\x1b') == std::string::npos);
    if (!line.starts_with("|")) {
      columns = 0;
      continue;
    }
    std::size_t pipes = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
      pipes += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1 : 0;
    }
    CHECK((columns == 0 || columns == pipes));
    columns = pipes;
    ++rows;
    // HTML only inside of code: the span's fence is longer than any run of backticks in it.
    if (line.find("<script>") != std::string::npos) {
      CHECK(line.find("```") != std::string::npos);
    }
  }
  CHECK(rows == 3 + 3 + 3);  // verdicts, path, state: head, rule, row
  CHECK(markdown_code("plain") == "`plain`");
  CHECK(markdown_code("a|b") == "`a\\|b`");
  CHECK(markdown_code("`a``b") == "``` `a``b ```");
  CHECK(markdown_code("a\nb") == "`a\\x0ab`");
  CHECK(markdown_code("").empty());
}

// The text format (0.0.4), strictly: family -> labels -> value.
struct Prometheus {
  std::map<std::string, std::map<std::string, std::map<std::string, double>>> samples;
  std::map<std::string, std::map<std::string, std::string>> first_labels;
  std::string wrong;
};

void read_sample(const std::string& line, const std::string& family, Prometheus& read) {
  const auto fail = [&] { read.wrong = line; };
  const std::size_t brace = line.find('{');
  if (brace == std::string::npos || line.substr(0, brace) != family) {
    return fail();
  }
  static const std::regex name("[a-zA-Z_][a-zA-Z0-9_]*");
  std::map<std::string, std::string> labels;
  std::size_t i = brace + 1;
  while (i < line.size() && line[i] != '}') {
    const std::size_t equals = line.find("=\"", i);
    if (equals == std::string::npos || !std::regex_match(line.substr(i, equals - i), name)) {
      return fail();
    }
    std::string value;
    std::size_t k = equals + 2;
    for (; k < line.size() && line[k] != '"'; ++k) {
      if (line[k] == '\\') {
        ++k;
        if (k >= line.size() || std::string("\\\"n").find(line[k]) == std::string::npos) {
          return fail();
        }
        value += line[k] == 'n' ? '\n' : line[k];
      } else {
        value += line[k];
      }
    }
    if (k >= line.size() || !labels.emplace(line.substr(i, equals - i), value).second) {
      return fail();
    }
    i = k + 1;
    if (i < line.size() && line[i] == ',') {
      ++i;
    }
  }
  std::size_t used = 0;
  const std::string number = i + 2 <= line.size() ? line.substr(i + 2) : "";
  if (line.substr(i, 2) != "} " || number.empty()) {
    return fail();
  }
  const double value = std::stod(number, &used);
  const std::string key = line.substr(brace, i - brace);
  if (used != number.size() ||
      !read.samples[family].emplace(key, std::map<std::string, double>{{"", value}}).second) {
    return fail();
  }
  read.first_labels.emplace(family, labels);
}

Prometheus read_prometheus(const std::string& text) {
  Prometheus read;
  static const std::regex help("# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) .+");
  static const std::regex type("# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) gauge");
  std::set<std::string> seen;
  std::string helped;
  std::string family;
  std::istringstream lines(text);
  std::string line;
  std::smatch match;
  while (std::getline(lines, line) && read.wrong.empty()) {
    if (std::regex_match(line, match, help)) {
      helped = match[1];
    } else if (std::regex_match(line, match, type)) {
      family = match[1];
      if (family != helped || !seen.insert(family).second) {
        read.wrong = line;
      }
    } else {
      read_sample(line, family, read);
    }
  }
  if (!text.ends_with('\n')) {
    read.wrong = "no newline at the end";
  }
  return read;
}

TEST_CASE("export: Prometheus' text format, in base units") {
  const Prometheus read = read_prometheus(export_prometheus(hostile_run()));
  CHECK(read.wrong.empty());
  const auto value = [&](const char* family, const std::string& part) {
    CAPTURE(family);
    for (const auto& [labels, sample] : read.samples.at(family)) {
      if (labels.find(part) != std::string::npos) {
        return sample.at("");
      }
    }
    return -1.0;
  };
  CHECK(value("svcbench_seconds", "scenario=\"path\"") == doctest::Approx(1.5e-6));
  CHECK(value("svcbench_low_seconds", "path") == doctest::Approx(1.4e-6));
  CHECK(value("svcbench_quantile_seconds", "quantile=\"0.99\"") == doctest::Approx(2e-6));
  CHECK(value("svcbench_quantile_seconds", "quantile=\"0.999\"") == doctest::Approx(3e-6));
  CHECK(value("svcbench_bytes", "kernel memory") == 4096);
  CHECK(value("svcbench_samples", "path") == 16);
  CHECK(value("svcbench_run_duration_seconds", "compare") == 12.5);
  CHECK(value("svcbench_verdict", "outcome=\"holds\"") == 1);
  CHECK(read.samples.count("svcbench_low_bytes") == 0);
  // The name comes back whole.
  CHECK(read.first_labels.at("svcbench_seconds").at("plane") == without_controls(hostile, true));
}

TEST_CASE("export: a real run's, every figure once") {
  const auto run = read_run(SVCBENCH_TEST_DATA "/runs/compare-1.json");
  REQUIRE(run);
  const auto table = read_csv(export_csv(*run));
  REQUIRE(table);
  CHECK(table->size() == run->cells.size() + 1);
  const Prometheus read = read_prometheus(export_prometheus(*run));
  CHECK(read.wrong.empty());
  CHECK(read.samples.at("svcbench_samples").size() == run->cells.size());
}

TEST_CASE("export: Prometheus does not call every table the connection tracker's") {
  Run run;
  for (const char* kept : {"conntrack", "flow-table"}) {
    Cell& cell = run.cells.emplace_back(state_cell("ebpf-xdp", 100, kept));
    cell.value = 1000;
  }
  const std::string text = export_prometheus(run);
  CHECK(text.find("connection tracker") == std::string::npos);
  CHECK(text.find("what=\"conntrack entries per 1,000 new flows\"} 1000") != std::string::npos);
  CHECK(text.find("what=\"entries of the plane's own flow table per 1,000 new flows\"} 1000") !=
        std::string::npos);
}

TEST_CASE("escape: what no terminal should get, and what is no UTF-8") {
  CHECK(without_controls("gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80") ==
        "gr\xc3\xbc\xc3\x9f \xe6\x97\xa5 \xf0\x9f\x98\x80");
  CHECK(without_controls("a\tb\r\n\x7f") == "a\\x09b\\x0d\\x0a\\x7f");
  CHECK(without_controls("a\nb", true) == "a\nb");
  CHECK(without_controls("\xc2\x9b") == "\\xc2\\x9b");           // a control sequence in eight bits
  CHECK(without_controls("\xe2\x80\xae") == "\\xe2\\x80\\xae");  // right to left from here on
  CHECK(without_controls("\xc0\xaf\xed\xa0\x80\xf5") == "\\xc0\\xaf\\xed\\xa0\\x80\\xf5");
  CHECK(without_controls("\xe6\x97") == "\\xe6\\x97");
  CHECK(csv_field("plain") == "plain");
  CHECK(csv_field("a,\"b\"") == "\"a,\"\"b\"\"\"");
  CHECK(csv_field("-1+1") == "'-1+1");
}

}  // namespace
}  // namespace svcbench
