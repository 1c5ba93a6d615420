// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/control.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>

#include "plane/registry.h"
#include "run/cells.h"

namespace svcbench {

namespace {

const Cell* calibration(const Run& run, const char* name) {
  return run.find(calibration_cell(name, "").id);
}

// The first of the run's cells of that scenario that `fits`; one at the same size before others.
template <typename Fits>
const Cell* like(const Run& run, const Cell& cell, Fits&& fits) {
  const Cell* best = nullptr;
  for (const Cell& one : run.cells) {
    if (one.scenario == cell.scenario && fits(one) && (best == nullptr || one.services == cell.services)) {
      best = &one;
      if (one.services == cell.services) {
        break;
      }
    }
  }
  return best;
}

// Nothing depends on whose packets they are, or how many services there are, where there is no plane.
const Cell* plain(const Run& run, const Cell& cell) {
  return like(run, cell, [&cell](const Cell& one) {
    constexpr std::array names{"flow", "protocol", "family", "call"};
    const bool no_plane = is_floor(one.plane) || (one.scenario == "connect" && is_instrument(one.plane));
    return no_plane && std::all_of(names.begin(), names.end(), [&](const char* name) {
             return one.coordinate(name) == cell.coordinate(name);
           });
  });
}

const Cell* bare_lookup(const Run& run, const Cell& cell) {
  std::map<std::string, std::string> at = cell.at;
  at["depth"] = "bare";
  return like(run, cell, [&](const Cell& one) { return one.plane == cell.plane && one.at == at; });
}

// One system call over maps like the plane's, where the run has it.
const Cell* bare_update(const Run& run, const Cell& cell) {
  return like(run, cell, [&](const Cell& one) {
    return kind_of(one.plane) == PlaneKind::none &&
           one.coordinate("operation") == cell.coordinate("operation");
  });
}

bool is_by_tools(const Cell& cell) {
  const PlaneRow* row = find_plane(cell.plane);
  return cell.scenario == "chapter" || cell.scenario == "ruleset" || cell.also.contains("tool_user_ns") ||
         (row != nullptr && row->runs_tools);
}

}  // namespace

const Cell* control_of(const Run& run, const Cell& cell) {
  if (is_control(cell) || (cell.unit != "ns" && cell.unit != "instructions" && cell.unit != "packets/s")) {
    return nullptr;
  }
  if (cell.scenario == "path" || cell.scenario == "throughput" || cell.scenario == "connect") {
    return plain(run, cell);
  }
  if (cell.scenario == "program") {
    return cell.coordinate("depth") == "bare" ? calibration(run, "multiplication") : bare_lookup(run, cell);
  }
  if (is_by_tools(cell)) {
    const Cell* child = calibration(run, "child");
    return child == nullptr ? run.find(floor_cell("exec", "").id) : child;  // Table 4.1 has that floor
  }
  const Cell* bare = cell.scenario == "update" ? bare_update(run, cell) : nullptr;
  return bare == nullptr || bare->plane == cell.plane ? calibration(run, "syscall") : bare;
}

}  // namespace svcbench
