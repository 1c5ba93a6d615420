// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/section.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/escape.h"
#include "report/quantity.h"
#include "report/text_table.h"

namespace svcbench {

namespace {

// What an entry shows as a figure; none where it shows a text, or its cell is not in the run.
std::optional<Entry::Figure> figure_of(const Entry& entry, const Run& run) {
  if (entry.figure) {
    return entry.figure;
  }
  const Cell* cell = entry.id.empty() ? nullptr : run.find(entry.id);
  if (cell == nullptr) {
    return std::nullopt;
  }
  if (entry.part.empty()) {
    // A count, and what is measured once, have none.
    const bool exact = !cell->interval && cell->samples <= 1;
    return Entry::Figure{
        .value = cell->value, .interval = cell->interval, .unit = cell->unit, .exact = exact};
  }
  const auto found = cell->also.find(entry.part);
  if (found == cell->also.end()) {
    return std::nullopt;
  }
  return Entry::Figure{.value = found->second, .unit = unit_of_part(*cell, entry.part), .exact = true};
}

// "+-3%": how far the further end of the interval lies.
std::string brief_interval(const Entry::Figure& figure) {
  if (!figure.interval) {
    return " [?]";
  }
  const double most = std::max(figure.interval->high - figure.value, figure.value - figure.interval->low);
  const double percent = figure.value == 0 ? 0 : std::abs(100 * most / figure.value);
  constexpr double sayable = 999;
  if (percent > sayable) {
    return " [wide]";
  }
  return fmt::format(" +-{:.{}f}%", percent, percent < 0.95 && percent > 0 ? 1 : 0);
}

std::string figure_text(const Entry::Figure& figure, Intervals intervals) {
  if (intervals == Intervals::brief && (figure.unit == "entries" || figure.unit == "bytes")) {
    return quantity(figure.value, figure.unit == "bytes" ? "bytes" : "");  // the column says of what
  }
  if (figure.exact && !figure.interval) {
    return quantity(figure.value, figure.unit);
  }
  return intervals == Intervals::whole ? quantity(figure.value, figure.interval, figure.unit)
                                       : quantity(figure.value, figure.unit) + brief_interval(figure);
}

std::size_t width_of(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    width = std::max(width, end - begin);
    begin = end + 1;
  }
  return width;
}

// A title's lines, from the bottom up, so that short titles stand directly over their columns.
std::vector<std::string> title_lines(const Column& column) {
  std::vector<std::string> lines;
  std::string_view rest = column.brief.empty() ? std::string_view(column.title) : column.brief;
  while (true) {
    const std::size_t bar = column.brief.empty() ? rest.npos : rest.find('|');
    lines.emplace_back(rest.substr(0, bar));
    if (bar == rest.npos) {
      break;
    }
    rest.remove_prefix(bar + 1);
  }
  lines.back() += column.mark;
  std::reverse(lines.begin(), lines.end());
  return lines;
}

// The columns [first, end) behind the one that names the rows.
std::string part_text(const Section& section, const Run& run, Intervals intervals, std::size_t first,
                      std::size_t end) {
  std::vector<std::size_t> shown{0};
  for (std::size_t i = first; i < end; ++i) {
    shown.push_back(i);
  }
  std::size_t lines = 1;
  for (const std::size_t i : shown) {
    lines = std::max(lines, title_lines(section.columns[i]).size());
  }
  const auto title_at = [&](std::size_t column, std::size_t line) {
    const auto all = title_lines(section.columns[column]);
    return line < all.size() ? all[line] : std::string();
  };
  std::vector<TextTable::Column> columns;
  for (const std::size_t i : shown) {
    columns.push_back({title_at(i, lines - 1),
                       section.columns[i].left ? TextTable::Align::left : TextTable::Align::right});
  }
  TextTable table(std::move(columns));
  for (std::size_t line = lines - 1; line-- > 0;) {
    std::vector<std::string> titles;
    for (const std::size_t i : shown) {
      titles.push_back(title_at(i, line));
    }
    table.add(std::move(titles));
  }
  const bool grouped_rows = std::any_of(section.rows.begin(), section.rows.end(),
                                        [](const Row& row) { return !row.group.empty(); });
  for (const Row& row : section.rows) {
    std::vector<std::string> texts;
    if (!row.group.empty()) {
      texts.assign(shown.size(), "");
      texts.front() = row.group;
    } else {
      for (const std::size_t i : shown) {
        const bool blank = row.entries[i].is_empty() && section.columns[i].left;
        texts.push_back(blank ? "" : entry_text(row.entries[i], run, intervals));
      }
      if (grouped_rows) {
        texts.front().insert(0, "  ");
      }
    }
    table.add(std::move(texts));
  }
  return table.text();
}

std::string markdown_entry(const Entry& entry, const Run& run) {
  return entry.is_empty() ? "" : markdown_code(entry_text(entry, run));
}

}  // namespace

std::string entry_text(const Entry& entry, const Run& run, Intervals intervals) {
  std::string out = entry.text;
  if (out.empty()) {
    const auto figure = figure_of(entry, run);
    out = figure ? figure_text(*figure, intervals) : "-";
  }
  if (intervals == Intervals::whole) {
    out +=
        (entry.beside.empty() ? "" : ", " + entry.beside) + (entry.note.empty() ? "" : ", " + entry.note);
  }
  return without_controls(out);
}

std::string section_text(const Section& section, const Run& run, Intervals intervals) {
  constexpr std::size_t most = 100;
  std::string out = section.title.empty() ? "" : wrapped(without_controls(section.title), 0);
  out += section.caption.empty() ? "" : wrapped(without_controls(section.caption), 0);
  std::size_t first = std::min<std::size_t>(1, section.columns.size());
  do {
    std::size_t end = section.columns.size();
    std::string part = part_text(section, run, intervals, first, end);
    while (width_of(part) > most && end > first + 1) {
      part = part_text(section, run, intervals, first, --end);
    }
    out += (first > 1 ? "\n" : "") + part;
    first = end;
  } while (first < section.columns.size());
  for (const std::string& line : section.after) {
    out += wrapped(without_controls(line), 0);
  }
  return out;
}

std::string section_markdown(const Section& section, const Run& run) {
  std::string out = fmt::format("\n**{}**\n\n|", markdown_code(section.title));
  std::string rule = "\n|";
  for (const Column& column : section.columns) {
    out += fmt::format(" {} |", column.title.empty() ? "" : markdown_code(column.title + column.mark));
    rule += column.left ? ":--|" : "--:|";
  }
  out += rule + "\n";
  for (const Row& row : section.rows) {
    out += "|";
    if (!row.group.empty()) {
      out += fmt::format(" **{}**{} |", row.group, row.book.empty() ? "" : ": " + row.book);
      for (std::size_t i = 1; i < section.columns.size(); ++i) {
        out += " |";
      }
    }
    for (const Entry& entry : row.entries) {
      out += fmt::format(" {} |", markdown_entry(entry, run));
    }
    out += "\n";
  }
  for (const std::string& line : section.after) {
    out += fmt::format("\n{}\n", markdown_code(line));
  }
  return out;
}

Section turned(const Section& section) {
  Section out{.id = section.id, .title = section.title, .after = section.after};
  out.columns.push_back({.title = "", .left = true});
  for (const Row& row : section.rows) {
    if (!row.brief.empty()) {
      out.columns.push_back({.title = row.entries.front().text, .brief = row.brief});
    }
  }
  for (std::size_t i = 1; i < section.columns.size(); ++i) {
    std::vector<Entry> line{Entry::words(section.columns[i].title + section.columns[i].mark)};
    for (const Row& row : section.rows) {
      if (!row.brief.empty()) {
        line.push_back(row.entries[i]);
      }
    }
    out.add(std::move(line));
  }
  return out;
}

}  // namespace svcbench
