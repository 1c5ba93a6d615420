// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/backends.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "sys/inet_socket.h"
#include "sys/signals_blocked.h"

namespace svcbench::verify {

namespace {

constexpr int backlog = 1024;
constexpr std::size_t buffer_bytes = std::size_t{64} << 10;  // no datagram is longer

// "10.0.0.1:80", "[fd00::1]:80": as Endpoint::text() writes it.
std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return {};
  }
  std::string_view address = text.substr(0, colon);
  if (address.front() == '[' && address.back() == ']') {
    address = address.substr(1, address.size() - 2);
  }
  const std::string_view digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const auto parsed = Address::parse(address);
  if (!parsed || error != std::errc() || end != digits.data() + digits.size()) {
    return {};
  }
  return Endpoint{*parsed, port};
}

}  // namespace

std::string Served::line() const { return fmt::format("{} {}\n", by.text(), client.text()); }

std::optional<Served> Served::parse(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos || !line.ends_with('\n')) {
    return {};
  }
  const auto by = parse_endpoint(line.substr(0, space));
  const auto client = parse_endpoint(line.substr(space + 1, line.size() - space - 2));
  return by && client ? std::optional(Served{*by, *client}) : std::nullopt;
}

Result<std::unique_ptr<Backends>> Backends::start(const NetNamespace& place) {
  std::unique_ptr<Backends> backends(new Backends(place));
  backends->epoll_ = Fd(epoll_create1(EPOLL_CLOEXEC));
  backends->stop_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!backends->epoll_.valid() || !backends->stop_.valid() ||
      !backends->watch(backends->stop_, 0, EPOLLIN, EPOLL_CTL_ADD)) {
    return failure("{}", with_errno("prepare the backends' thread", errno));
  }
  backends->buffer_.resize(buffer_bytes);
  const SignalsBlocked blocked;
  backends->thread_ = std::thread([served = backends.get()] { served->run(); });
  return backends;
}

Backends::~Backends() {
  if (thread_.joinable()) {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }
}

bool Backends::watch(const Fd& socket, Id id, std::uint32_t events, int operation) const {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return epoll_ctl(epoll_.get(), operation, socket.get(), &event) == 0;
}

Status Backends::serve(const Endpoint& at, Protocol protocol) {
  const std::lock_guard lock(mutex_);
  if (std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& one) {
        return one.second.at == at && one.second.protocol == protocol;
      })) {
    return {};
  }
  SVCB_TAKE(inside, place_->enter());
  SVCB_TAKE(made, bound_socket(protocol, at));
  if (protocol == Protocol::tcp && listen(made.get(), backlog) != 0) {
    return failure("{}", with_errno("listen at " + at.text(), errno));
  }
  const Id id = next_id_++;
  if (!watch(made, id, EPOLLIN, EPOLL_CTL_ADD)) {
    return failure("{}", with_errno("watch the server at " + at.text(), errno));
  }
  listeners_.emplace(id, Listener{std::move(made), at, protocol});
  return {};
}

void Backends::close_all() {
  const std::lock_guard lock(mutex_);
  listeners_.clear();
  connections_.clear();
  manners_ = {};
}

void Backends::behave(Manners manners) {
  const std::lock_guard lock(mutex_);
  manners_ = manners;
}

const Backends::Connection* Backends::connection_of(const Served& served) const {
  const auto found = std::find_if(connections_.begin(), connections_.end(), [&](const auto& one) {
    return one.second.served.by == served.by && one.second.served.client == served.client;
  });
  return found == connections_.end() ? nullptr : &found->second;
}

bool Backends::say(const Served& to, Protocol protocol, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  const auto size = static_cast<ssize_t>(bytes.size());
  if (protocol == Protocol::tcp) {
    const Connection* connection = connection_of(to);
    return connection != nullptr &&
           send(connection->socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == size;
  }
  const auto found = std::find_if(listeners_.begin(), listeners_.end(), [&](const auto& one) {
    return one.second.at == to.by && one.second.protocol == protocol;
  });
  const SocketAddress client = socket_address(to.client);
  return found != listeners_.end() && sendto(found->second.socket.get(), bytes.data(), bytes.size(),
                                             MSG_NOSIGNAL, client.get(), client.size) == size;
}

std::optional<std::uint32_t> Backends::path_mtu(const Served& to) const {
  const std::lock_guard lock(mutex_);
  const Connection* connection = connection_of(to);
  if (connection == nullptr) {
    return {};
  }
  const bool ipv4 = to.by.address.family == Family::ipv4;
  int mtu = 0;
  socklen_t size = sizeof mtu;
  return getsockopt(connection->socket.get(), ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_MTU : IPV6_MTU,
                    &mtu, &size) == 0
             ? std::optional(static_cast<std::uint32_t>(mtu))
             : std::nullopt;
}

std::uint64_t Backends::arrivals() const {
  const std::lock_guard lock(mutex_);
  return arrivals_;
}

std::optional<Served> Backends::last_arrival() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

void Backends::run() {
  std::array<epoll_event, 64> events{};
  while (true) {
    const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < count; ++i) {
      const Id id = events[static_cast<std::size_t>(i)].data.u64;
      if (id == 0) {
        return;
      }
      handle(id);
    }
  }
}

void Backends::handle(Id id) {
  if (const auto listener = listeners_.find(id); listener != listeners_.end()) {
    if (listener->second.protocol == Protocol::tcp) {
      accept_all(listener->second);
    } else {
      answer_all(listener->second);
    }
    return;
  }
  const auto connection = connections_.find(id);
  if (connection != connections_.end() && !echo(id, connection->second)) {
    connections_.erase(connection);
  }
}

void Backends::note(const Served& arrival) {
  ++arrivals_;
  last_ = arrival;
}

void Backends::accept_all(const Listener& listener) {
  while (true) {
    SocketAddress peer;
    Fd accepted(accept4(listener.socket.get(), peer.get(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!accepted.valid()) {
      return;
    }
    const Served served{listener.at, endpoint_of(peer)};
    note(served);
    const std::string line = served.line();
    const Id id = next_id_++;
    if (send(accepted.get(), line.data(), line.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(line.size()) &&
        watch(accepted, id, EPOLLIN, EPOLL_CTL_ADD)) {
      connections_.emplace(id, Connection{.socket = std::move(accepted), .served = served});
    }
  }
}

void Backends::answer_all(const Listener& listener) {
  while (true) {
    SocketAddress peer;
    const ssize_t size =
        recvfrom(listener.socket.get(), buffer_.data(), buffer_.size(), 0, peer.get(), &peer.size);
    if (size < 0) {
      return;
    }
    const Served served{listener.at, endpoint_of(peer)};
    note(served);
    if (manners_.silent) {
      continue;
    }
    std::string reply = served.line();
    reply.append(buffer_.data(), static_cast<std::size_t>(size));
    // What cannot be sent, the client misses.
    (void)sendto(listener.socket.get(), reply.data(), reply.size(), MSG_NOSIGNAL, peer.get(), peer.size);
  }
}

bool Backends::echo(Id id, Connection& connection) {
  if (connection.unsent.empty()) {
    const ssize_t size = recv(connection.socket.get(), buffer_.data(), buffer_.size(), 0);
    if (size < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    connection.at_end = size == 0;
    connection.unsent.assign(buffer_.data(), static_cast<std::size_t>(size));
  }
  if (!connection.unsent.empty()) {
    const ssize_t sent =
        send(connection.socket.get(), connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    }
    connection.unsent.erase(0, static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  if (connection.at_end && connection.unsent.empty()) {
    return manners_.lingers && watch(connection.socket, id, 0, EPOLL_CTL_MOD);
  }
  return watch(connection.socket, id, connection.unsent.empty() ? EPOLLIN : EPOLLOUT, EPOLL_CTL_MOD);
}

}  // namespace svcbench::verify
