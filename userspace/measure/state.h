// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a plane keeps in the kernel: memory, and an entry for every connection that it tracks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "measure/path.h"
#include "stats/quantile.h"
#include "sys/result.h"

namespace svcbench {

// ---- kernel memory, measured from outside ----
//
// Method: the machine's own account (/proc/meminfo) before an installation, with it, and after its removal,
// several times over; each cycle's figure is compared with the mean of its two ends, so that a steady drift
// cancels; the result is the cycles' median with its interval. Three kinds of memory are added up:
//
//   slab      SUnreclaim: rules and sets of nftables, IPVS; also every kmalloc() above a page or two, in
//             powers of two of pages (a table of 1.2 MB may so hold 2 MB: that is held, and counted)
//   vmalloc   VmallocUsed: iptables' tables, BPF maps
//   per-CPU   Percpu: rule counters; grows with the CPUs that the machine may have
//
// Pages of per-CPU memory are kept by the kernel when what they held goes, and are used again without
// Percpu moving (1.5 MB of such slack were seen with 2 CPUs, more than the counters of 1,000 services).
// So a ballast of our own fills them before each cycle, and goes after it; per-CPU memory is taken from the
// installation alone, for its removal gives nothing back at once.
//
// Error, seen in runs of 8 cycles on a busy machine of 2 CPUs, kernel 6.18: 5,000 services of
// iptables-legacy, of which table and counters make 7.02 MiB by the kernel's own account and the jump
// stacks 0.50, gave 7.36 to 7.58 MiB (counters 0.86 to 1.07 of 1.07); BPF maps of 2.33 MiB and their
// programs gave 2.35 to 2.45; nothing gave 0.00. Single cycles of nftables (5 and 8 MiB of slab) lay within
// 2 % of each other. Slab memory is counted in whole slabs of 4 to 32 KiB for each of some ten sizes, and
// what fits into free places of those that are there already is not seen: about 0.1 MiB either way,
// whatever the installation. Anything else that the machine does meanwhile is noise, which the interval
// shows. What is taken as bare pages is in none of the three (none of these planes does that for its
// rules).
//
// Rejected: a memory cgroup around the installation. It sees only what the kernel charges, which differs
// by kernel and by plane (iptables' table is charged, its jump stack and counters are not), and it has to
// be made on the host, where SIGKILL would leave it. Rejected: /proc/slabinfo, which knows objects, but
// neither large kmalloc()s nor the other two kinds.

// Bytes, by kind.
struct MemoryInUse {
  double slab = 0;
  double vmalloc = 0;
  double per_cpu = 0;
};

// Of the text of /proc/meminfo. Error: a line is missing (Percpu is there from kernel 4.20 on).
[[nodiscard]] Result<MemoryInUse> parse_meminfo(std::string_view text);
[[nodiscard]] Result<MemoryInUse> memory_in_use();

// One installation and removal.
struct MemoryCycle {
  MemoryInUse before{};
  MemoryInUse installed{};
  MemoryInUse after{};
};

struct KernelMemory {
  // Bytes that the installation holds, with 95 % intervals.
  stats::Estimate total{};
  stats::Estimate slab{};
  stats::Estimate vmalloc{};
  stats::Estimate per_cpu{};
  // Whether the total is more than noise: its interval lies above zero, and reaches no further from the
  // value than the value itself.
  bool conclusive = false;
  std::string summary;  // "6.50 MiB [6.48, 6.61]: slab ...", or "inconclusive: ..."
};

// Pure. Needs 6 cycles for an interval, and so for a conclusion.
[[nodiscard]] KernelMemory estimate_kernel_memory(std::span<const MemoryCycle> cycles);

// Runs `install` and `remove` once unmeasured (modules are loaded, caches filled), then `repeats` times.
// They are to install and remove the same thing each time. Error: one of theirs, after which `remove` was
// still called; interrupted. A cycle takes half a second and what the two take.
Result<KernelMemory> kernel_memory(const std::function<Status()>& install,
                                   const std::function<Status()>& remove, std::size_t repeats = 8);

// ---- connection tracking ----

// Entries of the node's table after 1,000 new flows of a packet each to random services; the table is
// emptied before. As with every volley, one that overran the ingress queue is sent again. Error: not all
// came out right; or the table has no room for them.
Result<std::size_t> conntrack_per_1000_flows(PathRig& rig, const PathTargets& targets, Protocol protocol);

}  // namespace svcbench
