// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What kube-proxy's IPVS mode has besides virtual servers: ipsets, and iptables rules whose number does not
// depend on the services. All of it pure text.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plane/configuration.h"
#include "service/service.h"
#include "sys/result.h"

namespace svcbench::kube_proxy {

// Members that a hash set has room for: kube-proxy makes them with the tool's own default.
constexpr std::size_t ipset_capacity = 65536;

// ---- ipsets ----

// The 17 of one family, as kube-proxy names them: KUBE-CLUSTER-IP, for IPv6 KUBE-6-CLUSTER-IP.
struct IpsetShape {
  std::string_view name;  // without KUBE- or KUBE-6-
  std::string_view type;
};
[[nodiscard]] std::span<const IpsetShape> ipset_shapes();

// KUBE-6-... is cut to the 31 characters that the kernel takes.
[[nodiscard]] std::string ipset_name(std::string_view name, Family family);
constexpr std::string_view cluster_ip_set = "CLUSTER-IP";  // a member for each service: address, port
constexpr std::string_view ipvs_ips_set = "IPVS-IPS";      // a member for each bound address

// The words after `ipset`: {"create", name, type, ..., "-exist"}.
[[nodiscard]] std::vector<std::string> ipset_create(const IpsetShape& shape, Family family);

// A member of KUBE-CLUSTER-IP and of the sets of other addresses: "10.96.0.1,tcp:80", "fd00::1,udp:53".
[[nodiscard]] std::string cluster_ip_member(const Frontend& frontend);

struct IpsetMember {
  std::string_view set;  // without KUBE- or KUBE-6-
  std::string member;

  auto operator<=>(const IpsetMember&) const = default;
};
// What a service puts into sets, but for its bound address in KUBE-IPVS-IPS: a ClusterIP's, an external
// IP's or a load balancer's address and port, a NodePort's port (of SCTP with each of the node's
// addresses); with a Local policy into that set's -LOCAL twin (an external IP's instead). What a load
// balancer's source ranges let through: these, and the balancer's own address where one of them has the
// node's. Its health check's port. In KUBE-LOOP-BACK those of its endpoints that are on this node: all,
// with `endpoints_are_here`, else Service::own_endpoints, and where these are not told those of a Local
// policy.
[[nodiscard]] std::vector<IpsetMember> ipset_entries(const Service& service,
                                                     const PlaneConfiguration& configuration = {});

// The members that `ipset list NAME` printed.
[[nodiscard]] std::vector<std::string_view> ipset_members(std::string_view list);

// `ipset restore` input: makes the sets of the family, empties those that are there and fills them with
// what the family's services put there, and KUBE-IPVS-IPS with its addresses.
[[nodiscard]] std::string ipset_restore(std::span<const Service> services,
                                        std::span<const Address> addresses, Family family,
                                        const PlaneConfiguration& configuration = {});
// Input that destroys those of them that are among `names`, which `ipset list -n` printed.
[[nodiscard]] std::string ipset_destroy(std::string_view names, Family family);

// ---- virtual servers ----

struct RealServer {
  Endpoint endpoint;
  std::uint32_t weight = 1;  // 0: gets no new connections

  bool operator==(const RealServer&) const = default;
};
// Ascending, each endpoint once. A service with the Local policy and no endpoint on this node gets the
// cluster's, as kube-proxy has it. What terminates has weight 0, as kube-proxy's graceful termination
// leaves it; of UDP it is gone at once.
[[nodiscard]] std::vector<RealServer> real_servers(const Service& service);

// Where a service has virtual servers: at its frontend; a NodePort at each of the node's addresses of its
// family.
[[nodiscard]] std::vector<Frontend> virtual_servers(const Service& service,
                                                    std::span<const Address> node_addresses);

// `ipvsadm -R` input (and, but for SCTP's, `ipvsadm -Sn` output) of the family's services: what a first
// sync tells the kernel by netlink, so nothing of what terminates. Session affinity is persistence.
[[nodiscard]] std::string ipvsadm_restore(std::span<const Service> services,
                                          std::span<const Address> node_addresses, Family family);

// ---- iptables ----

// The sets that have members, by their names without KUBE-: kube-proxy writes no rules for empty ones.
using IpsetsInUse = std::set<std::string_view, std::less<>>;
[[nodiscard]] IpsetsInUse ipsets_in_use(std::span<const Service> services, Family family,
                                        const PlaneConfiguration& configuration = {});

struct IptablesChain {
  std::string_view table;
  std::string_view name;
};
// The chains that kube-proxy makes sure of at each sync.
[[nodiscard]] std::span<const IptablesChain> ipvs_chains();

struct IptablesJump {
  std::string_view table;
  std::string_view from;
  std::string_view to;
  std::string_view comment;
};
// The jumps to them, which it makes sure of too, each at the head of its chain.
[[nodiscard]] std::span<const IptablesJump> ipvs_jumps();

// The words after `iptables`: {"-w", "5", "-C", from, "-t", table, ...}. `command`: "-C", "-I" or "-D".
[[nodiscard]] std::vector<std::string> jump_command(std::string_view command, const IptablesJump& jump);

// `iptables-restore --noflush` input: empties those chains and fills them, both tables. With `jumps` also
// adds the jumps. What comes from outside `cluster_cidr` is masqueraded. The rule of KUBE-LOOP-BACK is
// there whether that set is in use or not: see ipvs.h.
[[nodiscard]] std::string ipvs_rules(Family family, std::string_view cluster_cidr, bool jumps,
                                     const IpsetsInUse& in_use = {cluster_ip_set});
// Input that removes chains and jumps.
[[nodiscard]] std::string ipvs_rules_removal();

}  // namespace svcbench::kube_proxy
