// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Several planes side by side: sync, update, path and state over a sweep of N, interleaved by one schedule.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "measure/compare_results.h"
#include "measure/emulation.h"
#include "measure/schedule.h"
#include "plane/probed.h"
#include "service/workload.h"
#include "sys/features.h"

namespace svcbench {

struct Scenarios {
  bool sync = true;
  bool update = true;
  bool path = true;
  bool state = true;
};

struct CompareOptions {
  std::vector<ProbedPlane> planes{};  // each once, in the registry's order; those that cannot run are named
  Scenarios scenarios{};
  std::vector<std::size_t> sweep{};  // ascending, each at most the workload's size
  std::vector<PathKind> kinds{};     // of packets, for the path
  Family family = Family::ipv4;      // of the path's packets
  std::uint64_t seed = 1;
  std::size_t rounds = 20;
  std::uint32_t packets = 1000;  // of a volley
  double budget_seconds = 300;
  std::optional<std::uint32_t> services_capacity{};
  std::optional<std::uint32_t> backends_capacity{};
  EbpfChoice ebpf{};  // of the eBPF planes whose name does not say it already
  ToldIn told_in{};   // for the progress line
  // Gets every visit; a resumed one gives back what was measured. None: nothing is kept.
  Journal* journal = nullptr;
  // Whether this kernel can send the path's packets. Where it cannot, the path is left out, with a note.
  std::function<Status()> live_frames = probe_live_frames;
};

// What `svcbench compare` sends: UDP to every position, TCP to a random service; new and established flows.
[[nodiscard]] std::vector<PathKind> usual_kinds();
// Every combination.
[[nodiscard]] std::vector<PathKind> all_kinds();

// The instrument's own stands, which are measured beside the planes: names of PathCell::plane.
inline constexpr std::string_view instrument_null = "null";  // unless it is among the planes
inline constexpr std::string_view instrument_sink = "sink";
inline constexpr std::string_view instrument_redirect_xdp = "redirect-xdp";
inline constexpr std::string_view instrument_redirect_tc = "redirect-tc";
inline constexpr std::string_view instrument_route_xdp = "route-xdp";
inline constexpr std::string_view instrument_route_tc = "route-tc";

// Runs in namespaces of its own: call enter_private_namespaces() before. Fills every part of the results
// but environment, run and verdicts. Error when no plane can run, or when a check fails.
Result<CompareResults> run_compare(const Workload& workload, const CompareOptions& options, Clock& clock,
                                   Progress& progress);

}  // namespace svcbench
