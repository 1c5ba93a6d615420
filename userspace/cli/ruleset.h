// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench iptables --ruleset FILE.
#pragma once

#include <cstddef>
#include <string>

#include "svcbench/result.h"

namespace svcbench {

struct RulesetInput {
  std::string file{};  // "-" is standard input
  std::size_t rounds = 0;
  double budget_seconds = 0;
  std::string json{};  // empty: none
};

// Times the ruleset on every iptables back end that works here, and prints it; the value is the exit code.
[[nodiscard]] Result<int> time_ruleset(const RulesetInput& input);

}  // namespace svcbench
