// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/curves_text.h"

#include <fmt/format.h>

#include "report/quantity.h"

namespace svcbench {

namespace {

std::optional<double> cost_of(const Cell* cell) {
  return cell == nullptr ? std::nullopt : std::optional(cell->value);
}

std::string as_time(double ns) { return quantity(ns, "ns"); }

// Of each plane at each size, the cell that `id_at` names.
template <typename IdAt>
CurveGroup group_of(std::string title, const std::vector<std::string>& planes,
                    const std::vector<std::size_t>& sizes, const RunView& run, const IdAt& id_at) {
  CurveGroup group{.title = std::move(title), .format = as_time};
  for (const std::string& plane : planes) {
    Curve& curve = group.curves.emplace_back(Curve{plane});
    for (const std::size_t services : sizes) {
      curve.costs.push_back(cost_of(run.find(id_at(plane, services))));
    }
  }
  return group;
}

}  // namespace

std::string comparison_curves(const RunView& run, Bars bars) {
  const auto planes = run.planes({"sync", "update", "path"});
  const bool main_job = run.file().command == "ebpf";  // whose updates have curves of their own
  const auto sizes = run.sizes({"update", "path", "sync"});
  CurveGroup update =
      group_of("change endpoints (usual way)", main_job ? std::vector<std::string>() : planes, sizes, run,
               [&](const std::string& plane, std::size_t services) {
                 const auto ways = run.ways(plane);
                 const std::string way = ways.empty() ? "" : ways.front();
                 return cell_id("update", plane, services, way.empty() ? "change" : "change/" + way);
               });
  CurveGroup path =
      group_of(fmt::format("new flow, last {}", run.protocol()), planes, sizes, run,
               [&](const std::string& plane, std::size_t services) {
                 return cell_id("path", plane, services, fmt::format("new/last/{}", run.protocol()));
               });
  if (run.unit().name != "ns") {
    path.format = [](double instructions) { return quantity(instructions, "instructions"); };
  }
  return render_curves(sizes, {update, path}, bars);
}

std::string map_update_curves(const RunView& run, Bars bars) {
  const auto sizes = run.sizes({"update"});
  return render_curves(sizes,
                       {group_of("change endpoints", run.planes({"update"}), sizes, run,
                                 [](const std::string& plane, std::size_t services) {
                                   return cell_id("update", plane, services, "change");
                                 })},
                       bars);
}

std::string load_curves(const RunView& run, Bars bars) {
  const auto sizes = run.sizes({"chapter"});
  CurveGroup group = group_of("reload of the whole table", run.planes({"chapter"}), sizes, run,
                              [](const std::string& plane, std::size_t services) {
                                return cell_id("chapter", plane, services, "reload");
                              });
  Curve& book = group.curves.emplace_back(Curve{"the book"});
  for (const std::size_t services : sizes) {
    std::optional<double> ns;
    for (const Field& row : run.details().at("chapter").at("rows").elements()) {
      if (row.at("services").count() == services) {
        ns = row.at("ns").number();
      }
    }
    book.costs.push_back(ns);
  }
  return render_curves(sizes, {group}, bars);
}

}  // namespace svcbench
