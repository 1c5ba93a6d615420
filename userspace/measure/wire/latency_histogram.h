// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Latencies as the kernel counted them: a log-linear histogram (include/svcbench/wire_abi.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

namespace svcbench {

class LatencyHistogram {
 public:
  // The most that a value taken out of it can be off, as a share of the value: a bucket, for all of a
  // bucket's values may lie at one end of it. Below 256 ns a bucket is 1 ns.
  static constexpr double relative_error = 1.0 / 128;

  // `buckets`: SVCB_WIRE_BUCKETS counts, as in the kernel's map.
  [[nodiscard]] static LatencyHistogram of(std::span<const std::uint64_t> buckets);

  void add_bucket(std::uint32_t bucket, std::uint64_t count);
  void merge(const LatencyHistogram& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }

  // The value below which a share `p` (0 to 1) of all lies, in ns: linear inside its bucket. None where the
  // tail beyond it holds less than one value, so that p99 is absent below 100 values.
  [[nodiscard]] std::optional<double> quantile(double p) const;

  // Bucket and count, ascending, none of them empty.
  [[nodiscard]] const std::map<std::uint32_t, std::uint64_t>& buckets() const { return buckets_; }

  // The bucket's values are [lowest_ns(b), lowest_ns(b + 1)).
  [[nodiscard]] static double lowest_ns(std::uint32_t bucket);

 private:
  std::map<std::uint32_t, std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
};

}  // namespace svcbench
