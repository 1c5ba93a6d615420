// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether a second run confirms the first. Pure.
#pragma once

#include <string>
#include <vector>

#include "run/diff.h"

namespace svcbench {

// A figure is confirmed where the 95 % interval of the ratio of both runs' figures, each as a multiple of
// its control, holds 1: of figures whose intervals are right, 95 of 100 are. Nothing is adjusted for there
// being many of them, as a diff does it to tell the few that changed.
struct Confirmation {
  std::vector<const Changed*> confirmed{};
  std::vector<const Changed*> refuted{};  // the farthest apart first
  // Without an interval, of one value, or held against nothing while the machine's speed changed.
  std::vector<const Changed*> not_judged{};
  struct Claim {
    std::string claim;
    Outcome before;
    Outcome after;
  };
  std::vector<Claim> claims{};  // that both runs judged

  [[nodiscard]] std::size_t judged() const { return confirmed.size() + refuted.size(); }
  // At least 95 of 100 figures are confirmed. false: none could be judged.
  [[nodiscard]] bool holds() const;
};

// Points into `diff`.
[[nodiscard]] Confirmation confirmation_of(const RunDiff& diff);

}  // namespace svcbench
