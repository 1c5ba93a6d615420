// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Why the kernel dropped packets: the counters of the calling thread's network namespace that count losses.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace svcbench {

// "vn rx_dropped", "IPv4 without a route", "conntrack drop": count. Those that are zero are left out.
using NetCounters = std::map<std::string, std::uint64_t>;

[[nodiscard]] NetCounters loss_counters();

// What moved between two readings.
[[nodiscard]] NetCounters moved(const NetCounters& before, const NetCounters& after);

}  // namespace svcbench
