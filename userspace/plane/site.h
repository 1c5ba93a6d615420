// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where a plane is made: what it must know of the node besides the services.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "svcbench/service.h"

namespace svcbench {

// The node's pod addresses, by family: what comes from elsewhere is masqueraded (kube-proxy's
// --cluster-cidr).
struct ClusterCidr {
  std::string ipv4 = "10.0.0.0/8";
  std::string ipv6 = "fd00::/8";

  [[nodiscard]] const std::string& of(Family family) const { return family == Family::ipv4 ? ipv4 : ipv6; }
};

// A plane programs the network namespace that it is made, used and destroyed in: a private one.
struct PlaneSite {
  ClusterCidr cluster_cidr{};
  // Interface index of the device that clients' packets come in by, for planes that attach programs to it;
  // 0: no traffic will come, and nothing is attached.
  unsigned ingress = 0;
  // Folder of a cgroup v2 (Cgroup::path()) that the clients' sockets are opened in, for planes that work at
  // sockets; empty: there are no clients, and nothing is attached.
  std::string cgroup{};
  // Services that the plane must have room for later on, besides the installed ones (planes of fixed size).
  std::optional<std::uint32_t> services_capacity{};
  std::optional<std::uint32_t> backends_capacity{};
};

}  // namespace svcbench
