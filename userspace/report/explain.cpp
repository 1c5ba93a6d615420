// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/escape.h"
#include "report/quantity.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::size_t label_width = 13;

// "Timed       from ..." with the text's further lines below its first.
std::string entry(std::string_view label, const std::string& text) {
  if (text.empty()) {
    return "";
  }
  std::string lines = wrapped(text, label_width);
  return fmt::format("{:<{}}", label, label_width) + lines.substr(label_width);
}

std::string entries(std::string_view label, const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    out += entry(out.empty() ? label : "", text);
  }
  return out;
}

std::string percent(double share) { return fmt::format("{:+.1f} %", share * 100); }

std::string spread_text(const Cell& cell, const std::optional<Spread>& spread) {
  if (!spread) {
    return "";
  }
  std::string text =
      fmt::format("least {}, quarter {}, three quarters {}, largest {}", quantity(spread->least, cell.unit),
                  quantity(spread->quarter, cell.unit), quantity(spread->three_quarters, cell.unit),
                  quantity(spread->largest, cell.unit));
  if (spread->middle_half) {
    text += fmt::format("; the middle half spans {:.1f} % of the median", *spread->middle_half * 100);
  }
  return text;
}

std::string drift_text(const Cell& cell, const std::optional<DriftFigure>& drift) {
  if (!drift) {
    return "";
  }
  std::string text = fmt::format("first third {}, last third {}", quantity(drift->first_third, cell.unit),
                                 quantity(drift->last_third, cell.unit));
  if (const auto& slope = drift->slope) {
    text += fmt::format(
        "; slope from first to last {} of the median [{}, {}] (Theil and Sen), p {:.2g}: {}",
        percent(slope->share), percent(slope->interval.low), percent(slope->interval.high), slope->p,
        drift->is_resolved() ? "IT DRIFTED while the run went on (among hundreds of figures, one in twenty "
                               "seems to)"
                             : "no drift resolved");
  }
  return text;
}

std::string beside_text(const Cell& cell) {
  std::string text;
  for (const auto& [name, value] : cell.also) {
    const std::string unit = unit_of_part(cell, name);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        unit.empty() ? fmt::format("{:.10g}", value) : quantity(value, unit));
  }
  return text;
}

std::vector<std::string> cost_lines(const std::vector<InstrumentCost>& costs) {
  std::vector<std::string> lines;
  for (const InstrumentCost& cost : costs) {
    lines.push_back(fmt::format("{}: {}", cost.what, quantity(cost.value, cost.interval, cost.unit)));
  }
  return lines;
}

}  // namespace

std::string explain_cell(const Run& run, const Cell& cell) {
  const Explanation all = explain(run, cell);
  std::string out = cell.id + "\n";
  out += wrapped(fmt::format("{}{}{}: {}", without_controls(cell.what),
                             cell.plane.empty() ? "" : ", " + without_controls(cell.plane),
                             cell.services == 0 ? "" : fmt::format(", {} services", grouped(cell.services)),
                             quantity(cell)),
                 0);
  out += "\n";
  if (all.story == nullptr) {
    return out;
  }
  out += entry("Timed", std::string(all.story->timed));
  out += entry("Not in it", std::string(all.story->not_timed));
  out += entry("Checked", checked_of(cell, *all.story));
  out += entry("Made of", made_of(cell, *all.story));
  out += entry("Spread", spread_text(cell, all.spread));
  out += entry("Beside it", beside_text(cell));
  out += entry("Drift", drift_text(cell, all.drift));
  out += entries("Instrument", cost_lines(all.instrument));
  out += entries("A second one", all.second_instruments);
  out += entry("Could bias", std::string(all.story->bias));
  out += entries("The machine", all.doubts);
  out += entries("Notes", all.notes);
  out += entry("Run", run_line(run));
  out += entry("Again", all.command_line);
  return out;
}

std::string list_cells(const Run& run) {
  std::vector<std::string> scenarios;
  for (const Cell& cell : run.cells) {
    if (std::find(scenarios.begin(), scenarios.end(), cell.scenario) == scenarios.end()) {
      scenarios.push_back(cell.scenario);
    }
  }
  std::string out;
  for (const std::string& scenario : scenarios) {
    TextTable table({{scenario, TextTable::Align::left}, {""}, {"samples"}});
    for (const Cell& cell : run.cells) {
      if (cell.scenario == scenario) {
        table.add({cell.id, quantity(cell), grouped(cell.samples)});
      }
    }
    out += (out.empty() ? "" : "\n") + table.text();
  }
  return out;
}

}  // namespace svcbench
