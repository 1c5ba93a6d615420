// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/find_scaled.h"

#include <algorithm>

namespace svcbench {

const ScaledCell* find_scaled(const ScaledColumns& scaled, std::string_view plane, std::size_t services,
                              const Figure& figure) {
  const auto found = std::find_if(scaled.cells.begin(), scaled.cells.end(), [&](const ScaledCell& cell) {
    return cell.plane == plane && cell.services == services && cell.figure == figure;
  });
  return found == scaled.cells.end() ? nullptr : &*found;
}

const ScaledGrowth* find_scaled_growth(const ScaledColumns& scaled, std::string_view plane,
                                       const Figure& figure) {
  const auto found =
      std::find_if(scaled.growths.begin(), scaled.growths.end(),
                   [&](const ScaledGrowth& one) { return one.plane == plane && one.figure == figure; });
  return found == scaled.growths.end() ? nullptr : &*found;
}

}  // namespace svcbench
