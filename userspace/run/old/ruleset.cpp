// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/old/old_run.h"

namespace svcbench::old {

void add_ruleset(const Field& document, Run& run) {
  nlohmann::json backends = nlohmann::json::array();
  for (const Field& field : document.at("loads").elements()) {
    const bool first = field.at("load").text() == "first";
    const std::string backend = field.at("backend").text();
    if (first) {
      backends.push_back({{"backend", backend},
                          {"label", field.at("label").text_if_any()},
                          {"missing", field.at("missing").json()}});
    }
    Cell cell = ruleset_cell(backend, first ? "first load" : "reload");
    if (!take(cell, field.at("median_wall_ns").estimate())) {
      leave_out(cell, field.at("missing").text_if_any(), std::nullopt);
      add(run, std::move(cell));
      continue;
    }
    cell.values = field.at("wall_ns").numbers();
    take_part(cell, "tool_user_ns", {field.at("user_ns").numbers()});
    take_part(cell, "tool_system_ns", {field.at("system_ns").numbers()});
    take_beside(cell, "rules", document.at("ruleset").at("rules").number_if_any());
    add(run, std::move(cell));
  }
  run.details["backends"] = std::move(backends);
}

}  // namespace svcbench::old
