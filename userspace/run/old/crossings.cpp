// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <array>
#include <string_view>
#include <utility>

#include "run/old/old_run.h"

namespace svcbench::old {

namespace {

using nlohmann::json;

constexpr std::array costlier{
    std::pair{"becomes dearer", "becomes costlier"},
    std::pair{"dearer throughout", "costlier throughout"},
    std::pair{"becomes_dearer", "becomes_costlier"},
    std::pair{"dearer_throughout", "costlier_throughout"},
};

void rename_member(json& object, const char* from, const char* to) {
  if (object.is_object() && object.contains(from)) {
    object[to] = std::move(object[from]);
    object.erase(from);
  }
}

}  // namespace

void rename_crossing_kinds(json& details) {
  if (!details.is_object() || !details.contains("crossings")) {
    return;
  }
  for (json& crossing : details["crossings"]) {
    rename_member(crossing, "course", "kind");
    for (const auto& [from, to] : costlier) {
      for (const char* part : {"shares", "predicted"}) {
        if (crossing.is_object() && crossing.contains(part)) {
          rename_member(crossing[part], from, to);
        }
      }
      if (crossing.is_object() && crossing.contains("kind") && crossing["kind"] == from) {
        crossing["kind"] = to;
      }
    }
  }
}

}  // namespace svcbench::old
