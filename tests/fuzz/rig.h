// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The eBPF programs under BPF_PROG_TEST_RUN, with time and eviction in the caller's hand.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "model/plane_model.h"
#include "plane/ebpf/ebpf_plane.h"

struct bpf_map;

namespace svcbench::fuzz {

using model::Bytes;
using model::Tuple;

enum class Hook : std::uint8_t { xdp, tc };

// Of the ways to backends; as narrow as IPv6 allows them, nearly.
inline constexpr std::uint32_t narrow_mtu = 1300;

// A variant of the planes.
struct Mode {
  std::string name;
  bool move_gone = false;
  std::uint32_t maglev = 0;
  PortRange ports{20'000, 20'999};
  bool dsr = false;
  bool masquerade = true;                   // the node has addresses
  std::vector<std::string> wrap_sources{};  // as EbpfChoice's
  bool forwarding = false;                  // by the kernel's routes, of which some are narrow
};

[[nodiscard]] const std::vector<Mode>& modes();

// Idle times that end half-way between two of the ages that a sequence uses (multiples of ten seconds), so
// that neither the clock's ticks nor the time that a run takes decide anything.
[[nodiscard]] FlowTimeouts timeouts();
[[nodiscard]] const std::vector<Address>& nodes();
[[nodiscard]] bool is_pod(const Address& address);
// Where the rig's routes lead.
[[nodiscard]] model::Route route_to(const Address& address);
[[nodiscard]] model::Settings model_settings(const Mode& mode);

class Ways;

class Rig {
 public:
  // Programs of this mode, and these services.
  static Result<std::unique_ptr<Rig>> create(const Mode& mode, std::span<const Service> services);

  // Nothing: the kernel does not run such a frame (tc, less than an IP header).
  Result<std::optional<model::Seen>> run(Hook hook, const Bytes& frame);
  Status change(const Change& change);
  // As if so much time had passed for all that is remembered; `ticks` of the programs' clock (134 ms) more.
  Status age(double seconds, std::uint32_t ticks);
  // As the kernel evicts it.
  Status evict(const Tuple& arrival);
  Status forget();
  [[nodiscard]] std::set<Tuple> entries() const;
  // The program of a hook, for those who run it themselves.
  [[nodiscard]] int program(Hook hook) const;

 private:
  Rig(std::unique_ptr<EbpfPlane> plane, std::shared_ptr<const Ways> ways)
      : plane_(std::move(plane)), ways_(std::move(ways)) {}

  std::unique_ptr<EbpfPlane> plane_;
  std::shared_ptr<const Ways> ways_;  // null: nothing is forwarded
};

}  // namespace svcbench::fuzz
