// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/text_table.h"

namespace svcbench {

namespace {

// The summary with its outcome, which it starts with, in colour.
std::string painted_summary(const Verdict& verdict, bool colour) {
  const std::string_view outcome = to_string(verdict.outcome);
  return verdict.summary.starts_with(outcome)
             ? painted(verdict.outcome, colour) + verdict.summary.substr(outcome.size())
             : verdict.summary;
}

}  // namespace

std::string painted(Outcome outcome, bool colour) {
  const int code = outcome == Outcome::holds ? 32 : outcome == Outcome::does_not_hold ? 31 : 33;
  return colour ? fmt::format("\x1b[1;{}m{}\x1b[0m", code, to_string(outcome))
                : std::string(to_string(outcome));
}

int decimals_of(double value) {
  const double size = std::abs(value);
  return size < 0.1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0;
}

std::string number(const std::optional<double>& ns, double unit) {
  return ns ? fmt::format("{:.{}f}", *ns / unit, decimals_of(*ns / unit)) : "-";
}

std::string verdict_text(const std::vector<Verdict>& verdicts, bool colour) {
  std::string out;
  for (const Verdict& verdict : verdicts) {
    out += fmt::format("\nClaim: {}\n", verdict.claim);
    out += wrapped(painted_summary(verdict, colour), 2);
    for (const std::string& line : verdict.evidence) {
      out += wrapped(line, 4);
    }
    if (!verdict.would_settle.empty()) {
      out += wrapped("to settle it: " + verdict.would_settle, 4);
    }
  }
  return out;
}

}  // namespace svcbench
