// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Real sockets through the socket plane, in namespaces and a cgroup of their own. Needs root.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plane/ebpf/sock_plane.h"
#include "plane/registry.h"
#include "private_place.h"
#include "sys/cgroup.h"
#include "sys/route_socket.h"

namespace svcbench {
namespace {

using test::in_private_namespaces;
using test::must;

constexpr std::array protocols{Protocol::tcp, Protocol::udp};

Address address(const std::string& text) { return *Address::parse(text); }

// How a client names an address: the kernel has hooks for each family, and IPv6 sockets may name IPv4.
enum class Naming : std::uint8_t { ipv4, ipv6, mapped };
constexpr std::array namings{Naming::ipv4, Naming::ipv6, Naming::mapped};

Family family_of(Naming naming) { return naming == Naming::ipv6 ? Family::ipv6 : Family::ipv4; }

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress named(const Endpoint& endpoint, Naming naming) {
  SocketAddress result;
  if (naming == Naming::ipv4) {
    auto& in = reinterpret_cast<sockaddr_in&>(result.storage);
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, endpoint.address.bytes.data(), 4);
    result.size = sizeof in;
    return result;
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(result.storage);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(endpoint.port);
  if (naming == Naming::mapped) {
    in.sin6_addr.s6_addr[10] = in.sin6_addr.s6_addr[11] = 0xFF;
    std::memcpy(&in.sin6_addr.s6_addr[12], endpoint.address.bytes.data(), 4);
  } else {
    std::memcpy(&in.sin6_addr, endpoint.address.bytes.data(), 16);
  }
  result.size = sizeof in;
  return result;
}

// What a client is shown: "10.0.0.1:80", "[fd00::1]:80", "[::ffff:10.0.0.1]:80".
std::string text_of(SocketAddress& shown) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (shown.storage.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(shown.storage);
    return fmt::format("{}:{}", inet_ntop(AF_INET, &in.sin_addr, text.data(), text.size()),
                       ntohs(in.sin_port));
  }
  const auto& in = reinterpret_cast<const sockaddr_in6&>(shown.storage);
  return fmt::format("[{}]:{}", inet_ntop(AF_INET6, &in.sin6_addr, text.data(), text.size()),
                     ntohs(in.sin6_port));
}

std::string text_of(const Endpoint& endpoint, Naming naming) {
  SocketAddress shown = named(endpoint, naming);
  return text_of(shown);
}

Fd new_socket(Naming naming, Protocol protocol) {
  Fd made(socket(naming == Naming::ipv4 ? AF_INET : AF_INET6,
                 (protocol == Protocol::tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
  REQUIRE(made.valid());
  const timeval patience{1, 0};
  REQUIRE(setsockopt(made.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
  return made;
}

// 0, or the errno.
int dial(const Fd& client, const Endpoint& to, Naming naming) {
  SocketAddress target = named(to, naming);
  return connect(client.get(), target.get(), target.size) == 0 ? 0 : errno;
}

int send_to(const Fd& client, const Endpoint& to, Naming naming, char payload = 'q') {
  SocketAddress target = named(to, naming);
  return sendto(client.get(), &payload, 1, 0, target.get(), target.size) == 1 ? 0 : errno;
}

std::string peer_of(const Fd& client) {
  SocketAddress peer;
  REQUIRE(getpeername(client.get(), peer.get(), &peer.size) == 0);
  return text_of(peer);
}

struct Received {
  char payload = 0;
  std::string from;
};

std::optional<Received> receive(const Fd& from) {
  Received received;
  SocketAddress source;
  if (recvfrom(from.get(), &received.payload, 1, 0, source.get(), &source.size) != 1) {
    return {};
  }
  received.from = text_of(source);
  return received;
}

// Sockets that listen at backends, and the frontends before them. Ports tell protocols' services apart from
// each other's backends: nothing listens at a frontend's port.
Endpoint vip(Naming naming) {
  return {address(naming == Naming::ipv6 ? "2001:db8:96::44" : "172.30.0.44"), 80};
}
Endpoint backend(Naming naming, int number) {
  const bool ipv6 = naming == Naming::ipv6;
  return {address(fmt::format("{}{}", ipv6 ? "fd00:180::" : "10.180.0.", number)),
          static_cast<std::uint16_t>(8080 + number)};
}

Service service(Naming naming, Protocol protocol, const std::vector<int>& backends, Endpoint to) {
  Service made;
  made.name = fmt::format("test/{}", to.text());
  made.frontend = {to.address, to.port, protocol};
  for (const int number : backends) {
    made.endpoints.push_back(backend(naming, number));
  }
  return made;
}

Service service(Naming naming, Protocol protocol, const std::vector<int>& backends) {
  return service(naming, protocol, backends, vip(naming));
}

// Backends 1 to 4, at the loopback device, and nothing else in this network namespace: what is not
// translated goes nowhere.
class Backends {
 public:
  Backends() {
    auto route = must(RouteSocket::open());
    must(route.bring_up("lo"));
    const unsigned loopback = must(route.index_of("lo"));
    for (const Naming naming : {Naming::ipv4, Naming::ipv6}) {
      for (int number = 1; number <= count; ++number) {
        must(route.add_address(loopback,
                               {backend(naming, number).address, naming == Naming::ipv6 ? 128U : 32U}));
      }
      for (const Protocol protocol : protocols) {
        for (int number = 1; number <= count; ++number) {
          Fd server = new_socket(naming, protocol);
          SocketAddress at = named(backend(naming, number), naming);
          REQUIRE(bind(server.get(), at.get(), at.size) == 0);
          if (protocol == Protocol::tcp) {
            REQUIRE(listen(server.get(), 64) == 0);
          }
          REQUIRE(fcntl(server.get(), F_SETFL, O_NONBLOCK) == 0);
          servers_.emplace(Key{family_of(naming), protocol, number}, std::move(server));
        }
      }
    }
  }

  static constexpr int count = 4;

  // The backend that a connection waits at, with the connection; 0: none.
  std::pair<int, Fd> accept_from(Family family) {
    Fd connection;
    const int number = first([&](int candidate) {
      connection.reset(
          accept4(servers_.at({family, Protocol::tcp, candidate}).get(), nullptr, nullptr, SOCK_CLOEXEC));
      return connection.valid();
    });
    return {number, std::move(connection)};
  }

  // The backend that a datagram came to; answered with 'r'. 0: none.
  int answer(Family family) {
    return first([&](int candidate) {
      const Fd& server = servers_.at({family, Protocol::udp, candidate});
      SocketAddress client;
      char payload = 0;
      if (recvfrom(server.get(), &payload, 1, 0, client.get(), &client.size) != 1) {
        return false;
      }
      payload = 'r';
      REQUIRE(sendto(server.get(), &payload, 1, 0, client.get(), client.size) == 1);
      return true;
    });
  }

 private:
  // What was sent lies there already, as a rule; on a busy machine it comes a little later.
  template <typename Has>
  static int first(const Has& has) {
    constexpr int tries = 100;
    constexpr timespec between{0, 1'000'000};
    for (int i = 0; i < tries; ++i) {
      for (int number = 1; number <= count; ++number) {
        if (has(number)) {
          return number;
        }
      }
      nanosleep(&between, nullptr);
    }
    return 0;
  }

  using Key = std::tuple<Family, Protocol, int>;
  std::map<Key, Fd> servers_;
};

// Where a new connection, or a new socket's datagram, comes out; 0: nowhere.
int backend_reached(Backends& backends, Naming naming, Protocol protocol, const Endpoint& to) {
  const Fd client = new_socket(naming, protocol);
  if (protocol == Protocol::tcp) {
    return dial(client, to, naming) == 0 ? backends.accept_from(family_of(naming)).first : 0;
  }
  return send_to(client, to, naming) == 0 ? backends.answer(family_of(naming)) : 0;
}

std::map<int, int> reached_in(int tries, Backends& backends, Naming naming, Protocol protocol) {
  std::map<int, int> reached;
  for (int i = 0; i < tries; ++i) {
    ++reached[backend_reached(backends, naming, protocol, vip(naming))];
  }
  return reached;
}

std::vector<Service> usual_services() {
  std::vector<Service> services;
  for (const Naming naming : {Naming::ipv4, Naming::ipv6}) {
    for (const Protocol protocol : protocols) {
      services.push_back(service(naming, protocol, {1, 2, 3}));
    }
  }
  return services;
}

// A plane at a cgroup that this process is in.
struct Place {
  Backends backends;  // opened before the process moves in
  Cgroup cgroup = must(Cgroup::create());
  std::unique_ptr<SockPlane> plane;
  std::optional<Cgroup::Inside> inside;

  explicit Place(const std::vector<Service>& services = usual_services(),
                 PlaneConfiguration configuration = {}) {
    configuration.cgroup = cgroup.path();
    plane = std::make_unique<SockPlane>(configuration);
    must(plane->install(services));
    inside.emplace(must(cgroup.enter()));
  }

  void apply(Operation operation, const Service& changed) const {
    const Change change{operation, changed};
    must(plane->stage(change));
    must(plane->commit());
  }
};

void in_a_place(const std::function<void()>& body) {
  if (!test::may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([&] {
    if (const Status usable = probe_ebpf_sock(); !usable) {
      MESSAGE("skipped: " << usable.error().message);
      return;
    }
    body();
  });
}

TEST_CASE("socket plane: a TCP connection goes to a backend, and its peer is the VIP") {
  in_a_place([] {
    Place place;
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      const Fd client = new_socket(naming, Protocol::tcp);
      REQUIRE(dial(client, vip(naming), naming) == 0);
      auto [number, server] = place.backends.accept_from(family_of(naming));
      CHECK((number >= 1 && number <= 3));
      CHECK(peer_of(client) == text_of(vip(naming), naming));

      CHECK(send(client.get(), "q", 1, 0) == 1);
      char payload = 0;
      CHECK(recv(server.get(), &payload, 1, 0) == 1);
      CHECK(send(server.get(), "r", 1, 0) == 1);
      CHECK(recv(client.get(), &payload, 1, 0) == 1);
      CHECK(payload == 'r');
    }
  });
}

TEST_CASE("socket plane: datagrams of a connected socket, and their replies from the VIP") {
  in_a_place([] {
    Place place;
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      const Fd client = new_socket(naming, Protocol::udp);
      REQUIRE(dial(client, vip(naming), naming) == 0);
      CHECK(peer_of(client) == text_of(vip(naming), naming));
      std::set<int> reached;
      for (int i = 0; i < 10; ++i) {
        REQUIRE(send(client.get(), "q", 1, 0) == 1);
        reached.insert(place.backends.answer(family_of(naming)));
        const auto reply = receive(client);
        REQUIRE(reply);
        CHECK(reply->payload == 'r');
        CHECK(reply->from == text_of(vip(naming), naming));
      }
      CHECK(reached.size() == 1);
      CHECK(!reached.contains(0));
      CHECK(!reached.contains(4));
    }
  });
}

TEST_CASE(
    "socket plane: datagrams of an unconnected socket stay at one backend, replies come from the VIP") {
  in_a_place([] {
    Place place;
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      const Fd client = new_socket(naming, Protocol::udp);
      std::set<int> reached;
      for (int i = 0; i < 20; ++i) {
        REQUIRE(send_to(client, vip(naming), naming) == 0);
        reached.insert(place.backends.answer(family_of(naming)));
        const auto reply = receive(client);
        REQUIRE(reply);
        CHECK(reply->from == text_of(vip(naming), naming));
      }
      CHECK(reached.size() == 1);
      CHECK(!reached.contains(0));
      CHECK(!reached.contains(4));
    }
  });
}

// 60 of 3 leave one without any in 1 of 10^10 runs.
TEST_CASE("socket plane: every backend of a service gets some, and nobody else") {
  in_a_place([] {
    Place place;
    for (const Naming naming : namings) {
      for (const Protocol protocol : protocols) {
        CAPTURE(static_cast<int>(naming));
        CAPTURE(to_string(protocol));
        const auto reached = reached_in(60, place.backends, naming, protocol);
        CHECK(reached.size() == 3);
        CHECK(!reached.contains(0));
        CHECK(!reached.contains(4));
      }
    }
  });
}

TEST_CASE("socket plane: a service without endpoints is refused") {
  in_a_place([] {
    std::vector<Service> services;
    for (const Naming naming : {Naming::ipv4, Naming::ipv6}) {
      for (const Protocol protocol : protocols) {
        services.push_back(service(naming, protocol, {}));
      }
    }
    const Place place(services);
    const int refused = SockPlane::refuses_by_name() ? ECONNREFUSED : EPERM;
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      CHECK(dial(new_socket(naming, Protocol::tcp), vip(naming), naming) == refused);
      CHECK(dial(new_socket(naming, Protocol::udp), vip(naming), naming) == refused);
      CHECK(send_to(new_socket(naming, Protocol::udp), vip(naming), naming) == refused);
    }
  });
}

TEST_CASE("socket plane: what is no frontend is left alone") {
  in_a_place([] {
    // A NodePort's key in the map is the unspecified address, which a client may dial, meaning its own
    // host.
    auto services = usual_services();
    Place place([&] {
      for (const Naming naming : {Naming::ipv4, Naming::ipv6}) {
        for (const Protocol protocol : protocols) {
          services.push_back(
              service(naming, protocol, {1}, {address(naming == Naming::ipv6 ? "::" : "0.0.0.0"), 30080}));
          services.back().kind = FrontendKind::node_port;
        }
      }
      return services;
    }());
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      const Family family = family_of(naming);
      // Another port of the same address, another address.
      for (const Protocol protocol : protocols) {
        CAPTURE(to_string(protocol));
        CHECK(backend_reached(place.backends, naming, protocol, {vip(naming).address, 81}) == 0);
        CHECK(backend_reached(place.backends, naming, protocol,
                              {address(family == Family::ipv6 ? "2001:db8:96::45" : "172.30.0.45"), 80}) ==
              0);
        CHECK(backend_reached(place.backends, naming, protocol,
                              {address(family == Family::ipv6 ? "::" : "0.0.0.0"), 30080}) == 0);
      }
      // A backend dialled by its own name answers by it.
      const Fd tcp = new_socket(naming, Protocol::tcp);
      REQUIRE(dial(tcp, backend(naming, 4), naming) == 0);
      CHECK(peer_of(tcp) == text_of(backend(naming, 4), naming));
      CHECK(place.backends.accept_from(family).first == 4);
      const Fd udp = new_socket(naming, Protocol::udp);
      REQUIRE(send_to(udp, backend(naming, 4), naming) == 0);
      CHECK(place.backends.answer(family) == 4);
      const auto reply = receive(udp);
      REQUIRE(reply);
      CHECK(reply->from == text_of(backend(naming, 4), naming));
    }
  });
}

TEST_CASE("socket plane: a NodePort is reached at the node's addresses, and replies come from there") {
  in_a_place([] {
    constexpr std::uint16_t port = 30080;
    const Endpoint node4{address("192.0.2.1"), port};
    const Endpoint node6{address("2001:db8::1"), port};
    PlaneConfiguration configuration;
    configuration.node_addresses = {node4.address, node6.address};
    Service service4 = service(Naming::ipv4, Protocol::udp, {2}, {address("0.0.0.0"), port});
    Service service6 = service(Naming::ipv6, Protocol::udp, {2}, {address("::"), port});
    service4.kind = service6.kind = FrontendKind::node_port;
    Place place({service4, service6}, configuration);
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      const Endpoint& node = naming == Naming::ipv6 ? node6 : node4;
      const Fd client = new_socket(naming, Protocol::udp);
      REQUIRE(send_to(client, node, naming) == 0);
      CHECK(place.backends.answer(family_of(naming)) == 2);
      const auto reply = receive(client);
      REQUIRE(reply);
      CHECK(reply->from == text_of(node, naming));
      CHECK(backend_reached(place.backends, naming, Protocol::udp,
                            {address(naming == Naming::ipv6 ? "2001:db8::2" : "192.0.2.2"), port}) == 0);
    }
  });
}

TEST_CASE("socket plane: affinity keeps a client at its backend, as long as there is that backend") {
  in_a_place([] {
    std::vector<Service> services = usual_services();
    for (Service& one : services) {
      one.affinity_seconds = 60;
    }
    Place place(services);
    for (const Naming naming : namings) {
      for (const Protocol protocol : protocols) {
        CAPTURE(static_cast<int>(naming));
        CAPTURE(to_string(protocol));
        const auto reached = reached_in(20, place.backends, naming, protocol);
        REQUIRE(reached.size() == 1);
        const int had = reached.begin()->first;
        std::vector<int> others;
        for (const int number : {1, 2, 3}) {
          if (number != had) {
            others.push_back(number);
          }
        }
        Service changed = service(naming, protocol, others);
        changed.affinity_seconds = 60;
        place.apply(Operation::change_endpoints, changed);
        const auto then = reached_in(20, place.backends, naming, protocol);
        CHECK(then.size() == 1);
        CHECK(!then.contains(had));
        CHECK(!then.contains(0));
        place.apply(Operation::change_endpoints, services[naming == Naming::ipv6 ? 2 : 0]);
      }
    }
  });
}

TEST_CASE("socket plane: affinity of every service, and what forgets it") {
  in_a_place([] {
    PlaneConfiguration configuration;
    configuration.ebpf.affinity = true;
    Place place(usual_services(), configuration);
    std::set<int> reached;
    for (int i = 0; i < 40; ++i) {
      must(place.plane->forget_flows());
      const auto twice = reached_in(2, place.backends, Naming::ipv4, Protocol::udp);
      CHECK(twice.size() == 1);
      reached.insert(twice.begin()->first);
    }
    CHECK(reached == std::set{1, 2, 3});
  });
}

TEST_CASE("socket plane: selection by a Maglev table reaches every backend, and nobody else") {
  in_a_place([] {
    PlaneConfiguration configuration;
    configuration.ebpf.maglev = 251;
    Place place(usual_services(), configuration);
    for (const Naming naming : {Naming::ipv4, Naming::ipv6}) {
      const auto reached = reached_in(60, place.backends, naming, Protocol::tcp);
      CHECK(reached.size() == 3);
      CHECK(!reached.contains(0));
      CHECK(!reached.contains(4));
    }
  });
}

TEST_CASE("socket plane: traffic policy Local: the node's own clients, and a service that is elsewhere") {
  in_a_place([] {
    std::vector<Service> services;
    for (const Naming naming : {Naming::ipv4, Naming::ipv6}) {
      for (const FrontendKind kind : {FrontendKind::cluster_ip, FrontendKind::external_ip}) {
        const Endpoint to{vip(naming).address,
                          static_cast<std::uint16_t>(kind == FrontendKind::cluster_ip ? 80 : 81)};
        Service one = service(naming, Protocol::tcp, {}, to);
        one.kind = kind;
        one.local_only = true;
        one.cluster_endpoints = {backend(naming, 3)};
        services.push_back(one);
      }
    }
    Place place(services);
    const int refused = SockPlane::refuses_by_name() ? EHOSTUNREACH : EPERM;
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      const Endpoint external{vip(naming).address, 81};
      CHECK(dial(new_socket(naming, Protocol::tcp), vip(naming), naming) == refused);
      CHECK(backend_reached(place.backends, naming, Protocol::tcp, external) == 3);
    }
    // And after a change.
    Service changed = services[1];
    changed.cluster_endpoints = {backend(Naming::ipv4, 2)};
    place.apply(Operation::change_endpoints, changed);
    CHECK(backend_reached(place.backends, Naming::ipv4, Protocol::tcp, {vip(Naming::ipv4).address, 81}) ==
          2);
    CHECK(must(place.plane->find(changed.frontend))->endpoints ==
          place.plane->programmed(changed).endpoints);
  });
}

TEST_CASE("socket plane: a frontend of one protocol is none of the other") {
  in_a_place([] {
    Place place({service(Naming::ipv4, Protocol::udp, {1})});
    CHECK(backend_reached(place.backends, Naming::ipv4, Protocol::udp, vip(Naming::ipv4)) == 1);
    CHECK(backend_reached(place.backends, Naming::ipv4, Protocol::tcp, vip(Naming::ipv4)) == 0);
  });
}

TEST_CASE("socket plane: a backend that is dialled itself after its frontend answers in its own name") {
  in_a_place([] {
    Place place;
    for (const Naming naming : namings) {
      CAPTURE(static_cast<int>(naming));
      const Family family = family_of(naming);
      const Fd client = new_socket(naming, Protocol::udp);
      REQUIRE(send_to(client, vip(naming), naming) == 0);
      const int number = place.backends.answer(family);
      CHECK(receive(client)->from == text_of(vip(naming), naming));
      REQUIRE(send_to(client, backend(naming, number), naming) == 0);
      CHECK(place.backends.answer(family) == number);
      CHECK(receive(client)->from == text_of(backend(naming, number), naming));
    }
  });
}

// The second frontend's answer must not carry the first one's name.
TEST_CASE("socket plane: two frontends with a backend in common: the last that was dialled answers") {
  for (const Naming naming : namings) {
    in_a_place([naming] {
      CAPTURE(static_cast<int>(naming));
      const Endpoint other{vip(naming).address, 53};
      Place place({service(naming, Protocol::udp, {1}), service(naming, Protocol::udp, {1}, other)});
      const Fd client = new_socket(naming, Protocol::udp);
      for (const Endpoint& to : {vip(naming), other, vip(naming)}) {
        REQUIRE(send_to(client, to, naming) == 0);
        REQUIRE(place.backends.answer(family_of(naming)) == 1);
        CHECK(receive(client)->from == text_of(to, naming));
      }
    });
  }
}

TEST_CASE("socket plane: changes take effect, and leave connections alone") {
  in_a_place([] {
    Place place;
    for (const Naming naming : {Naming::ipv4, Naming::ipv6}) {
      for (const Protocol protocol : protocols) {
        CAPTURE(static_cast<int>(naming));
        CAPTURE(to_string(protocol));
        const Fd before = new_socket(naming, Protocol::tcp);
        Fd server;
        if (protocol == Protocol::tcp) {
          REQUIRE(dial(before, vip(naming), naming) == 0);
          server = place.backends.accept_from(family_of(naming)).second;
        }

        place.apply(Operation::change_endpoints, service(naming, protocol, {4}));
        const auto moved = reached_in(20, place.backends, naming, protocol);
        CHECK(moved.size() == 1);
        CHECK(moved.contains(4));
        place.apply(Operation::remove_service, service(naming, protocol, {4}));
        CHECK(backend_reached(place.backends, naming, protocol, vip(naming)) == 0);
        place.apply(Operation::add_service, service(naming, protocol, {2}));
        CHECK(backend_reached(place.backends, naming, protocol, vip(naming)) == 2);

        if (protocol == Protocol::tcp) {
          char payload = 0;
          CHECK(send(before.get(), "q", 1, MSG_NOSIGNAL) == 1);
          CHECK(recv(server.get(), &payload, 1, 0) == 1);
          CHECK(peer_of(before) == text_of(vip(naming), naming));
        }
      }
    }
    CHECK(must(place.plane->entries()) == usual_services().size());
  });
}

TEST_CASE("socket plane: sockets of other cgroups are left alone, and all are when the plane has gone") {
  in_a_place([] {
    Place place;
    REQUIRE(backend_reached(place.backends, Naming::ipv4, Protocol::tcp, vip(Naming::ipv4)) != 0);
    const Fd opened_inside = new_socket(Naming::ipv4, Protocol::tcp);
    {
      place.inside.reset();  // one made inside would be below, and programs hold for what is below
      const auto other = must(Cgroup::create());
      CHECK(backend_reached(place.backends, Naming::ipv4, Protocol::tcp, vip(Naming::ipv4)) == 0);
      CHECK(backend_reached(place.backends, Naming::ipv4, Protocol::udp, vip(Naming::ipv4)) == 0);
      const auto elsewhere = must(other.enter());
      CHECK(backend_reached(place.backends, Naming::ipv6, Protocol::tcp, vip(Naming::ipv6)) == 0);
      // A socket stays in the cgroup that it was opened in.
      CHECK(dial(opened_inside, vip(Naming::ipv4), Naming::ipv4) == 0);
      CHECK(place.backends.accept_from(Family::ipv4).first != 0);
    }
    place.inside.emplace(must(place.cgroup.enter()));
    CHECK(backend_reached(place.backends, Naming::ipv4, Protocol::tcp, vip(Naming::ipv4)) != 0);
    place.plane.reset();
    CHECK(backend_reached(place.backends, Naming::ipv4, Protocol::tcp, vip(Naming::ipv4)) == 0);
    CHECK(backend_reached(place.backends, Naming::ipv6, Protocol::udp, vip(Naming::ipv6)) == 0);
  });
}

TEST_CASE("socket plane: without a cgroup it holds its services, and attaches nothing") {
  in_a_place([] {
    SockPlane plane{PlaneConfiguration{}};
    must(plane.install(usual_services()));
    CHECK(must(plane.entries()) == usual_services().size());
    CHECK(must(plane.kernel_bytes()).value_or(0) > 0);
  });
}

std::string whole_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The last part of "0::/a/svcbench-1-2".
std::string own_cgroup() {
  const std::string all = whole_file("/proc/self/cgroup");
  const std::size_t begin = all.find("0::");
  REQUIRE(begin != std::string::npos);
  return all.substr(begin, all.find('\n', begin) - begin);
}

TEST_CASE("cgroup: the process is inside for a visit, the folder goes, and no mount is seen") {
  in_a_place([] {
    const std::string before = own_cgroup();
    const std::string mounts = whole_file("/proc/thread-self/mountinfo");
    std::string above;
    std::string path;
    {
      const auto cgroup = must(Cgroup::create());
      path = cgroup.path();
      above = path.substr(0, path.rfind('/'));
      CHECK(whole_file("/proc/thread-self/mountinfo") == mounts);
      CHECK(own_cgroup() == before);
      CHECK(std::filesystem::is_directory(path));
      {
        const auto inside = must(cgroup.enter());
        CHECK(own_cgroup().ends_with(path.substr(path.rfind('/'))));
      }
      CHECK(own_cgroup() == before);
      CHECK(std::filesystem::is_directory(path));
      // Another look at the folder above, for when this owner and its mount have gone.
      above = fmt::format("/proc/self/fd/{}", open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    CHECK(std::filesystem::exists(above));
    CHECK(!std::filesystem::exists(above + path.substr(path.rfind('/'))));
  });
}

TEST_CASE("cgroup: a process that is still inside is moved out, and the folder goes") {
  in_a_place([] {
    pid_t child = 0;
    std::string name;
    {
      const auto cgroup = must(Cgroup::create());
      name = cgroup.path().substr(cgroup.path().rfind('/') + 1);
      const auto inside = must(cgroup.enter());
      child = fork();
      if (child == 0) {
        pause();
        _exit(0);
      }
    }
    CHECK(whole_file(fmt::format("/proc/{}/cgroup", child)).find(name) == std::string::npos);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const auto next = must(Cgroup::create());
    CHECK(!std::filesystem::exists(next.path().substr(0, next.path().rfind('/') + 1) + name));
  });
}

// A killed run leaves its folder; the next one removes it, but not that of a run which lives.
TEST_CASE("cgroup: what a killed run left behind is removed by the next") {
  in_a_place([] {
    const auto mine = must(Cgroup::create());
    std::array<int, 2> ready{};
    REQUIRE(pipe(ready.data()) == 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto cgroup = Cgroup::create();
      const auto inside = cgroup->enter();
      const bool well = inside && write(ready[1], "x", 1) == 1;
      pause();
      _exit(well ? 0 : 1);
    }
    char byte = 0;
    REQUIRE(read(ready[0], &byte, 1) == 1);
    const std::string above = mine.path().substr(0, mine.path().rfind('/') + 1);
    const auto left = [&] {
      std::size_t count = 0;
      for (const auto& entry : std::filesystem::directory_iterator(above)) {
        count += entry.path().filename().string().starts_with(fmt::format("svcbench-{}-", child)) ? 1 : 0;
      }
      return count;
    };
    { const auto next = must(Cgroup::create()); }
    CHECK(left() == 1);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    CHECK(left() == 1);
    { const auto next = must(Cgroup::create()); }
    CHECK(left() == 0);
    CHECK(std::filesystem::is_directory(mine.path()));
    close(ready[0]);
    close(ready[1]);
  });
}

}  // namespace
}  // namespace svcbench
