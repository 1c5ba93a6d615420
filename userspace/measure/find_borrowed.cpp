// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/find_borrowed.h"

#include <algorithm>

namespace svcbench {

const BorrowedCell* find_borrowed(const Borrowed& borrowed, std::string_view plane, std::size_t services,
                                  const Figure& figure) {
  const auto found =
      std::find_if(borrowed.cells.begin(), borrowed.cells.end(), [&](const BorrowedCell& cell) {
        return cell.plane == plane && cell.services == services && cell.figure == figure;
      });
  return found == borrowed.cells.end() ? nullptr : &*found;
}

const BorrowedGrowth* find_borrowed_growth(const Borrowed& borrowed, std::string_view plane,
                                           const Figure& figure) {
  const auto found =
      std::find_if(borrowed.growths.begin(), borrowed.growths.end(),
                   [&](const BorrowedGrowth& one) { return one.plane == plane && one.figure == figure; });
  return found == borrowed.growths.end() ? nullptr : &*found;
}

}  // namespace svcbench
