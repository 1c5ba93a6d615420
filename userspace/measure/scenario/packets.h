// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the scenarios that send packets share: which kinds pass which node, and what a volley costs.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>

#include "measure/installations.h"

namespace svcbench {

// One kind of packet through one node.
struct Packets {
  PathRig* rig = nullptr;
  const PathTargets* targets = nullptr;
  std::string plane{};
  std::size_t services = 0;
  PathKind kind{};

  // "5,000 services, nftables, new flow, last UDP".
  [[nodiscard]] std::string name() const;
  // A volley, every packet checked. The Error begins with `scenario`.
  [[nodiscard]] Result<Arrivals> send(std::string_view scenario, std::uint32_t packets,
                                      std::uint32_t batch = 1) const;
};

// Through each plane at each size, those of `kinds` that pass it; and the first two of them through each of
// the wire's own instruments.
Status each_packets(const Setting& setting, std::span<const PathKind> kinds,
                    const std::function<Status(Packets)>& body);

// What a volley takes: tried once for each node, with the first kind that is asked for.
class PacketCosts {
 public:
  [[nodiscard]] Result<double> of(const Packets& packets, std::uint32_t count, Clock& clock);

 private:
  std::map<const PathRig*, double> seconds_{};  // of a volley of new flows
};

}  // namespace svcbench
