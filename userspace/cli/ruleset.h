// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench iptables --ruleset FILE.
#pragma once

#include <string>

#include "cli/export_input.h"
#include "cli/input.h"
#include "sys/result.h"

namespace svcbench {

// What is timed, and what is to be there before.
struct RulesetInput {
  std::string file{};    // path or "-"; empty: none is timed
  std::string family{};  // "ipv4", "ipv6", or empty: as its rules say
  std::string ipset{};   // path, "-", or empty
  bool empty_ipsets = false;

  void add_options(CLI::App& app);
};

// Times the ruleset in `input` with every tool of its kind that works here, and prints it; the value is the
// exit code. `resume`: see ResumableOutput.
[[nodiscard]] Result<int> time_ruleset(const RulesetInput& input, const RunInput& run,
                                       const std::string& resume, const Exports& exports,
                                       const TableInput& tables);

}  // namespace svcbench
