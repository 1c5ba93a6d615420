// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The program scenario: ns a packet of the eBPF data plane under BPF_PROG_TEST_RUN.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "measure/program/destinations.h"
#include "measure/program/template_packet.h"
#include "measure/results.h"
#include "plane/ebpf/ebpf_plane.h"

struct bench_bpf;

namespace svcbench {

enum class Hook : std::uint8_t { xdp, tc };
// How deep into the data plane a benchmark program goes (bpf/bench.bpf.c).
enum class Depth : std::uint8_t {
  empty,   // the kernel's loop and the clock
  rewind,  // and a destination drawn and written into the packet: the instrument's own cost
  bare,    // a destination drawn, and one hash lookup of it: no packet
  lookup,  // rewind, then parse, find the service, choose a backend
  dnat,    // lookup, then rewrite with checksums: a new flow, but for its entry in the flow table and the
           // way on to the backend's device
};

inline constexpr Hook all_hooks[] = {Hook::xdp, Hook::tc};
inline constexpr Depth all_depths[] = {Depth::empty, Depth::rewind, Depth::bare, Depth::lookup,
                                       Depth::dnat};

[[nodiscard]] std::string_view to_string(Hook hook);
[[nodiscard]] std::string_view to_string(Depth depth);
// Whether what a program costs depends on where its packets go.
[[nodiscard]] constexpr bool has_destination(Depth depth) { return depth >= Depth::bare; }

// The benchmark programs over the maps of one plane with its services installed. The plane's services must
// not change while this exists: results are checked against what they were at load().
class ProgramBench {
 public:
  static Result<std::unique_ptr<ProgramBench>> load(const EbpfPlane& plane,
                                                    std::span<const Service> services, std::uint64_t seed);
  ProgramBench(const ProgramBench&) = delete;
  ProgramBench& operator=(const ProgramBench&) = delete;
  ~ProgramBench();

  // Families of which there is a service with endpoints.
  [[nodiscard]] std::vector<Family> families() const;

  // Right before fast: runs the first `packets` packets of each schedule singly through the whole data
  // plane of this hook, and compares verdict, counters and every byte with what user space works out.
  Status verify(Hook hook, Family family, std::size_t packets);

  // One BPF_PROG_TEST_RUN of bursts x burst packets: appends one block to the cell. After it, every packet
  // must have been counted as a hit (as a miss, for misses) and the last one must be as it ought to be;
  // otherwise an Error and no samples.
  Status measure(ProgramCell& cell, Hook hook, Depth depth, Family family, Destination destination);

  static constexpr std::uint32_t burst = 4096;  // packets between two readings of the clock
  static constexpr std::uint32_t bursts = 16;
  static constexpr std::uint32_t packets_a_run = burst * bursts + 1;  // the last one is there for its stamp

  // The benchmark program's file descriptor, which this owns.
  [[nodiscard]] Result<int> program(Hook hook, Depth depth, Family family) const;

 private:
  using Counters = std::array<std::uint64_t, SVCB_OUTCOMES>;

  struct Schedules {
    std::vector<const Service*> services;
    std::vector<std::vector<Draw>> draws;  // in the order of all_destinations; equally long
  };

  struct Run {
    std::uint32_t verdict = 0;
    std::uint32_t kernel_ns = 0;  // a packet, rounded down
    PacketBytes out{};
    bool cut_off = false;  // by a stop of the process (Ctrl-Z, docker pause): packets are missing
  };

  explicit ProgramBench(bench_bpf* skeleton) : skeleton_(skeleton) {}

  [[nodiscard]] const Schedules& schedules(Family family) const {
    return family == Family::ipv4 ? ipv4_ : ipv6_;
  }
  [[nodiscard]] const std::vector<Draw>& draws(Family family, Destination destination) const {
    return schedules(family).draws[static_cast<std::size_t>(destination)];
  }
  Status write_draws(Family family);
  void rewind_to(Family family, Destination destination, std::size_t first, std::uint32_t packets_a_burst);
  Result<Run> run(int program, Family family, std::uint32_t packets);
  [[nodiscard]] Result<Counters> counters() const;
  Status check_bytes(const Run& run, Hook hook, Family family, Destination destination,
                     std::size_t draw) const;
  Status check_counts(const Counters& before, const Counters& after, Destination destination,
                      std::uint64_t packets, std::string_view what) const;

  bench_bpf* skeleton_;
  Schedules ipv4_{};
  Schedules ipv6_{};
};

}  // namespace svcbench
