// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One figure of a run, whatever command made it. Reports, exports, diff and explain read these.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "stats/quantile.h"

namespace svcbench {

struct Cell {
  // The same in every run that measures the same thing, and used once in a run: the scenario, the plane,
  // the number of services, then what sets it apart: "path/ebpf-xdp/1000/new/last/UDP". Of
  // [A-Za-z0-9._+:-] and '/' alone, whatever the file says.
  std::string id;
  // "sync", "update", "fill", "path", "throughput", "program", "state", "chapter", "ruleset", "floor",
  // "connect", "churn", "instrument", "growth".
  std::string scenario;
  std::string plane;         // as the file names it: text that nobody has checked
  std::size_t services = 0;  // 0: it belongs to no size
  std::string what;          // as tables print it: "new flow, last UDP"; text that nobody has checked
  // "ns", "instructions" (where an emulator's clock counts those), "bytes", "entries", "packets/s",
  // "packets", "changes/s", "exponent".
  std::string unit;

  double value = 0;
  std::optional<stats::Interval> interval{};
  std::size_t samples = 0;
  // What the value and the interval were made of, in the order in which they were measured (of churn, by
  // service), in `unit`: one a repeat, or the median of a block or a volley. Empty where the file has none.
  std::vector<double> values{};
  // Beside it, by name; the name ends in the unit where that is another: "p90", "p99", "p99.9", "max",
  // "stage", "tool_user_ns", "input_bytes".
  std::map<std::string, double> also{};
};

}  // namespace svcbench
