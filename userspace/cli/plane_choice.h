// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The planes that a command can run, and those that the user names of them.
#pragma once

#include <string>
#include <vector>

#include "plane/registry.h"

namespace svcbench {

// Whether a command can run a plane; asked only of rows that have a plane (PlaneRow::make).
using PlaneFits = bool (*)(const PlaneRow& row);

// What --plane may name, in the registry's order.
[[nodiscard]] std::vector<std::string> plane_names(PlaneFits fits);

// Those named, in the registry's order, each once. Where none is: all but the variants of others, which are
// run only by name.
[[nodiscard]] std::vector<const PlaneRow*> chosen_planes(const std::vector<std::string>& names,
                                                         PlaneFits fits);

}  // namespace svcbench
