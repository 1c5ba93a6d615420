// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/run_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "measure/emulation.h"
#include "plane/registry.h"
#include "stats/growth.h"

namespace svcbench {

namespace {

bool is_of(const Cell& cell, const std::vector<std::string_view>& scenarios) {
  return std::find(scenarios.begin(), scenarios.end(), cell.scenario) != scenarios.end() &&
         !is_instrument(cell.plane);
}

}  // namespace

std::string RunView::emulation() const { return emulation_of(file_->environment); }

DisplayUnit RunView::unit() const { return display_unit(emulation()); }

std::optional<stats::Estimate> RunView::in_unit(std::optional<stats::Estimate> ns) const {
  if (ns) {
    ns->value /= unit().ns;
    if (ns->interval) {
      ns->interval->low /= unit().ns;
      ns->interval->high /= unit().ns;
    }
  }
  return ns;
}

std::vector<const Cell*> RunView::all_of(std::string_view scenario) const {
  std::vector<const Cell*> out;
  for (const auto* cells : {&file_->cells, &file_->unmeasured}) {
    for (const Cell& cell : *cells) {
      if (cell.scenario == scenario && cell.origin != Origin::scaled) {
        out.push_back(&cell);
      }
    }
  }
  return out;
}

std::vector<std::string> RunView::planes(const std::vector<std::string_view>& scenarios) const {
  std::vector<std::string> names;
  const auto listed = file_->details.find("planes");
  std::vector<std::string> order;
  if (listed != file_->details.end() && listed->is_array()) {
    for (const auto& one : *listed) {
      if (one.is_string()) {
        order.push_back(one.get<std::string>());
      }
    }
  }
  std::set<std::string> seen;
  for (const Cell& cell : file_->cells) {
    if (is_of(cell, scenarios)) {
      seen.insert(cell.plane);
    }
  }
  for (const std::string& name : order) {
    if (seen.contains(name)) {
      add_unique(names, name);
    }
  }
  for (const Cell& cell : file_->cells) {
    if (is_of(cell, scenarios)) {
      add_unique(names, cell.plane);
    }
  }
  return names;
}

std::vector<std::string> RunView::plain_scenarios() const {
  std::vector<std::string> names;
  for (const Cell& cell : file_->cells) {
    if (is_plain(cell.scenario)) {
      add_unique(names, cell.scenario);
    }
  }
  return names;
}

std::vector<std::size_t> RunView::sizes(const std::vector<std::string_view>& scenarios) const {
  std::set<std::size_t> sizes;
  for (const Cell& cell : file_->cells) {
    if (is_of(cell, scenarios) && cell.services > 0) {
      sizes.insert(cell.services);
    }
  }
  return {sizes.begin(), sizes.end()};
}

std::vector<const Cell*> RunView::over_sizes(std::string_view scenario, std::string_view plane,
                                             std::string_view rest) const {
  std::vector<const Cell*> cells;
  for (const std::size_t services : sizes({scenario})) {
    if (const Cell* cell = find(cell_id(scenario, plane, services, rest))) {
      cells.push_back(cell);
    }
  }
  return cells;
}

std::string_view RunView::protocol() const {
  const bool udp = std::any_of(file_->cells.begin(), file_->cells.end(), [](const Cell& cell) {
    return cell.scenario == "path" && cell.id.ends_with("/UDP");
  });
  return udp ? "UDP" : "TCP";
}

std::vector<std::string> RunView::ways(std::string_view plane) const {
  std::vector<std::string> ways;
  for (const Cell& cell : file_->cells) {
    const std::string stem = cell_id("update", plane, cell.services, "change");
    if (cell.scenario != "update" || !cell.id.starts_with(stem)) {
      continue;
    }
    add_unique(ways, cell.id.size() > stem.size() ? cell.id.substr(stem.size() + 1) : "");
  }
  return ways;
}

void add_unique(std::vector<std::string>& names, std::string name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    names.push_back(std::move(name));
  }
}

std::string cell_id(std::string_view scenario, std::string_view plane, std::size_t services,
                    std::string_view rest) {
  return fmt::format("{}/{}/{}{}{}", scenario, id_part(plane), services, rest.empty() ? "" : "/", rest);
}

std::string growth_id(std::string_view plane, std::string_view what) {
  return fmt::format("growth/{}/{}", id_part(plane), id_part(what));
}

std::string_view trend_of(const Cell& growth) {
  return to_string(
      classify({.exponent = growth.value, .interval = growth.interval, .rounds = growth.samples}));
}

}  // namespace svcbench
