// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The instrument: sends packets through a testbed's node, times each, and checks where it came out.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "measure/clock.h"
#include "measure/wire/latency_histogram.h"
#include "measure/wire/testbed.h"
#include "service/service.h"
#include "svcbench/wire_abi.h"
#include "sys/net_counters.h"
#include "sys/result.h"

namespace svcbench {

// What packets are sent to, and where they may come out.
struct Target {
  Frontend to;
  std::vector<Endpoint> backends;
  // They come out as they were sent, each in an IP packet to a backend's address (direct server return).
  bool wrapped = false;
};

// Targets that the wire knows.
struct TargetRange {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};

// Packets that are sent in one go, one after the other.
struct Volley {
  TargetRange targets;           // flows take them in turn
  std::uint32_t first_flow = 0;  // flow numbers stand for a client's address and source port
  std::uint32_t flows = 1;       // packets take the flows in turn; as many flows as packets: each a new one
  std::uint32_t packets = 1;
  bool open = true;       // TCP: SYNs; else data of connections that an answered volley has opened
  bool answered = false;  // the backends answer each packet
  // Frames that the kernel queues before it moves them: 1 for latency, so that each packet has arrived
  // before the next one leaves; 64 for throughput.
  std::uint32_t batch = 1;
  std::uint64_t delay_ns = 0;  // of attach_redirect()'s programs
  // Packets leave at least so far apart; the CPU waits meanwhile. Beyond a millisecond the wait may end
  // early.
  std::uint64_t gap_ns = 0;
  // How long to wait for packets that are missing at the end.
  std::int64_t patience_ns = 100'000'000;
  // Packets of several kinds: of four the first is data of one of `open_flows` flows, in turn, that an
  // answered volley has opened; the others begin a flow each (from first_flow on, as many as packets): the
  // second and the fourth to the target of focus_on(), the third to the targets in turn.
  bool mixed = false;
  std::uint32_t first_open = 0;  // flow number, as first_flow
  std::uint32_t open_flows = 1;
  bool recorded = false;  // each packet leaves its record in records(); needs witness()
};

struct Arrivals {
  svcb_wire_counts counts{};
  LatencyHistogram latency{};  // of the packets that came out right
  LatencyHistogram replies{};  // of an answered volley's answers, from the backend's end to the client's
  // The process was stopped meanwhile (Ctrl-Z, docker pause), upon which the kernel sends no more of the
  // volley: fewer packets than were asked for, and the stop is in some packet's time.
  bool cut_off = false;

  // From the first packet's stamp to the last one's arrival; what it takes to set a volley up is not in it.
  [[nodiscard]] double packets_per_second() const;
};

// Of `targets` together.
struct WireCapacity {
  std::uint32_t targets = 1;
  std::uint32_t backends = 1;
  std::uint32_t records = 1;  // packets of the largest recorded volley
};

class Wire {
 public:
  static Result<std::unique_ptr<Wire>> create(const WireCapacity& capacity);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  Result<TargetRange> add_targets(std::span<const Target> targets);

  // Sends, and waits until every packet is accounted for or the volley's patience is at its end. Losses are
  // no Error here: see require_all_right().
  Result<Arrivals> send(const Testbed& testbed, const Volley& volley);

  // Packets that came out at this backend of a target since it was added.
  [[nodiscard]] Result<std::uint64_t> hits(std::uint32_t target, const Endpoint& backend,
                                           bool wrapped = false) const;

  // ns that one reading of the clock takes, in a loop of 1,000.
  Result<double> clock_ns(const Testbed& testbed);

  // Puts a plane of known cost into the testbed's node: redirects every packet to the backends, after the
  // volley's delay.
  enum class Hook : std::uint8_t { xdp, tc };
  Status attach_redirect(const Testbed& testbed, Hook hook);
  // What send() does by itself: where attach_redirect()'s programs send to, and after how long.
  void set_redirect(const Testbed& testbed, std::uint64_t delay_ns);

  // From now on the testbed's ends write down what becomes of each packet of a recorded volley, and count
  // neither right nor wrong. There is no way back.
  Status witness(const Testbed& testbed);
  // What became of the last recorded volley's packets, in the order in which they were sent. Valid until
  // the next send().
  [[nodiscard]] std::span<const svcb_wire_record> records() const;
  // The target of mixed volleys, from the next packet on; any thread may call it.
  void focus_on(std::uint32_t target);

  // Takes every packet at the node's ingress already.
  Status sink_at_node(const Testbed& testbed);

  [[nodiscard]] const wire_bpf& programs() const { return *skeleton_; }

 private:
  explicit Wire(wire_bpf* skeleton) : skeleton_(skeleton) {}
  void wait_for_stragglers(const Volley& volley) const;

  wire_bpf* skeleton_;
  std::uint64_t* histograms_ = nullptr;  // the kernel's map, in our memory: of packets, of answers
  svcb_wire_record* records_ = nullptr;  // the same
  std::uint32_t records_capacity_ = 0;
  std::uint32_t targets_ = 0;
  std::uint32_t run_ = 0;
};

// An Error unless every packet came out right: says how many went where, and with `dropped` (the node's
// counters of dropped packets that moved meanwhile) why.
Status require_all_right(const Arrivals& arrivals, const NetCounters& dropped = {});

}  // namespace svcbench
