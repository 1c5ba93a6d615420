// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The answer of a run on one screen: claims, the one table, what was not measured, where the rest is.
#pragma once

#include <cstddef>
#include <string>

#include "run/run.h"

namespace svcbench {

inline constexpr std::size_t screen_lines = 45;
inline constexpr std::size_t screen_columns = 100;

// At most so many lines and columns, whatever the run holds. `colour`: outcomes in green, red and yellow.
[[nodiscard]] std::string render_screen(const Run& run, bool colour);

}  // namespace svcbench
