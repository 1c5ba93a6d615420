// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/crossing.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "stats/random.h"

namespace svcbench::stats {
namespace {

using Rounds = std::vector<std::vector<double>>;
using Draw = std::vector<std::size_t>;  // indices of rounds

double cost_at(const std::vector<double>& round, std::size_t size) {
  return size < round.size() ? round[size] : std::numeric_limits<double>::quiet_NaN();
}

std::size_t measured_at(const Rounds& rounds, std::size_t size) {
  return static_cast<std::size_t>(std::count_if(rounds.begin(), rounds.end(), [size](const auto& round) {
    return !std::isnan(cost_at(round, size));
  }));
}

bool none_infinite(const Rounds& rounds) {
  return std::all_of(rounds.begin(), rounds.end(), [](const std::vector<double>& round) {
    return std::none_of(round.begin(), round.end(), [](double cost) { return std::isinf(cost); });
  });
}

[[maybe_unused]] bool rows_fit(const Rounds& rounds, std::size_t sizes) {
  return std::all_of(rounds.begin(), rounds.end(),
                     [sizes](const std::vector<double>& round) { return round.size() <= sizes; });
}

bool ascending(std::span<const double> sizes) {
  return std::all_of(sizes.begin(), sizes.end(), [](double n) { return std::isfinite(n); }) &&
         std::adjacent_find(sizes.begin(), sizes.end(), [](double x, double y) { return !(x < y); }) ==
             sizes.end();
}

// Of the drawn rounds that measured the size; `scratch` saves an allocation. As median_of() takes it: the
// mean of the middle two for an even count.
std::optional<double> median_at(const Rounds& rounds, const Draw& draw, std::size_t size,
                                std::vector<double>& scratch) {
  scratch.clear();
  for (const std::size_t round : draw) {
    if (const double cost = cost_at(rounds[round], size); !std::isnan(cost)) {
      scratch.push_back(cost);
    }
  }
  if (scratch.empty()) {
    return std::nullopt;
  }
  const auto middle = scratch.begin() + static_cast<std::ptrdiff_t>(scratch.size() / 2);
  std::nth_element(scratch.begin(), middle, scratch.end());
  if (scratch.size() % 2 == 1) {
    return *middle;
  }
  return (*middle + *std::max_element(scratch.begin(), middle)) / 2;
}

// What one draw says.
struct Reading {
  CrossingKind kind = CrossingKind::undecided;
  double services = 0;  // where the first change is
  bool changes_back = false;
};

class Reader {
 public:
  Reader(std::span<const double> sizes, const Rounds& a, const Rounds& b) : sizes_(sizes), a_(a), b_(b) {}

  // Which of the sizes are compared; ascending.
  std::vector<std::size_t> compared{};

  Reading read(const Draw& draw_a, const Draw& draw_b) {
    Reading reading;
    double sign = 0;        // of the last difference that was not zero
    double last_n = 0;      // the last point that had this sign or was zero
    double last_value = 0;  //
    for (const std::size_t size : compared) {
      const auto cost_a = median_at(a_, draw_a, size, scratch_);
      const auto cost_b = median_at(b_, draw_b, size, scratch_);
      if (!cost_a || !cost_b) {
        continue;
      }
      const double n = sizes_[size];
      const double difference = *cost_a - *cost_b;
      if (difference != 0 && sign * difference < 0) {
        // Scaled first: a difference of huge costs may not overflow.
        const double part = 1 / (1 - difference / last_value);
        note_change(reading, difference, last_value == 0 ? last_n : last_n + (n - last_n) * part);
      } else if (difference != 0 && sign == 0) {
        reading.kind =
            difference < 0 ? CrossingKind::cheaper_throughout : CrossingKind::costlier_throughout;
      }
      sign = difference != 0 ? difference : sign;
      last_n = n;
      last_value = difference;
    }
    return reading;
  }

 private:
  static void note_change(Reading& reading, double difference, double services) {
    if (reading.kind == CrossingKind::becomes_costlier || reading.kind == CrossingKind::becomes_cheaper) {
      reading.changes_back = true;
      return;
    }
    reading.kind = difference > 0 ? CrossingKind::becomes_costlier : CrossingKind::becomes_cheaper;
    reading.services = services;
  }

  std::span<const double> sizes_;
  const Rounds& a_;
  const Rounds& b_;
  std::vector<double> scratch_{};
};

void draw_rounds(Draw& draw, Random& random) {
  for (std::size_t& round : draw) {
    round = draw_below(random, draw.size());
  }
}

bool crosses(CrossingKind kind) {
  return kind == CrossingKind::becomes_costlier || kind == CrossingKind::becomes_cheaper;
}

double share_of(const Crossing& found, CrossingKind kind) {
  switch (kind) {
    case CrossingKind::becomes_costlier:
      return found.becomes_costlier;
    case CrossingKind::becomes_cheaper:
      return found.becomes_cheaper;
    case CrossingKind::cheaper_throughout:
      return found.cheaper_throughout;
    case CrossingKind::costlier_throughout:
      return found.costlier_throughout;
    case CrossingKind::undecided:
      break;
  }
  return 0;
}

void count_shares(Crossing& found, const std::vector<Reading>& readings) {
  const auto share = [&](auto counts) {
    return static_cast<double>(std::count_if(readings.begin(), readings.end(), counts)) /
           static_cast<double>(readings.size());
  };
  const auto taking = [&](CrossingKind kind) {
    return share([kind](const Reading& reading) { return reading.kind == kind; });
  };
  found.becomes_costlier = taking(CrossingKind::becomes_costlier);
  found.becomes_cheaper = taking(CrossingKind::becomes_cheaper);
  found.cheaper_throughout = taking(CrossingKind::cheaper_throughout);
  found.costlier_throughout = taking(CrossingKind::costlier_throughout);
  found.changes_back = share([](const Reading& reading) { return reading.changes_back; });
}

std::optional<Interval> interval_of(const std::vector<Reading>& readings, CrossingKind kind) {
  std::vector<double> places;
  for (const Reading& reading : readings) {
    if (reading.kind == kind) {
      places.push_back(reading.services);
    }
  }
  std::sort(places.begin(), places.end());
  const auto low = quantile(places, 1 - kind_share);
  const auto high = quantile(places, kind_share);
  return low && high ? std::optional(Interval{.low = *low, .high = *high}) : std::nullopt;
}

}  // namespace

std::string_view to_string(CrossingKind kind) {
  switch (kind) {
    case CrossingKind::becomes_costlier:
      return "becomes costlier";
    case CrossingKind::becomes_cheaper:
      return "becomes cheaper";
    case CrossingKind::cheaper_throughout:
      return "cheaper throughout";
    case CrossingKind::costlier_throughout:
      return "costlier throughout";
    case CrossingKind::undecided:
      break;
  }
  return "undecided";
}

std::optional<Crossing> crossing(std::span<const double> sizes, const std::vector<std::vector<double>>& a,
                                 const std::vector<std::vector<double>>& b, std::uint64_t seed,
                                 std::size_t resamples) {
  assert(rows_fit(a, sizes.size()) && rows_fit(b, sizes.size()));
  if (!ascending(sizes) || !none_infinite(a) || !none_infinite(b)) {
    return std::nullopt;
  }
  Crossing found;
  Reader reader(sizes, a, b);
  found.rounds = std::max(a.size(), b.size());
  for (std::size_t size = 0; size < sizes.size(); ++size) {
    const std::size_t rounds = std::min(measured_at(a, size), measured_at(b, size));
    if (rounds > 0) {
      reader.compared.push_back(size);
      found.rounds = std::min(found.rounds, rounds);
    }
  }
  if (reader.compared.size() < 2) {
    return std::nullopt;
  }
  found.sizes = {.low = sizes[reader.compared.front()], .high = sizes[reader.compared.back()]};

  Draw draw_a(a.size());
  Draw draw_b(b.size());
  std::iota(draw_a.begin(), draw_a.end(), std::size_t{0});
  std::iota(draw_b.begin(), draw_b.end(), std::size_t{0});
  const Reading data = reader.read(draw_a, draw_b);
  if (crosses(data.kind)) {
    found.services = data.services;
  }
  if (found.rounds < kind_rounds || resamples == 0) {
    return found;
  }

  Random random(seed);
  std::vector<Reading> readings;
  readings.reserve(resamples);
  for (std::size_t i = 0; i < resamples; ++i) {
    draw_rounds(draw_a, random);
    if (a.size() == b.size()) {
      draw_b = draw_a;
    } else {
      draw_rounds(draw_b, random);
    }
    readings.push_back(reader.read(draw_a, draw_b));
  }
  count_shares(found, readings);
  if (share_of(found, data.kind) >= kind_share) {
    found.kind = data.kind;
  }
  if (crosses(found.kind)) {
    found.interval = interval_of(readings, found.kind);
  }
  return found;
}

std::optional<PredictedCrossing> predicted_crossing(const LinearFit& a, const LinearFit& b,
                                                    double largest) {
  if (!a.slope_interval || !b.slope_interval) {
    return std::nullopt;
  }
  const bool steeper = a.slope_interval->low > b.slope_interval->high;
  const bool flatter = a.slope_interval->high < b.slope_interval->low;
  if (!steeper && !flatter) {
    return std::nullopt;
  }
  const double services = (b.intercept - a.intercept) / (a.slope - b.slope);
  if (!(services > largest && services <= predict_up_to * largest)) {
    return std::nullopt;
  }
  return PredictedCrossing{.services = services, .becomes_costlier = steeper};
}

}  // namespace svcbench::stats
