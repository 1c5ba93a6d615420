// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fmt/format.h>

#include "run/cells.h"

namespace svcbench {

void add_ruleset_cells(const Field& document, Cells& cells) {
  for (const Field& field : document.at("loads").elements()) {
    const std::string load = field.at("load").text();  // "first", "reload"
    Cell cell;
    cell.scenario = "ruleset";
    cell.plane = "iptables-" + field.at("backend").text();
    cell.what = load == "first" ? "first load of the ruleset" : "reload of the ruleset";
    cell.unit = "ns";
    cell.id = fmt::format("{}/{}", id_of(cell), id_part(load));
    if (!take_estimate(cell, field.at("median_wall_ns"))) {
      continue;  // not measured
    }
    cell.values = field.at("wall_ns").numbers();
    for (const auto& [name, key] :
         {std::pair{"tool_user_ns", "user_ns"}, {"tool_system_ns", "system_ns"}}) {
      if (const auto median = stats::median_of(field.at(key).numbers())) {
        cell.also[name] = median->value;
      }
    }
    take_if_any(cell, "rules", document.at("ruleset").at("rules"));
    cells.push_back(std::move(cell));
  }
}

}  // namespace svcbench
