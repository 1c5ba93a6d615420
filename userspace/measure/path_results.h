// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What packets took from wire to wire: cells of the path scenario.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/wire/latency_histogram.h"
#include "service/service.h"

namespace svcbench {

// How a packet meets the node: the first of its flow, a later one, or the backend's answer to that.
enum class FlowKind : std::uint8_t { fresh, established, reply };
inline constexpr std::array every_flow_kind{FlowKind::fresh, FlowKind::established, FlowKind::reply};
// Which service it goes to, in the order in which they were installed; missing: an address that is none.
enum class Position : std::uint8_t { first, last, random, missing };

[[nodiscard]] std::string_view to_string(FlowKind flow);      // "new flow", "established flow", "reply"
[[nodiscard]] std::string_view to_string(Position position);  // "first", ...

struct PathKind {
  FlowKind flow = FlowKind::fresh;
  Position position = Position::last;
  Protocol protocol = Protocol::udp;

  auto operator<=>(const PathKind&) const = default;
};

// One kind of packet through one plane's node at one size. us would be wire to wire; kept in ns.
struct PathCell {
  std::string plane;  // of the registry; or "sink", "redirect-xdp", "redirect-tc": the instrument's own
  std::size_t services = 0;
  PathKind kind{};
  Family family = Family::ipv4;
  LatencyHistogram latency{};                // of all packets
  std::vector<double> p50_ns{};              // one a volley
  std::vector<double> p99_ns{};              //
  std::vector<double> packets_per_second{};  // one a volley of the throughput view; its own packets
  std::uint64_t sent = 0;                    // all of them came out right, or there would be no cell
  std::string skipped{};
  std::optional<double> predicted_ns{};
};

// The instrument's own rigs, which are measured beside the planes: names of PathCell::plane.
inline constexpr std::string_view instrument_null = "null";  // unless it is among the planes
inline constexpr std::string_view instrument_sink = "sink";
inline constexpr std::string_view instrument_redirect_xdp = "redirect-xdp";
inline constexpr std::string_view instrument_redirect_tc = "redirect-tc";
inline constexpr std::string_view instrument_route_xdp = "route-xdp";
inline constexpr std::string_view instrument_route_tc = "route-tc";

}  // namespace svcbench
