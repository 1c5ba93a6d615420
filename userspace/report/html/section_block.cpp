// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A section as a block of a page's data: of an entry a text, or an object: `cell` (its place among the
// page's figures), `text` in place of the figure, `beside` it in a lighter hand, `note` under it, `mood`,
// `to` (what it links to); null where there is nothing.
#include <fmt/format.h>

#include "report/html/page_run.h"
#include "report/quantity.h"
#include "report/section.h"

namespace svcbench {

namespace {

using nlohmann::json;

json figure_json(double value, const std::optional<stats::Interval>& interval, const std::string& unit) {
  return {{"value", value},
          {"low", interval ? json(interval->low) : json()},
          {"high", interval ? json(interval->high) : json()},
          {"unit", unit}};
}

json entry_json(const Entry& entry, const html::PageRun& run) {
  json out = json::object();
  const Cell* cell = entry.id.empty() ? nullptr : run.find(entry.id);
  if (cell != nullptr && !entry.part.empty()) {
    const auto found = cell->also.find(entry.part);
    out = found == cell->also.end() ? json()
                                    : figure_json(found->second, {}, unit_of_part(*cell, entry.part));
  } else if (cell != nullptr) {
    out["cell"] = run.place(*cell);
    if (entry.figure) {  // made of the cell, whose evidence is its
      out["text"] = quantity(entry.figure->value, entry.figure->interval, entry.figure->unit);
    }
  } else if (entry.figure) {
    out = figure_json(entry.figure->value, entry.figure->interval, entry.figure->unit);
  }
  if (out.is_null() || (out.empty() && entry.text.empty())) {
    return nullptr;
  }
  for (const auto& [name, text] : {std::pair{"text", &entry.text}, std::pair{"beside", &entry.beside},
                                   std::pair{"note", &entry.note}, std::pair{"mood", &entry.mood}}) {
    if (!text->empty()) {
      out[name] = *text;
    }
  }
  if (!entry.to.empty()) {
    out["to"] = fmt::format("{}-{}", entry.to, run.index());
  }
  return out.size() == 1 && out.contains("text") ? out["text"] : out;
}

json row_json(const Row& row, const html::PageRun& run) {
  if (!row.group.empty()) {
    return {{"group", row.group}, {"book", row.book}};
  }
  json out = json::array();
  for (const Entry& entry : row.entries) {
    out.push_back(entry_json(entry, run));
  }
  return out;
}

}  // namespace

json section_block(const Section& section, const html::PageRun& run) {
  json head = json::array();
  for (const Column& column : section.columns) {
    if (!column.plane) {
      head.push_back(column.title);
      continue;
    }
    head.push_back({{"plane", column.title}});
    if (!column.note.empty()) {
      head.back()["note"] = column.note;
    }
  }
  json rows = json::array();
  for (const Row& row : section.rows) {
    rows.push_back(row_json(row, run));
  }
  json block{{"id", fmt::format("{}-{}", section.id, run.index())},
             {"run", run.index()},
             {"title", section.title},
             {"caption", section.caption},
             {"head", std::move(head)},
             {"rows", std::move(rows)},
             {"after", section.after}};
  if (section.folded) {
    block["folded"] = true;
  }
  if (!section.classes.empty()) {
    block["classes"] = section.classes;
  }
  return block;
}

}  // namespace svcbench
