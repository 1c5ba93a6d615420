// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The second instrument: round trips between real sockets through the same testbed. It shares nothing with
// the wire but the namespaces, so what both say of a plane is not one program's mistake. What its figures
// hold besides the plane (system calls, sockets, the way back) is in all of them: compare differences
// (agreement.h), never the figures themselves.
//
// One thread plays both ends, and stays on one CPU. The kernel moves a packet through veth and the node's
// stack within the call that sends it (softirq), so it lies at the other end's socket when that call
// returns: no thread has to be woken and nothing is scheduled in the time that is measured. A server thread
// would add two context switches on one CPU, which wait behind whatever else is runnable, and on two CPUs
// the wake-up of an idle one, tens of microseconds on a virtual machine: more than what is to be seen.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "measure/clock.h"
#include "measure/path_results.h"
#include "measure/wire/testbed.h"
#include "measure/wire/wire.h"
#include "service/service.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

// FlowKind::fresh: every round trip from another client address and port. FlowKind::established: all by one
// flow, which a round trip that is not timed has opened.
struct RoundTripSamples {
  // ns, in the order they were measured. UDP: a request and its reply. TCP: fresh, connect() (SYN and
  // SYN+ACK); established, a request and its reply. Empty when `not_offered` is set.
  std::vector<double> ns;
  // Where the replies came from: what the client had dialled, or a backend of it (a plane that translates
  // no replies).
  std::size_t from_dialled = 0;
  std::size_t from_backend = 0;
  // Why this plane cannot do it, as its packets showed.
  std::optional<std::string> not_offered;
};

class RoundTrips {
 public:
  // One for a testbed, which must outlive it. Switches the checksum offload of the testbed's two outer
  // devices off, so that a packet meets the node whole, as from a NIC: an XDP program cannot know of a
  // checksum that is left to be done later. (The wire's frames are whole anyway.)
  static Result<std::unique_ptr<RoundTrips>> create(const Testbed& testbed);

  // Each round trip's payload, client, backend and source of the reply are checked. Error: one got no reply
  // within 200 ms, or a wrong one, after how many that went well; interrupted. A fresh flow leaves an entry
  // in a tracking plane's conntrack table.
  Result<RoundTripSamples> measure(const Target& target, FlowKind flow, std::size_t count, Clock& clock);

 private:
  explicit RoundTrips(const Testbed& testbed) : testbed_(&testbed) {}
  class Run;

  // Sockets that serve a port at every address of the backends' namespace.
  using ServerKey = std::tuple<Family, Protocol, std::uint16_t>;
  Status serve(const Target& target);
  [[nodiscard]] Endpoint next_client(Family family);

  const Testbed* testbed_;
  std::map<ServerKey, Fd> servers_{};
  std::uint32_t flows_ = 0;   // clients that were used up
  std::uint64_t nonces_ = 0;  //
};

}  // namespace svcbench
