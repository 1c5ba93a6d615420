// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/plane_choice.h"

#include <algorithm>

namespace svcbench {

std::vector<std::string> plane_names(PlaneFits fits) {
  std::vector<std::string> names;
  for (const PlaneRow& row : planes()) {
    if (row.make != nullptr && fits(row)) {
      names.emplace_back(row.name);
    }
  }
  return names;
}

std::vector<const PlaneRow*> chosen_planes(const std::vector<std::string>& names, PlaneFits fits) {
  std::vector<const PlaneRow*> rows;
  for (const PlaneRow& row : planes()) {
    const bool chosen = names.empty() ? row.variant_of.empty()
                                      : std::find(names.begin(), names.end(), row.name) != names.end();
    if (row.make != nullptr && fits(row) && chosen) {
      rows.push_back(&row);
    }
  }
  return rows;
}

}  // namespace svcbench
