// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/wire/latency_histogram.h"

#include <cmath>

#include "svcbench/wire_abi.h"

namespace svcbench {

static_assert(LatencyHistogram::relative_error == 1.0 / SVCB_WIRE_STEPS);

LatencyHistogram LatencyHistogram::of(std::span<const std::uint64_t> buckets) {
  LatencyHistogram histogram;
  for (std::uint32_t bucket = 0; bucket < buckets.size(); ++bucket) {
    if (buckets[bucket] != 0) {
      histogram.add_bucket(bucket, buckets[bucket]);
    }
  }
  return histogram;
}

void LatencyHistogram::add_bucket(std::uint32_t bucket, std::uint64_t count) {
  buckets_[bucket] += count;
  count_ += count;
}

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (const auto& [bucket, count] : other.buckets_) {
    add_bucket(bucket, count);
  }
}

double LatencyHistogram::lowest_ns(std::uint32_t bucket) {
  constexpr std::uint32_t steps = SVCB_WIRE_STEPS;
  if (bucket < 2 * steps) {
    return bucket;
  }
  const std::uint32_t shift = bucket / steps - 1;
  return std::ldexp(bucket - shift * steps, static_cast<int>(shift));
}

std::optional<double> LatencyHistogram::quantile(double p) const {
  const auto total = static_cast<double>(count_);
  // 1 - p is not exact in binary: a hair less than one value is one value.
  if (count_ == 0 || (p > 0.5 && total * (1 - p) < 1 - 1e-9)) {
    return std::nullopt;
  }
  const double rank = p * total;
  double before = 0;
  for (const auto& [bucket, count] : buckets_) {
    const auto here = static_cast<double>(count);
    if (before + here >= rank) {
      const double low = lowest_ns(bucket);
      return low + (lowest_ns(bucket + 1) - low) * (rank - before) / here;
    }
    before += here;
  }
  return lowest_ns(buckets_.rbegin()->first + 1);
}

}  // namespace svcbench
