// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How far a run is, on standard error: one line that changes on a terminal, a line now and then elsewhere.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "measure/schedule.h"

namespace svcbench {

// `quiet`: says nothing. `warnings`: sentences that are told once, before the first phase or step: not
// where the input is refused.
[[nodiscard]] std::unique_ptr<Progress> make_progress(bool quiet, std::vector<std::string> warnings = {});

// "1 min 05 s", "12 s".
[[nodiscard]] std::string duration_text(double seconds);

}  // namespace svcbench
