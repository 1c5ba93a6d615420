// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/account_check.h"

#include <algorithm>

namespace svcbench {

Comparison AccountCheck::compared() const {
  // The account counts whole ns, and is a mean where the other is a median.
  constexpr double resolution_ns = 1;
  return compare_instruments({own_program, own_empty}, {account_program, account_empty},
                             {"the program's own clock", "the kernel's account", resolution_ns});
}

std::optional<stats::Estimate> AccountCheck::cost_of_account() const {
  std::vector<double> more(own_program.size());
  std::transform(own_program_counted.begin(), own_program_counted.end(), own_program.begin(), more.begin(),
                 [](double counted, double plain) { return counted - plain; });
  return stats::median_of(more);
}

}  // namespace svcbench
