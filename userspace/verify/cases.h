// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a Service must do, a row each.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verify/outcome.h"
#include "verify/scene.h"

namespace svcbench::verify {

struct Case {
  std::string_view name;     // on the command line, in results, in a plane's list of what it lacks
  std::string_view title;    // of its row in the table; at most 32 characters
  std::string_view demands;  // a sentence without "must"
  std::span<const Variant> variants;
  // Passed: a few words on what was seen. Bounded in time, whatever the plane does.
  Step<std::string> (*run)(Scene& scene);
  bool of_cluster = false;     // only where a user's cluster is given
  Lives lives = Lives::usual;  // of the world that it is tried in
};

inline constexpr std::array every_variant{
    Variant{Family::ipv4, Protocol::tcp}, Variant{Family::ipv4, Protocol::udp},
    Variant{Family::ipv6, Protocol::tcp}, Variant{Family::ipv6, Protocol::udp}};
inline constexpr std::array tcp_variants{Variant{Family::ipv4, Protocol::tcp},
                                         Variant{Family::ipv6, Protocol::tcp}};
inline constexpr std::array udp_variants{Variant{Family::ipv4, Protocol::udp},
                                         Variant{Family::ipv6, Protocol::udp}};
// For what takes its time, and depends on neither.
inline constexpr std::array two_variants{Variant{Family::ipv4, Protocol::tcp},
                                         Variant{Family::ipv6, Protocol::udp}};

// The level of every test of significance, and how many flows it looks at. One that is significant is
// repeated once, with other flows, and only both together are a failure: a plane that does well fails once
// in a million.
inline constexpr double spread_alpha = 0.001;
inline constexpr std::size_t spread_flows = 1000;
inline constexpr std::size_t crowd_flows = 10'000;

// A file each.
[[nodiscard]] std::span<const Case> reach_cases();   // who answers whom
[[nodiscard]] std::span<const Case> flow_cases();    // what flows live through
[[nodiscard]] std::span<const Case> life_cases();    // what is remembered of flows, and for how long
[[nodiscard]] std::span<const Case> change_cases();  // when services change

// All of them, in the table's order.
[[nodiscard]] std::vector<const Case*> cases();

}  // namespace svcbench::verify
