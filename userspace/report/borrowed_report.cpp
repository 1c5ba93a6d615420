// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/borrowed_report.h"

#include "report/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

json figure_json(const Figure& figure) {
  json out{{"what", figure.kind ? "path" : figure.operation ? "update" : "sync"}};
  if (figure.kind) {
    out["flow"] = to_string(figure.kind->flow);
    out["position"] = to_string(figure.kind->position);
    out["protocol"] = to_string(figure.kind->protocol);
  }
  if (figure.operation) {
    out["operation"] = to_string(*figure.operation);
    out["way"] = figure.way.empty() ? json() : json(figure.way);
  }
  return out;
}

json via_json(const Via& via) {
  return {{"plane", via.plane},
          {"ratio", estimate_json(via.ratio)},
          {"here_ns", estimate_json(via.here)},
          {"scaled_ns", estimate_json(via.scaled)}};
}

json cell_json(const BorrowedCell& cell) {
  json out = figure_json(cell.figure);
  out["plane"] = cell.plane;
  out["services"] = cell.services;
  out["scaled_ns"] = estimate_json(cell.ns);
  out["via"] = each(cell.vias, via_json);
  return out;
}

json growth_json(const BorrowedGrowth& growth) {
  json out = figure_json(growth.figure);
  out["plane"] = growth.plane;
  out["exponent"] = growth.growth.exponent;
  out["interval"] = interval_json(growth.growth.interval);
  out["rounds"] = growth.growth.rounds;
  out["trend"] = to_string(classify(growth.growth));
  return out;
}

json count_json(const BorrowedCount& count) {
  return {{"plane", count.plane},
          {"services", count.services},
          {"conntrack_entries_per_1000_new_flows", count.entries},
          {"user_peak_bytes", or_null(count.user_bytes)}};
}

json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

}  // namespace

json borrowed_json(const CompareResults& results) {
  json out = json::array();
  if (results.borrowed) {
    const Borrowed& borrowed = *results.borrowed;
    out.push_back({{"source",
                    {{"file", borrowed.lender.file},
                     {"kernel", text_or_null(borrowed.lender.kernel)},
                     {"kernel_source", text_or_null(borrowed.lender.kernel_source)},
                     {"emulated", text_or_null(borrowed.lender.emulation)}}},
                   {"planes", borrowed.planes},
                   {"cells", each(borrowed.cells, cell_json)},
                   {"growth", each(borrowed.growths, growth_json)},
                   {"counts", each(borrowed.counts, count_json)}});
  }
  return out;
}

}  // namespace svcbench
