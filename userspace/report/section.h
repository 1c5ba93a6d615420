// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A table as data: what it is about, its columns, and rows of cells' ids. Three renderers make text for a
// terminal, Markdown and a block of the page of it, and none of them adds a figure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "run/run.h"
#include "stats/quantile.h"

namespace svcbench {

namespace html {
class PageRun;
}

// What stands where a row and a column meet: a cell's figure, a part of it, a figure that is made of cells
// (a ratio, what another run gave), or a text.
struct Entry {
  struct Figure {
    double value = 0;
    std::optional<stats::Interval> interval{};
    std::string unit{};  // as Cell::unit; "": a plain number
    bool exact = false;  // it is no estimate: it has no interval to miss
  };

  std::string id{};    // of a cell: whose figure it is, or whose evidence that of `figure` or `text` is
  std::string part{};  // of its Cell::also, in place of its value: "p99", "tool_user_ns"
  std::optional<Figure> figure{};
  std::string text{};    // in place of a figure
  std::string beside{};  // after it, in a lighter hand
  std::string note{};    // under it
  std::string mood{};    // "good", "bad", "none"
  std::string to{};      // the id of the section that it links to on a page

  [[nodiscard]] bool is_empty() const { return id.empty() && !figure && text.empty(); }
  static Entry of(const Cell* cell, std::string part = {}) {
    return cell == nullptr ? Entry{} : Entry{.id = cell->id, .part = std::move(part)};
  }
  static Entry words(std::string text) { return {.text = std::move(text)}; }
};

struct Column {
  std::string title;
  bool left = false;    // text, not figures
  bool plane = false;   // the title is a plane's name
  std::string mark{};   // after the title, in text: " [1]", of the lines after the table
  std::string note{};   // under the title, on a page
  std::string brief{};  // in place of the title on a screen; "|" breaks the line
};

struct Row {
  std::vector<Entry> entries{};  // one a column
  std::string group{};           // a heading in place of entries
  std::string book{};            // what the book says beside that heading
  std::string brief{};           // the row's name on a screen; "": it is not on it. "|" breaks the line
};

struct Section {
  std::string id{};  // "table-4-2"
  std::string title{};
  std::string caption{};          // a sentence or two, under the title
  std::vector<Column> columns{};  // the first names the rows
  std::vector<Row> rows{};
  std::vector<std::string> after{};  // sentences under the table
  bool folded = false;               // on a page: the table is long
  std::string classes{};             // on a page

  void add(std::vector<Entry> entries) { rows.push_back({.entries = std::move(entries)}); }
};

// How a terminal shows figures.
enum class Intervals { whole, brief };  // "[1.80, 1.90]", "+-3%"

// At most 100 columns wide: a table that needs more stands in parts below each other, each with the first
// column. A title that is empty is left out, as is a caption.
[[nodiscard]] std::string section_text(const Section& section, const Run& run,
                                       Intervals intervals = Intervals::whole);
// Of GitHub's kind.
[[nodiscard]] std::string section_markdown(const Section& section, const Run& run);
// A block of a page's data (web/page.js).
[[nodiscard]] nlohmann::json section_block(const Section& section, const html::PageRun& run);

// A line a column and a column a row, of the rows that have a brief name.
[[nodiscard]] Section turned(const Section& section);

// "1.84 us [1.80, 1.90]", "linear, N^0.45 [0.40, 0.51]"; "-" where there is nothing.
[[nodiscard]] std::string entry_text(const Entry& entry, const Run& run,
                                     Intervals intervals = Intervals::whole);

}  // namespace svcbench
