// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/flow.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "sys/inet_socket.h"
#include "sys/interrupt.h"
#include "sys/stopwatch.h"

namespace svcbench::verify {

namespace {

bool nothing_yet(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

std::int64_t until(std::int64_t patience) { return monotonic_ns() + patience; }

std::string milliseconds(std::int64_t ns) { return fmt::format("{} ms", ns / 1'000'000); }

// Bytes that differ from place to place and from flow to flow.
std::string pattern(std::size_t bytes, std::uint64_t number) {
  std::string text(bytes, '\0');
  std::uint64_t state = number * 0x9E3779B97F4A7C15U + 1;
  for (char& c : text) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    c = static_cast<char>(state >> 56U);
  }
  return text;
}

Reach reach_of(int error) {
  return error == ECONNREFUSED || error == ECONNRESET ? Reach::refused : Reach::unreachable;
}

}  // namespace

// A negative descriptor is one that poll() passes over.
Status wait_until(std::int64_t monotonic_ns) {
  SVCB_CHECK(wait_for(Fd(), 0, monotonic_ns));
  return {};
}

// ---- dialling ----

struct Dialler {
  Frontend to;
  Endpoint client;
  std::int64_t deadline;
  std::int64_t patience;

  Dialled ended(Reach reach, std::string evidence) const {
    return {reach, fmt::format("{} dialled {}: {}", client.text(), to.text(), std::move(evidence)), {}};
  }
  Dialled errno_came(std::string_view when, int error) const {
    return ended(reach_of(error), with_errno(when, error));
  }
  Dialled silent(std::string_view what) const {
    return ended(Reach::silent, fmt::format("{} within {}", what, milliseconds(patience)));
  }

  Result<Dialled> tcp(Fd socket) const {
    SVCB_CHECK(close_by_reset(socket));
    const SocketAddress address = socket_address({to.address, to.port});
    if (connect(socket.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
      return errno_came("connect()", errno);
    }
    SVCB_TAKE(events, wait_for(socket, POLLOUT, deadline));
    if (events == 0) {
      return silent("no connection");
    }
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      return errno_came("connect()", error);
    }
    std::string line;
    while (line.size() < Served::longest_line && !line.ends_with('\n')) {
      char c = 0;
      const ssize_t got = recv(socket.get(), &c, 1, 0);
      if (got == 1) {
        line += c;
        continue;
      }
      if (got == 0) {
        return ended(Reach::refused, "the connection was closed before the backend said its name");
      }
      if (!nothing_yet(errno)) {
        return errno_came("the connection broke before the backend said its name", errno);
      }
      SVCB_TAKE(more, wait_for(socket, POLLIN, deadline));
      if (more == 0) {
        return silent("connected, but nothing came from the backend");
      }
    }
    const auto served = Served::parse(line);
    if (!served) {
      return ended(Reach::silent, "who answered is no backend of this test: it did not say its name");
    }
    Dialled result{Reach::answered, {}, Flow(std::move(socket), to, client)};
    result.flow->served_ = *served;
    return result;
  }

  // The socket that sees errors is a connected one; it gets nothing that comes from elsewhere than dialled.
  Result<Dialled> udp(Fd socket) const {
    const SocketAddress address = socket_address({to.address, to.port});
    if (connect(socket.get(), address.get(), address.size) != 0) {
      return errno_came("connect()", errno);
    }
    Flow flow(std::move(socket), to, client);
    const std::string request = pattern(32, client.port);
    if (send(flow.socket_.get(), request.data(), request.size(), 0) < 0) {
      return errno_came("send()", errno);
    }
    std::array<char, 512> buffer{};
    while (true) {
      SVCB_TAKE(events, wait_for(flow.socket_, POLLIN, deadline));
      if (events == 0) {
        return silent("no reply");
      }
      const ssize_t size = recv(flow.socket_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0) {
        if (nothing_yet(errno)) {
          continue;
        }
        return errno_came("the datagram was answered by an error", errno);
      }
      const std::string_view reply(buffer.data(), static_cast<std::size_t>(size));
      const std::size_t end = reply.find('\n');
      const auto served =
          end == std::string_view::npos ? std::nullopt : Served::parse(reply.substr(0, end + 1));
      if (!served || reply.substr(end + 1) != request) {
        return ended(Reach::silent, "the reply holds other bytes than a backend of this test would send");
      }
      flow.served_ = *served;
      return Dialled{Reach::answered, {}, std::move(flow)};
    }
  }
};

Result<Dialled> dial(const NetNamespace& place, const Endpoint& client, const Frontend& to,
                     std::int64_t patience) {
  SVCB_CHECK(check_interrupted());
  Fd socket;
  {
    SVCB_TAKE(inside, place.enter());
    SVCB_TAKE(made, bound_socket(to.protocol, client, true));  // a port may have two flows
    socket = std::move(made);
  }
  const Dialler dialler{to, client, until(patience), patience};
  return to.protocol == Protocol::tcp ? dialler.tcp(std::move(socket)) : dialler.udp(std::move(socket));
}

// ---- looking closer ----

namespace {

// Whose SYN+ACK for the client lies at the raw socket.
std::optional<Endpoint> source_of_syn_ack(const Fd& raw, const Endpoint& client) {
  while (const auto segment = take_segment(raw, client.address.family)) {
    if (segment->to_port == client.port && (segment->flags & TH_SYN) != 0 &&
        (segment->flags & TH_ACK) != 0) {
      return segment->from;
    }
  }
  return {};
}

Result<std::optional<Endpoint>> answerer_of_tcp(const Endpoint& client, const Frontend& to) {
  SVCB_TAKE(raw, raw_tcp_socket(client.address.family));
  SVCB_TAKE(socket, bound_socket(Protocol::tcp, client));
  const SocketAddress address = socket_address({to.address, to.port});
  (void)connect(socket.get(), address.get(), address.size);
  const std::int64_t deadline = until(silence_ns);
  while (true) {
    if (const auto from = source_of_syn_ack(raw, client)) {
      return from;
    }
    SVCB_TAKE(events, wait_for(raw, POLLIN, deadline));
    if (events == 0) {
      return std::optional<Endpoint>();
    }
  }
}

Result<std::optional<Endpoint>> answerer_of_udp(const Endpoint& client, const Frontend& to) {
  SVCB_TAKE(socket, bound_socket(Protocol::udp, client));
  const SocketAddress address = socket_address({to.address, to.port});
  (void)sendto(socket.get(), "?", 1, 0, address.get(), address.size);
  SVCB_TAKE(events, wait_for(socket, POLLIN, until(silence_ns)));
  SocketAddress from;
  std::array<char, 512> buffer{};
  if (events == 0 || recvfrom(socket.get(), buffer.data(), buffer.size(), 0, from.get(), &from.size) < 0) {
    return std::optional<Endpoint>();
  }
  return std::optional(endpoint_of(from));
}

}  // namespace

Result<std::optional<Endpoint>> who_answers(const NetNamespace& place, const Endpoint& client,
                                            const Frontend& to) {
  SVCB_TAKE(inside, place.enter());
  return to.protocol == Protocol::tcp ? answerer_of_tcp(client, to) : answerer_of_udp(client, to);
}

Result<std::string> look_closer(const NetNamespace& place, const Endpoint& client, const Frontend& to) {
  SVCB_TAKE(from, who_answers(place, client, to));
  if (!from || *from == Endpoint{to.address, to.port}) {
    return std::string();
  }
  return fmt::format(": the {} comes from {}, not from what was dialled",
                     to.protocol == Protocol::tcp ? "SYN+ACK" : "reply", from->text());
}

// ---- a flow that is there ----

std::string Flow::text() const {
  return fmt::format("the flow from {} to {}, served by {}", client_.text(), to_.text(), served_.by.text());
}

Endpoint Flow::peer() const {
  SocketAddress address;
  getpeername(socket_.get(), address.get(), &address.size);
  return endpoint_of(address);
}

Step<void> Flow::exchange(std::size_t bytes, std::int64_t patience) {
  SVCB_CHECK(check_interrupted());
  const std::string request = pattern(bytes, ++exchanges_ + client_.port);
  return to_.protocol == Protocol::tcp ? exchange_tcp(request, patience) : exchange_udp(request, patience);
}

Step<void> Flow::send_only(std::size_t bytes) {
  const std::string request = pattern(bytes, ++exchanges_ + client_.port);
  return send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
                 static_cast<ssize_t>(request.size())
             ? Step<void>()
             : failed("{}: {}", text(), with_errno("its client could not send", errno));
}

Result<std::string> Flow::await(const std::string& said, std::int64_t patience) {
  std::string heard;
  std::array<char, 4096> buffer{};
  const std::int64_t deadline = until(patience);
  while (heard.size() < said.size()) {
    SVCB_TAKE(events, wait_for(socket_, POLLIN, deadline));
    if (events == 0) {
      return fmt::format("does not come within {}", milliseconds(patience));
    }
    const ssize_t size =
        recv(socket_.get(), buffer.data(), std::min(buffer.size(), said.size() - heard.size()), 0);
    if (size < 0 && nothing_yet(errno)) {
      continue;
    }
    if (size < 0) {
      return with_errno("does not come, for the flow broke", errno);
    }
    if (size == 0) {
      return std::string("does not come, for the connection was closed");
    }
    heard.append(buffer.data(), static_cast<std::size_t>(size));
  }
  return heard == said ? std::string() : std::string("comes as other bytes than were sent");
}

Step<void> Flow::end_sending() {
  return shutdown(socket_.get(), SHUT_WR) == 0
             ? Step<void>()
             : failed("{}: {}", text(), with_errno("its client could not end its direction", errno));
}

Step<void> Flow::exchange_tcp(const std::string& request, std::int64_t patience) {
  if (send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return failed("{}: {}", text(), with_errno("a request could not be sent", errno));
  }
  std::string reply;
  std::array<char, 4096> buffer{};
  const std::int64_t deadline = until(patience);
  while (reply.size() < request.size()) {
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size > 0) {
      reply.append(buffer.data(), static_cast<std::size_t>(size));
      continue;
    }
    if (size == 0) {
      return failed("{}: it was closed at the other end", text());
    }
    if (!nothing_yet(errno)) {
      return failed("{}: {}", text(), with_errno("it broke", errno));
    }
    SVCB_TAKE(events, wait_for(socket_, POLLIN, deadline));
    if (events == 0) {
      return failed("{}: no reply within {}", text(), milliseconds(patience));
    }
  }
  return reply == request ? Step<void>() : failed("{}: a reply holds other bytes than were sent", text());
}

Step<void> Flow::exchange_udp(const std::string& request, std::int64_t patience) {
  if (send(socket_.get(), request.data(), request.size(), 0) != static_cast<ssize_t>(request.size())) {
    return failed("{}: {}", text(), with_errno("a datagram could not be sent", errno));
  }
  std::vector<char> buffer(request.size() + Served::longest_line + 1);
  const std::int64_t deadline = until(patience);
  while (true) {
    SVCB_TAKE(events, wait_for(socket_, POLLIN, deadline));
    if (events == 0) {
      return failed("{}: no reply to a datagram of {} bytes within {}", text(), request.size(),
                    milliseconds(patience));
    }
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0) {
      if (nothing_yet(errno)) {
        continue;
      }
      return failed("{}: {}", text(), with_errno("a datagram was answered by an error", errno));
    }
    const std::string_view reply(buffer.data(), static_cast<std::size_t>(size));
    const std::size_t end = reply.find('\n');
    const auto served =
        end == std::string_view::npos ? std::nullopt : Served::parse(reply.substr(0, end + 1));
    if (!served || reply.substr(end + 1) != request) {
      return failed("{}: a reply holds other bytes than were sent", text());
    }
    served_ = *served;
    return {};
  }
}

Step<void> Flow::expect_refusal() {
  const std::string request = pattern(32, client_.port);
  if (send(socket_.get(), request.data(), request.size(), 0) < 0) {
    return errno == ECONNREFUSED
               ? Step<void>()
               : failed("{}: {}", text(), with_errno("a datagram could not be sent", errno));
  }
  SVCB_TAKE(events, wait_for(socket_, POLLIN, until(patience_ns)));
  char c = 0;
  if (events != 0 && recv(socket_.get(), &c, 1, 0) < 0 && errno == ECONNREFUSED) {
    return {};
  }
  return failed("{}: no error came within {}", text(), milliseconds(patience_ns));
}

Step<double> Flow::transfer(std::size_t bytes) {
  constexpr std::int64_t whole_patience = 10 * patience_ns;
  const std::string request = pattern(bytes, client_.port);
  std::vector<char> buffer(std::size_t{64} << 10);
  std::size_t sent = 0;
  std::size_t received = 0;
  const std::int64_t begin = monotonic_ns();
  const std::int64_t deadline = begin + whole_patience;
  while (true) {
    const bool sends = sent < bytes;
    SVCB_TAKE(events, wait_for(socket_, static_cast<short>(sends ? POLLIN | POLLOUT : POLLIN), deadline));
    if (events == 0) {
      return failed("{}: of {} bytes {} were sent and {} came back in {}", text(), bytes, sent, received,
                    milliseconds(whole_patience));
    }
    if (sends && (events & POLLOUT) != 0) {
      const ssize_t size = send(socket_.get(), request.data() + sent,
                                std::min(bytes - sent, std::size_t{256} << 10), MSG_NOSIGNAL);
      if (size < 0 && !nothing_yet(errno)) {
        return failed("{}: {}", text(), with_errno(fmt::format("it broke after {} bytes", sent), errno));
      }
      sent += static_cast<std::size_t>(std::max<ssize_t>(size, 0));
      if (sent == bytes) {
        shutdown(socket_.get(), SHUT_WR);
      }
    }
    const ssize_t size = recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size == 0) {
      break;
    }
    if (size < 0) {
      if (nothing_yet(errno)) {
        continue;
      }
      return failed("{}: {}", text(),
                    with_errno(fmt::format("it broke after {} bytes came back", received), errno));
    }
    const auto got = static_cast<std::size_t>(size);
    if (received + got > bytes || std::memcmp(buffer.data(), request.data() + received, got) != 0) {
      return failed("{}: other bytes came back than were sent, after {}", text(), received);
    }
    received += got;
  }
  if (received != bytes) {
    return failed("{}: it was closed after {} of {} bytes", text(), received, bytes);
  }
  return static_cast<double>(monotonic_ns() - begin) / 1e9;
}

// ---- many at once ----

namespace {

struct OneOfMany {
  Fd socket;
  Endpoint client;
  std::int64_t begin = 0;
  std::string line{};
};

class Many {
 public:
  Many(const Places& places, const Service& service, std::int64_t patience)
      : places_(&places),
        service_(&service),
        to_(socket_address({service.frontend.address, service.frontend.port})),
        patience_(patience) {}

  Result<Crowd> run(const std::vector<Endpoint>& clients, std::size_t at_once) {
    const std::int64_t begin = monotonic_ns();
    std::size_t next = 0;
    while (next < clients.size() || !open_.empty()) {
      SVCB_CHECK(check_interrupted());
      while (next < clients.size() && open_.size() < at_once) {
        SVCB_CHECK(start(clients[next++]));
      }
      SVCB_CHECK(step());
      // A plane that answers nothing is known by its first hundred: no need to wait for 10,000.
      if (crowd_.lost + crowd_.refused + crowd_.wrong > 100) {
        break;
      }
    }
    crowd_.seconds = static_cast<double>(monotonic_ns() - begin) / 1e9;
    return crowd_;
  }

 private:
  Status start(const Endpoint& client) {
    SVCB_TAKE(inside, (*places_)(client.address).enter());
    SVCB_TAKE(socket, bound_socket(Protocol::tcp, client));
    SVCB_CHECK(close_by_reset(socket));
    OneOfMany one{std::move(socket), client, monotonic_ns()};
    if (connect(one.socket.get(), to_.get(), to_.size) != 0 && errno != EINPROGRESS) {
      trouble(one, crowd_.refused, with_errno("connect()", errno));
      return {};
    }
    open_.push_back(std::move(one));
    return {};
  }

  void trouble(const OneOfMany& one, std::size_t& count, std::string_view what) {
    ++count;
    if (crowd_.first_trouble.empty()) {
      crowd_.first_trouble = fmt::format("the connection from {}: {}", one.client.text(), what);
    }
  }

  Status step() {
    constexpr int often_ms = 50;  // to see which ones are over their time
    std::vector<pollfd> polled;
    polled.reserve(open_.size());
    for (const OneOfMany& one : open_) {
      polled.push_back({one.socket.get(), POLLIN, 0});
    }
    if (poll(polled.data(), polled.size(), often_ms) < 0 && errno != EINTR) {
      return failure("{}", with_errno("wait for connections", errno));
    }
    const std::int64_t now = monotonic_ns();
    std::size_t kept = 0;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if ((polled[i].revents != 0 && finish(open_[i], now)) || is_lost(open_[i], now)) {
        continue;
      }
      std::swap(open_[kept++], open_[i]);
    }
    open_.resize(kept);
    return {};
  }

  bool is_lost(const OneOfMany& one, std::int64_t now) {
    if (now - one.begin < patience_) {
      return false;
    }
    trouble(one, crowd_.lost, fmt::format("no answer within {}", milliseconds(patience_)));
    return true;
  }

  // Whether it is over.
  bool finish(OneOfMany& one, std::int64_t now) {
    constexpr std::int64_t late_ns = 500'000'000;
    std::array<char, Served::longest_line> buffer{};
    const ssize_t size = recv(one.socket.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && nothing_yet(errno)) {
      return false;
    }
    if (size <= 0) {
      trouble(one, crowd_.refused, size == 0 ? "closed" : with_errno("it broke", errno));
      return true;
    }
    one.line.append(buffer.data(), static_cast<std::size_t>(size));
    if (!one.line.ends_with('\n')) {
      return false;
    }
    const auto served = Served::parse(one.line);
    const auto& right = service_->endpoints;
    if (!served || std::find(right.begin(), right.end(), served->by) == right.end()) {
      trouble(one, crowd_.wrong, served ? "served by " + served->by.text() : "served by a stranger");
      return true;
    }
    ++crowd_.served;
    crowd_.late += now - one.begin > late_ns ? 1 : 0;
    return true;
  }

  const Places* places_;
  const Service* service_;
  SocketAddress to_;
  std::int64_t patience_;
  std::vector<OneOfMany> open_{};
  Crowd crowd_{};
};

}  // namespace

Result<Crowd> dial_many(const Places& places, const Service& service, const std::vector<Endpoint>& clients,
                        std::size_t at_once, std::int64_t patience) {
  return Many(places, service, patience).run(clients, at_once);
}

}  // namespace svcbench::verify
