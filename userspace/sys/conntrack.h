// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The connection tracking table of the calling thread's network namespace.
#pragma once

#include <cstddef>

#include "svcbench/result.h"

namespace svcbench {

// Forgets every connection. Nothing to do where the kernel tracks none.
Status flush_conntrack();

// Connections that the table holds; 0 where the kernel tracks none.
[[nodiscard]] Result<std::size_t> conntrack_entries();

// What may be held at most; 0 where the kernel tracks none.
[[nodiscard]] Result<std::size_t> conntrack_limit();

}  // namespace svcbench
