// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/borrowed_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "measure/borrow.h"
#include "report/figures.h"
#include "report/json_parts.h"

namespace svcbench {

namespace {

using nlohmann::json;

// The change of endpoints in the way that the lending run measured first.
Figure change_of(const Borrowed& borrowed, std::string_view plane) {
  const auto found = std::find_if(borrowed.growths.begin(), borrowed.growths.end(), [&](const auto& one) {
    return one.plane == plane && one.figure.operation == Operation::change_endpoints;
  });
  if (found != borrowed.growths.end()) {
    return found->figure;
  }
  const auto cell = std::find_if(borrowed.cells.begin(), borrowed.cells.end(), [&](const auto& one) {
    return one.plane == plane && one.figure.operation == Operation::change_endpoints;
  });
  return cell != borrowed.cells.end()
             ? cell->figure
             : Figure{.kind = std::nullopt, .operation = Operation::change_endpoints, .way = ""};
}

Figure path_of(const PathKind& kind) { return {.kind = kind, .operation = std::nullopt, .way = ""}; }

std::string trend_cell(const Borrowed& borrowed, std::string_view plane, const Figure& figure) {
  const BorrowedGrowth* found = find_borrowed_growth(borrowed, plane, figure);
  return found == nullptr ? "-"
                          : fmt::format("{}, b {:.2f} {}", to_string(classify(found->growth)),
                                        found->growth.exponent, borrowed.lender.mark);
}

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

const BorrowedCount* find_count(const CompareResults& results, std::string_view plane,
                                std::size_t services) {
  if (!results.borrowed) {
    return nullptr;
  }
  const auto& counts = results.borrowed->counts;
  const auto found = std::find_if(counts.begin(), counts.end(), [&](const BorrowedCount& count) {
    return count.plane == plane && count.services == services;
  });
  return found == counts.end() ? nullptr : &*found;
}

json text_or_null(const std::string& text) { return text.empty() ? json() : json(text); }

}  // namespace

std::string borrowed_path(const CompareResults& results, std::string_view plane, std::size_t services,
                          const PathKind& kind, const PathUnit& unit) {
  const BorrowedCell* cell =
      results.borrowed ? find_borrowed(*results.borrowed, plane, services, path_of(kind)) : nullptr;
  return cell == nullptr ? "-"
                         : fmt::format("~{} {}", unit.with_unit(cell->ns), results.borrowed->lender.mark);
}

std::string borrowed_change(const CompareResults& results, std::string_view plane, std::size_t services) {
  const BorrowedCell* cell = results.borrowed ? find_borrowed(*results.borrowed, plane, services,
                                                              change_of(*results.borrowed, plane))
                                              : nullptr;
  return cell == nullptr ? "-"
                         : fmt::format("~{} {}", figure_with_unit(cell->ns), results.borrowed->lender.mark);
}

std::string borrowed_path_trend(const CompareResults& results, std::string_view plane,
                                const PathKind& kind) {
  return results.borrowed ? trend_cell(*results.borrowed, plane, path_of(kind)) : "-";
}

std::string borrowed_change_trend(const CompareResults& results, std::string_view plane) {
  return results.borrowed ? trend_cell(*results.borrowed, plane, change_of(*results.borrowed, plane)) : "-";
}

std::string borrowed_count(const CompareResults& results, std::string_view plane, std::size_t services) {
  const BorrowedCount* count = find_count(results, plane, services);
  return count == nullptr ? "-" : fmt::format("{:.0f} {}", count->entries, results.borrowed->lender.mark);
}

std::string borrowed_user_memory(const CompareResults& results, std::string_view plane,
                                 std::size_t services) {
  const BorrowedCount* count = find_count(results, plane, services);
  return count == nullptr || !count->user_bytes
             ? "-"
             : fmt::format("{} {}", mib_text(*count->user_bytes), results.borrowed->lender.mark);
}

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
