// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The manual page, for man(7)'s macros.
#pragma once

#include <string>
#include <string_view>

#include "cli/program.h"

namespace svcbench {

// `date`: of the page, "2026-11-23"; `version`: of the program.
[[nodiscard]] std::string man_page(const ProgramText& program, std::string_view version,
                                   std::string_view date);

}  // namespace svcbench
