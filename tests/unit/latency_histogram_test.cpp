// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The wire's histogram against the values themselves, and against the kernel's half of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "measure/wire/latency_histogram.h"
#include "svcbench/wire_abi.h"

namespace svcbench {
namespace {

// As the sink counts them.
LatencyHistogram counted(const std::vector<std::uint64_t>& values) {
  std::vector<std::uint64_t> buckets(SVCB_WIRE_BUCKETS);
  for (const std::uint64_t ns : values) {
    ++buckets[svcb_wire_bucket(ns)];
  }
  return LatencyHistogram::of(buckets);
}

// A histogram's quantile lies in the bucket of the value at that rank: off by one bucket at most.
void check_quantiles(std::vector<std::uint64_t> values) {
  const LatencyHistogram histogram = counted(values);
  std::sort(values.begin(), values.end());
  REQUIRE(histogram.count() == values.size());
  for (const double p : {0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999}) {
    const auto rank = static_cast<std::size_t>(std::ceil(p * static_cast<double>(values.size()) - 1e-9));
    const auto exact = static_cast<double>(values[std::max<std::size_t>(rank, 1) - 1]);
    const auto quantile = histogram.quantile(p);
    REQUIRE(quantile);
    CAPTURE(p);
    CAPTURE(exact);
    CAPTURE(*quantile);
    // Below 2 * SVCB_WIRE_STEPS a bucket is 1 ns.
    CHECK(std::abs(*quantile - exact) <=
          std::max(1.0, LatencyHistogram::relative_error * exact) * (1 + 1e-9));
    if (exact >= 64) {
      CHECK(std::abs(*quantile - exact) <= exact / 64);
    }
  }
}

TEST_CASE("latency histogram: every quantile is a sorted list's, to within a bucket") {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> packets(8, 1.5);  // about 3 us, with a long tail
  std::uniform_real_distribution<double> octaves(0, 39.9);
  std::vector<std::uint64_t> usual;
  std::vector<std::uint64_t> everywhere;
  for (int i = 0; i < 10'000; ++i) {
    usual.push_back(static_cast<std::uint64_t>(packets(random)));
    everywhere.push_back(static_cast<std::uint64_t>(std::exp2(octaves(random))));
  }
  check_quantiles(usual);
  check_quantiles(everywhere);
}

TEST_CASE("latency histogram: many equal values, at both ends of a bucket") {
  for (const std::uint64_t octave : {1ULL << 8, 1ULL << 10, 1ULL << 20, 1ULL << 39}) {
    const std::uint64_t width = octave / SVCB_WIRE_STEPS;
    for (const std::uint64_t ns : {octave, octave + width - 1, 2 * octave - width, 2 * octave - 1}) {
      check_quantiles(std::vector<std::uint64_t>(1000, ns));
    }
  }
}

TEST_CASE("latency histogram: the error it owns up to is that of one bucket, and is reached") {
  const LatencyHistogram histogram = counted(std::vector<std::uint64_t>(100'000, 1024));
  const double off = (*histogram.quantile(0.9999) - 1024) / 1024;
  CHECK(off > 0.99 * LatencyHistogram::relative_error);
  CHECK(off <= LatencyHistogram::relative_error);
}

TEST_CASE("latency histogram: buckets follow on one another, as the kernel numbers them") {
  CHECK(LatencyHistogram::lowest_ns(0) == 0);
  for (std::uint32_t bucket = 0; bucket < SVCB_WIRE_BUCKETS; ++bucket) {
    const double low = LatencyHistogram::lowest_ns(bucket);
    const double end = LatencyHistogram::lowest_ns(bucket + 1);
    const auto first = static_cast<std::uint64_t>(low);
    const auto next = static_cast<std::uint64_t>(end);
    CAPTURE(bucket);
    REQUIRE(low < end);
    REQUIRE(static_cast<double>(first) == low);  // whole ns
    REQUIRE(svcb_wire_bucket(first) == bucket);
    REQUIRE(svcb_wire_bucket(next - 1) == bucket);
    if (bucket + 1 < SVCB_WIRE_BUCKETS) {
      REQUIRE(svcb_wire_bucket(next) == bucket + 1);
    }
    REQUIRE(end - low <= std::max(1.0, low / SVCB_WIRE_STEPS));
  }
}

TEST_CASE("latency histogram: what is longer than its last bucket is counted there") {
  constexpr std::uint64_t end = 1ULL << (SVCB_WIRE_STEP_BITS + SVCB_WIRE_OCTAVES);
  for (const std::uint64_t ns : {end - 1, end, end + 1, ~std::uint64_t{0}}) {
    CHECK(svcb_wire_bucket(ns) == SVCB_WIRE_BUCKETS - 1);
  }
  CHECK(LatencyHistogram::lowest_ns(SVCB_WIRE_BUCKETS) == static_cast<double>(end));
  const LatencyHistogram histogram = counted({1, ~std::uint64_t{0}});
  CHECK(histogram.count() == 2);
  CHECK(histogram.buckets().rbegin()->first == SVCB_WIRE_BUCKETS - 1);
}

TEST_CASE("latency histogram: no quantile where the tail holds less than one value") {
  CHECK_FALSE(LatencyHistogram().quantile(0.5));
  CHECK(counted({100}).quantile(0.5));
  CHECK_FALSE(counted({100}).quantile(0.51));
  const std::vector<std::uint64_t> some(99, 1000);
  CHECK_FALSE(counted(some).quantile(0.99));
  CHECK(counted(some).quantile(0.9));
  CHECK(counted(std::vector<std::uint64_t>(100, 1000)).quantile(0.99));
  CHECK_FALSE(counted(std::vector<std::uint64_t>(999, 1000)).quantile(0.999));
  CHECK(counted(std::vector<std::uint64_t>(1000, 1000)).quantile(0.999));
}

TEST_CASE("latency histogram: merged is what all values together would have made") {
  const std::vector<std::uint64_t> some{1, 1, 300, 5000};
  const std::vector<std::uint64_t> others{1, 300, 70'000};
  std::vector<std::uint64_t> all = some;
  all.insert(all.end(), others.begin(), others.end());
  LatencyHistogram merged = counted(some);
  merged.merge(counted(others));
  merged.merge(LatencyHistogram());
  CHECK(merged.count() == 7);
  CHECK(merged.buckets() == counted(all).buckets());
  CHECK(merged.buckets().at(1) == 3);
}

}  // namespace
}  // namespace svcbench
