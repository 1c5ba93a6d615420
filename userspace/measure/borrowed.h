// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a comparison holds of planes that it could not run itself, out of another run's result (borrow.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "measure/path_results.h"
#include "stats/growth.h"
#include "stats/quantile.h"
#include "svcbench/service.h"

namespace svcbench {

// The run that lends.
struct Lender {
  std::string file{};           // as it was given
  std::string kernel{};         // release
  std::string kernel_source{};  // package, or ""
  std::string emulation{};      // emulation_of() its environment
  std::string mark{};           // for a cell: "*6.12 tcg"
};

// A figure by way of one plane that both runs measured.
struct Via {
  std::string plane;
  stats::Estimate ratio;   // the borrowed plane's cost over this one's, in the lending run
  stats::Estimate here;    // this one's cost in our run, ns
  stats::Estimate scaled;  // their product, ns
};

// Which cost: of a packet where there is a kind, of a change where there is an operation, else of a sync.
struct Figure {
  std::optional<PathKind> kind{};
  std::optional<Operation> operation{};
  std::string way{};  // of the change

  bool operator==(const Figure&) const = default;
};

struct BorrowedCell {
  std::string plane;
  std::size_t services = 0;
  Figure figure{};
  stats::Estimate ns{};     // median over the vias; from the lowest of their ends to the highest
  std::vector<Via> vias{};  // at least one
};

// The lending run's own exponent.
struct BorrowedGrowth {
  std::string plane;
  Figure figure{};
  std::string what;  // as Series::what
  stats::Growth growth;
};

// The lending run's own counts: connection tracking entries for 1,000 new flows, and what programming the
// services needed in user space at its peak.
struct BorrowedCount {
  std::string plane;
  std::size_t services = 0;
  double entries = 0;
  std::optional<double> user_bytes{};
};

struct Borrowed {
  Lender lender{};
  std::vector<std::string> planes{};
  std::vector<BorrowedCell> cells{};
  std::vector<BorrowedGrowth> growths{};
  std::vector<BorrowedCount> counts{};
};

}  // namespace svcbench
