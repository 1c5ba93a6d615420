// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a second run of the same confirmed, for a person.
#pragma once

#include <string>

#include "run/confirmation.h"

namespace svcbench {

// At most 100 columns. `all`: every figure that was refuted, else some twenty.
[[nodiscard]] std::string render_confirmation(const RunDiff& diff, bool all);

}  // namespace svcbench
