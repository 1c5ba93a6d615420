// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Kernel settings; those below net. are the calling thread's network namespace's.
#pragma once

#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench {

// `name` with slashes: net/ipv4/ip_forward.
[[nodiscard]] Result<std::string> read_sysctl(const std::string& name);  // without the newline
Status write_sysctl(const std::string& name, std::string_view value);

}  // namespace svcbench
