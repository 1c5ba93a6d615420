// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <vector>

#include "report/escape.h"
#include "report/heading.h"
#include "report/quantity.h"
#include "run/relative.h"
#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

std::string text_of(const json& value) {
  return value.is_null() ? "" : value.is_string() ? value.get<std::string>() : value.dump();
}

// What tells one run from another, for every format.
struct RunFact {
  const char* name;
  const char* pointer;
};
constexpr std::array run_facts{
    RunFact{"command", "/run/command"},
    RunFact{"svcbench_version", "/run/svcbench_version"},
    RunFact{"git_revision", "/run/git_revision"},
    RunFact{"seed", "/run/seed"},
    RunFact{"kube_proxy", "/run/kube_proxy/version"},
    RunFact{"kernel", "/environment/kernel/release"},
    RunFact{"cpu", "/environment/cpu/model"},
    RunFact{"emulated", "/environment/emulated"},
};
constexpr RunFact started{"started_unix_seconds", "/run/started_unix_seconds"};

// A unit as a name may end in it.
std::string unit_name(const std::string& unit) {
  return unit == "packets/s" ? "packets_per_second" : unit == "changes/s" ? "changes_per_second" : unit;
}

// "p99.9" as a share.
std::string quantile_share(const std::string& name) {
  return fmt::format("{:.6g}", std::stod(name.substr(1)) / 100);
}

// ---- CSV ----

// The column that a figure's part stands in: "p99.9" of a path as "p999_ns".
std::string column_of(const Cell& cell, const std::string& name) {
  if (!is_quantile(name) && name != "max") {
    return name;
  }
  std::string column = name;
  std::erase(column, '.');
  return column + "_" + unit_name(cell.unit);
}

using CsvRow = std::map<std::string, double>;

CsvRow figures_of(const Run& run, const Cell& cell) {
  const std::string unit = unit_name(cell.unit);
  CsvRow row{{"median_" + unit, cell.value}};
  if (cell.interval) {
    row["low_" + unit] = cell.interval->low;
    row["high_" + unit] = cell.interval->high;
  }
  for (const auto& [name, value] : cell.also) {
    row[column_of(cell, name)] = value;
  }
  if (const auto relative = relative_of(run, cell)) {
    row["times_known_work"] = relative->times.value;
    if (relative->times.interval) {
      row["times_known_work_low"] = relative->times.interval->low;
      row["times_known_work_high"] = relative->times.interval->high;
    }
  }
  return row;
}

// In the order in which a reader wants them: medians with their intervals, then the rest.
std::vector<std::string> columns_of(const std::vector<CsvRow>& rows) {
  std::vector<std::string> first;
  std::vector<std::string> others;
  const auto note = [](std::vector<std::string>& columns, const std::string& name) {
    if (std::find(columns.begin(), columns.end(), name) == columns.end()) {
      columns.push_back(name);
    }
  };
  for (const CsvRow& row : rows) {
    for (const auto& [name, value] : row) {
      if (name.starts_with("median_")) {
        const std::string unit = name.substr(name.find('_'));
        note(first, name);
        note(first, "low" + unit);
        note(first, "high" + unit);
      }
    }
  }
  for (const CsvRow& row : rows) {
    for (const auto& [name, value] : row) {
      if (std::find(first.begin(), first.end(), name) == first.end()) {
        note(others, name);
      }
    }
  }
  std::sort(others.begin(), others.end());
  // An interval that no figure of its unit has.
  std::erase_if(first, [&](const std::string& name) {
    return std::none_of(rows.begin(), rows.end(), [&](const CsvRow& row) { return row.count(name) != 0; });
  });
  first.insert(first.end(), others.begin(), others.end());
  return first;
}

// ---- Markdown ----

std::string also_text(const Cell& cell, const char* name) {
  const auto found = cell.also.find(name);
  return found == cell.also.end() ? "" : quantity(found->second, cell.unit);
}

std::string markdown_scenario(const Run& run, const std::string& scenario) {
  std::vector<const Cell*> cells;
  bool tails = false;
  for (const Cell& cell : run.cells) {
    if (cell.scenario == scenario) {
      cells.push_back(&cell);
      tails = tails || cell.also.count("p99") != 0;
    }
  }
  std::string out = fmt::format("\n<details><summary>{}: {} figures</summary>\n\n", scenario, cells.size());
  out += fmt::format("| plane | services | what | median [95 % interval] | {}samples |\n",
                     tails ? "p99 | p99.9 | " : "");
  out += fmt::format("|:--|--:|:--|--:|{}--:|\n", tails ? "--:|--:|" : "");
  for (const Cell* cell : cells) {
    out += fmt::format(
        "| {} | {} | {} | {} | {}{} |\n", markdown_code(cell->plane),
        cell->services == 0 ? "" : grouped(cell->services), markdown_code(cell->what),
        cell->interval ? quantity(*cell) : quantity(cell->value, cell->unit),
        tails ? fmt::format("{} | {} | ", also_text(*cell, "p99"), also_text(*cell, "p99.9")) : "",
        grouped(cell->samples));
  }
  return out + "\n</details>\n";
}

std::string markdown_verdicts(const Run& run) {
  if (run.verdicts.empty()) {
    return "";
  }
  std::string out = "\n| claim | verdict |\n|:--|:--|\n";
  for (const Verdict& verdict : run.verdicts) {
    out += fmt::format("| {} | {} |\n", markdown_code(verdict.claim), markdown_code(verdict.summary));
  }
  return out;
}

// ---- Prometheus ----

// Families in the order of their first sample; the samples of one stand together.
class Exposition {
 public:
  void add(const std::string& family, std::string_view help, const std::string& labels, double value) {
    auto found = std::find_if(families_.begin(), families_.end(),
                              [&](const Family& one) { return one.name == family; });
    if (found == families_.end()) {
      families_.push_back({family, std::string(help), {}});
      found = families_.end() - 1;
    }
    found->samples.push_back(fmt::format("{}{{{}}} {}\n", family, labels, value));
  }

  [[nodiscard]] std::string text() const {
    std::string out;
    for (const Family& family : families_) {
      out += fmt::format("# HELP {0} {1}\n# TYPE {0} gauge\n", family.name, family.help);
      for (const std::string& sample : family.samples) {
        out += sample;
      }
    }
    return out;
  }

 private:
  struct Family {
    std::string name;
    std::string help;
    std::vector<std::string> samples;
  };
  std::vector<Family> families_{};
};

struct BaseUnit {
  std::string_view unit;   // of a cell
  std::string_view name;   // of the family
  double scale;            // the cell's unit in the family's
  std::string_view thing;  // for HELP
};
constexpr std::array base_units{
    BaseUnit{"ns", "seconds", 1e-9, "time, seconds"},
    BaseUnit{"instructions", "instructions", 1, "guest instructions"},
    BaseUnit{"bytes", "bytes", 1, "memory, bytes"},
    BaseUnit{"entries", "entries", 1, "entries of a table"},
    BaseUnit{"packets", "packets", 1, "packets"},
    BaseUnit{"packets/s", "packets_per_second", 1, "throughput, packets a second"},
    BaseUnit{"changes/s", "changes_per_second", 1, "rate, changes a second"},
    BaseUnit{"exponent", "growth_exponent", 1, "exponent b of cost ~ N^b"},
};

// Plain forwarding has no services in it, but stands at a size as the others do.
std::string labels_of(const Cell& cell) {
  return fmt::format("scenario=\"{}\",plane=\"{}\",services=\"{}\",what=\"{}\"",
                     prometheus_label(cell.scenario), prometheus_label(cell.plane), cell.services,
                     prometheus_label(cell.what));
}

void add_cell(Exposition& exposition, const Cell& cell) {
  const auto* const unit = std::find_if(base_units.begin(), base_units.end(),
                                        [&](const BaseUnit& one) { return one.unit == cell.unit; });
  if (unit == base_units.end()) {
    return;
  }
  const std::string labels = labels_of(cell);
  const auto add = [&](std::string_view part, const std::string& more, std::string_view help,
                       double value) {
    exposition.add(fmt::format("svcbench_{}{}", part, unit->name),
                   fmt::format("{}: {}.", help, unit->thing), labels + more, value * unit->scale);
  };
  add("", "", "Median of a figure", cell.value);
  if (cell.interval) {
    add("low_", "", "Lower end of the median's 95 % interval", cell.interval->low);
    add("high_", "", "Upper end of the median's 95 % interval", cell.interval->high);
  }
  for (const auto& [name, value] : cell.also) {
    if (is_quantile(name)) {
      add("quantile_", fmt::format(",quantile=\"{}\"", quantile_share(name)), "Quantile of all samples",
          value);
    }
  }
  exposition.add("svcbench_samples", "Samples that a figure is made of.", labels,
                 static_cast<double>(cell.samples));
}

}  // namespace

std::string export_csv(const Run& run) {
  std::vector<CsvRow> rows;
  for (const Cell& cell : run.cells) {
    rows.push_back(figures_of(run, cell));
  }
  const std::vector<std::string> columns = columns_of(rows);
  std::string out = "id,scenario,plane,services,what,samples";
  for (const std::string& column : columns) {
    out += "," + csv_field(column);
  }
  std::string facts;
  for (const RunFact& fact : run_facts) {
    out += fmt::format(",{}", fact.name);
    facts += "," + csv_field(text_of(value_at(run, fact.pointer)));
  }
  out += fmt::format(",{}\r\n", started.name);
  facts += "," + csv_field(text_of(value_at(run, started.pointer)));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Cell& cell = run.cells[i];
    out += fmt::format("{},{},{},{},{},{}", csv_field(cell.id), csv_field(cell.scenario),
                       csv_field(cell.plane), cell.services, csv_field(cell.what), cell.samples);
    for (const std::string& column : columns) {
      const auto found = rows[i].find(column);
      out += found == rows[i].end() ? std::string(",") : fmt::format(",{}", found->second);
    }
    out += facts + "\r\n";
  }
  return out;
}

std::string export_markdown(const Run& run) {
  std::string out = fmt::format("**svcbench {}**: {}\n", run.command, markdown_code(run_line(run)));
  if (const std::string words = kube_proxy_words(value_at(run, "/run/kube_proxy")); !words.empty()) {
    out += fmt::format("\nRules and syncs of {}\n", markdown_code(words));
  }
  out += markdown_verdicts(run);
  std::vector<std::string> scenarios;
  for (const Cell& cell : run.cells) {
    if (std::find(scenarios.begin(), scenarios.end(), cell.scenario) == scenarios.end()) {
      scenarios.push_back(cell.scenario);
      out += markdown_scenario(run, cell.scenario);
    }
  }
  if (const json command = value_at(run, "/run/command_line"); command.is_string()) {
    out += fmt::format("\nMeasured by {}\n", markdown_code(command.get<std::string>()));
  }
  return out;
}

std::string export_prometheus(const Run& run) {
  Exposition exposition;
  std::string facts;
  for (const RunFact& fact : run_facts) {
    facts += fmt::format("{}{}=\"{}\"", facts.empty() ? "" : ",", fact.name,
                         prometheus_label(text_of(value_at(run, fact.pointer))));
  }
  exposition.add("svcbench_run_info", "The run that all figures are of.", facts, 1);
  const std::string command = fmt::format("command=\"{}\"", prometheus_label(run.command));
  if (const json begun = value_at(run, started.pointer); begun.is_number()) {
    exposition.add("svcbench_run_start_time_seconds", "When the run began, Unix time.", command,
                   begun.get<double>());
  }
  if (run.seconds > 0) {
    exposition.add("svcbench_run_duration_seconds", "How long the run took.", command, run.seconds);
  }
  for (const Verdict& verdict : run.verdicts) {
    exposition.add(
        "svcbench_verdict", "1: how a claim came out.",
        fmt::format("id=\"{}\",outcome=\"{}\"", prometheus_label(verdict.id), to_string(verdict.outcome)),
        1);
  }
  for (const Cell& cell : run.cells) {
    add_cell(exposition, cell);
  }
  return exposition.text();
}

std::string export_run(const Run& run, ExportFormat format) {
  switch (format) {
    case ExportFormat::csv:
      return export_csv(run);
    case ExportFormat::markdown:
      return export_markdown(run);
    case ExportFormat::prometheus:
      break;
  }
  return export_prometheus(run);
}

}  // namespace svcbench
