// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// At which of a node's addresses kube-proxy has NodePorts: its --nodeport-addresses. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plane/configuration.h"
#include "service/service.h"

namespace svcbench::kube_proxy {

struct NodePortPlaces {
  bool everywhere = false;           // at all local addresses
  std::vector<Address> addresses{};  // else at these
  // Whether 127.0.0.0/8 or ::1 is among them.
  bool localhost = false;
};

// What no --nodeport-addresses means: all by iptables and IPVS, the node's first address by nftables.
enum class NodePortDefault : std::uint8_t { everywhere, first_address };

// The node's addresses of the family that a range of the configuration's is about; "primary" is the first.
// Ranges of the other family only are as none. Where no address of the node is known, everywhere. 127.0.0.1
// is an address of every node, but only iptables has NodePorts there, and only where they are to be.
[[nodiscard]] NodePortPlaces node_port_places(const PlaneConfiguration& configuration, Family family,
                                              NodePortDefault if_none);

// Where IPVS has NodePorts: at the node's addresses, or at those of them that --nodeport-addresses is
// about.
[[nodiscard]] std::vector<Address> ipvs_node_addresses(const PlaneConfiguration& configuration,
                                                       Family family);

// Those of the family, as kube-proxy writes them. What is none is left out.
[[nodiscard]] std::vector<std::string> ranges_of(const std::vector<std::string>& ranges, Family family);

}  // namespace svcbench::kube_proxy
