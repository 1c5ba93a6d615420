// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run found: every raw sample. Tables and JSON render this; nothing is printed that is not here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "measure/account_check.h"
#include "service/service.h"
#include "stats/growth.h"
#include "stats/verdict.h"

namespace svcbench {

// Samples by block: one block a visit of the schedule. Samples inside a block lie close in time and are not
// independent; blocks are what intervals are made from.
using Blocks = std::vector<std::vector<double>>;

// One operation on one plane at one size.
struct UpdateCell {
  std::string plane;  // "ebpf", "bare", "iptables-nft"
  std::size_t services = 0;
  Operation operation = Operation::change_endpoints;
  std::size_t rules = 0;                 // iptables: rules in the table that is loaded; else 0
  Blocks commit_ns{};                    // from the change in hand to the kernel having it
  Blocks stage_ns{};                     // what the plane computed before (iptables: the ruleset's text)
  std::string skipped{};                 // why there are no samples; empty where there are
  std::optional<double> predicted_ns{};  // for a skipped cell, from the fit over the smaller sizes
  std::string way{};                     // of the plane's ways of being changed; empty where it has one
  // By the controller's own clock, and resident in it and its tools so far
  // (DataPlane::controllers_account()), a sample a change; empty where it says nothing.
  Blocks controller_sync_ns{};
  Blocks controller_peak_bytes{};
};

// All services of one size into empty maps.
struct FillCell {
  std::string writes;  // "single", "batch", "mapped"
  std::size_t services = 0;
  std::size_t backends = 0;
  bool batched = true;          // false: this kernel has no batches, and single syscalls were measured
  std::uint64_t map_bytes = 0;  // held by the four maps, by the kernel's accounting
  std::vector<double> ns{};     // one a repeat
};

// One benchmark program over one schedule of destinations.
struct ProgramCell {
  std::string hook;   // "xdp", "tc"
  std::string depth;  // "empty", "rewind", "bare", "lookup", "dnat"
  Family family = Family::ipv4;
  std::string destination;  // "hot", "uniform", "zipf", "miss"; empty where the depth has none
  std::size_t services = 0;
  std::size_t packets_per_sample = 0;
  Blocks ns_per_packet{};           // one block a BPF_PROG_TEST_RUN, one sample a burst
  std::vector<double> kernel_ns{};  // the kernel's own figure for the same runs, whole ns a packet
};

struct Results {
  nlohmann::json environment;
  nlohmann::json run;  // command line, seed, sweep, workload
  std::vector<UpdateCell> updates{};
  std::vector<FillCell> fills{};
  std::vector<ProgramCell> programs{};
  std::vector<AccountCheck> account_checks{};  // one a hook
  double seconds = 0;
};

}  // namespace svcbench
