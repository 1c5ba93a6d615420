// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// TCP and UDP sockets of the calling thread's network namespace, and waiting for them.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <span>

#include "service/service.h"
#include "sys/fd.h"
#include "sys/result.h"
#include "sys/socket_address.h"

namespace svcbench {

// Bound there, and non-blocking. `shares`: the port may be another socket's too, if that one was made so
// and does not listen: a client's, that dials somebody else.
[[nodiscard]] Result<Fd> bound_socket(Protocol protocol, const Endpoint& at, bool shares = false);
// Bound, at an address that no device need have: where a namespace routes whole prefixes to itself, only a
// transparent socket may send from them. Needs CAP_NET_ADMIN.
[[nodiscard]] Result<Fd> transparent_socket(Protocol protocol, const Endpoint& at, bool blocks = true);
// Sets an option that is a number to 1.
Status switch_on(const Fd& socket, int level, int option);
// What connect() and send() wait for ends with EINPROGRESS or EAGAIN after so long.
Status limit_sends(const Fd& socket, std::int64_t ns);
// Sees every TCP segment that reaches the namespace (needs CAP_NET_RAW); non-blocking.
[[nodiscard]] Result<Fd> raw_tcp_socket(Family family);
struct TcpSegment {
  Endpoint from;
  std::uint16_t to_port = 0;
  std::uint32_t number = 0;
  std::uint8_t flags = 0;  // TH_SYN, ..
};
// The next one that lies there; none: it is empty.
[[nodiscard]] std::optional<TcpSegment> take_segment(const Fd& raw_tcp, Family family);

// Closed by RST: neither end keeps the connection in TIME_WAIT. Only for TCP.
Status close_by_reset(const Fd& socket);

// The numbers of the next bytes that this end of a TCP connection would send, and receive. Needs
// CAP_NET_ADMIN.
struct TcpNumbers {
  std::uint32_t sends = 0;
  std::uint32_t receives = 0;
};
[[nodiscard]] Result<TcpNumbers> tcp_numbers(const Fd& socket);

// poll()'s events that came before CLOCK_MONOTONIC is `deadline_ns`; 0: none. Error: interrupted.
[[nodiscard]] Result<short> wait_for(const Fd& socket, short events, std::int64_t deadline_ns);
// Whether one of them has something to read before then.
[[nodiscard]] Result<bool> readable(std::span<const int> sockets, std::int64_t deadline_ns);

}  // namespace svcbench
