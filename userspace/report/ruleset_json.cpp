// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/ruleset_json.h"

#include "report/escape.h"
#include "report/json_parts.h"
#include "stats/quantile.h"

namespace svcbench {

using nlohmann::json;

json ruleset_json(const Ruleset& ruleset, const std::vector<RulesetLoads>& loads, json environment,
                  json run) {
  return {
      {"schema_version", ruleset_schema_version},
      {"environment", std::move(environment)},
      {"run", std::move(run)},
      {"ruleset",
       {{"file", without_controls(ruleset.source)},  // JSON is UTF-8

        {"family", to_string(ruleset.family)},
        {"rules", ruleset.rules()},
        {"chains", ruleset.chains()},
        {"bytes", ruleset.text.size()},
        {"tables", each(ruleset.tables,
                        [](const RulesetTable& table) -> json {
                          return {{"name", table.name}, {"rules", table.rules}, {"chains", table.chains}};
                        })}}},
      {"loads", each(loads, [](const RulesetLoads& one) -> json {
         return {{"backend", one.backend.backend},
                 {"label", one.backend.label},
                 {"load", one.first ? "first" : "reload"},
                 {"missing", one.missing.empty() ? json() : json(one.missing)},
                 {"median_wall_ns", estimate_json(stats::median_of(one.wall_ns))},
                 {"wall_ns", one.wall_ns},
                 {"user_ns", one.user_ns},
                 {"system_ns", one.system_ns}};
       })}};
}

}  // namespace svcbench
