// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is among the figures that another run gave.
#pragma once

#include <string_view>

#include "measure/scaled.h"

namespace svcbench {

// null: there is no such figure.
[[nodiscard]] const ScaledCell* find_scaled(const ScaledColumns& scaled, std::string_view plane,
                                            std::size_t services, const Figure& figure);
[[nodiscard]] const ScaledGrowth* find_scaled_growth(const ScaledColumns& scaled, std::string_view plane,
                                                     const Figure& figure);

}  // namespace svcbench
