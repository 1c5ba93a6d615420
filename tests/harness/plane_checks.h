// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every plane's tests ask of it, by its interface.
#pragma once

#include <cstddef>
#include <vector>

#include "plane/plane.h"

namespace svcbench::test {

// The plane holds these services and no more, by its own account of the kernel. Every `step`-th is looked
// up; what was found is returned, in their order.
std::vector<Service> check_holds(const DataPlane& plane, const std::vector<Service>& services,
                                 std::size_t step = 1);

// Makes one change true in the kernel, or ends the test case.
void change(DataPlane& plane, Operation operation, const Service& service);

}  // namespace svcbench::test
