// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a client waits for before it may speak: connect(), and the first datagram's round trip.
//
// A plane at the socket does its work inside connect(), where no packet is: the wire cannot see it. Here it
// stands beside the planes whose work is done by the first packet, and beside a plain connect() to a
// backend's own address. One thread plays both ends, on one CPU, for the reasons that round_trip.h gives.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "measure/clock.h"
#include "measure/results.h"
#include "measure/wire/testbed.h"
#include "measure/wire/wire.h"
#include "plane/plane.h"
#include "stats/quantile.h"
#include "sys/cgroup.h"
#include "sys/result.h"

namespace svcbench {

// Somebody who dials. What is pointed at is borrowed.
struct ConnectSubject {
  std::string name;
  const Testbed* testbed = nullptr;  // whose client it is; subjects may share one
  const Cgroup* cgroup = nullptr;    // its sockets are opened in; null: in the process's own
  DataPlane* plane = nullptr;        // is told to forget flows before each block; may be null
  std::optional<Target> udp{};
  std::optional<Target> tcp{};
};

// Samples i of a block of all subjects were taken one right after the other. ns.
struct ConnectSamples {
  std::string name;
  Blocks udp_connect_ns{};   // connect() of a bound UDP socket: no packet is sent
  Blocks tcp_connect_ns{};   // connect() of a bound TCP socket: SYN and SYN+ACK across the testbed
  Blocks first_packet_ns{};  // a new unconnected UDP socket's request and its reply
  // Why this plane has no TCP connections: then there are no samples of them.
  std::optional<std::string> tcp_not_offered{};
  // First packets' replies that came from what was dialled, and from a backend.
  std::size_t from_dialled = 0;
  std::size_t from_backend = 0;
};

struct ConnectCounts {
  std::size_t blocks = 20;
  std::size_t connects = 16;  // of each kind, by each subject, in a block
};

// Subjects that dial in turn. Every connection and request is checked at the other end: whence, and at
// which backend.
class Connects {
 public:
  // Once for a testbed. What is given must outlive it.
  static Result<std::unique_ptr<Connects>> create(std::span<const ConnectSubject> subjects, Clock& clock);
  virtual ~Connects() = default;
  Connects(const Connects&) = delete;
  Connects& operator=(const Connects&) = delete;

  // `connects` of each kind, by each subject. Error: one went elsewhere, or got lost (but see
  // tcp_not_offered); interrupted.
  virtual Status block(std::size_t connects) = 0;
  // In the subjects' order.
  [[nodiscard]] virtual ConnectSamples& samples(std::size_t subject) = 0;

 protected:
  Connects() = default;
};

// So many blocks, one after the other.
Result<std::vector<ConnectSamples>> measure_connects(std::span<const ConnectSubject> subjects,
                                                     const ConnectCounts& counts, Clock& clock);

// What `over` takes more than `under`, pair by pair, block by block. None: no block has both.
[[nodiscard]] std::optional<stats::Estimate> added_ns(const Blocks& over, const Blocks& under);

}  // namespace svcbench
