// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/wire/round_trip.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "sys/device_offload.h"
#include "sys/inet_socket.h"
#include "sys/interrupt.h"
#include "sys/pinned.h"
#include "sys/route_socket.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

constexpr std::int64_t patience_ns = 200'000'000;
constexpr int backlog = 64;

// Clients' ports: below those of the wire's flows, so that the two never share a connection.
constexpr std::uint32_t first_port = 1024;
constexpr std::uint32_t ports = SVCB_WIRE_FIRST_PORT - first_port;

// Of the wire's Testbed.
constexpr const char* client_device = "vc";
constexpr const char* backend_device = "vb";

template <typename InAddr>
Address address_of(Family family, const InAddr& in) {
  Address address;
  address.family = family;
  std::memcpy(address.bytes.data(), &in, sizeof in);
  return address;
}

// A packet waits for no other.
Status make_brief(const Fd& connection) {
  SVCB_CHECK(close_by_reset(connection));
  return switch_on(connection, IPPROTO_TCP, TCP_NODELAY);
}

bool nothing_yet() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

struct Request {
  std::uint64_t nonce = 0;
  SocketAddress client;
  Address at;  // which of the server's addresses it was sent to
  int server = -1;
};

// Space for one packet information of either family.
union Control {
  cmsghdr header;
  std::array<std::byte, CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
};

Address destination_of(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      return address_of(Family::ipv4, info.ipi_addr);
    }
    if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(header), sizeof info);
      return address_of(Family::ipv6, info.ipi6_addr);
    }
  }
  return {};
}

// A datagram that lies there already.
std::optional<Request> take_request(int server) {
  Request request;
  request.server = server;
  Control control{};
  iovec payload{&request.nonce, sizeof request.nonce};
  msghdr message{};
  message.msg_name = request.client.get();
  message.msg_namelen = request.client.size;
  message.msg_iov = &payload;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  if (recvmsg(server, &message, MSG_DONTWAIT) != sizeof request.nonce) {
    return {};
  }
  request.client.size = message.msg_namelen;
  request.at = destination_of(message);
  return request;
}

// From the address that the request was sent to.
bool answer(const Request& request) {
  std::uint64_t nonce = ~request.nonce;
  SocketAddress client = request.client;
  Control control{};
  iovec payload{&nonce, sizeof nonce};
  msghdr message{};
  message.msg_name = client.get();
  message.msg_namelen = client.size;
  message.msg_iov = &payload;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (request.at.family == Family::ipv4) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, request.at.bytes.data(), sizeof info.ipi_spec_dst);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
    message.msg_controllen = CMSG_SPACE(sizeof info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, request.at.bytes.data(), sizeof info.ipi6_addr);
    header->cmsg_level = IPPROTO_IPV6;
    header->cmsg_type = IPV6_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof info);
    std::memcpy(CMSG_DATA(header), &info, sizeof info);
    message.msg_controllen = CMSG_SPACE(sizeof info);
  }
  return sendmsg(request.server, &message, 0) == sizeof nonce;
}

}  // namespace

// One measure(): of one target, in the client's namespace, on one CPU.
class RoundTrips::Run {
 public:
  Run(RoundTrips& owner, const Target& target, Clock& clock)
      : owner_(&owner),
        target_(&target),
        clock_(&clock),
        dialled_{target.to.address, target.to.port},
        to_(socket_address(dialled_)) {
    for (const Endpoint& backend : target.backends) {
      const int server =
          owner.servers_.at({backend.address.family, target.to.protocol, backend.port}).get();
      if (std::find(servers_.begin(), servers_.end(), server) == servers_.end()) {
        servers_.push_back(server);
      }
    }
  }

  Result<RoundTripSamples> udp(FlowKind flow, std::size_t count) {
    Endpoint client;
    Fd socket;
    for (std::size_t i = 0; i < count + (flow == FlowKind::established ? 1 : 0); ++i) {
      if (i == 0 || flow == FlowKind::fresh) {
        client = owner_->next_client(dialled_.address.family);
        SVCB_TAKE(fresh, transparent_socket(Protocol::udp, client));
        socket = std::move(fresh);
      }
      SVCB_TAKE(ns, udp_exchange(socket, client));
      if (i == 0 && flow == FlowKind::established) {
        samples_ = {};
        continue;
      }
      samples_.ns.push_back(ns);
    }
    return std::move(samples_);
  }

  Result<RoundTripSamples> tcp_fresh(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      SVCB_TAKE(connection, connect());
      if (!connection) {
        return std::move(samples_);
      }
      SVCB_CHECK(tcp_exchange(*connection));
      samples_.ns.push_back(connection->connect_ns);
      ++samples_.from_dialled;
    }
    return std::move(samples_);
  }

  Result<RoundTripSamples> tcp_established(std::size_t count) {
    SVCB_TAKE(connection, connect());
    if (!connection) {
      return std::move(samples_);
    }
    SVCB_CHECK(tcp_exchange(*connection));
    for (std::size_t i = 0; i < count; ++i) {
      SVCB_TAKE(ns, tcp_exchange(*connection));
      samples_.ns.push_back(ns);
      ++samples_.from_dialled;
    }
    return std::move(samples_);
  }

 private:
  struct Connection {
    Fd client;
    Fd server;
    double connect_ns = 0;
  };

  [[nodiscard]] std::int64_t deadline() const { return monotonic_ns() + patience_ns; }
  [[nodiscard]] bool is_backend(const Endpoint& endpoint) const {
    return std::find(target_->backends.begin(), target_->backends.end(), endpoint) !=
           target_->backends.end();
  }

  // A round trip that went wrong, and how far it got.
  [[nodiscard]] tl::unexpected<Error> lost(std::string_view what) const {
    return failure("round trips to {}: after {} that went well, {}: no figure is given", target_->to.text(),
                   samples_.ns.size(), what);
  }

  // ns. Between the two readings of the clock are four system calls, or more where a packet is late.
  Result<double> udp_exchange(const Fd& socket, const Endpoint& client) {
    SVCB_CHECK(check_interrupted());
    const std::uint64_t nonce = ++owner_->nonces_;
    const std::int64_t begin = clock_->now_ns();
    if (sendto(socket.get(), &nonce, sizeof nonce, 0, to_.get(), to_.size) != sizeof nonce) {
      return lost(with_errno("the client could not send", errno));
    }
    SVCB_TAKE(request, receive_request(nonce));
    if (!request) {
      return lost("a request reached no backend's socket within 200 ms");
    }
    if (!answer(*request)) {
      return lost(with_errno("the backend could not answer", errno));
    }
    SVCB_TAKE(from, receive_reply(socket, ~nonce));
    const std::int64_t end = clock_->now_ns();
    if (!from) {
      return lost(fmt::format("the reply of {} did not come back within 200 ms", request->at.text()));
    }
    SVCB_CHECK(check_request(*request, client));
    SVCB_CHECK(count_source(*from));
    return static_cast<double>(end - begin);
  }

  // Requests of flows that were given up are passed over.
  Result<std::optional<Request>> receive_request(std::uint64_t nonce) {
    const std::int64_t end = deadline();
    while (true) {
      for (const int server : servers_) {
        auto request = take_request(server);
        if (request && request->nonce == nonce) {
          return request;
        }
      }
      SVCB_TAKE(more, readable(servers_, end));
      if (!more) {
        return std::optional<Request>();
      }
    }
  }

  Result<std::optional<Endpoint>> receive_reply(const Fd& socket, std::uint64_t expected) {
    const std::int64_t end = deadline();
    const std::array sockets{socket.get()};
    while (true) {
      std::uint64_t nonce = 0;
      SocketAddress from;
      const ssize_t size =
          recvfrom(socket.get(), &nonce, sizeof nonce, MSG_DONTWAIT | MSG_TRUNC, from.get(), &from.size);
      if (size >= 0) {
        if (size != sizeof nonce || nonce != expected) {
          return lost("a reply had another payload than the backend had sent");
        }
        return std::optional(endpoint_of(from));
      }
      if (!nothing_yet()) {
        return lost(with_errno("the client could not receive", errno));
      }
      SVCB_TAKE(more, readable(sockets, end));
      if (!more) {
        return std::optional<Endpoint>();
      }
    }
  }

  Status check_request(const Request& request, const Endpoint& client) const {
    const auto port_of = [this](int server) {
      for (const auto& [key, socket] : owner_->servers_) {
        if (socket.get() == server) {
          return std::get<std::uint16_t>(key);
        }
      }
      return std::uint16_t{0};
    };
    const Endpoint at{request.at, port_of(request.server)};
    if (!is_backend(at)) {
      return lost(fmt::format("a request came out at {}, which is no backend", at.text()));
    }
    if (const Endpoint from = endpoint_of(request.client); from != client) {
      return lost(fmt::format("a request of {} came from {}", client.text(), from.text()));
    }
    return {};
  }

  Status count_source(const Endpoint& from) {
    if (from == dialled_) {
      ++samples_.from_dialled;
      return {};
    }
    if (is_backend(from)) {
      ++samples_.from_backend;
      return {};
    }
    return lost(
        fmt::format("a reply came from {}, which is neither what was dialled nor a backend", from.text()));
  }

  // None: samples_.not_offered says why.
  Result<std::optional<Connection>> connect() {
    SVCB_CHECK(check_interrupted());
    const Endpoint client = owner_->next_client(dialled_.address.family);
    Connection connection;
    SVCB_TAKE(socket, transparent_socket(Protocol::tcp, client));
    connection.client = std::move(socket);
    SVCB_CHECK(make_brief(connection.client));
    SVCB_CHECK(limit_sends(connection.client, patience_ns));
    const std::int64_t begin = clock_->now_ns();
    const int result = ::connect(connection.client.get(), to_.get(), to_.size);
    connection.connect_ns = static_cast<double>(clock_->now_ns() - begin);
    if (result != 0) {
      const int error = errno;
      SVCB_CHECK(check_interrupted());
      return unanswered(error);
    }
    SVCB_TAKE(server, accept_from(client));
    if (!server.valid()) {
      return lost("a connection that the client has was accepted by no backend within 200 ms");
    }
    connection.server = std::move(server);
    return connection;
  }

  // Connections of clients that have given up are closed.
  Result<Fd> accept_from(const Endpoint& client) {
    const std::int64_t end = deadline();
    while (true) {
      for (const int listener : servers_) {
        SocketAddress peer;
        Fd server(accept4(listener, peer.get(), &peer.size, SOCK_CLOEXEC));
        if (!server.valid()) {
          continue;
        }
        SVCB_CHECK(make_brief(server));
        if (endpoint_of(peer) != client) {
          continue;
        }
        SocketAddress own;
        getsockname(server.get(), own.get(), &own.size);
        if (const Endpoint at = endpoint_of(own); !is_backend(at)) {
          return lost(fmt::format("a connection came out at {}, which is no backend", at.text()));
        }
        return server;
      }
      SVCB_TAKE(more, readable(servers_, end));
      if (!more) {
        return Fd();
      }
    }
  }

  // ns
  Result<double> tcp_exchange(const Connection& connection) {
    SVCB_CHECK(check_interrupted());
    const std::uint64_t nonce = ++owner_->nonces_;
    const std::int64_t begin = clock_->now_ns();
    SVCB_CHECK(pass(connection.client, connection.server, nonce, "request"));
    SVCB_CHECK(pass(connection.server, connection.client, ~nonce, "reply"));
    return static_cast<double>(clock_->now_ns() - begin);
  }

  // Eight bytes in an empty window are one segment, and are read whole.
  Status pass(const Fd& from, const Fd& to, std::uint64_t nonce, std::string_view what) const {
    if (send(from.get(), &nonce, sizeof nonce, MSG_NOSIGNAL) != sizeof nonce) {
      return lost(with_errno(fmt::format("a {} could not be sent", what), errno));
    }
    const std::int64_t end = deadline();
    const std::array sockets{to.get()};
    std::uint64_t received = 0;
    ssize_t size = -1;
    while ((size = recv(to.get(), &received, sizeof received, MSG_DONTWAIT)) < 0 && nothing_yet()) {
      SVCB_TAKE(more, readable(sockets, end));
      if (!more) {
        return lost(fmt::format("a {} did not come within 200 ms", what));
      }
    }
    if (size < 0) {
      return lost(with_errno(fmt::format("a {} could not be received", what), errno));
    }
    return size == sizeof received && received == nonce
               ? Status()
               : lost(fmt::format("a {} came with another payload than was sent", what));
  }

  // connect() failed. Whether the SYN+ACK comes back at all, and from whom, is tried once more with an eye
  // on every TCP segment that reaches the client.
  Result<std::optional<Connection>> unanswered(int error) {
    // The kernel's word for SO_SNDTIMEO.
    const std::string reason =
        error == EINPROGRESS ? "no SYN+ACK came within 200 ms" : with_errno("connect() failed", error);
    SVCB_TAKE(from, source_of_syn_ack());
    if (samples_.ns.empty() && from && *from != dialled_) {
      samples_.not_offered = fmt::format(
          "not offered: the SYN+ACK comes from {}, not from {}, and the client refuses it: this plane has "
          "no reverse NAT yet",
          from->text(), dialled_.text());
      return std::optional<Connection>();
    }
    return lost(reason);
  }

  Result<std::optional<Endpoint>> source_of_syn_ack() {
    const Family family = dialled_.address.family;
    const Endpoint client = owner_->next_client(family);
    SVCB_TAKE(raw, raw_tcp_socket(family));
    SVCB_TAKE(socket, transparent_socket(Protocol::tcp, client));
    SVCB_CHECK(limit_sends(socket, patience_ns));
    (void)::connect(socket.get(), to_.get(), to_.size);
    while (const auto segment = take_segment(raw, family)) {
      if (segment->to_port == client.port && (segment->flags & TH_SYN) != 0 &&
          (segment->flags & TH_ACK) != 0) {
        return std::optional(segment->from);
      }
    }
    return std::optional<Endpoint>();
  }

  RoundTrips* owner_;
  const Target* target_;
  Clock* clock_;
  Endpoint dialled_;
  SocketAddress to_;
  std::vector<int> servers_{};  // borrowed: where the target's packets may come out
  RoundTripSamples samples_{};
};

Result<std::unique_ptr<RoundTrips>> RoundTrips::create(const Testbed& testbed) {
  {
    SVCB_TAKE(inside, testbed.client().enter());
    SVCB_CHECK(leave_checksums_to_device(client_device, false));
    // Every address that a client may have is the namespace's own.
    SVCB_TAKE(route, RouteSocket::open());
    SVCB_TAKE(loopback, route.index_of("lo"));
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      SVCB_CHECK(route.add_local_route(loopback, clients_of(family)));
    }
  }
  SVCB_TAKE(inside, testbed.backend().enter());
  SVCB_CHECK(leave_checksums_to_device(backend_device, false));
  return std::unique_ptr<RoundTrips>(new RoundTrips(testbed));
}

Result<RoundTripSamples> RoundTrips::measure(const Target& target, FlowKind flow, std::size_t count,
                                             Clock& clock) {
  SVCB_CHECK(serve(target));
  SVCB_TAKE(pinned, Pinned::to_last_cpu());
  SVCB_TAKE(inside, testbed_->client().enter());
  Run run(*this, target, clock);
  if (target.to.protocol == Protocol::udp) {
    return run.udp(flow, count);
  }
  return flow == FlowKind::fresh ? run.tcp_fresh(count) : run.tcp_established(count);
}

Status RoundTrips::serve(const Target& target) {
  SVCB_TAKE(inside, testbed_->backend().enter());
  const Protocol protocol = target.to.protocol;
  for (const Endpoint& backend : target.backends) {
    const Family family = backend.address.family;
    const ServerKey key{family, protocol, backend.port};
    if (servers_.contains(key)) {
      continue;
    }
    Address any;
    any.family = family;
    const bool blocks = protocol != Protocol::tcp;  // who listens is asked again and again
    SVCB_TAKE(socket, transparent_socket(protocol, {any, backend.port}, blocks));
    if (protocol == Protocol::tcp) {
      if (listen(socket.get(), backlog) != 0) {
        return failure("{}",
                       with_errno(fmt::format("round trips: listen at port {}", backend.port), errno));
      }
    } else if (family == Family::ipv4) {
      SVCB_CHECK(switch_on(socket, IPPROTO_IP, IP_PKTINFO));
    } else {
      SVCB_CHECK(switch_on(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO));
    }
    servers_.emplace(key, std::move(socket));
  }
  return {};
}

// The clients' prefixes have room for 2^20 addresses, so for 16 * 10^9 flows.
Endpoint RoundTrips::next_client(Family family) {
  const std::uint32_t flow = flows_++;
  return {clients_of(family).address.plus(flow / ports),
          static_cast<std::uint16_t>(first_port + flow % ports)};
}

}  // namespace svcbench
