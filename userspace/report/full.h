// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// All that a terminal prints of a run: its tables, curves, second instruments, and claims with evidence.
#pragma once

#include <string>

#include "report/curve.h"
#include "run/run.h"

namespace svcbench {

// Of every command but churn and verify. `colour`: outcomes in green, red and yellow.
[[nodiscard]] std::string render_full(const Run& run, bool colour, Bars bars);

// The heading that it begins with, of every command.
[[nodiscard]] std::string full_heading(const Run& run);

}  // namespace svcbench
