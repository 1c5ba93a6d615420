// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The claims that a run's figures settle, by its cells alone: whoever has the cells has the verdicts, be
// they of one run, of several, or of a file.
#pragma once

#include <vector>

#include "run/run.h"
#include "stats/verdict.h"

namespace svcbench {

// Of compare, path, nftables, ipvs, ebpf and iptables, in the order in which they are told; none of other
// commands, which ask none of them. Which planes a claim is about is in the planes' rows. In an emulator
// claims in microseconds stay open. What "/details/counted" says of a claim is added to its evidence.
[[nodiscard]] std::vector<Verdict> judge(const Run& run);

}  // namespace svcbench
