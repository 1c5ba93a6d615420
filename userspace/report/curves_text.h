// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Costs over N as a line of bars a plane, of each command that has a sweep.
#pragma once

#include <string>

#include "report/curve.h"
#include "report/run_view.h"

namespace svcbench {

// Of an endpoint change in each plane's usual way, and of a new flow's packet to the last service.
[[nodiscard]] std::string comparison_curves(const RunView& run, Bars bars);
// ebpf: of an endpoint change.
[[nodiscard]] std::string map_update_curves(const RunView& run, Bars bars);
// iptables: of a reload, beside the book's figures.
[[nodiscard]] std::string load_curves(const RunView& run, Bars bars);

}  // namespace svcbench
