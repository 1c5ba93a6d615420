// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The most physical memory that this process has had at once.
//
// For what a plane needs in user space, the figure is the peak during its installation less what was
// resident before it (reset_peak_rss(), then peak_rss_bytes() twice): memory that svcbench holds anyway is
// no plane's, and neither is memory that the allocator had kept from earlier work and gives out again, so
// it is a lower bound except for the first installation of a process. A tool that is run has its own peak
// (ChildResult::max_rss_kib); that is told apart from ours only when it is above ours, so resetting ours
// first makes more of them known.
#pragma once

#include <cstddef>

#include "svcbench/result.h"

namespace svcbench {

// Since the process began or the last reset_peak_rss() (VmHWM). Exact to some pages a thread: the kernel
// counts in batches.
[[nodiscard]] Result<std::size_t> peak_rss_bytes();

// The peak is from now on what is resident now. Needs CONFIG_PROC_PAGE_MONITOR, which distributions set.
Status reset_peak_rss();

}  // namespace svcbench
