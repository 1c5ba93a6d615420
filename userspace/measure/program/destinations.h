// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which service each packet of a program run is for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "service/service.h"

namespace svcbench {

enum class Destination : std::uint8_t {
  hot,      // one service, from ever new source ports
  uniform,  // every service equally often, in a random order
  zipf,     // the k-th most popular service with weight 1/k
  miss,     // addresses of services, at a port that none has
};

inline constexpr Destination all_destinations[] = {Destination::hot, Destination::uniform,
                                                   Destination::zipf, Destination::miss};

[[nodiscard]] std::string_view to_string(Destination destination);

// One packet to come: whom it is for, and the source port that decides which backend it gets.
struct Draw {
  static constexpr std::size_t none = SIZE_MAX;

  Frontend frontend;
  std::uint16_t source_port = 0;  // 1024-65535
  std::size_t service = none;     // the place of its service among those given; none for a miss
};

// Draws a schedule needs so that `services` are met at least twice each: a power of two, at least 4,096.
[[nodiscard]] std::size_t schedule_length(std::size_t services);

// `length` draws over `services`, the same for the same seed. Services without endpoints are never drawn;
// there must be one that has some.
[[nodiscard]] std::vector<Draw> make_schedule(std::span<const Service* const> services,
                                              Destination destination, std::size_t length,
                                              std::uint64_t seed);

}  // namespace svcbench
