// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A comparison for people: tables of at most 100 columns, and the verdicts.
#pragma once

#include <string>

#include "measure/compare_results.h"
#include "report/curve.h"

namespace svcbench {

// The path section alone, with the instrument's own cost and how the path grows.
[[nodiscard]] std::string render_paths(const CompareResults& results, Bars bars);

// `colour`: verdicts in green, red and yellow; `bars`: of the curves.
[[nodiscard]] std::string render_comparison(const CompareResults& results, bool colour, Bars bars);

}  // namespace svcbench
