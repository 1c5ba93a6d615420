// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "stats/speeds.h"

#include <algorithm>
#include <cmath>

#include "stats/quantile.h"

namespace svcbench::stats {

namespace {

struct Part {
  double mean = 0;
  double variance = 0;
  double count = 0;
};

// Of sums[end] - sums[begin]: a running sum of the sorted logarithms, and of their squares.
Part part_of(const std::vector<double>& sums, const std::vector<double>& squares, std::size_t begin,
             std::size_t end) {
  const auto count = static_cast<double>(end - begin);
  const double mean = (sums[end] - sums[begin]) / count;
  return {.mean = mean,
          .variance = std::max(0.0, (squares[end] - squares[begin]) / count - mean * mean),
          .count = count};
}

}  // namespace

std::optional<TwoSpeeds> two_speeds(std::span<const double> values) {
  if (values.size() < fewest_for_speeds ||
      !std::all_of(values.begin(), values.end(), [](double x) { return x > 0 && std::isfinite(x); })) {
    return std::nullopt;
  }
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  // Logarithms of multiples of the middle: near zero, where squares lose nothing.
  const double middle = sorted[sorted.size() / 2];
  std::vector<double> sums{0};
  std::vector<double> squares{0};
  for (const double value : sorted) {
    const double log = std::log(value / middle);
    sums.push_back(sums.back() + log);
    squares.push_back(squares.back() + log * log);
  }
  const std::size_t n = sorted.size();
  const std::size_t fewest = std::max<std::size_t>(2, (3 * n + 19) / 20);
  std::size_t cut = 0;
  double best = -1;
  for (std::size_t i = fewest; i + fewest <= n; ++i) {
    const Part fast = part_of(sums, squares, 0, i);
    const Part slow = part_of(sums, squares, i, n);
    const double between = fast.count * slow.count * (slow.mean - fast.mean) * (slow.mean - fast.mean);
    if (between > best && sorted[i] > sorted[i - 1]) {
      best = between;
      cut = i;
    }
  }
  if (cut == 0) {
    return std::nullopt;
  }
  const Part fast = part_of(sums, squares, 0, cut);
  const Part slow = part_of(sums, squares, cut, n);
  const double distance = slow.mean - fast.mean;
  const double wider = std::sqrt(std::max(fast.variance, slow.variance));
  const double narrower = std::sqrt(std::min(fast.variance, slow.variance));
  constexpr double narrow = 0.01;
  if (distance < least_difference || distance < separate_from * wider ||
      wider > std::max(narrow, most_unlike * narrower)) {
    return std::nullopt;
  }
  const auto split = sorted.begin() + static_cast<std::ptrdiff_t>(cut);
  TwoSpeeds out{.fast = block_median(std::vector<double>(sorted.begin(), split)),
                .slow = block_median(std::vector<double>(split, sorted.end())),
                .slowly = {}};
  for (const double value : values) {
    out.slowly.push_back(value >= sorted[cut]);
  }
  return out;
}

}  // namespace svcbench::stats
