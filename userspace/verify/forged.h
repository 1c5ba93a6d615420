// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Packets that no program's socket sends: a stranger's RST, and a router's "packet too big". Each leaves
// the namespace that the calling thread is in. Error: no raw socket, or the packet could not be sent.
#pragma once

#include <cstdint>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench::verify {

// The address of `from` must be the namespace's own.
Status send_reset(const Endpoint& from, const Endpoint& to, std::uint32_t sequence);

// To the sender of a TCP segment from `sender` to `receiver` with this number, from the namespace's own
// address on the way there: it takes no more than `mtu` bytes at once.
Status send_too_big(const Endpoint& sender, const Endpoint& receiver, std::uint32_t sequence,
                    std::uint32_t mtu);

}  // namespace svcbench::verify
