// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The packet that program runs are given, as user space builds it: with checksums summed in full, so that
// what the programs do incrementally can be checked against it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "measure/program/destinations.h"
#include "service/service.h"
#include "svcbench/abi.h"

namespace svcbench {

using PacketBytes = std::vector<std::uint8_t>;

// The packet of a draw: Ethernet, IP, and a transport header of 20 bytes with 16 bytes of payload. For UDP
// the last 12 bytes of the transport header are payload too. Sent from 198.18.0.1 or 2001:2::1, the
// benchmarking ranges of RFC 2544 and RFC 5180.
[[nodiscard]] PacketBytes packet_of(const Draw& draw);

// The same packet sent to a backend instead.
[[nodiscard]] PacketBytes packet_to(const Draw& draw, const Endpoint& backend);

// What the benchmark programs lay over any packet of the same family to make it packet_of(draw).
[[nodiscard]] svcb_draw4 overlay4(const Draw& draw);
[[nodiscard]] svcb_draw6 overlay6(const Draw& draw);

}  // namespace svcbench
