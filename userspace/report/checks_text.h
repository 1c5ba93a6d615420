// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What was measured to trust the rest: the instrument itself, second instruments, and ratios of cells that
// were measured in the same rounds. A sentence each.
#pragma once

#include <string>
#include <vector>

#include "report/run_view.h"

namespace svcbench {

// The clock, what redirecting alone takes, and the eBPF planes' packets beside each other and others'.
[[nodiscard]] std::vector<std::string> instrument_lines(const RunView& run);
// compare: round trips of real sockets beside the wire, perf's records beside our stopwatch.
[[nodiscard]] std::vector<std::string> second_instrument_lines(const RunView& run);
// ebpf: the kernel's account of the programs.
[[nodiscard]] std::vector<std::string> account_lines(const RunView& run);
// iptables: one back end against the other, one load against the other.
[[nodiscard]] std::vector<std::string> load_comparisons(const RunView& run);

}  // namespace svcbench
