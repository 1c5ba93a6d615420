// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run of changes under traffic, for a person.
#pragma once

#include <string>

#include "measure/churn/churn_results.h"

namespace svcbench {

[[nodiscard]] std::string render_churn(const ChurnResults& results, const Verdict& verdict, bool colour);

}  // namespace svcbench
