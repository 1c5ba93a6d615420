// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// From raw cells to figures: pure functions over results, which tables, JSON and verdicts share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "measure/results.h"
#include "stats/growth.h"
#include "stats/quantile.h"

namespace svcbench {

// The cell of a plane, size and operation; null where there is none.
[[nodiscard]] const UpdateCell* find_update(const Results& results, std::string_view plane,
                                            std::size_t services, Operation operation);

// Ascending, each once.
[[nodiscard]] std::vector<std::size_t> sizes_of(const Results& results);
// In the order of its cells, each once.
[[nodiscard]] std::vector<std::string> planes_of(const Results& results);

// All samples of all blocks, ascending. Nothing is left out.
[[nodiscard]] std::vector<double> pooled(const Blocks& blocks);

// The cost of `a` in multiples of `b`, in pairs of blocks that were measured in the same round.
[[nodiscard]] std::optional<stats::Estimate> ratio(const Blocks& a, const Blocks& b);

// How a plane's operation grows with N: exponent over the sizes that were measured, and for planes that are
// linear the straight line, ns for each further service.
struct GrowthFigure {
  std::string plane;
  Operation operation;
  std::optional<stats::Growth> growth;
  std::optional<stats::LinearFit> line;  // through the medians
};
[[nodiscard]] GrowthFigure growth_of(const Results& results, std::string_view plane, Operation operation);
[[nodiscard]] std::vector<GrowthFigure> all_growths(const Results& results);

}  // namespace svcbench
