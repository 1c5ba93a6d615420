// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The most physical memory that a process has had at once.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <optional>

#include "sys/result.h"

namespace svcbench {

// Since the process began or the last reset_peak_rss() (VmHWM). Exact to some pages a thread or CPU: the
// kernel counts in batches. `pid` 0: of this process.
[[nodiscard]] Result<std::size_t> peak_rss_bytes(pid_t pid = 0);

// The peak is from now on what is resident now. Needs CONFIG_PROC_PAGE_MONITOR, which distributions set.
Status reset_peak_rss();

// What work needs in user space at its peak, in bytes.
struct UserMemory {
  // By which our own resident memory rose above what it was before. What the allocator had kept from
  // earlier work is given back before, so that it counts when it is used again; pages that are in use in
  // part stay, and what fits into them is not seen: a lower bound by some KiB. Maps of the kernel that are
  // mapped into our memory count too, as far as they are touched.
  std::size_t own = 0;
  // Of the largest of the tools that were run one after the other (ChildMemory), with its libraries; 0:
  // none was run. None: one tool's is unknown.
  std::optional<std::size_t> tool{};
};
[[nodiscard]] Result<UserMemory> user_memory_of(const std::function<Status()>& work);

}  // namespace svcbench
