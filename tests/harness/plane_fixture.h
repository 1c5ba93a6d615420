// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The BPF data plane by itself, for tests: its two programs and its maps, filled by bare map updates. It
// shares abi.h with the product's loader and nothing else, so that a test does not share the loader's bugs.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packet.h"
#include "svcbench/abi.h"

struct bpf_map;
struct plane_bpf;

namespace svcbench::testing {

// Where BPF programs may not be loaded, a test program with this file ends with 77 ("skipped", see
// tests/CMakeLists.txt) before its first case.

enum class Hook : std::uint8_t { xdp, tc };

inline constexpr std::array both_hooks{Hook::xdp, Hook::tc};

[[nodiscard]] std::string_view to_string(Hook hook);
[[nodiscard]] std::string_view to_string(svcb_outcome outcome);

enum class Verdict : std::uint8_t { pass, drop, other };

struct Backend {
  std::string address;
  std::uint16_t port = 0;
};

// What became of one packet.
struct Run {
  Verdict verdict = Verdict::other;
  svcb_outcome outcome = SVCB_OUTCOMES;  // by the counter that moved
  Bytes bytes;
};

// How a packet comes in.
struct Arrival {
  unsigned device = 0;        // by which device of this namespace; 0: the kernel's choice
  std::uint32_t segment = 0;  // tc: it stands for many, which carry so many bytes each; 0: for itself
};

// A packet's addresses and ports, as it arrives: the key of what is remembered of its flow.
struct FlowKey {
  std::string from;
  std::uint16_t from_port = 0;
  std::string to;
  std::uint16_t port = 0;
  std::uint8_t protocol = 0;
};

struct FixtureOptions {
  bool tracking = true;
  bool forwarding = false;  // packets that are not passed are answered
  bool move_gone = false;
  bool dsr = false;                   // packets are wrapped in the node's; nothing is remembered
  bool wrap_by_flow = false;          // from 198.51.100.0/24 and 2001:db8:77::/64, by the flow
  std::uint16_t first_port = 20'000;  // of masqueraded flows
  std::uint16_t last_port = 20'999;
  std::uint32_t flows = 1024;           // entries, of those that were answered and of the others
  std::uint32_t errors_per_second = 0;  // ICMP, of each CPU; 0: any number
  std::uint32_t errors_at_once = 0;
};

class PlaneFixture {
 public:
  static constexpr std::uint32_t max_services = 16;  // of each family
  static constexpr std::uint32_t max_backends = 64;

  // Throws std::runtime_error where the kernel refuses the programs.
  PlaneFixture() : PlaneFixture(false) {}
  // `tracking`: flows are remembered, replies translated; the node is 192.0.2.7 and 2001:db8::7, its pods
  // 10.0.0.0/8 and fd00::/8.
  explicit PlaneFixture(bool tracking) : PlaneFixture(FixtureOptions{.tracking = tracking}) {}
  explicit PlaneFixture(const FixtureOptions& options);
  PlaneFixture(const PlaneFixture&) = delete;
  PlaneFixture& operator=(const PlaneFixture&) = delete;
  ~PlaneFixture();

  // A service, and its backends in the next free range of the backends array. Returns the word.
  std::uint64_t add_service(std::string_view address, std::uint16_t port, std::uint8_t protocol,
                            const std::vector<Backend>& backends);
  // The same, by a word as given: also one that no loader would write.
  void set_service(std::string_view address, std::uint16_t port, std::uint8_t protocol, std::uint64_t word);
  void add_node(std::string_view address);
  // ---- what is remembered: time and eviction under the test's hand ----

  // As if that much time had passed for all flows and fragments, or for one entry (false: there is none).
  void age(double seconds);
  bool age(const FlowKey& key, double seconds);
  // As the kernel evicts an entry, of either table. False: there is none.
  bool evict(const FlowKey& key);
  [[nodiscard]] bool remembers(const FlowKey& key) const;
  // How long the clients of a service with SVCB_SERVICE_AFFINITY keep their backend.
  void set_affinity(std::string_view address, std::uint16_t port, std::uint8_t protocol, double seconds);
  // As if that much time had passed for all clients' backends.
  void age_affinity(double seconds);
  // As an element looks that has become another client's after it was found: its tag is that one's.
  void give_affinity_away();
  // Entries of both tables and both families; of flows that were answered alone.
  [[nodiscard]] std::size_t entries() const;
  [[nodiscard]] std::size_t answered_entries() const;
  [[nodiscard]] std::uint64_t events(svcb_event event) const;

  // As the loader does after each change of a service that takes a backend away, by the frontend that flows
  // dial.
  void announce_change(std::string_view address, std::uint16_t port, std::uint8_t protocol);

  [[nodiscard]] static std::uint64_t tag(std::string_view address, std::uint16_t port,
                                         std::uint8_t protocol);

  // One packet through a hook. Requires that it was counted exactly once, under one outcome.
  [[nodiscard]] Run run(Hook hook, const Bytes& frame, const Arrival& arrival = {});

  // Through tc as a NIC delivers it that sums received packets (CHECKSUM_COMPLETE). The kernel checks that
  // skb->csum still holds after the program. Nothing where it cannot do so (before 6.16).
  [[nodiscard]] std::optional<Run> run_checksum_complete(const Bytes& frame);
  // Through tc with a VLAN tag that the NIC took off the frame: it stands in the skb, not in the bytes.
  [[nodiscard]] Run run_vlan_in_metadata(const Bytes& frame, std::uint16_t tci);
  // Through tc, cut to `size` bytes before our program sees it: newer kernels (6.18) refuse to run a tc
  // program over less than an IP header.
  [[nodiscard]] Run run_cut_on_tc(const Bytes& frame, std::size_t size);
  // Through tc with only the first `linear` bytes (14 or more) in the skb's linear part. Nothing where
  // BPF_PROG_TEST_RUN cannot make such an skb.
  [[nodiscard]] std::optional<Run> run_non_linear(const Bytes& frame, std::uint32_t linear);

 private:
  using Counters = std::array<std::uint64_t, SVCB_OUTCOMES>;

  struct How {
    std::uint32_t flags = 0;
    std::uint32_t linear = 0;  // 0: all of it
    bool may_be_refused = false;
    Arrival arrival{};
  };

  struct Table {
    bpf_map* map;
    std::size_t key_size, value_size, seen;  // `seen`: where in the value the time stands
  };

  void add_target(const Backend& backend);
  [[nodiscard]] Counters counters() const;
  [[nodiscard]] std::vector<Table> tables(bool with_fragments) const;
  // Of clients' backends.
  [[nodiscard]] std::array<Table, 2> sessions() const;
  // Of the entry's table, which holds it; and its key.
  std::optional<std::pair<Table, Bytes>> find(const FlowKey& key) const;
  Run run_after(int helper, int first, int second, const Bytes& frame);
  std::optional<Run> run_program(int program, Hook hook, const Bytes& frame, How how);

  struct Destroy {
    void operator()(plane_bpf* skeleton) const;
  };

  std::unique_ptr<plane_bpf, Destroy> skeleton_;
  std::uint32_t next_backend4_ = 0;
  std::uint32_t next_backend6_ = 0;
};

}  // namespace svcbench::testing
