// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Three network namespaces in a row, for programs with sockets:
//
//   clients             node                   backends
//   vc ================ vn  [ data plane ]  vo ================ vb
//
// The node forwards: to clients by vn, everywhere else by vo. The backends' namespace owns the address of
// every endpoint, and nothing else: what a plane leaves untranslated gets lost there. What a program with
// an ordinary socket does here is what it would see in a cluster. (The wire's Testbed is another one: it
// takes every packet, has programs at every device, and clients that are no sockets.)
//
// For a plane that works at sockets the clients that are pods live in namespaces of their own, each on a
// device vp0, vp1, .. of the node's, and every socket is opened in a cgroup of the world's own. Outsiders
// are on other machines: nothing of the node's sees their sockets, so nobody may take them for clients of
// such a plane.
//
// For a plane that wraps packets (direct server return) the backends' end takes the wrapping off, and
// replies go by a link of their own, past the node, from vd at the backends to vr at the clients.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "plane/configuration.h"
#include "plane/plane.h"
#include "service/service.h"
#include "sys/cgroup.h"
#include "sys/net_namespace.h"
#include "sys/result.h"
#include "sys/route_socket.h"
#include "verify/backends.h"
#include "verify/direct_return.h"

namespace svcbench::verify {

// Who dials: a pod of the cluster, or somebody outside of it.
enum class Who : std::uint8_t { pod, outsider };

// What a plane needs of the world that it is tried in.
enum class Works : std::uint8_t {
  on_packets,
  // At XDP: packets reach the node as they come out of a NIC, with their checksums, and the node's devices
  // may redirect frames to each other.
  on_frames,
  at_sockets,
};

// How long what is remembered of a flow that is idle, or has ended, lives.
enum class Lives : std::uint8_t {
  usual,
  brief,  // brief_life_seconds: what comes later than that must not depend on it
};
inline constexpr std::uint32_t brief_life_seconds = 1;

class World {
 public:
  // How many different clients of a kind there are, in each family.
  static constexpr std::size_t clients_of_a_kind = 16;

  // With Works::at_sockets the whole process is in the world's cgroup while the world lives.
  // Lives::brief is the connection tracker's; a plane that remembers flows by itself must be told.
  static Result<std::unique_ptr<World>> create(Works plane, Delivery delivery = Delivery::translated,
                                               Lives lives = Lives::usual);

  // For a plane that is made in the node's namespace.
  [[nodiscard]] const NetNamespace& node() const { return node_; }
  [[nodiscard]] PlaneConfiguration configuration() const;
  [[nodiscard]] std::vector<Address> node_addresses(Family family) const;

  // Where the programs of this client run.
  [[nodiscard]] const NetNamespace& place_of(const Address& client) const;
  [[nodiscard]] const NetNamespace& backend_place() const { return backend_; }
  [[nodiscard]] Backends& backends() { return *backends_; }

  // Works::at_sockets: there are no clients from outside.
  [[nodiscard]] bool has_pods_apart() const { return !pods_.empty(); }

  // What clients may dial now; the backends' end of direct server return must know it.
  Status tell_backends(const Service& service);

  // The address becomes the backends' namespace's own, and is reached from the node.
  Status own(const Address& address);
  // The way from the node to this address takes no packets above `mtu` bytes from now on.
  Status narrow(const Address& address, std::uint32_t mtu);

  // A client that has not sent anything yet: an address of `who`, the next one or the given one (below
  // clients_of_a_kind), and a port that is used once.
  [[nodiscard]] Endpoint client(Who who, Family family);
  [[nodiscard]] Endpoint client(Who who, Family family, std::size_t number);
  [[nodiscard]] std::uint16_t next_port();
  // One of those that a kernel gives to a socket that asks for none (net.ipv4.ip_local_port_range).
  [[nodiscard]] std::uint16_t next_ephemeral_port() {
    return static_cast<std::uint16_t>(40'000 + ephemeral_ports_++ % 10'000);
  }

  // Addresses and ports that no other service of this world has.
  [[nodiscard]] Address new_endpoint_address(Family family);
  [[nodiscard]] Address new_cluster_ip(Family family);
  [[nodiscard]] Address new_external_ip(Family family);
  [[nodiscard]] std::uint16_t new_node_port();
  [[nodiscard]] std::uint32_t next_service() { return services_++; }  // a number for its name

  // Whether a service or endpoint of a user's cluster could not be told from this world's own.
  [[nodiscard]] static bool is_taken(const Address& address);

 private:
  World(NetNamespace client, NetNamespace node, NetNamespace backend)
      : client_(std::move(client)), node_(std::move(node)), backend_(std::move(backend)) {}
  Status connect();
  Status configure_clients(bool whole_frames);
  Status configure_node();
  Status add_pod(std::uint32_t number);
  Status configure_backends(bool whole_frames);
  Status add_way_past_node();
  Status wait_for_links() const;

  // Left last: after every socket is closed.
  std::optional<Cgroup> cgroup_{};
  std::optional<Cgroup::Inside> inside_{};
  NetNamespace client_;
  NetNamespace node_;
  NetNamespace backend_;
  std::vector<NetNamespace> pods_{};  // by number; empty: all of them are in client_
  std::optional<RouteSocket> backend_route_{};
  unsigned backend_loopback_ = 0;
  unsigned ingress_ = 0;
  unsigned egress_ = 0;
  std::unique_ptr<Backends> backends_{};
  std::unique_ptr<DirectReturn> direct_return_{};  // null: the plane translates
  std::set<Address> owned_{};
  std::size_t next_client_ = 0;
  std::uint32_t flows_ = 0;
  std::uint32_t ephemeral_ports_ = 0;
  std::uint32_t endpoints_ = 0;
  std::uint32_t cluster_ips_ = 0;
  std::uint32_t external_ips_ = 0;
  std::uint16_t node_ports_ = 0;
  std::uint32_t services_ = 0;
};

}  // namespace svcbench::verify
