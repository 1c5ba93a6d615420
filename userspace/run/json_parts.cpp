// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/json_parts.h"

namespace svcbench {

using nlohmann::json;

json interval_json(const std::optional<stats::Interval>& interval) {
  return interval ? json::array({interval->low, interval->high}) : json();
}

json estimate_json(const std::optional<stats::Estimate>& estimate) {
  if (!estimate) {
    return {};
  }
  return {{"value", estimate->value},
          {"interval", interval_json(estimate->interval)},
          {"samples", estimate->samples}};
}

json verdicts_json(const std::vector<Verdict>& verdicts) {
  return each(verdicts, [](const Verdict& verdict) -> json {
    return {{"id", verdict.id},
            {"claim", verdict.claim},
            {"outcome", to_string(verdict.outcome)},
            {"summary", verdict.summary},
            {"evidence", verdict.evidence},
            {"would_settle", verdict.would_settle.empty() ? json() : json(verdict.would_settle)}};
  });
}

}  // namespace svcbench
