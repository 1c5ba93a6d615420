// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What verify found, for a person: a row a behaviour, a column a plane, and the evidence below.
#pragma once

#include <span>
#include <string>

#include "verify/verify.h"

namespace svcbench {

[[nodiscard]] std::string render_behaviours(std::span<const verify::PlaneResult> planes);

}  // namespace svcbench
