// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/compare_analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "plane/registry.h"
#include "stats/rounds.h"

namespace svcbench {

// Generation and commit of each change, block by block.
Blocks whole_cost(const UpdateCell& cell) {
  Blocks whole = cell.commit_ns;
  for (std::size_t block = 0; block < whole.size() && block < cell.stage_ns.size(); ++block) {
    for (std::size_t i = 0; i < whole[block].size() && i < cell.stage_ns[block].size(); ++i) {
      whole[block][i] += cell.stage_ns[block][i];
    }
  }
  return whole;
}

namespace {

std::vector<double> sync_totals(const SyncCell& cell) {
  std::vector<double> totals;
  for (const SyncCost& cost : cell.repeats) {
    totals.push_back(static_cast<double>(cost.generate_ns + cost.commit_ns));
  }
  return totals;
}

// costs_at(services) has what each repeat at that size cost; none where it was not measured.
template <typename CostsAt>
Series series_of(const CompareResults& results, std::string_view plane, std::string what,
                 CostsAt costs_at) {
  Series series{std::string(plane), std::move(what)};
  std::vector<std::vector<double>> costs;
  for (const std::size_t services : sizes_of(results)) {
    if (std::vector<double> here = costs_at(services); !here.empty()) {
      series.sizes.push_back(static_cast<double>(services));
      costs.push_back(std::move(here));
    }
  }
  series.by_round = stats::beside_each_other(costs);
  return series;
}

// Of the resamples: figures made again from the same cells are the same.
constexpr std::uint64_t crossing_seed = 1;

}  // namespace

Series update_series(const CompareResults& results, std::string_view plane, std::string_view way,
                     Operation operation) {
  return series_of(
      results, plane,
      way.empty() ? std::string(to_string(operation)) : fmt::format("{} ({})", to_string(operation), way),
      [&](std::size_t services) {
        const UpdateCell* cell = find_update(results, plane, way, services, operation);
        return cell == nullptr ? std::vector<double>{} : stats::block_medians(whole_cost(*cell));
      });
}

Series whole_change_series(const CompareResults& results, std::string_view plane) {
  static constexpr std::string_view what = "whole sync, one change";
  return series_of(results, plane, std::string(what), [&](std::size_t services) {
    const auto found = std::find_if(results.cells.begin(), results.cells.end(), [&](const Cell& cell) {
      return cell.plane == plane && cell.services == services && cell.what == what;
    });
    return found == results.cells.end() ? std::vector<double>{} : found->values;
  });
}

Series sync_series(const CompareResults& results, std::string_view plane) {
  return series_of(results, plane, "sync", [&](std::size_t services) {
    const SyncCell* cell = find_sync(results, plane, services);
    return cell == nullptr ? std::vector<double>{} : sync_totals(*cell);
  });
}

Series path_series(const CompareResults& results, std::string_view plane, const PathKind& kind) {
  return series_of(
      results, plane,
      fmt::format("{}, {} {}", to_string(kind.flow), to_string(kind.position), to_string(kind.protocol)),
      [&](std::size_t services) {
        const PathCell* cell = find_path(results, plane, services, kind);
        return cell == nullptr ? std::vector<double>{} : cell->p50_ns;
      });
}

std::optional<stats::Growth> growth_of(const Series& series) {
  return series.sizes.size() < 2 ? std::nullopt : stats::growth(series.sizes, series.by_round);
}

std::optional<stats::Estimate> slope_of(const Series& series) {
  std::vector<double> slopes;
  for (const auto& round : series.by_round) {
    if (const auto line = stats::linear_fit(series.sizes, round)) {
      slopes.push_back(line->slope);
    }
  }
  return stats::median_of(slopes);
}

const UpdateCell* find_update(const CompareResults& results, std::string_view plane, std::string_view way,
                              std::size_t services, Operation operation) {
  const auto found =
      std::find_if(results.updates.begin(), results.updates.end(), [&](const UpdateCell& cell) {
        return cell.plane == plane && cell.way == way && cell.services == services &&
               cell.operation == operation && !cell.commit_ns.empty();
      });
  return found == results.updates.end() ? nullptr : &*found;
}

const SyncCell* find_sync(const CompareResults& results, std::string_view plane, std::size_t services) {
  const auto found = std::find_if(results.syncs.begin(), results.syncs.end(), [&](const SyncCell& cell) {
    return cell.plane == plane && cell.services == services && !cell.repeats.empty();
  });
  return found == results.syncs.end() ? nullptr : &*found;
}

const PathCell* find_path(const CompareResults& results, std::string_view plane, std::size_t services,
                          const PathKind& kind) {
  const auto found = std::find_if(results.paths.begin(), results.paths.end(), [&](const PathCell& cell) {
    return cell.plane == plane && cell.services == services && cell.kind == kind && !cell.p50_ns.empty();
  });
  return found == results.paths.end() ? nullptr : &*found;
}

std::optional<stats::Estimate> update_cost(const UpdateCell& cell) {
  return stats::median_of_blocks(whole_cost(cell));
}

std::optional<stats::Estimate> sync_cost(const SyncCell& cell) {
  return stats::median_of(sync_totals(cell));
}

std::optional<stats::Estimate> path_p50(const PathCell& cell) { return stats::median_of(cell.p50_ns); }

std::vector<std::string> ways_of(const CompareResults& results, std::string_view plane) {
  std::vector<std::string> ways;
  for (const UpdateCell& cell : results.updates) {
    if (cell.plane == plane && std::find(ways.begin(), ways.end(), cell.way) == ways.end()) {
      ways.push_back(cell.way);
    }
  }
  return ways;
}

std::vector<std::size_t> sizes_of(const CompareResults& results) {
  std::set<std::size_t> sizes;
  const auto collect = [&sizes](const auto& cells) {
    for (const auto& cell : cells) {
      sizes.insert(cell.services);
    }
  };
  collect(results.syncs);
  collect(results.updates);
  collect(results.paths);
  collect(results.states);
  return {sizes.begin(), sizes.end()};
}

Protocol usual_protocol(const CompareResults& results) {
  const bool udp = std::any_of(results.paths.begin(), results.paths.end(),
                               [](const PathCell& cell) { return cell.kind.protocol == Protocol::udp; });
  return udp ? Protocol::udp : Protocol::tcp;
}

std::optional<stats::Estimate> path_ratio(const PathCell& over, const PathCell& under) {
  return stats::ratio_by_round(over.p50_ns, under.p50_ns);
}

std::vector<CrossingFigure> all_crossings(const CompareResults& results) {
  const std::string usual_change = fmt::format("{} (usual way)", to_string(Operation::change_endpoints));
  std::vector<std::vector<Series>> kinds(3);
  for (const std::string& plane : results.planes) {
    if (is_floor(plane)) {
      continue;
    }
    kinds[0].push_back(
        path_series(results, plane, {FlowKind::fresh, Position::last, usual_protocol(results)}));
    const auto ways = ways_of(results, plane);
    kinds[1].push_back(
        update_series(results, plane, ways.empty() ? "" : ways.front(), Operation::change_endpoints));
    kinds[2].push_back(whole_change_series(results, plane));
  }
  std::vector<CrossingFigure> figures;
  for (const auto& all : kinds) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t j = i + 1; j < all.size(); ++j) {
        if (all[i].sizes.size() < 2 || all[i].sizes != all[j].sizes) {
          continue;
        }
        const auto crossing =
            stats::crossing(all[i].sizes, all[i].by_round, all[j].by_round, crossing_seed);
        if (crossing) {
          figures.push_back(
              {&all == &kinds[1] ? usual_change : all[i].what, all[i].plane, all[j].plane, *crossing});
        }
      }
    }
  }
  return figures;
}

}  // namespace svcbench
