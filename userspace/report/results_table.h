// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Results for a person: tables of at most 100 columns. Verdicts: report/figures.h.
#pragma once

#include <string>

#include "measure/results.h"
#include "report/curve.h"

namespace svcbench {

// `bars`: of the curves.
[[nodiscard]] std::string render_results(const Results& results, Bars bars);

}  // namespace svcbench
