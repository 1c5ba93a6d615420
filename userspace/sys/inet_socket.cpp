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
#include <vector>

#include "sys/interrupt.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

Status set_option(const Fd& socket, int level, int option, const void* value, socklen_t size) {
  return setsockopt(socket.get(), level, option, value, size) == 0
             ? Status()
             : failure("{}", with_errno(fmt::format("set socket option {}/{}", level, option), errno));
}

Result<Fd> new_socket(Protocol protocol, Family family, bool blocks) {
  const int type = protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM;
  Fd made(::socket(domain_of(family), type | SOCK_CLOEXEC | (blocks ? 0 : SOCK_NONBLOCK), 0));
  if (!made.valid()) {
    return failure("{}", with_errno("open a socket", errno));
  }
  return made;
}

Status bind_to(const Fd& socket, const Endpoint& at) {
  const SocketAddress address = socket_address(at);
  return bind(socket.get(), address.get(), address.size) == 0
             ? Status()
             : failure("{}", with_errno(fmt::format("bind a socket to {}", at.text()), errno));
}

// poll() of all of them until the deadline; how many have events: 0: none has.
Result<int> poll_until(std::span<pollfd> polled, std::int64_t deadline_ns) {
  while (true) {
    SVCB_CHECK(check_interrupted());
    const std::int64_t left = deadline_ns - monotonic_ns();
    if (left <= 0) {
      return 0;
    }
    const timespec wait{left / 1'000'000'000, left % 1'000'000'000};
    const int ready = ppoll(polled.data(), polled.size(), &wait, nullptr);
    if (ready > 0) {
      return ready;
    }
    if (ready < 0 && errno != EINTR) {
      return failure("{}", with_errno("wait for a socket", errno));
    }
  }
}

}  // namespace

Status switch_on(const Fd& socket, int level, int option) {
  const int on = 1;
  return set_option(socket, level, option, &on, sizeof on);
}

Status limit_sends(const Fd& socket, std::int64_t ns) {
  const timeval patience{ns / 1'000'000'000, ns % 1'000'000'000 / 1000};
  return set_option(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

Result<Fd> transparent_socket(Protocol protocol, const Endpoint& at, bool blocks) {
  const Family family = at.address.family;
  SVCB_TAKE(made, new_socket(protocol, family, blocks));
  if (family == Family::ipv4) {
    SVCB_CHECK(switch_on(made, IPPROTO_IP, IP_TRANSPARENT));
  } else {
    SVCB_CHECK(switch_on(made, IPPROTO_IPV6, IPV6_V6ONLY));
    SVCB_CHECK(switch_on(made, IPPROTO_IPV6, IPV6_TRANSPARENT));
  }
  SVCB_CHECK(bind_to(made, at));
  return made;
}

Result<Fd> bound_socket(Protocol protocol, const Endpoint& at, bool shares) {
  SVCB_TAKE(made, new_socket(protocol, at.address.family, false));
  if (shares) {
    SVCB_CHECK(switch_on(made, SOL_SOCKET, SO_REUSEADDR));
  }
  SVCB_CHECK(bind_to(made, at));
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
  return set_option(socket, SOL_SOCKET, SO_LINGER, &none, sizeof none);
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
  SVCB_TAKE(ready, poll_until({&polled, 1}, deadline_ns));
  return ready > 0 ? polled.revents : short{0};
}

Result<bool> readable(std::span<const int> sockets, std::int64_t deadline_ns) {
  std::vector<pollfd> polled;
  for (const int socket : sockets) {
    polled.push_back({socket, POLLIN, 0});
  }
  SVCB_TAKE(ready, poll_until(polled, deadline_ns));
  return ready > 0;
}

}  // namespace svcbench
