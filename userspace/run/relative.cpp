// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/relative.h"

#include "plane/registry.h"
#include "run/control.h"
#include "run/merged_run.h"
#include "stats/over_runs.h"
#include "stats/rounds.h"

namespace svcbench {

std::optional<stats::Estimate> times_of(const Run& run, const Cell* over, const Cell* under) {
  if (over == nullptr || under == nullptr || over->values.empty() || under->values.empty()) {
    return std::nullopt;
  }
  if (runs_of(run) == 1) {
    return stats::ratio_by_round(over->values, under->values);
  }
  return stats::over_runs(in_each_run(*over, under), stats::Scatter::by_factors);
}

std::optional<Relative> relative_of(const Run& run, const Cell& cell) {
  const Cell* control = control_of(run, cell);
  const auto times = times_of(run, &cell, control);
  return times ? std::optional(Relative{control, *times}) : std::nullopt;
}

std::string control_name(const Cell& control) {
  if (control.scenario == "path" || control.scenario == "throughput") {
    return "plain forwarding";
  }
  if (control.scenario == "program") {
    return "a bare map lookup";
  }
  if (control.scenario == "update") {
    return "a bare map call";
  }
  if (control.scenario == "connect") {
    return "a plain connect()";
  }
  const std::string_view name = control.coordinate("name");
  return name == "syscall"          ? "a system call"
         : name == "multiplication" ? "a multiplication"
                                    : "a no-op program";
}

}  // namespace svcbench
