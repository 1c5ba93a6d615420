// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/registry.h"

#include <algorithm>
#include <array>

#include "measure/scenario/rows.h"

namespace svcbench {

std::span<const ScenarioRow> scenarios() {
  static constexpr std::array<ScenarioRow, 12> rows{{
      {.name = "calibration",
       .summary = "known work beside everything else: what the machine was worth while a run lasted"},
      {.name = "fill",
       .summary = "all N services into empty maps: by single syscalls, in batches, through mapped memory"},
      {.name = "sync",
       .summary = "N services from nothing, as the plane's controller does it: generation, tool, kernel",
       .make = make_sync},
      {.name = "update",
       .summary = "one service's endpoints change, one service is added, one removed, where N exist",
       .make = make_update,
       .changes_planes = true},
      {.name = "whole-sync",
       .summary = "kube-proxy's whole sync in parts (list, generate, commit, clean up): from nothing, at a "
                  "restart, at a change",
       .make = make_whole_sync,
       .by_name = true},
      {.name = "program",
       .summary = "the BPF program alone, without a path: lookup, and lookup + DNAT, ns for each packet"},
      {.name = "path",
       .summary = "us from wire to wire through a node: new and established flows, every packet checked",
       .make = make_path,
       .packets = PacketsNeeded::all,
       .noun = "the path"},
      {.name = "throughput",
       .summary = "the same packets as many as go, in batches to a random service",
       .make = make_throughput,
       .packets = PacketsNeeded::all,
       .part_of = "path"},
      {.name = "state",
       .summary = "entries that 1,000 new flows leave in tables, kernel memory, user-space memory",
       .make = make_state,
       .packets = PacketsNeeded::some,
       .noun = "connection tracking"},
      {.name = "churn",
       .summary = "packets while services change: wrong, half-changed, lost, delayed; when a change shows"},
      {.name = "connect", .summary = "connect() and a first datagram of real sockets, by every plane"},
      {.name = "verify",
       .summary = "what a Service must do, tried with real sockets: a table of planes and behaviours"},
  }};
  return rows;
}

std::vector<std::string> scenario_names() {
  std::vector<std::string> names;
  for (const ScenarioRow& row : scenarios()) {
    if (row.make != nullptr && row.part_of.empty()) {
      names.emplace_back(row.name);
    }
  }
  return names;
}

std::vector<const ScenarioRow*> chosen_scenarios(const std::vector<std::string>& names) {
  std::vector<const ScenarioRow*> rows;
  for (const ScenarioRow& row : scenarios()) {
    const std::string_view chosen_by = row.part_of.empty() ? row.name : row.part_of;
    if (row.make != nullptr &&
        (names.empty() ? !row.by_name : std::find(names.begin(), names.end(), chosen_by) != names.end())) {
      rows.push_back(&row);
    }
  }
  return rows;
}

}  // namespace svcbench
