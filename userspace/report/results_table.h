// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Results for a person: tables of at most 100 columns, then the verdicts.
#pragma once

#include <string>

#include "measure/results.h"

namespace svcbench {

// `colour`: verdicts in green, red and yellow.
[[nodiscard]] std::string render_results(const Results& results, bool colour);

}  // namespace svcbench
