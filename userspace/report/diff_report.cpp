// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/diff_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "report/escape.h"
#include "report/quantity.h"
#include "report/text_table.h"
#include "run/json_parts.h"
#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

std::string join(const std::vector<std::string>& items) {
  return fmt::format("{}", fmt::join(items, ", "));
}

// "path, new flow: 2.3 %; update: 0.8 %".
std::string between_text(const RunDiff& diff) {
  std::vector<std::string> parts;
  for (const auto& [kind, between] : diff.between) {
    parts.push_back(fmt::format("{}: {:.1f} %", kind, 100 * between.deviation));
  }
  return parts.empty() ? "not known, of so few figures" : fmt::format("{}", fmt::join(parts, "; "));
}

// Kinds whose figures moved together, by more than they differ otherwise: "" where there is none.
std::string common_changes(const RunDiff& diff) {
  constexpr double worth_telling = 0.03;
  std::vector<std::string> parts;
  for (const auto& [kind, between] : diff.between) {
    if (std::abs(std::log(between.middle)) > worth_telling) {
      parts.push_back(fmt::format("{} {:.2f} x", kind, between.middle));
    }
  }
  return parts.empty() ? ""
                       : fmt::format(
                             "Most figures of a kind changed alike: {} in the middle. That is the machine, "
                             "or something "
                             "that all of them share: it is not told of them one by one.",
                             fmt::join(parts, ", "));
}

// How the ratios were made, and when a difference is told.
std::string method(const RunDiff& diff) {
  return fmt::format(
      "Ratio: the median after over the median before{}, with its 95 % bootstrap interval, which knows the "
      "scatter inside the two runs. Beyond that runs differ by how memory lies and hashes fall: {} "
      "(standard "
      "deviation, from these runs themselves, most of whose figures of a kind have not changed). A "
      "difference is "
      "told "
      "where the interval, as wide as that makes it, leaves 1 out and Welch's test of the logarithms with "
      "it, "
      "adjusted for all figures compared (Benjamini and Hochberg, 5 %), tells one. Tails are not compared: "
      "a "
      "p90 or p99 is of all samples of a run together, and has no interval over its repeats.",
      diff.options.absolute
          ? ""
          : ", each as a multiple of what known work of its kind took in the same run (the "
            "control of --json)",
      between_text(diff));
}

// Above every table of two runs that may not be compared. Empty: they may.
std::string forced_line(const RunDiff& diff) {
  return diff.differences.empty()
             ? ""
             : fmt::format("FORCED: the two runs differ in {}; a ratio tells of that as well",
                           join(diff.differences));
}

std::string percent(double share) { return fmt::format("{:g} %", share * 100); }

std::string counts_line(const RunDiff& diff) {
  std::vector<std::string> parts;
  const auto add = [&](std::size_t count, std::string_view what) {
    if (count > 0) {
      parts.push_back(fmt::format("{} {}", grouped(count), what));
    }
  };
  const auto changed = [&](Finding finding, bool speed) {
    return static_cast<std::size_t>(std::count_if(
        diff.figures.begin(), diff.figures.end(),
        [&](const Changed& one) { return one.finding == finding && is_speed(*one.after) == speed; }));
  };
  add(changed(Finding::slower, true), "slower");
  add(changed(Finding::faster, true), "faster");
  add(changed(Finding::slower, false), "more");
  add(changed(Finding::faster, false), "less");
  add(diff.count(Finding::unresolved), "no difference resolved");
  add(diff.count(Finding::unrepeated), "not repeated often enough to tell");
  add(diff.count(Finding::machine), "held against nothing while the machine's speed changed");
  std::string line = fmt::format("{} figures are in both runs{}{}. ", grouped(diff.figures.size()),
                                 parts.empty() ? "" : ": ", join(parts));
  line += fmt::format("Only in the first: {}; only in the second: {}.", grouped(diff.only_before.size()),
                      grouped(diff.only_after.size()));
  if (diff.derived > 0) {
    line += fmt::format(" {} growth exponents are made of these figures, and are not compared.",
                        grouped(diff.derived));
  }
  return line;
}

std::string limit_line(const RunDiff& diff) {
  if (!diff.options.limit) {
    return "";
  }
  std::vector<std::string> ids;
  for (const Changed& one : diff.figures) {
    if (one.beyond_limit) {
      ids.push_back(one.after->id);
    }
  }
  return ids.empty() ? fmt::format("Nothing is slower by more than {} with its whole interval.",
                                   percent(*diff.options.limit))
                     : fmt::format("SLOWER by more than {} with the whole interval: {}.",
                                   percent(*diff.options.limit), join(ids));
}

std::string result_text(const Changed& one) {
  const bool told = one.finding == Finding::slower || one.finding == Finding::faster;
  return told ? fmt::format("{}{}", describe(one.finding, *one.after), one.beyond_limit ? " !" : "") : "";
}

std::vector<std::string> scenarios_of(const RunDiff& diff) {
  std::vector<std::string> scenarios;
  for (const Changed& one : diff.figures) {
    if (std::find(scenarios.begin(), scenarios.end(), one.after->scenario) == scenarios.end()) {
      scenarios.push_back(one.after->scenario);
    }
  }
  return scenarios;
}

std::vector<const Changed*> of_scenario(const RunDiff& diff, const std::string& scenario, bool told) {
  std::vector<const Changed*> chosen;
  for (const Changed& one : diff.figures) {
    const bool is_told = one.finding == Finding::slower || one.finding == Finding::faster;
    if (one.after->scenario == scenario && is_told == told) {
      chosen.push_back(&one);
    }
  }
  return chosen;
}

void add_row(TextTable& table, const Changed& one) {
  table.add({one.after->id, quantity(one.before->value, one.before->unit),
             quantity(one.after->value, one.after->unit), ratio_text(one.ratio), result_text(one)});
}

TextTable new_table(std::string title) {
  constexpr auto left = TextTable::Align::left;
  return TextTable({{std::move(title), left}, {"before"}, {"after"}, {"after / before"}, {"", left}});
}

std::string scenario_tables(const RunDiff& diff, const std::string& scenario, bool all) {
  const auto told = of_scenario(diff, scenario, true);
  const auto others = of_scenario(diff, scenario, false);
  const std::string forced = forced_line(diff);
  const std::string mark = forced.empty() ? "" : wrapped(forced, 0);
  std::string out;
  if (!told.empty()) {
    TextTable table = new_table(scenario + ": different");
    for (const Changed* one : told) {
      add_row(table, *one);
    }
    out += "\n" + mark + table.text();
  }
  if (all && !others.empty()) {
    for (const Finding finding : {Finding::unresolved, Finding::unrepeated, Finding::machine}) {
      TextTable table =
          new_table(fmt::format("{}: {}", scenario, describe(finding, *others.front()->after)));
      bool any = false;
      for (const Changed* one : others) {
        if (one->finding == finding) {
          add_row(table, *one);
          any = true;
        }
      }
      out += any ? "\n" + mark + table.text() : "";
    }
  } else if (!others.empty()) {
    std::vector<std::string> counts;
    for (const Finding finding : {Finding::unresolved, Finding::unrepeated, Finding::machine}) {
      const auto count = std::count_if(others.begin(), others.end(),
                                       [finding](const Changed* one) { return one->finding == finding; });
      if (count > 0) {
        counts.push_back(fmt::format("{} {}", count, describe(finding, *others.front()->after)));
      }
    }
    out += fmt::format("{}{}: {}\n", told.empty() ? "\n" : "", scenario, join(counts));
  }
  return out;
}

// ---- Markdown ----

std::string markdown_table(const RunDiff& diff, bool told, bool& any) {
  std::string out;
  const std::string forced = forced_line(diff);
  if (!forced.empty()) {
    out += fmt::format("**{}**\n\n", markdown_code(forced));
  }
  out += "| figure | before | after | after / before | |\n|:--|--:|--:|--:|:--|\n";
  any = false;
  for (const std::string& scenario : scenarios_of(diff)) {
    for (const Changed* one : of_scenario(diff, scenario, told)) {
      out += fmt::format("| {} | {} | {} | {} | {} |\n", markdown_code(one->after->id),
                         quantity(one->before->value, one->before->unit),
                         quantity(one->after->value, one->after->unit), ratio_text(one->ratio),
                         told ? result_text(*one) : std::string(describe(one->finding, *one->after)));
      any = true;
    }
  }
  return out;
}

json figure_json(const Changed& one) {
  return {{"id", one.after->id},
          {"scenario", one.after->scenario},
          {"unit", one.after->unit},
          {"before", one.before->value},
          {"before_interval", interval_json(one.before->interval)},
          {"after", one.after->value},
          {"after_interval", interval_json(one.after->interval)},
          {"control", one.control_after == nullptr ? json() : json(one.control_after->id)},
          {"ratio", estimate_json(one.ratio)},
          {"p_adjusted", or_null(one.p)},
          {"change", describe(one.finding, *one.after)},
          {"beyond_limit", one.beyond_limit}};
}

json between_json(const RunDiff& diff) {
  json out = json::object();
  for (const auto& [kind, between] : diff.between) {
    out[kind] = {
        {"deviation", between.deviation}, {"middle", between.middle}, {"figures", between.figures}};
  }
  return out;
}

json ids_of(const std::vector<const Cell*>& cells) {
  return each(cells, [](const Cell* cell) { return json(cell->id); });
}

}  // namespace

std::string machine_line(const RunDiff& diff) {
  if (!diff.machine) {
    return "";
  }
  std::string line = fmt::format(
      "Known work (plain forwarding, the instrument's own programs, calibration) takes {:.2f} times what "
      "it "
      "took: ",
      *diff.machine);
  if (diff.same_machine()) {
    return line + "the machine was as fast.";
  }
  return line + (diff.options.absolute
                     ? "the machine changed, and the ratios below hold that, too."
                     : "the machine changed. Ratios below are of figures as multiples of such work, in "
                       "which that cancels out.");
}

std::string render_diff(const RunDiff& diff, bool all) {
  std::string out = wrapped("Before: " + run_line(diff.before), 0);
  out += wrapped("After:  " + run_line(diff.after), 0);
  if (!diff.notes.empty()) {
    out += wrapped(fmt::format("Not the same either: {}", join(diff.notes)), 0);
  }
  out += "\n" + wrapped(counts_line(diff), 0);
  if (const std::string machine = machine_line(diff); !machine.empty()) {
    out += "\n" + wrapped(machine, 0);
  }
  if (const std::string common = common_changes(diff); !common.empty()) {
    out += "\n" + wrapped(common, 0);
  }
  for (const std::string& scenario : scenarios_of(diff)) {
    out += scenario_tables(diff, scenario, all);
  }
  out += "\n" + wrapped(method(diff), 0);
  const std::string limit = limit_line(diff);
  return limit.empty() ? out : out + "\n" + wrapped(limit, 0);
}

std::string diff_markdown(const RunDiff& diff) {
  std::string out = fmt::format("**svcbench diff**: {}\n\n", counts_line(diff));
  if (const std::string limit = limit_line(diff); !limit.empty()) {
    out += fmt::format("**{}**\n\n", limit);
  }
  if (const std::string machine = machine_line(diff); !machine.empty()) {
    out += fmt::format("**{}**\n\n", machine);
  }
  if (const std::string common = common_changes(diff); !common.empty()) {
    out += fmt::format("{}\n\n", common);
  }
  out += fmt::format("- before: {}\n- after: {}\n", markdown_code(run_line(diff.before)),
                     markdown_code(run_line(diff.after)));
  if (!diff.notes.empty()) {
    out += fmt::format("- not the same either: {}\n", markdown_code(join(diff.notes)));
  }
  bool any = false;
  const std::string told = markdown_table(diff, true, any);
  out += any ? "\n" + told : "";
  const std::string others = markdown_table(diff, false, any);
  if (any) {
    out += fmt::format("\n<details><summary>No difference resolved</summary>\n\n{}\n</details>\n", others);
  }
  return out + fmt::format("\n{}\n", method(diff));
}

json diff_json(const RunDiff& diff) {
  return {{"schema_version", diff_schema_version},
          {"before", source_json(diff.before)},
          {"after", source_json(diff.after)},
          {"forced_over", diff.differences},
          {"also_different", diff.notes},
          {"machine_ratio", or_null(diff.machine)},
          {"limit", or_null(diff.options.limit)},
          {"beyond_limit", diff.beyond_limit()},
          {"absolute", diff.options.absolute},
          {"between_runs", between_json(diff)},
          {"controls", each(diff.controls, figure_json)},
          {"figures", each(diff.figures, figure_json)},
          {"only_before", ids_of(diff.only_before)},
          {"only_after", ids_of(diff.only_after)}};
}

}  // namespace svcbench
