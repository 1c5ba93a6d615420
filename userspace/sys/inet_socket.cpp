// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/inet_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "sys/interrupt.h"

namespace svcbench {

Result<Fd> bound_socket(Protocol protocol, const Endpoint& at) {
  const int type = protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
  Fd made(::socket(domain_of(at.address.family), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.valid()) {
    return failure("{}", with_errno("open a socket", errno));
  }
  const SocketAddress address = socket_address(at);
  if (bind(made.get(), address.get(), address.size) != 0) {
    return failure("{}", with_errno(fmt::format("bind a socket to {}", at.text()), errno));
  }
  return made;
}

Result<Fd> raw_tcp_socket(Family family) {
  Fd made(::socket(domain_of(family), SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!made.valid()) {
    return failure("{} (needs CAP_NET_RAW; run it with sudo)", with_errno("open a raw socket", errno));
  }
  return made;
}

Status close_by_reset(const Fd& socket) {
  const linger none{1, 0};
  return setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0
             ? Status()
             : failure("{}", with_errno("set a socket's SO_LINGER", errno));
}

std::int64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

Result<short> wait_for(const Fd& socket, short events, std::int64_t deadline_ns) {
  pollfd polled{socket.get(), events, 0};
  while (true) {
    SVCB_CHECK(check_interrupted());
    const std::int64_t left = deadline_ns - monotonic_ns();
    if (left <= 0) {
      return short{0};
    }
    const timespec wait{left / 1'000'000'000, left % 1'000'000'000};
    const int ready = ppoll(&polled, 1, &wait, nullptr);
    if (ready > 0) {
      return polled.revents;
    }
    if (ready < 0 && errno != EINTR) {
      return failure("{}", with_errno("wait for a socket", errno));
    }
  }
}

}  // namespace svcbench
