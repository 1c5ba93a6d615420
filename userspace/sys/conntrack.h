// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The connection tracking table of the calling thread's network namespace.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

// Forgets every connection. Nothing to do where the kernel tracks none.
Status flush_conntrack();

// A connection as the table has it.
struct TrackedFlow {
  Frontend dialled;  // by its client
  Endpoint replier;  // who answers it, or would: the backend, where it was translated
};

// Forgets those of a family and protocol that `stale` picks, and says how many they were.
Result<std::size_t> forget_flows(Family family, Protocol protocol,
                                 const std::function<bool(const TrackedFlow&)>& stale);

// Enters `count` UDP flows into the table, as if packets had made them, each from another client (the
// `first`th of 240.0.0.0/4, and so on; with one port each). They stay for an hour.
Status track_flows(const TrackedFlow& flow, std::uint32_t first, std::size_t count);

// Connections that the table holds; 0 where the kernel tracks none.
[[nodiscard]] Result<std::size_t> conntrack_entries();

// What may be held at most; 0 where the kernel tracks none.
[[nodiscard]] Result<std::size_t> conntrack_limit();

}  // namespace svcbench
