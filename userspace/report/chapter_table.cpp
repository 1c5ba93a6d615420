// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/chapter_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "plane/iptables_chapter.h"
#include "report/figures.h"
#include "report/quantity.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr auto left = TextTable::Align::left;

constexpr double us = 1e3;
constexpr double ms = 1e6;
constexpr double kib = 1024;

std::string median_text(const std::vector<double>& ns) {
  const auto median = stats::median_of(ns);
  return median ? number(median->value, ms) : "-";
}

std::string load_figure(const LoadCell* cell) {
  if (cell == nullptr) {
    return "-";
  }
  if (!cell->skipped.empty()) {
    return cell->predicted_ns ? fmt::format("(about {:.0f})", *cell->predicted_ns / ms) : "(skipped)";
  }
  return figure(stats::median_of(cell->tool.wall_ns), ms);
}

std::string chapter_ratio(const LoadCell* cell) {
  const auto ratio = cell == nullptr ? std::nullopt : times_chapter(*cell);
  return ratio ? fmt::format("{:.2f} x", ratio->value) : "-";
}

// As read back, where a table of this size was loaded.
std::string rules_text(const ChapterResults& results, std::size_t services) {
  for (const LoadCell& cell : results.loads) {
    if (cell.services == services && cell.rules != 0) {
      return grouped(cell.rules);
    }
  }
  return grouped(chapter_rules_per_service * services + chapter_base_rules);
}

// ---- Table 4.1 ----

std::string main_table(const ChapterResults& results) {
  std::vector<TextTable::Column> columns{{"services"}, {"rules"}, {"", left}, {"chapter ms"}};
  const auto backends = measured_backends(results);
  for (const std::string& backend : backends) {
    columns.push_back({backend + " ms"});
    columns.push_back({"/ chapter"});
  }
  TextTable table(columns);
  for (const std::size_t services : results.sweep) {
    for (const Load load : all_loads) {
      const auto chapter = chapter_seconds(services);
      std::vector<std::string> row{grouped(services), rules_text(results, services),
                                   std::string(to_string(load)),
                                   chapter ? fmt::format("{:.0f}", *chapter * 1e3) : "-"};
      for (const std::string& backend : backends) {
        const LoadCell* cell = find_load(results, backend, load, services);
        row.push_back(load_figure(cell));
        row.push_back(chapter_ratio(cell));
      }
      table.add(row);
    }
  }
  return table.text();
}

// One line for both loads of a back end and size that were skipped for the same reason.
std::string skipped_lines(const ChapterResults& results) {
  std::string out;
  std::string last;
  for (const LoadCell& cell : results.loads) {
    if (cell.skipped.empty()) {
      continue;
    }
    const std::string line = fmt::format("iptables-{}, {} services: skipped: {}", cell.backend,
                                         grouped(cell.services), cell.skipped);
    if (line != last) {
      out += wrapped(line, 0);
      last = line;
    }
  }
  return out;
}

std::string missing_lines(const ChapterResults& results) {
  std::string out;
  for (const ChapterBackend& backend : results.backends) {
    if (!backend.missing.empty()) {
      out += wrapped(fmt::format("iptables-{}: not measured: {}", backend.name, backend.missing), 0);
    }
  }
  return out;
}

// ---- where the time goes ----

std::string parts_table(const ChapterResults& results) {
  TextTable table({{"services"},
                   {"", left},
                   {"", left},
                   {"user ms"},
                   {"system ms"},
                   {"CPU / wall"},
                   {"input KiB"},
                   {"our text ms"},
                   {"repeats"}});
  for (const std::size_t services : results.sweep) {
    for (const std::string& backend : measured_backends(results)) {
      for (const Load load : all_loads) {
        const LoadCell* cell = find_load(results, backend, load, services);
        if (cell == nullptr || !cell->skipped.empty() || cell->tool.wall_ns.empty()) {
          continue;
        }
        std::vector<double> shares;
        for (std::size_t i = 0; i < cell->tool.wall_ns.size(); ++i) {
          shares.push_back((cell->tool.user_ns[i] + cell->tool.system_ns[i]) / cell->tool.wall_ns[i]);
        }
        table.add({grouped(services), backend, std::string(to_string(load)),
                   median_text(cell->tool.user_ns), median_text(cell->tool.system_ns),
                   fmt::format("{:.0f} %", stats::median_of(shares)->value * 100),
                   fmt::format("{:.1f}", static_cast<double>(cell->input_bytes) / kib),
                   median_text(cell->generate_ns), grouped(cell->tool.wall_ns.size())});
      }
    }
  }
  return table.text();
}

std::string floor_table(const ChapterResults& results) {
  TextTable table({{"", left}, {"wall ms"}, {"user ms"}, {"system ms"}});
  const auto median = [](const FloorCell& floor, std::vector<double> ProcessSamples::*samples) {
    const auto figure = floor_figure(floor, samples);
    return figure ? number(figure->value, ms) : std::string("-");
  };
  for (const FloorCell& floor : results.floors) {
    const std::string name =
        floor.backend.empty() ? "a program that does nothing (true)"
                              : fmt::format("iptables-{}-restore of an empty transaction", floor.backend);
    table.add({name, figure(floor_figure(floor, &ProcessSamples::wall_ns), ms),
               median(floor, &ProcessSamples::user_ns), median(floor, &ProcessSamples::system_ns)});
  }
  return table.text();
}

// ---- growth ----

std::string slope_text(const std::optional<stats::LinearFit>& line) {
  return line ? figure(stats::Estimate{line->slope, line->slope_interval, line->points}, us) : "-";
}

std::string exponent_text(const std::optional<stats::Growth>& growth) {
  if (!growth) {
    return "-";
  }
  return growth->interval ? fmt::format("{:.2f} [{:.2f},{:.2f}]", growth->exponent, growth->interval->low,
                                        growth->interval->high)
                          : fmt::format("{:.2f} [?]", growth->exponent);
}

std::string growth_table(const ChapterResults& results) {
  TextTable table(
      {{"", left}, {"", left}, {"fixed ms"}, {"us a rule"}, {"CPU us a rule"}, {"7 rules"}, {"exponent"}});
  for (const ChapterGrowth& growth : all_growths(results)) {
    table.add({growth.backend, growth.load == Load::first ? "first" : "reload",
               growth.line ? number(growth.line->intercept, ms) : "-", slope_text(growth.line),
               slope_text(growth.cpu_line), number(growth.base_ns, ms), exponent_text(growth.above_base)});
  }
  const stats::LinearFit chapter = chapter_line();
  table.add({"chapter", "", number(chapter.intercept, ms), slope_text(chapter), "", "", ""});
  return table.text();
}

// Of a reload, beside the chapter's figures.
std::string reload_curves(const ChapterResults& results, Bars bars) {
  CurveGroup group{.title = "reload of the whole table",
                   .told = [](double ns) { return quantity(ns, "ns"); }};
  for (const std::string& backend : measured_backends(results)) {
    Curve& curve = group.curves.emplace_back(Curve{backend});
    for (const std::size_t services : results.sweep) {
      const LoadCell* cell = find_load(results, backend, Load::reload, services);
      const auto cost = cell == nullptr ? std::nullopt : stats::median_of(cell->tool.wall_ns);
      curve.costs.push_back(cost ? std::optional(cost->value) : std::nullopt);
    }
  }
  Curve& chapter = group.curves.emplace_back(Curve{"chapter"});
  for (const std::size_t services : results.sweep) {
    const auto seconds = chapter_seconds(services);
    chapter.costs.push_back(seconds ? std::optional(*seconds * 1e9) : std::nullopt);
  }
  return render_curves(results.sweep, {group}, bars);
}

// ---- one back end against the other, one load against the other ----

std::string interval_words(const std::optional<stats::Interval>& interval) {
  return interval ? fmt::format(" [{:.0f}, {:.0f}]", interval->low, interval->high) : "";
}

std::string crossing_line(const ChapterCrossing& crossing) {
  const std::string_view load = to_string(crossing.load);
  if (!crossing.measured) {
    return fmt::format("nft against legacy, {}: fewer than two sizes where both were measured", load);
  }
  const stats::Crossing& measured = *crossing.measured;
  const std::string range = fmt::format("from {} to {} services", grouped(std::lround(measured.sizes.low)),
                                        grouped(std::lround(measured.sizes.high)));
  std::string text;
  switch (measured.course) {
    case stats::Course::becomes_dearer:
    case stats::Course::becomes_cheaper:
      text = fmt::format("nft {} than legacy at {:.0f}{} services", to_string(measured.course),
                         *measured.services, interval_words(measured.interval));
      break;
    case stats::Course::cheaper_throughout:
      text = "nft is cheaper than legacy " + range;
      break;
    case stats::Course::dearer_throughout:
      text = "nft is dearer than legacy " + range;
      break;
    case stats::Course::undecided:
      text = fmt::format(
          "undecided {}: of {} resamples nft is dearer throughout in {:.0f} %, cheaper throughout in "
          "{:.0f} %, "
          "becomes dearer in {:.0f} %, cheaper in {:.0f} % ({} rounds)",
          range, stats::course_resamples, measured.dearer_throughout * 100,
          measured.cheaper_throughout * 100, measured.becomes_dearer * 100, measured.becomes_cheaper * 100,
          measured.rounds);
      break;
  }
  if (crossing.predicted) {
    text += fmt::format("; predicted from the two lines, not measured: {} at about {} services",
                        crossing.predicted->becomes_dearer ? "dearer" : "cheaper",
                        grouped(std::lround(crossing.predicted->services)));
  }
  return fmt::format("{}: {}", load, text);
}

std::string reload_line(const ChapterResults& results, const std::string& backend) {
  for (auto services = results.sweep.rbegin(); services != results.sweep.rend(); ++services) {
    const LoadCell* first = find_load(results, backend, Load::first, *services);
    const LoadCell* again = find_load(results, backend, Load::reload, *services);
    const auto ratio = first == nullptr || again == nullptr ? std::nullopt : times_other(*again, *first);
    if (ratio) {
      return fmt::format("{}: a reload costs {} times the first load ({} services).", backend,
                         figure(ratio, 1), grouped(*services));
    }
  }
  return "";
}

std::string comparisons(const ChapterResults& results) {
  std::string out;
  for (const std::string& backend : measured_backends(results)) {
    const std::string line = reload_line(results, backend);
    out += line.empty() ? "" : wrapped(line, 0);
  }
  for (const ChapterCrossing& crossing : crossings_of(results)) {
    out += wrapped(crossing_line(crossing), 0);
  }
  return out;
}

}  // namespace

std::string render_chapter(const ChapterResults& results, bool colour, Bars bars) {
  std::string out =
      "Table 4.1: iptables-restore of the whole nat table, launch to exit, median [95 % interval]\n"
      "(first load: into a network namespace without rules; reload: of a table that is in place, after a\n"
      "change of one service. The chapter does not say which of the two its figures are.)\n";
  out += main_table(results);
  out += skipped_lines(results);
  out += missing_lines(results);
  out += "\n" + comparisons(results);
  out +=
      "\nWhere the time goes (medians; user and system: the kernel's account of the program; below a few "
      "ms\n"
      "their sum is good, how it is split is not; our text: what svcbench did before, not in the figures\n"
      "above)\n";
  out += parts_table(results);
  out += "\nFloors: in every figure above, and subtracted from none\n";
  out += floor_table(results);
  out +=
      "\nGrowth with the number of rules: a straight line through the medians (fixed + us a rule), the "
      "same\n"
      "of the CPU time; the table without services, 7 rules, in ms; and the exponent b of what a "
      "load\n"
      "costs above that ~ rules^b (linear: within 0.8 to 1.25)\n";
  out += growth_table(results);
  if (const std::string curves = reload_curves(results, bars); !curves.empty()) {
    out += "\n" + curves;
  }
  out += verdict_text(results.verdicts, colour);
  return out;
}

}  // namespace svcbench
