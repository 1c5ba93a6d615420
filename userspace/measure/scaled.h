// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a comparison holds of planes that it could not run itself, out of another run's result
// (run/scale.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "measure/path_results.h"
#include "measure/shared_plane.h"
#include "service/service.h"
#include "stats/growth.h"
#include "stats/quantile.h"

namespace svcbench {

// The reference run.
struct ReferenceRun {
  std::string file{};           // as it was given
  std::string kernel{};         // release
  std::string kernel_source{};  // package, or ""
  std::string emulation{};      // emulation_of() its environment
  std::string mark{};           // for a cell: "*6.12 tcg"
};

// Which cost: of a packet where there is a kind, of a change where there is an operation, else of a sync.
struct Figure {
  std::optional<PathKind> kind{};
  std::optional<Operation> operation{};
  std::string way{};  // of the change

  bool operator==(const Figure&) const = default;
};

struct ScaledCell {
  std::string plane;
  std::size_t services = 0;
  Figure figure{};
  stats::Estimate ns{};  // median over the shared planes; from the lowest of their ends to the highest
  std::vector<SharedPlane> by_way_of{};  // at least one
};

// The reference run's own exponent.
struct ScaledGrowth {
  std::string plane;
  Figure figure{};
  std::string what;  // as Series::what
  stats::Growth growth;
};

// The reference run's own counts: connection tracking entries for 1,000 new flows, and what programming the
// services needed in user space at its peak.
struct ScaledCount {
  std::string plane;
  std::size_t services = 0;
  double entries = 0;
  std::optional<double> user_bytes{};
};

struct ScaledColumns {
  ReferenceRun reference{};
  std::vector<std::string> planes{};
  std::vector<ScaledCell> cells{};
  std::vector<ScaledGrowth> growths{};
  std::vector<ScaledCount> counts{};
};

}  // namespace svcbench
