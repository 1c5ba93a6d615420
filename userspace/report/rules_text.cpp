// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/rules_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "service/text.h"

namespace svcbench {

namespace {

constexpr std::size_t most_shown = 20;  // of a mode and family

std::string difference_text(const kube_proxy::RuleDifference& one) {
  return fmt::format("    {} {}{}: {}\n", one.only == kube_proxy::RuleSide::ours ? '-' : '+', one.place,
                     one.order ? ", in another order" : "", one.rule);
}

std::string mode_text(const verify::RulesOfMode& one) {
  if (!one.why_not.empty()) {
    return fmt::format("  {}: not compared: {}\n", kube_proxy::to_string(one.mode), one.why_not);
  }
  const auto& differences = one.compared.differences;
  std::string text = fmt::format(
      "  {}, {}: {} rules and elements are equal, {}\n", kube_proxy::to_string(one.mode),
      to_string(one.family), grouped(one.compared.equal),
      differences.empty() ? "none differs" : fmt::format("{} are not", grouped(differences.size())));
  for (std::size_t i = 0; i < std::min(differences.size(), most_shown); ++i) {
    text += difference_text(differences[i]);
  }
  if (differences.size() > most_shown) {
    text += fmt::format("    and {} more, which --json has\n", grouped(differences.size() - most_shown));
  }
  return text;
}

}  // namespace

std::string render_rules(const verify::KubeProxyRules& rules) {
  std::string text =
      fmt::format("\nRules of {} ({}) beside svcbench's for its version, of {} frontends ({}):\n",
                  rules.binary, rules.binary_version, grouped(rules.frontends), rules.subject);
  bool any = false;
  for (const verify::RulesOfMode& one : rules.modes) {
    text += mode_text(one);
    any = any || !one.compared.differences.empty();
  }
  return text + (any ? "  (- only svcbench writes it, + only kube-proxy does)\n" : "");
}

}  // namespace svcbench
