// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Connect: the planes' connect() and a first datagram beside each other, each with all services in place.
#pragma once

#include <memory>

#include "measure/scenario/scenario.h"

namespace svcbench {

// Of the selection's planes that can run here, at its largest size. `connects`: of each kind, in a visit.
[[nodiscard]] std::unique_ptr<Scenario> make_connect(std::size_t connects);

}  // namespace svcbench
