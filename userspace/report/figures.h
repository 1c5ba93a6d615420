// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How a figure is written: about three digits that mean something, its interval beside it.
#pragma once

#include <optional>
#include <string>

#include "stats/growth.h"
#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

// Decimals that leave about three digits: 0.031, 1.84, -12.1, 75.3, 412.
[[nodiscard]] int decimals_of(double value);

// "1.84", in units of `unit` ns; "-" where there is none.
[[nodiscard]] std::string number(const std::optional<double>& ns, double unit);

// "1.84 [1.80,1.90]", in units of `unit` ns; [?] where the samples are too few for an interval.
[[nodiscard]] std::string figure(const std::optional<stats::Estimate>& estimate, double unit);

// The same with the unit that suits it: "1.84 us [1.80,1.90]", "383 ms [357,411]".
[[nodiscard]] std::string figure_with_unit(const std::optional<stats::Estimate>& ns);

// "4.8 MiB".
[[nodiscard]] std::string mib_text(double bytes);

// "0.086 [0.078, 0.093]".
[[nodiscard]] std::string exponent_figure(const std::optional<stats::Growth>& growth);

// "\nClaim: ..." with its summary, evidence and remedy, for every verdict. `colour`: outcomes in green, red
// and yellow.
[[nodiscard]] std::string verdict_text(const std::vector<Verdict>& verdicts, bool colour);

}  // namespace svcbench
