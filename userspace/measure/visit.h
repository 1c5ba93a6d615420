// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What one visit of a cell measured, as a journal keeps it, and the way back into the cell.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "measure/compare_results.h"

namespace svcbench {

struct PathVisit {
  std::uint64_t sent = 0;
  LatencyHistogram latency{};
  std::optional<double> packets_per_second{};

  void add_to(PathCell& cell) const;
  [[nodiscard]] nlohmann::json json() const;
  static Result<PathVisit> of(const nlohmann::json& samples);
};

[[nodiscard]] nlohmann::json to_json(const SyncCost& cost);
[[nodiscard]] Result<SyncCost> sync_cost_of(const nlohmann::json& samples);

// The blocks of an update cell's last visit: {"commit_ns": [...], "stage_ns": [...]}.
[[nodiscard]] nlohmann::json last_blocks(const UpdateCell& cell);
// Those at `index` of an array of them.
[[nodiscard]] Status add_blocks(UpdateCell& cell, const nlohmann::json& samples, std::size_t index);

// "1.38 us", for a progress line.
[[nodiscard]] std::string time_text(double ns);

}  // namespace svcbench
