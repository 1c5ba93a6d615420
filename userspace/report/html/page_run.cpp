// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/html/page_run.h"

#include "plane/registry.h"

namespace svcbench::html {

std::string label_of(std::string_view plane) {
  const PlaneRow* row = find_plane(plane);
  return std::string(row == nullptr || row->label.empty() ? plane : row->label);
}

nlohmann::json planes_json(const std::vector<PageRun>& runs) {
  nlohmann::json out = nlohmann::json::object();
  for (const PlaneRow& row : planes()) {
    if (!row.label.empty()) {
      out[std::string(row.name)] = {{"label", row.label}, {"slot", row.colour}, {"mark", row.mark}};
    }
  }
  for (const PageRun& run : runs) {
    for (const Cell& cell : run.file().cells) {
      if (!out.contains(cell.plane)) {
        out[cell.plane] = {{"label", cell.plane}, {"slot", "other"}, {"mark", "circle"}};
      }
    }
  }
  return out;
}

}  // namespace svcbench::html
