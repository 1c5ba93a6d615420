// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/as_run.h"
#include "run/cells.h"
#include "run/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

// A file may have any name, and JSON is UTF-8.
json utf8_of(const std::string& name) {
  return json::parse(json(name).dump(-1, ' ', false, json::error_handler_t::replace));
}

json ruleset_json(const Ruleset& ruleset) {
  return {{"file", utf8_of(ruleset.source)},
          {"kind", to_string(ruleset.kind)},
          {"family", ruleset.family_text()},
          {"rules", ruleset.rules()},
          {"chains", ruleset.chains()},
          {"bytes", ruleset.text.size()},
          {"tables",
           each(ruleset.tables,
                [](const RulesetTable& table) -> json {
                  return {{"name", utf8_of(table.name)}, {"rules", table.rules}, {"chains", table.chains}};
                })},
          {"incomplete", ruleset.incomplete},
          {"empty_sets", ruleset.empty_sets}};
}

}  // namespace

Run as_run(const Ruleset& ruleset, const std::vector<RulesetLoads>& loads, json environment, json run) {
  Run out = run_of(std::move(environment), std::move(run), 0);
  json backends = json::array();
  for (const RulesetLoads& load : loads) {
    Cell cell = ruleset_cell(load.tool.backend, load.first ? "first load" : "reload");
    if (!ruleset.incomplete.empty()) {
      cell.what += ", which is not whole";
    }
    if (load.first) {
      backends.push_back({{"backend", load.tool.backend},
                          {"label", load.tool.label},
                          {"missing", load.missing.empty() ? json() : json(load.missing)}});
    }
    if (take(cell, stats::median_of(load.wall_ns))) {
      cell.values = load.wall_ns;
      take_part(cell, "tool_user_ns", {load.user_ns});
      take_part(cell, "tool_system_ns", {load.system_ns});
      cell.also["rules"] = static_cast<double>(ruleset.rules());
    } else {
      leave_out(cell, load.missing, std::nullopt);
    }
    add(out, std::move(cell));
  }
  out.details = {{"ruleset", ruleset_json(ruleset)}, {"backends", std::move(backends)}};
  return out;
}

}  // namespace svcbench
