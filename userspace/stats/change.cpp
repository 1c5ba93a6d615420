// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/change.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <numeric>
#include <utility>

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
    if (values.size() < fewest_repeats || !all_positive(values)) {
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

std::optional<double> welch_p(const Measured& before, const Measured& after) {
  const auto t = welch(before, after);
  if (!t) {
    return std::nullopt;
  }
  const double above = t->above(0);
  return std::min(1.0, 2 * std::min(above, 1 - above));
}

std::optional<double> welch_p_beyond(const Measured& before, const Measured& after, double factor) {
  const auto t = welch(before, after);
  return t ? std::optional(t->above(std::log(factor))) : std::nullopt;
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
