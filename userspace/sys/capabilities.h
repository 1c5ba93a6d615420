// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What this process may do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sys/result.h"

namespace svcbench {

// What svcbench needs and this set of effective capabilities (bit n is capability n of linux/capability.h)
// lacks. Pure.
[[nodiscard]] std::vector<std::string> missing_capabilities(std::uint64_t effective);

// Error: a sentence that names what is missing, and the remedy.
[[nodiscard]] Status require_privileges();

}  // namespace svcbench
