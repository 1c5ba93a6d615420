// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/figures.h"

#include <fmt/format.h>

#include <cmath>

#include "report/text_table.h"

namespace svcbench {

namespace {

int decimals_of(double value) {
  const double size = std::abs(value);
  return size == 0 ? 1 : size < 0.1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0;
}

std::string painted(const Verdict& verdict, bool colour) {
  const std::string outcome(to_string(verdict.outcome));
  if (!colour || !verdict.summary.starts_with(outcome)) {
    return verdict.summary;
  }
  const char* code = verdict.outcome == Outcome::holds           ? "32"
                     : verdict.outcome == Outcome::does_not_hold ? "31"
                                                                 : "33";
  return fmt::format("\x1b[1;{}m{}\x1b[0m{}", code, outcome, verdict.summary.substr(outcome.size()));
}

}  // namespace

std::string number_text(double value) { return fmt::format("{:.{}f}", value, decimals_of(value)); }

std::string figure_text(const std::optional<stats::Estimate>& estimate, double unit) {
  if (!estimate) {
    return "-";
  }
  if (!estimate->interval) {
    return number_text(estimate->value / unit) + " [?]";
  }
  const int decimals = decimals_of(estimate->value / unit);
  return fmt::format("{:.{}f} [{:.{}f},{:.{}f}]", estimate->value / unit, decimals,
                     estimate->interval->low / unit, decimals, estimate->interval->high / unit, decimals);
}

std::string verdicts_text(std::span<const Verdict> verdicts, bool colour) {
  std::string out;
  for (const Verdict& verdict : verdicts) {
    out += fmt::format("\nClaim: {}\n", verdict.claim);
    out += wrapped(painted(verdict, colour), 2);
    for (const std::string& line : verdict.evidence) {
      out += wrapped(line, 4);
    }
    if (!verdict.would_settle.empty()) {
      out += wrapped("to settle it: " + verdict.would_settle, 4);
    }
  }
  return out;
}

nlohmann::json interval_json(const std::optional<stats::Interval>& interval) {
  return interval ? nlohmann::json::array({interval->low, interval->high}) : nlohmann::json();
}

nlohmann::json estimate_json(const std::optional<stats::Estimate>& estimate) {
  if (!estimate) {
    return {};
  }
  return {{"value", estimate->value},
          {"interval", interval_json(estimate->interval)},
          {"samples", estimate->samples}};
}

nlohmann::json verdict_json(const Verdict& verdict) {
  return {{"id", verdict.id},
          {"claim", verdict.claim},
          {"outcome", to_string(verdict.outcome)},
          {"summary", verdict.summary},
          {"evidence", verdict.evidence},
          {"would_settle",
           verdict.would_settle.empty() ? nlohmann::json() : nlohmann::json(verdict.would_settle)}};
}

}  // namespace svcbench
