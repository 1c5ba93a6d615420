// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/program/destinations.h"

#include <algorithm>
#include <bit>
#include <boost/random/discrete_distribution.hpp>
#include <unordered_set>

#include "stats/random.h"

namespace svcbench {

namespace {

// Places of the services that can be drawn, in a seeded order: rank for Zipf, turn for uniform.
std::vector<std::size_t> drawable(std::span<const Service* const> services, Random& random) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < services.size(); ++i) {
    if (!services[i]->endpoints.empty()) {
      places.push_back(i);
    }
  }
  shuffle(places, random);
  return places;
}

// A port that no service has, the highest such: outside the NodePort range, where a miss is final.
std::uint16_t unused_port(std::span<const Service* const> services) {
  std::unordered_set<std::uint16_t> used;
  for (const Service* service : services) {
    used.insert(service->frontend.port);
  }
  std::uint16_t port = 65535;
  while (used.contains(port)) {
    --port;
  }
  return port;
}

}  // namespace

std::string_view to_string(Destination destination) {
  switch (destination) {
    case Destination::hot:
      return "hot";
    case Destination::uniform:
      return "uniform";
    case Destination::zipf:
      return "zipf";
    case Destination::miss:
      return "miss";
  }
  return "";
}

std::size_t schedule_length(std::size_t services) {
  return std::max<std::size_t>(4096, std::bit_ceil(services * 2));
}

std::vector<Draw> make_schedule(std::span<const Service* const> services, Destination destination,
                                std::size_t length, std::uint64_t seed) {
  Random random(seed);
  std::vector<std::size_t> places = drawable(services, random);
  std::vector<double> weights(destination == Destination::zipf ? places.size() : 0);
  for (std::size_t rank = 0; rank < weights.size(); ++rank) {
    weights[rank] = 1.0 / static_cast<double>(rank + 1);
  }
  boost::random::discrete_distribution<std::size_t> by_rank(weights.begin(), weights.end());
  const std::uint16_t missing = destination == Destination::miss ? unused_port(services) : std::uint16_t{0};

  std::vector<Draw> schedule;
  schedule.reserve(length);
  for (std::size_t i = 0; i < length; ++i) {
    const std::size_t turn = i % places.size();
    if (turn == 0 && i > 0) {
      shuffle(places, random);  // uniform and miss: another order each time round; hot and Zipf: see below
    }
    Draw draw;
    switch (destination) {
      case Destination::hot:
        draw.service = 0;
        break;
      case Destination::zipf:
        draw.service = by_rank(random);
        break;
      case Destination::uniform:
      case Destination::miss:
        draw.service = places[turn];
        break;
    }
    draw.source_port = static_cast<std::uint16_t>(1024 + draw_below(random, 65536 - 1024));
    schedule.push_back(draw);
  }
  // Hot and Zipf drew ranks: the order of popularity is the last shuffle's.
  const bool ranks = destination == Destination::hot || destination == Destination::zipf;
  for (Draw& draw : schedule) {
    draw.service = ranks ? places[draw.service] : draw.service;
    draw.frontend = services[draw.service]->frontend;
    if (destination == Destination::miss) {
      draw.frontend.port = missing;
      draw.service = Draw::none;
    }
  }
  return schedule;
}

}  // namespace svcbench
