// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The book's Table 4.2, which compares the planes, as measured at the largest number of services.
#pragma once

#include <optional>
#include <string>

#include "report/run_view.h"
#include "report/section.h"

namespace svcbench {

// None: the run is of one plane, or measured nothing of the table.
[[nodiscard]] std::optional<Section> table42(const RunView& run);

// What another run gave, figure by figure; none: nothing was.
[[nodiscard]] std::optional<Section> scaled_figures(const RunView& run);

// One for each plane that was seen to lack a behaviour of Services before it was timed, marked as in the
// table: "[1] ebpf-tc does less than the others: it fails ...".
[[nodiscard]] std::vector<std::string> failed_lines(const RunView& run);

}  // namespace svcbench
