// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run did not measure, and why; and what its reader must know besides.
#pragma once

#include <string>
#include <vector>

#include "report/run_view.h"

namespace svcbench {

// A sentence each, for the same reason once: "ipvs: not measured: ...",
// "iptables-nft, 5,000 services: left out: ...".
[[nodiscard]] std::vector<std::string> left_out_lines(const RunView& run);

// What measuring noted, and what was said of the work before it.
[[nodiscard]] std::vector<std::string> note_lines(const RunView& run);
[[nodiscard]] std::vector<std::string> work_notes(const RunView& run);

// What of the machine may have disturbed the run, and what did.
[[nodiscard]] std::vector<std::string> noise_lines(const RunView& run);

}  // namespace svcbench
