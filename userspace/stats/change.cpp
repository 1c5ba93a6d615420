// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/change.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <utility>

#include "stats/over_runs.h"
#include "stats/random.h"

namespace svcbench::stats {

namespace {

// More pairs than this are thinned: no trend needs them all.
constexpr std::size_t most_values = 1000;
constexpr double smallest_median = 1e-300;

bool all_positive(std::span<const double> values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return x > 0 && std::isfinite(x); });
}

// `values` is reordered.
double median_in_place(std::vector<double>& values) {
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  return values.size() % 2 == 1 ? *half : std::midpoint(*std::max_element(values.begin(), half), *half);
}

double drawn_median(std::span<const double> values, Random& random, std::vector<double>& scratch) {
  scratch.resize(values.size());
  std::generate(scratch.begin(), scratch.end(), [&] { return values[draw_below(random, values.size())]; });
  return median_in_place(scratch);
}

struct Moments {
  double mean = 0;
  double variance = 0;  // of the mean
  double freedom = 0;
};

Moments log_moments(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  Moments moments;
  for (const double value : values) {
    moments.mean += std::log(value) / n;
  }
  for (const double value : values) {
    const double residual = std::log(value) - moments.mean;
    moments.variance += residual * residual / (n - 1) / n;
  }
  moments.freedom = n - 1;
  return moments;
}

struct WelchT {
  double difference = 0;  // of the logarithms, after - before
  double error = 0;
  double freedom = 1;

  // By Welch and Satterthwaite. A median of distances knows a deviation as well as one of 0.37 times as
  // many values does (its efficiency at the normal).
  void add(const Between& between) {
    difference -= std::log(between.middle);
    if (between.deviation > 0) {
      const double whole = std::hypot(error, between.deviation);
      const double own = std::pow(error / whole, 4) / freedom;
      const double others =
          std::pow(between.deviation / whole, 4) / (0.37 * static_cast<double>(between.figures));
      freedom = 1 / (own + others);
      error = whole;
    }
  }

  // P(T >= t).
  [[nodiscard]] double above(double subtracted) const {
    const double distance = difference - subtracted;
    // Readings of a coarse clock may all be one: then any difference is one.
    constexpr double rounding = 1e-12;
    if (error < rounding) {
      return distance > rounding ? 0 : distance < -rounding ? 1 : 0.5;
    }
    return cdf(complement(boost::math::students_t(freedom), distance / error));
  }
};

// Those that there are, with the sign that each has in "after less before".
std::vector<std::pair<std::span<const double>, double>> terms_of(const Measured& before,
                                                                 const Measured& after) {
  std::vector<std::pair<std::span<const double>, double>> terms{{after.values, 1}, {before.values, -1}};
  if (!before.control.empty() || !after.control.empty()) {
    terms.insert(terms.end(), {{after.control, -1}, {before.control, 1}});
  }
  return terms;
}

std::optional<WelchT> welch(const Measured& before, const Measured& after) {
  WelchT t;
  double variance = 0;
  double weight = 0;  // of Welch and Satterthwaite
  for (const auto& [values, sign] : terms_of(before, after)) {
    if (values.size() < std::min(before.fewest, after.fewest) || !all_positive(values)) {
      return std::nullopt;
    }
    const Moments moments = log_moments(values);
    t.difference += sign * moments.mean;
    variance += moments.variance;
    weight += moments.variance * moments.variance / moments.freedom;
  }
  t.error = std::sqrt(variance);
  if (variance > 0) {
    t.freedom = variance * variance / weight;
  }
  return t;
}

}  // namespace

std::optional<Estimate> ratio_of_medians(const Measured& before, const Measured& after, std::uint64_t seed,
                                         std::size_t resamples, double level) {
  const auto terms = terms_of(before, after);
  Estimate estimate{.value = 1, .interval = std::nullopt, .samples = SIZE_MAX};
  std::vector<double> scratch;
  for (const auto& [values, sign] : terms) {
    if (values.empty() || !all_positive(values)) {
      return std::nullopt;
    }
    scratch.assign(values.begin(), values.end());
    const double median = median_in_place(scratch);
    estimate.value *= sign > 0 ? median : 1 / median;
    estimate.samples = std::min(estimate.samples, values.size());
  }
  if (estimate.samples < fewest_repeats) {
    return estimate;
  }
  Random random(seed);
  std::vector<double> ratios(resamples, 1.0);
  for (double& ratio : ratios) {
    for (const auto& [values, sign] : terms) {
      const double median = drawn_median(values, random, scratch);
      ratio *= sign > 0 ? median : 1 / median;
    }
  }
  std::sort(ratios.begin(), ratios.end());
  const auto low = quantile(ratios, (1 - level) / 2);
  const auto high = quantile(ratios, (1 + level) / 2);
  if (low && high) {
    estimate.interval = Interval{.low = *low, .high = *high};
  }
  return estimate;
}

std::optional<Estimate> ratio_over_runs(std::span<const double> before, std::span<const double> after,
                                        double level) {
  const auto t = welch({.values = before, .fewest = 2}, {.values = after, .fewest = 2});
  if (!t) {
    return std::nullopt;
  }
  Estimate out{.value = std::exp(t->difference),
               .interval = std::nullopt,
               .samples = std::min(before.size(), after.size())};
  if (out.samples >= fewest_runs) {
    const double half =
        boost::math::quantile(boost::math::students_t(t->freedom), (1 + level) / 2) * t->error;
    out.interval = Interval{.low = std::exp(t->difference - half), .high = std::exp(t->difference + half)};
  }
  return out;
}

std::optional<double> welch_p(const Measured& before, const Measured& after, const Between& between) {
  auto t = welch(before, after);
  if (!t) {
    return std::nullopt;
  }
  t->add(between);
  const double above = t->above(0);
  return std::min(1.0, 2 * std::min(above, 1 - above));
}

std::optional<double> welch_p_beyond(const Measured& before, const Measured& after, double factor,
                                     const Between& between) {
  auto t = welch(before, after);
  if (!t) {
    return std::nullopt;
  }
  t->add(between);
  return t->above(std::log(factor));
}

std::optional<Between> between_runs(std::span<const Pair> figures) {
  std::vector<WelchT> all;
  for (const auto& [before, after] : figures) {
    if (const auto t = welch(before, after); t && t->error > 0) {
      all.push_back(*t);
    }
  }
  if (all.size() < fewest_for_between) {
    return std::nullopt;
  }
  const auto median = [&all](const auto& of) {
    std::vector<double> values(all.size());
    std::transform(all.begin(), all.end(), values.begin(), of);
    return median_in_place(values);
  };
  Between between{.figures = all.size()};
  const double middle = median([](const WelchT& t) { return t.difference; });
  between.middle = std::exp(middle);
  const double normal_distance = boost::math::quantile(boost::math::normal(), 0.75);
  const auto is_far = [&](double deviation) {
    return median([=](const WelchT& t) {
             return std::abs(t.difference) / std::hypot(t.error, deviation);
           }) > normal_distance;
  };
  if (!is_far(0)) {
    return between;
  }
  // The distances fall as the deviation rises. No more than all of them together are apart.
  double low = 0;
  double high = median([=](const WelchT& t) { return std::abs(t.difference - middle); }) / normal_distance;
  constexpr int steps = 40;
  for (int step = 0; step < steps; ++step) {
    const double tried = std::midpoint(low, high);
    (is_far(tried) ? low : high) = tried;
  }
  between.deviation = high;
  return between;
}

Interval beside_others(const Interval& interval, double ratio, const Between& between) {
  const double more =
      boost::math::quantile(boost::math::normal(), (1 + confidence) / 2) * between.deviation;
  const double below = std::hypot(std::max(0.0, std::log(ratio / interval.low)), more);
  const double above = std::hypot(std::max(0.0, std::log(interval.high / ratio)), more);
  const double own = ratio / between.middle;
  return {.low = own * std::exp(-below), .high = own * std::exp(above)};
}

std::vector<double> adjusted_for_many(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double least = 1;
  for (std::size_t rank = p.size(); rank > 0; --rank) {
    const std::size_t i = order[rank - 1];
    least = std::min(least, p[i] * static_cast<double>(p.size()) / static_cast<double>(rank));
    adjusted[i] = least;
  }
  return adjusted;
}

std::optional<Drift> drift(std::span<const double> all) {
  std::vector<double> values;
  const std::size_t step = (all.size() + most_values - 1) / most_values;
  for (std::size_t i = 0; i < all.size(); i += std::max<std::size_t>(step, 1)) {
    values.push_back(all[i]);
  }
  const std::size_t n = values.size();
  if (n < fewest_repeats ||
      !std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); })) {
    return std::nullopt;
  }
  std::vector<double> slopes;
  slopes.reserve(n * (n - 1) / 2);
  double score = 0;  // Kendall's S
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i + 1; j < n; ++j) {
      const double rise = values[j] - values[i];
      slopes.push_back(rise / static_cast<double>(j - i));
      score += rise > 0 ? 1 : rise < 0 ? -1 : 0;
    }
  }
  std::sort(slopes.begin(), slopes.end());
  const double median = median_in_place(values);
  if (!(median > smallest_median)) {
    return std::nullopt;
  }
  // Without the correction for ties, which would make it smaller: readings of a coarse clock tie often, and
  // too wide an interval is the safer error.
  const auto count = static_cast<double>(n);
  const double deviation = std::sqrt(count * (count - 1) * (2 * count + 5) / 18);
  const boost::math::normal normal;
  const double half = boost::math::quantile(normal, (1 + confidence) / 2) * deviation;
  const auto pairs = static_cast<double>(slopes.size());
  const auto at = [&](double rank) {
    return slopes[static_cast<std::size_t>(std::clamp(rank, 0.0, pairs - 1))];
  };
  const double share = (count - 1) / median;
  const double middle = slopes.size() % 2 == 1
                            ? slopes[slopes.size() / 2]
                            : std::midpoint(slopes[slopes.size() / 2 - 1], slopes[slopes.size() / 2]);
  const double z = std::max(0.0, std::abs(score) - 1) / deviation;
  return Drift{.share = middle * share,
               .interval = {.low = at(std::floor((pairs - half) / 2) - 1) * share,
                            .high = at(std::ceil((pairs + half) / 2)) * share},
               .p = std::min(1.0, 2 * cdf(complement(normal, z)))};
}

}  // namespace svcbench::stats
