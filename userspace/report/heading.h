// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a reader must know before the figures: which program, machine and work.
#pragma once

#include <string>
#include <vector>

#include "report/run_view.h"

namespace svcbench {

// Sentences, the first of them what emulated the machine, if anything did.
[[nodiscard]] std::vector<std::string> heading_lines(const RunView& run);

}  // namespace svcbench
