// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What one visit of a cell measured, as a journal keeps it, and the way back into the cell.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

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

// The blocks of the last visit to cells that are visited together: an array of {"commit_ns": [...],
// "stage_ns": [...]}, in their order.
[[nodiscard]] nlohmann::json last_blocks(std::initializer_list<const UpdateCell*> cells);
[[nodiscard]] Status add_blocks(std::initializer_list<UpdateCell*> cells, const nlohmann::json& samples);

[[nodiscard]] Status add_number(std::vector<double>& numbers, const nlohmann::json& samples);

// One BPF_PROG_TEST_RUN: {"ns_per_packet": [...], "kernel_ns": n}.
[[nodiscard]] nlohmann::json last_run(const ProgramCell& cell);
[[nodiscard]] Status add_run(ProgramCell& cell, const nlohmann::json& samples);

// One round, by the names of AccountCheck::rounds; or why there are none.
[[nodiscard]] nlohmann::json last_round(const AccountCheck& check);
[[nodiscard]] Status add_round(AccountCheck& check, const nlohmann::json& samples);

// Loads of one visit.
[[nodiscard]] nlohmann::json to_json(const std::vector<SyncCost>& costs);
[[nodiscard]] Result<std::vector<SyncCost>> sync_costs_of(const nlohmann::json& samples);

}  // namespace svcbench
