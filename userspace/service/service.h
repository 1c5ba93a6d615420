// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a data plane is asked to program: services, as a frontend each and the endpoints behind it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace svcbench {

enum class Family : std::uint8_t { ipv4, ipv6 };
// Values: IANA's protocol numbers. SCTP is read of clusters and rendered, never measured.
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };

[[nodiscard]] std::string_view to_string(Family family);      // "IPv4", "IPv6"
[[nodiscard]] std::string_view to_string(Protocol protocol);  // "TCP", "UDP", "SCTP"

// An IPv4 or IPv6 address. Bytes in network order; an IPv4 address uses the first four, the rest are zero.
struct Address {
  std::array<std::uint8_t, 16> bytes{};
  Family family = Family::ipv4;

  // Dotted quad or RFC 4291 text; no zone, no prefix length. Error: usage, names the text.
  [[nodiscard]] static Result<Address> parse(std::string_view text);
  [[nodiscard]] static Address from_ipv4(std::uint32_t host_order);
  // The 128-bit number high:low.
  [[nodiscard]] static Address from_ipv6(std::uint64_t high, std::uint64_t low);

  // So many addresses further on, by the last 32 bits alone, which wrap.
  [[nodiscard]] Address plus(std::uint32_t count) const;

  [[nodiscard]] std::string text() const;     // RFC 5952
  [[nodiscard]] bool is_unspecified() const;  // 0.0.0.0 or ::
  auto operator<=>(const Address&) const = default;
};

// An address and a port (host order): where a backend listens.
struct Endpoint {
  Address address;
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const;  // 10.0.0.1:80, [fd00::1]:80
  auto operator<=>(const Endpoint&) const = default;
};

// What a client dials. The unspecified address is "any address of the node": a NodePort.
struct Frontend {
  Address address;
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;

  [[nodiscard]] std::string text() const;  // 10.96.0.1:443/TCP, [fd00::1]:53/UDP
  auto operator<=>(const Frontend&) const = default;
};

enum class FrontendKind : std::uint8_t { cluster_ip, node_port, external_ip, load_balancer };

// "ClusterIP", "NodePort", "ExternalIP", "LoadBalancer"
[[nodiscard]] std::string_view to_string(FrontendKind kind);

// One frontend of a Kubernetes Service (a Service with two ports and two families has four) and the
// endpoints that its packets may go to, in the order of the cluster's EndpointSlices. All endpoints are of
// the frontend's family.
struct Service {
  std::string name{};  // namespace/service[:port name]
  FrontendKind kind = FrontendKind::cluster_ip;
  Frontend frontend{};
  std::vector<Endpoint> endpoints{};  // what new flows may go to; with local_only, this node's
  std::vector<Endpoint>
      terminating{};  // serve the flows that they have and get no new ones; none of the above
  // The traffic policy is Local: packets stay on this node, so those from outside are not masqueraded.
  bool local_only = false;
  // With local_only what `endpoints` would be without: where kube-proxy sends the node's and its pods' own
  // packets to an external address. It tells "none on this node" (dropped) from "none" (refused). Else
  // empty.
  std::vector<Endpoint> cluster_endpoints{};
  std::uint32_t affinity_seconds = 0;    // timeout of the ClientIP session affinity; 0: there is none
  std::vector<std::uint16_t> weights{};  // one for each of `endpoints`, at least 1; empty: all are equal

  // What only kube-proxy's rules depend on.
  // Who may use a load balancer's address, as ranges of its family ("203.0.113.0/25"). Empty: everyone.
  std::vector<std::string> source_ranges{};
  std::uint16_t health_check_port = 0;  // where a load balancer asks the node for its endpoints; 0: nowhere
  std::uint32_t counted_endpoints = 0;  // that the cluster has for the port, ready or not; 0: those above
  std::vector<Endpoint> own_endpoints{};  // of those that it has, ready or not, this node's pods

  bool operator==(const Service&) const = default;
};

// What a change of the cluster asks of a data plane, one service at a time.
enum class Operation : std::uint8_t { change_endpoints, add_service, remove_service };

[[nodiscard]] std::string_view to_string(Operation operation);  // "change endpoints", ...

struct Change {
  Operation operation = Operation::change_endpoints;
  Service service;  // as it is to be after the change; for a removal, as it was
};

}  // namespace svcbench

template <>
struct std::hash<svcbench::Frontend> {
  std::size_t operator()(const svcbench::Frontend& frontend) const noexcept;
};
