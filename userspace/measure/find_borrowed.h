// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is among the figures that another run lent.
#pragma once

#include <string_view>

#include "measure/borrowed.h"

namespace svcbench {

// null: there is no such figure.
[[nodiscard]] const BorrowedCell* find_borrowed(const Borrowed& borrowed, std::string_view plane,
                                                std::size_t services, const Figure& figure);
[[nodiscard]] const BorrowedGrowth* find_borrowed_growth(const Borrowed& borrowed, std::string_view plane,
                                                         const Figure& figure);

}  // namespace svcbench
