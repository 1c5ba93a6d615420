// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/inet_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "sys/interrupt.h"
#include "sys/stopwatch.h"

namespace svcbench {

Result<Fd> bound_socket(Protocol protocol, const Endpoint& at, bool shares) {
  const int type = protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
  Fd made(::socket(domain_of(at.address.family), type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made.valid()) {
    return failure("{}", with_errno("open a socket", errno));
  }
  const int on = 1;
  if (shares && setsockopt(made.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) {
    return failure("{}", with_errno("set a socket's SO_REUSEADDR", errno));
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

std::optional<TcpSegment> take_segment(const Fd& raw_tcp, Family family) {
  while (true) {
    std::array<std::uint8_t, 128> bytes{};
    SocketAddress from;
    const ssize_t size =
        recvfrom(raw_tcp.get(), bytes.data(), bytes.size(), MSG_DONTWAIT, from.get(), &from.size);
    if (size < 0) {
      return {};
    }
    // A raw IPv4 socket shows the IP header too, an IPv6 one does not.
    const std::size_t header = family == Family::ipv4 ? std::size_t{bytes[0]} % 16 * 4 : std::size_t{0};
    tcphdr tcp{};
    if (static_cast<std::size_t>(size) >= header + sizeof tcp) {
      std::memcpy(&tcp, bytes.data() + header, sizeof tcp);
      return TcpSegment{{endpoint_of(from).address, ntohs(tcp.th_sport)},
                        ntohs(tcp.th_dport),
                        ntohl(tcp.th_seq),
                        tcp.th_flags};
    }
  }
}

Status close_by_reset(const Fd& socket) {
  const linger none{1, 0};
  return setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0
             ? Status()
             : failure("{}", with_errno("set a socket's SO_LINGER", errno));
}

Result<TcpNumbers> tcp_numbers(const Fd& socket) {
  const auto set = [&](int option, int value) {
    return setsockopt(socket.get(), IPPROTO_TCP, option, &value, sizeof value) == 0;
  };
  const auto number_of = [&](int queue, std::uint32_t& number) {
    socklen_t size = sizeof number;
    return set(TCP_REPAIR_QUEUE, queue) &&
           getsockopt(socket.get(), IPPROTO_TCP, TCP_QUEUE_SEQ, &number, &size) == 0;
  };
  TcpNumbers numbers;
  const bool read = set(TCP_REPAIR, TCP_REPAIR_ON) && number_of(TCP_SEND_QUEUE, numbers.sends) &&
                    number_of(TCP_RECV_QUEUE, numbers.receives);
  const int error = errno;
  if (!set(TCP_REPAIR, TCP_REPAIR_OFF_NO_WP) || !read) {
    return failure("{}", with_errno("read a TCP connection's sequence numbers", read ? errno : error));
  }
  return numbers;
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
