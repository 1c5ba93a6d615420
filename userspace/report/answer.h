// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The table that answers the question that a command asks, short enough for a screen beside the claims.
#pragma once

#include <optional>

#include "report/run_view.h"
#include "report/section.h"

namespace svcbench {

// None where nothing was measured. At most 14 rows, without sentences above or below them.
[[nodiscard]] std::optional<Section> answer(const RunView& run);

}  // namespace svcbench
