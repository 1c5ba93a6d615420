// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Files that have no name on any disk: a child's input and output.
#pragma once

#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

// An empty anonymous file, closed at exec. `name` is only for /proc/PID/fd.
[[nodiscard]] Result<Fd> empty_memfd(std::string_view name);

// The same, holding `text` and rewound to its start.
[[nodiscard]] Result<Fd> memfd_of(std::string_view name, std::string_view text);

// All that the file holds, whatever the current offset is.
[[nodiscard]] Result<std::string> whole_text(const Fd& file);

}  // namespace svcbench
