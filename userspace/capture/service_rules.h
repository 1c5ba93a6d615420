// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A captured node's iptables rules, taken apart: those of kube-proxy, and the rest. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "plane/real_kube_proxy/rules_reader.h"
#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

// Two texts that iptables-restore takes, each with all of the tables and built-in chains; every rule of the
// whole is in one of them, in its order.
struct SplitRules {
  std::string services{};  // of chains KUBE-*, and what jumps there from a built-in chain
  std::string rest{};
  std::size_t service_rules = 0;
  std::size_t rest_rules = 0;
};

// Of iptables-save's text. Error: a rule of the one jumps to a chain of the other, so that neither works by
// itself; names the rule.
[[nodiscard]] Result<SplitRules> split_rules(std::string_view text);

// The frontends that kube-proxy's rules in iptables-save's text have, and where each leads. Error: as
// kubernetes::programmed_by_iptables().
[[nodiscard]] Result<kubernetes::Programmed> frontends_of_rules(std::string_view text, Family family);

}  // namespace svcbench
