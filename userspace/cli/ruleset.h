// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench iptables --ruleset FILE.
#pragma once

#include <string>

#include "cli/export_input.h"
#include "cli/input.h"
#include "svcbench/result.h"

namespace svcbench {

// Times the ruleset in `file` ("-" is standard input) on every iptables back end that works here, and
// prints it; the value is the exit code. `resume`: see ResumableOutput.
[[nodiscard]] Result<int> time_ruleset(const std::string& file, const RunInput& run,
                                       const std::string& resume, const Exports& exports,
                                       const TableInput& tables);

}  // namespace svcbench
