// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fmt/format.h>

#include "run/cells.h"

namespace svcbench {

namespace {

void add_load(const Field& field, Cells& cells) {
  const std::string load = field.at("load").text();
  Cell cell;
  cell.scenario = "chapter";
  cell.plane = "iptables-" + field.at("backend").text();
  cell.services = field.at("services").count();
  cell.what = load + " of the whole table";
  cell.unit = "ns";
  // The table without services is a size of its own here.
  cell.id = fmt::format("{}/{}/{}/{}", cell.scenario, id_part(cell.plane), cell.services,
                        id_part(load.substr(0, load.find(' '))));
  if (!take_estimate(cell, field.at("wall_p50_ns"))) {
    return;  // left out
  }
  cell.values = field.at("wall_ns").numbers();
  for (const auto& [name, key] : {std::pair{"tool_user_ns", "user_p50_ns"},
                                  {"tool_system_ns", "system_p50_ns"},
                                  {"generate_ns", "generate_p50_ns"}}) {
    if (const auto part = field.at(key).estimate()) {
      cell.also[name] = part->value;
    }
  }
  take_if_any(cell, "rules", field.at("rules"));
  take_if_any(cell, "input_bytes", field.at("input_bytes"));
  take_if_any(cell, "chapter_ns", field.at("chapter_ns"));
  cells.push_back(std::move(cell));
}

void add_floor(const Field& field, Cells& cells) {
  const std::string name = field.at("name").text();
  const std::string backend = field.at("backend").text_if_any();
  Cell cell;
  cell.scenario = "floor";
  cell.plane = backend.empty() ? "" : "iptables-" + backend;
  cell.what = name;
  cell.unit = "ns";
  cell.id = fmt::format("{}/{}", id_of(cell), id_part(name));
  if (!take_estimate(cell, field.at("wall_p50_ns"))) {
    return;
  }
  for (const Field& block : field.at("blocks").elements()) {
    cell.values.push_back(stats::block_median(block.at("wall_ns").numbers()));
  }
  cells.push_back(std::move(cell));
}

}  // namespace

void add_chapter_cells(const Field& document, Cells& cells) {
  for (const Field& field : document.at("loads").elements()) {
    add_load(field, cells);
  }
  for (const Field& field : document.at("floors").elements()) {
    add_floor(field, cells);
  }
  for (const Field& one : document.at("growth").elements()) {
    const Field growth = one.at("above_base");
    if (growth.is_null()) {
      continue;
    }
    Cell cell;
    cell.scenario = "growth";
    cell.plane = "iptables-" + one.at("backend").text();
    cell.what = one.at("load").text() + ", above the table without services";
    cell.unit = "exponent";
    cell.id = fmt::format("{}/{}", id_of(cell), id_part(one.at("load").text()));
    cell.value = growth.at("exponent").number();
    cell.interval = growth.at("interval").interval();
    cell.samples = growth.at("rounds").count();
    cells.push_back(std::move(cell));
  }
}

}  // namespace svcbench
