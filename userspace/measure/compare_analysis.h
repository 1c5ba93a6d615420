// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// From the cells of a comparison to figures: pure functions, which tables, JSON and verdicts share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/compare_results.h"
#include "stats/growth.h"
#include "stats/quantile.h"

namespace svcbench {

// What one plane cost, by size and round: what growth, slopes and crossings are made from.
struct Series {
  std::string plane;
  std::string what;                             // "new flow, last UDP", "change endpoints (partial)"
  std::vector<double> sizes{};                  // ascending
  std::vector<std::vector<double>> by_round{};  // [round][size], ns
};

// `way` is empty for planes that have one. Cost: generation and commit, as a change waits for both.
[[nodiscard]] Series update_series(const CompareResults& results, std::string_view plane,
                                   std::string_view way, Operation operation);
[[nodiscard]] Series sync_series(const CompareResults& results, std::string_view plane);
// Of the scenario whole-sync: what a controller's whole sync of one change costs.
[[nodiscard]] Series whole_change_series(const CompareResults& results, std::string_view plane);
[[nodiscard]] Series path_series(const CompareResults& results, std::string_view plane,
                                 const PathKind& kind);

[[nodiscard]] std::optional<stats::Growth> growth_of(const Series& series);
// ns a further service: the slope of a straight line through each round, with the interval over rounds.
[[nodiscard]] std::optional<stats::Estimate> slope_of(const Series& series);

// null: there is no such cell, or it was left out.
[[nodiscard]] const UpdateCell* find_update(const CompareResults& results, std::string_view plane,
                                            std::string_view way, std::size_t services,
                                            Operation operation);
[[nodiscard]] const SyncCell* find_sync(const CompareResults& results, std::string_view plane,
                                        std::size_t services);
[[nodiscard]] const PathCell* find_path(const CompareResults& results, std::string_view plane,
                                        std::size_t services, const PathKind& kind);

// Medians with intervals over rounds, ns.
[[nodiscard]] std::optional<stats::Estimate> update_cost(const UpdateCell& cell);
// Of which update_cost() is the median: generation and commit of each change, block by block.
[[nodiscard]] Blocks whole_cost(const UpdateCell& cell);
[[nodiscard]] std::optional<stats::Estimate> sync_cost(const SyncCell& cell);
[[nodiscard]] std::optional<stats::Estimate> path_p50(const PathCell& cell);

// The ways in which a plane was changed, in its order: {""} where it has one.
[[nodiscard]] std::vector<std::string> ways_of(const CompareResults& results, std::string_view plane);

// UDP, unless no packet of that was sent: then TCP.
[[nodiscard]] Protocol usual_protocol(const CompareResults& results);

// Sizes at which anything was measured or left out, ascending.
[[nodiscard]] std::vector<std::size_t> sizes_of(const CompareResults& results);

// Which cost of one plane in multiples of another's, by pairs of the same round.
[[nodiscard]] std::optional<stats::Estimate> path_ratio(const PathCell& over, const PathCell& under);

// Of every two planes: the new-flow path to the last service, and the usual way of changing endpoints.
// Plain forwarding is no plane to choose.
[[nodiscard]] std::vector<CrossingFigure> all_crossings(const CompareResults& results);

}  // namespace svcbench
