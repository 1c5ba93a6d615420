// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// TCP and UDP sockets of the calling thread's network namespace, and waiting for them.
#pragma once

#include <sys/socket.h>

#include <cstdint>

#include "svcbench/result.h"
#include "svcbench/service.h"
#include "sys/fd.h"
#include "sys/socket_address.h"

namespace svcbench {

// Bound there, and non-blocking.
[[nodiscard]] Result<Fd> bound_socket(Protocol protocol, const Endpoint& at);
// Sees every TCP segment that reaches the namespace (needs CAP_NET_RAW); non-blocking.
[[nodiscard]] Result<Fd> raw_tcp_socket(Family family);

// Closed by RST: neither end keeps the connection in TIME_WAIT. Only for TCP.
Status close_by_reset(const Fd& socket);

[[nodiscard]] std::int64_t monotonic_ns();

// poll()'s events that came before CLOCK_MONOTONIC is `deadline_ns`; 0: none. Error: interrupted.
[[nodiscard]] Result<short> wait_for(const Fd& socket, short events, std::int64_t deadline_ns);

}  // namespace svcbench
