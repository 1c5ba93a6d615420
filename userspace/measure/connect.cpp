// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/connect.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <memory>

#include "measure/wire/round_trip.h"
#include "sys/conntrack.h"
#include "sys/fd.h"
#include "sys/inet_socket.h"
#include "sys/interrupt.h"
#include "sys/pinned.h"
#include "sys/socket_address.h"

namespace svcbench {

namespace {

constexpr std::int64_t patience_ns = 200'000'000;
constexpr int accept_tries = 200;
constexpr timespec between_tries{0, 1'000'000};
constexpr int backlog = 64;

// Clients: the upper half of the prefix, for RoundTrips takes them from its beginning, in its way of
// counting ports.
constexpr std::uint32_t first_client = 1U << 19U;
constexpr std::uint32_t first_port = 1024;
constexpr std::uint32_t ports = 15'360;

Endpoint any_of(Family family, std::uint16_t port) {
  Address any;
  any.family = family;
  return {any, port};
}

// Listens for every subject of a testbed at the ports of their backends.
class Listeners {
 public:
  Status serve(const Testbed& testbed, const Target& target) {
    SVCB_TAKE(inside, testbed.backend().enter());
    for (const Endpoint& backend : target.backends) {
      const auto key = std::tuple(&testbed, backend.address.family, backend.port);
      if (sockets_.contains(key)) {
        continue;
      }
      SVCB_TAKE(listener,
                transparent_socket(Protocol::tcp, any_of(backend.address.family, backend.port), false));
      if (listen(listener.get(), backlog) != 0) {
        return failure("{}", with_errno(fmt::format("connect: listen at port {}", backend.port), errno));
      }
      sockets_.emplace(key, std::move(listener));
    }
    return {};
  }

  // The server's end of a client's connection, which is to be at a backend of the target. It waits there
  // already, or comes soon.
  Status accept_from(const Testbed& testbed, const Target& target, const Endpoint& client) {
    for (int tries = 0; tries < accept_tries; ++tries) {
      for (const Endpoint& backend : target.backends) {
        const Fd& listener = sockets_.at({&testbed, backend.address.family, backend.port});
        SocketAddress peer;
        const Fd server(accept4(listener.get(), peer.get(), &peer.size, SOCK_CLOEXEC));
        if (!server.valid() || endpoint_of(peer) != client) {
          continue;
        }
        SVCB_CHECK(close_by_reset(server));
        SocketAddress own;
        getsockname(server.get(), own.get(), &own.size);
        const Endpoint at = endpoint_of(own);
        const bool right =
            std::find(target.backends.begin(), target.backends.end(), at) != target.backends.end();
        return right ? Status() : failure("a connection came out at {}, which is no backend", at.text());
      }
      SVCB_CHECK(check_interrupted());
      nanosleep(&between_tries, nullptr);
    }
    return failure("a connection that the client has was accepted by no backend within 200 ms");
  }

 private:
  std::map<std::tuple<const Testbed*, Family, std::uint16_t>, Fd> sockets_{};
};

struct Client {
  Fd socket;
  Endpoint address;
};

class Dialler {
 public:
  Dialler(const ConnectSubject& subject, Listeners& listeners, Clock& clock)
      : subject_(&subject), listeners_(&listeners), clock_(&clock) {
    samples_.name = subject.name;
  }

  // The first of a testbed prepares it for all.
  Status prepare(std::map<const Testbed*, std::unique_ptr<RoundTrips>>& trips) {
    auto& mine = trips[subject_->testbed];
    if (mine == nullptr) {
      SVCB_TAKE(made, RoundTrips::create(*subject_->testbed));
      mine = std::move(made);
    }
    trips_ = mine.get();
    // Each backend is asked once, by its own name: its server's socket is opened now, outside of every
    // cgroup.
    for (const Endpoint& backend : subject_->udp ? subject_->udp->backends : std::vector<Endpoint>()) {
      const Target itself{{backend.address, backend.port, Protocol::udp}, {backend}};
      SVCB_CHECK(trips_->measure(itself, FlowKind::fresh, 1, *clock_));
    }
    return subject_->tcp ? listeners_->serve(*subject_->testbed, *subject_->tcp) : Status();
  }

  // Sockets of a block, and an empty row for their samples.
  Status begin_block(std::size_t count, std::uint32_t& clients) {
    {
      SVCB_TAKE(node, subject_->testbed->node().enter());
      SVCB_CHECK(flush_conntrack());
    }
    if (subject_->plane != nullptr) {
      SVCB_CHECK(subject_->plane->forget_flows());
    }
    SVCB_TAKE(inside, enter_cgroup());
    SVCB_TAKE(in_client, subject_->testbed->client().enter());
    udp_.clear();
    tcp_.clear();
    for (std::size_t i = 0; i < count; ++i) {
      SVCB_CHECK(open(Protocol::udp, subject_->udp, udp_, clients));
      if (!samples_.tcp_not_offered) {
        SVCB_CHECK(open(Protocol::tcp, subject_->tcp, tcp_, clients));
      }
    }
    for (Blocks* blocks : {&samples_.udp_connect_ns, &samples_.tcp_connect_ns, &samples_.first_packet_ns}) {
      blocks->emplace_back();
    }
    return {};
  }

  Status connect_udp(std::size_t i) {
    if (!subject_->udp) {
      return {};
    }
    const auto [ns, error] = timed_connect(udp_[i], *subject_->udp);
    if (error != 0) {
      return lost(with_errno("connect() of a UDP socket", error));
    }
    SocketAddress peer;
    getpeername(udp_[i].socket.get(), peer.get(), &peer.size);
    if (endpoint_of(peer) != dialled(*subject_->udp)) {
      return lost(fmt::format("the peer of a UDP socket is {}", endpoint_of(peer).text()));
    }
    samples_.udp_connect_ns.back().push_back(ns);
    return {};
  }

  Status connect_tcp(std::size_t i) {
    if (!subject_->tcp || samples_.tcp_not_offered) {
      return {};
    }
    const auto [ns, error] = timed_connect(tcp_[i], *subject_->tcp);
    const bool first = samples_.tcp_connect_ns.size() == 1 && samples_.tcp_connect_ns.back().empty();
    if (error == EINPROGRESS && first) {  // the kernel's word for SO_SNDTIMEO
      samples_.tcp_not_offered = "not offered: no SYN+ACK that the client takes came back within 200 ms";
      samples_.tcp_connect_ns.clear();
      return {};
    }
    if (error != 0) {
      return lost(with_errno("connect() of a TCP socket", error));
    }
    if (auto right = listeners_->accept_from(*subject_->testbed, *subject_->tcp, tcp_[i].address); !right) {
      return lost(right.error().message);
    }
    samples_.tcp_connect_ns.back().push_back(ns);
    tcp_[i].socket.reset();
    return {};
  }

  Status first_packets(std::size_t count) {
    if (!subject_->udp) {
      return {};
    }
    SVCB_TAKE(inside, enter_cgroup());
    SVCB_TAKE(trips, trips_->measure(*subject_->udp, FlowKind::fresh, count, *clock_));
    samples_.first_packet_ns.back() = std::move(trips.ns);
    samples_.from_dialled += trips.from_dialled;
    samples_.from_backend += trips.from_backend;
    return {};
  }

  ConnectSamples& samples() { return samples_; }

 private:
  static Endpoint dialled(const Target& target) { return {target.to.address, target.to.port}; }

  [[nodiscard]] tl::unexpected<Error> lost(std::string_view what) const {
    if (auto status = check_interrupted(); !status) {
      return tl::unexpected(status.error());
    }
    return failure("connect, {}: {}: no figure is given", subject_->name, what);
  }

  Result<std::optional<Cgroup::Inside>> enter_cgroup() const {
    std::optional<Cgroup::Inside> inside;
    if (subject_->cgroup != nullptr) {
      SVCB_TAKE(entered, subject_->cgroup->enter());
      inside.emplace(std::move(entered));
    }
    return inside;
  }

  static Status open(Protocol protocol, const std::optional<Target>& target, std::vector<Client>& clients,
                     std::uint32_t& used) {
    if (!target) {
      return {};
    }
    const Endpoint at = client_address(target->to.address.family, used++);
    SVCB_TAKE(socket, transparent_socket(protocol, at));
    SVCB_CHECK(limit_sends(socket, patience_ns));
    if (protocol == Protocol::tcp) {
      SVCB_CHECK(close_by_reset(socket));
    }
    clients.push_back({std::move(socket), at});
    return {};
  }

  static Endpoint client_address(Family family, std::uint32_t number) {
    return {clients_of(family).address.plus(first_client + number / ports),
            static_cast<std::uint16_t>(first_port + number % ports)};
  }

  // ns, and 0 or the errno.
  std::pair<double, int> timed_connect(const Client& client, const Target& target) {
    const SocketAddress to = socket_address(dialled(target));
    const std::int64_t begin = clock_->now_ns();
    const int result = ::connect(client.socket.get(), to.get(), to.size);
    const int error = result == 0 ? 0 : errno;
    return {static_cast<double>(clock_->now_ns() - begin), error};
  }

  const ConnectSubject* subject_;
  Listeners* listeners_;
  Clock* clock_;
  RoundTrips* trips_ = nullptr;
  std::vector<Client> udp_{}, tcp_{};
  ConnectSamples samples_{};
};

class ConnectsInTurn final : public Connects {
 public:
  explicit ConnectsInTurn(Clock& clock) : clock_(&clock) {}

  Status prepare(std::span<const ConnectSubject> subjects) {
    diallers_.reserve(subjects.size());
    for (const ConnectSubject& subject : subjects) {
      diallers_.emplace_back(subject, listeners_, *clock_);
      SVCB_CHECK(diallers_.back().prepare(trips_));
    }
    return {};
  }

  Status block(std::size_t connects) override {
    SVCB_TAKE(pinned, Pinned::to_last_cpu());
    for (Dialler& dialler : diallers_) {
      SVCB_CHECK(dialler.begin_block(connects, clients_));
    }
    for (std::size_t i = 0; i < connects; ++i) {
      SVCB_CHECK(in_turn(block_ + i, [i](Dialler& dialler) { return dialler.connect_udp(i); }));
      SVCB_CHECK(in_turn(block_ + i, [i](Dialler& dialler) { return dialler.connect_tcp(i); }));
    }
    SVCB_CHECK(in_turn(block_, [connects](Dialler& dialler) { return dialler.first_packets(connects); }));
    ++block_;
    return {};
  }

  ConnectSamples& samples(std::size_t subject) override { return diallers_[subject].samples(); }

 private:
  // Each time another one begins, so that nobody always follows the same one's work in the caches.
  template <typename Call>
  Status in_turn(std::size_t turn, const Call& call) {
    for (std::size_t k = 0; k < diallers_.size(); ++k) {
      SVCB_CHECK(call(diallers_[(turn + k) % diallers_.size()]));
    }
    return check_interrupted();
  }

  Clock* clock_;
  Listeners listeners_{};
  std::map<const Testbed*, std::unique_ptr<RoundTrips>> trips_{};
  std::vector<Dialler> diallers_{};
  std::uint32_t clients_ = 0;
  std::size_t block_ = 0;
};

}  // namespace

Result<std::unique_ptr<Connects>> Connects::create(std::span<const ConnectSubject> subjects, Clock& clock) {
  auto connects = std::make_unique<ConnectsInTurn>(clock);
  SVCB_CHECK(connects->prepare(subjects));
  return connects;
}

Result<std::vector<ConnectSamples>> measure_connects(std::span<const ConnectSubject> subjects,
                                                     const ConnectCounts& counts, Clock& clock) {
  SVCB_TAKE(connects, Connects::create(subjects, clock));
  for (std::size_t block = 0; block < counts.blocks; ++block) {
    SVCB_CHECK(connects->block(counts.connects));
  }
  std::vector<ConnectSamples> samples;
  for (std::size_t i = 0; i < subjects.size(); ++i) {
    samples.push_back(std::move(connects->samples(i)));
  }
  return samples;
}

std::optional<stats::Estimate> added_ns(const Blocks& over, const Blocks& under) {
  Blocks added;
  for (std::size_t block = 0; block < std::min(over.size(), under.size()); ++block) {
    std::vector<double>& differences = added.emplace_back();
    for (std::size_t i = 0; i < std::min(over[block].size(), under[block].size()); ++i) {
      differences.push_back(over[block][i] - under[block][i]);
    }
  }
  return stats::median_of_blocks(added);
}

}  // namespace svcbench
