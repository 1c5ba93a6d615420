// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A figure by way of a plane that two runs measured.
#pragma once

#include <string>

#include "stats/quantile.h"

namespace svcbench {

struct SharedPlane {
  std::string plane;
  stats::Estimate ratio;   // in the other run: the figure over this plane's
  stats::Estimate here;    // this plane's in this run, in the figure's unit (measured: ns)
  stats::Estimate scaled;  // their product
};

}  // namespace svcbench
