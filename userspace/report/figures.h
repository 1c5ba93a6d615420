// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How a figure is written: about three digits that mean something, its interval beside it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "stats/verdict.h"

namespace svcbench {

// Decimals that leave about three digits: 0.031, 1.84, -12.1, 75.3, 412.
[[nodiscard]] int decimals_of(double value);

// "1.84", in units of `unit` ns; "-" where there is none.
[[nodiscard]] std::string number(const std::optional<double>& ns, double unit);

// Its name, in green, red or yellow with `colour`.
[[nodiscard]] std::string painted(Outcome outcome, bool colour);

// "\nClaim: ..." with its summary, evidence and remedy, for every verdict. `colour`: outcomes in green, red
// and yellow.
[[nodiscard]] std::string verdict_text(const std::vector<Verdict>& verdicts, bool colour);

}  // namespace svcbench
