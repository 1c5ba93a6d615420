// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where the rules that a real kube-proxy wrote lead packets for each frontend, whatever its version: jumps
// are followed to the translations at their ends, and what a rule matches on the way is not compared with
// anything (for that there is plane/kube_proxy/*_readback.h, of svcbench's own rules).
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench::kubernetes {

// ClusterIPs, external and load-balancer addresses; of a NodePort, whose address is the unspecified one,
// too. Endpoints ascending, each once; none: packets are refused or dropped.
using Programmed = std::map<Frontend, std::vector<Endpoint>>;

// Of `iptables-save -t nat` and `-t filter`. Pure. Error: a jump to a chain that is not there, or an
// address that is none.
[[nodiscard]] Result<Programmed> programmed_by_iptables(std::string_view nat, std::string_view filter,
                                                        Family family);

// Of `nft -j list table`, as kube-proxy calls it. Pure. Error: as above; or no such JSON.
[[nodiscard]] Result<Programmed> programmed_by_nftables(std::string_view json, Family family);

}  // namespace svcbench::kubernetes
