// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "report/text_table.h"

namespace svcbench {

namespace {

std::string painted(const Verdict& verdict, bool colour) {
  if (!colour) {
    return verdict.summary;
  }
  const char* code = verdict.outcome == Outcome::holds           ? "32"
                     : verdict.outcome == Outcome::does_not_hold ? "31"
                                                                 : "33";
  const std::string outcome(to_string(verdict.outcome));
  if (!verdict.summary.starts_with(outcome)) {
    return verdict.summary;
  }
  return fmt::format("\x1b[1;{}m{}\x1b[0m{}", code, outcome, verdict.summary.substr(outcome.size()));
}

}  // namespace

int decimals_of(double value) {
  const double size = std::abs(value);
  return size < 0.1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0;
}

std::string number(const std::optional<double>& ns, double unit) {
  return ns ? fmt::format("{:.{}f}", *ns / unit, decimals_of(*ns / unit)) : "-";
}

std::string figure(const std::optional<stats::Estimate>& estimate, double unit) {
  if (!estimate) {
    return "-";
  }
  const int decimals = decimals_of(estimate->value / unit);
  if (!estimate->interval) {
    return fmt::format("{:.{}f} [?]", estimate->value / unit, decimals);
  }
  // A bound far above the value has no more digits that mean something than it has by itself.
  const auto bound = [&](double ns) {
    return fmt::format("{:.{}f}", ns / unit, std::min(decimals, decimals_of(ns / unit)));
  };
  return fmt::format("{:.{}f} [{},{}]", estimate->value / unit, decimals, bound(estimate->interval->low),
                     bound(estimate->interval->high));
}

std::string figure_with_unit(const std::optional<stats::Estimate>& ns) {
  if (!ns) {
    return "-";
  }
  const bool micro = ns->value < 1e6;
  const double unit = micro ? 1e3 : ns->value < 1e9 ? 1e6 : 1e9;
  const char* name = micro ? "us" : ns->value < 1e9 ? "ms" : "s";
  const std::string text = figure(ns, unit);
  const std::size_t space = text.find(' ');
  return fmt::format("{} {}{}", text.substr(0, space), name, text.substr(space));
}

std::string mib_text(double bytes) { return fmt::format("{:.1f} MiB", bytes / (1024 * 1024)); }

std::string exponent_figure(const std::optional<stats::Growth>& growth) {
  if (!growth) {
    return "-";
  }
  // A slope of -1e-17 is 0.000, not -0.000.
  const auto clean = [](double value) { return std::abs(value) < 0.0005 ? 0.0 : value; };
  if (!growth->interval) {
    return fmt::format("{:.3f} [?]", clean(growth->exponent));
  }
  return fmt::format("{:.3f} [{:.3f}, {:.3f}]", clean(growth->exponent), clean(growth->interval->low),
                     clean(growth->interval->high));
}

std::string verdict_text(const std::vector<Verdict>& verdicts, bool colour) {
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

}  // namespace svcbench
