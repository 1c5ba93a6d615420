// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/confirmation.h"

#include <algorithm>
#include <cmath>

namespace svcbench {

namespace {

double distance(const Changed& one) { return std::abs(std::log(one.ratio->value)); }

}  // namespace

bool Confirmation::holds() const {
  return judged() > 0 &&
         static_cast<double>(confirmed.size()) >= stats::confidence * static_cast<double>(judged());
}

Confirmation confirmation_of(const RunDiff& diff) {
  Confirmation out;
  for (const Changed& one : diff.figures) {
    if (!one.ratio || !one.ratio->interval || one.finding == Finding::machine) {
      out.not_judged.push_back(&one);
      continue;
    }
    const stats::Interval& ratio = *one.ratio->interval;
    (ratio.low <= 1 && ratio.high >= 1 ? out.confirmed : out.refuted).push_back(&one);
  }
  std::stable_sort(out.refuted.begin(), out.refuted.end(),
                   [](const Changed* a, const Changed* b) { return distance(*a) > distance(*b); });
  for (const Verdict& before : diff.before.verdicts) {
    const auto after = std::find_if(diff.after.verdicts.begin(), diff.after.verdicts.end(),
                                    [&](const Verdict& one) { return one.id == before.id; });
    if (after != diff.after.verdicts.end()) {
      out.claims.push_back({before.claim, before.outcome, after->outcome});
    }
  }
  return out;
}

}  // namespace svcbench
