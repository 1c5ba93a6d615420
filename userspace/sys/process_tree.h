// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a program and the tools that it runs take together.
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "sys/result.h"

namespace svcbench {

// Bytes that are resident now in a process and in all that it started and that still runs: pages that two
// of them share count twice. A descendant that runs the same program as `pid` is left out (one that has
// been forked and has yet to become a tool has its parent's pages), those below it are not. Error: there is
// no such process, or the kernel does not list children (CONFIG_PROC_CHILDREN, which distributions set).
[[nodiscard]] Result<std::size_t> resident_in_tree(pid_t pid);

}  // namespace svcbench
