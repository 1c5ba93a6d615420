// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What kube-proxy's IPVS mode has besides virtual servers: ipsets, and iptables rules whose number does not
// depend on the services. All of it pure text.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "svcbench/result.h"
#include "svcbench/service.h"

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

// A member of KUBE-CLUSTER-IP: "10.96.0.1,tcp:80", "fd00::1,udp:53".
[[nodiscard]] std::string cluster_ip_member(const Frontend& frontend);

// The members that `ipset list NAME` printed.
[[nodiscard]] std::vector<std::string_view> ipset_members(std::string_view list);

// `ipset restore` input: makes the sets of the family, empties those that are there and fills
// KUBE-CLUSTER-IP with the family's services and KUBE-IPVS-IPS with its addresses.
[[nodiscard]] std::string ipset_restore(std::span<const Service> services,
                                        std::span<const Address> addresses, Family family);
// Input that destroys those of them that are among `names`, which `ipset list -n` printed.
[[nodiscard]] std::string ipset_destroy(std::string_view names, Family family);

// ---- iptables ----

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
// adds the jumps. What comes from outside `cluster_cidr` is masqueraded.
[[nodiscard]] std::string ipvs_rules(Family family, std::string_view cluster_cidr, bool jumps);
// Input that removes chains and jumps.
[[nodiscard]] std::string ipvs_rules_removal();

}  // namespace svcbench::kube_proxy
