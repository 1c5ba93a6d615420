// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/run.h"

#include <algorithm>

namespace svcbench {

namespace {

const Cell* find_in(const std::vector<Cell>& cells, std::string_view id) {
  const auto found =
      std::find_if(cells.begin(), cells.end(), [&](const Cell& cell) { return cell.id == id; });
  return found == cells.end() ? nullptr : &*found;
}

}  // namespace

std::string_view to_string(Origin origin) {
  switch (origin) {
    case Origin::measured:
      return "measured";
    case Origin::scaled:
      return "scaled";
    case Origin::predicted:
      return "predicted";
    case Origin::left_out:
      break;
  }
  return "left out";
}

std::string_view to_string(Better better) {
  return better == Better::less ? "less" : better == Better::more ? "more" : "neither";
}

const Cell* Run::find(std::string_view id) const { return find_in(cells, id); }
const Cell* Run::find_unmeasured(std::string_view id) const { return find_in(unmeasured, id); }

nlohmann::json value_at(const nlohmann::json& part, const std::string& pointer) {
  const nlohmann::json::json_pointer place(pointer);
  return part.contains(place) ? part.at(place) : nlohmann::json();
}

nlohmann::json value_at(const Run& run, const std::string& pointer) {
  const std::size_t end = pointer.find('/', 1);
  const std::string part = pointer.substr(0, end);
  return value_at(part == "/run"           ? run.run
                  : part == "/environment" ? run.environment
                                           : run.details,
                  end == std::string::npos ? "" : pointer.substr(end));
}

}  // namespace svcbench
