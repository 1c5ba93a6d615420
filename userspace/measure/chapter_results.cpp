// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/chapter_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>

#include "plane/iptables_chapter.h"
#include "stats/rounds.h"

namespace svcbench {

namespace {

constexpr double ms = 1e6;

// Ascending in N, those that have samples.
std::vector<const LoadCell*> measured_cells(const ChapterResults& results, std::string_view backend,
                                            Load load) {
  std::vector<const LoadCell*> cells;
  for (const std::size_t services : results.sweep) {
    const LoadCell* cell = find_load(results, backend, load, services);
    if (cell != nullptr && !cell->tool.wall_ns.empty()) {
      cells.push_back(cell);
    }
  }
  return cells;
}

std::optional<stats::Growth> growth_above(const std::vector<const LoadCell*>& cells, double base_ns) {
  std::vector<double> rules;
  std::vector<std::vector<double>> costs;
  for (const LoadCell* cell : cells) {
    rules.push_back(static_cast<double>(cell->rules - chapter_base_rules));
    auto& above_base = costs.emplace_back(cell->tool.wall_ns);
    for (double& ns : above_base) {
      ns -= base_ns;
    }
  }
  return stats::growth(rules, stats::beside_each_other(costs));
}

// cost_by_round as stats::crossing() takes it: every sample in the round that it was taken in.
std::vector<std::vector<double>> wall_by_round(const ChapterResults& results, std::string_view backend,
                                               Load load) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::vector<double>> by_round(results.rounds,
                                            std::vector<double>(results.sweep.size(), none));
  for (std::size_t size = 0; size < results.sweep.size(); ++size) {
    const LoadCell* cell = find_load(results, backend, load, results.sweep[size]);
    const std::size_t repeats = cell == nullptr ? 0 : std::min(cell->tool.wall_ns.size(), results.rounds);
    for (std::size_t k = 0; k < repeats; ++k) {
      by_round[stats::repeat_beside(k, repeats, results.rounds)][size] = cell->tool.wall_ns[k];
    }
  }
  return by_round;
}

// Ascending; those that stand above the table without services with every sample.
std::vector<const LoadCell*> above(const std::vector<const LoadCell*>& cells, double base_ns) {
  std::vector<const LoadCell*> found;
  std::copy_if(cells.begin(), cells.end(), std::back_inserter(found), [base_ns](const LoadCell* cell) {
    const auto& samples = cell->tool.wall_ns;
    return *std::min_element(samples.begin(), samples.end()) >= least_multiple_of_base * base_ns;
  });
  return found;
}

double median(const std::vector<double>& samples) { return stats::median_of(samples)->value; }

double cpu_median(const ProcessSamples& samples) {
  std::vector<double> cpu;
  std::transform(samples.user_ns.begin(), samples.user_ns.end(), samples.system_ns.begin(),
                 std::back_inserter(cpu), std::plus<>());
  return median(cpu);
}

}  // namespace

std::string line_text(const stats::LinearFit& line) {
  const std::string interval =
      line.slope_interval
          ? fmt::format(" [{:.0f}, {:.0f}]", line.slope_interval->low, line.slope_interval->high)
          : "";
  return fmt::format("{:.1f} ms + {:.0f}{} ns a rule", line.intercept / ms, line.slope, interval);
}

std::string_view to_string(Load load) { return load == Load::first ? "first load" : "reload"; }

std::optional<double> chapter_seconds(std::size_t services) {
  const auto row = std::find_if(chapter_table.begin(), chapter_table.end(),
                                [services](const ChapterRow& one) { return one.services == services; });
  return row == chapter_table.end() ? std::nullopt : std::optional(row->seconds);
}

const LoadCell* find_load(const ChapterResults& results, std::string_view backend, Load load,
                          std::size_t services) {
  const auto found = std::find_if(results.loads.begin(), results.loads.end(), [&](const LoadCell& cell) {
    return cell.backend == backend && cell.load == load && cell.services == services;
  });
  return found == results.loads.end() ? nullptr : &*found;
}

const FloorCell* find_floor(const ChapterResults& results, std::string_view name,
                            std::string_view backend) {
  const auto found = std::find_if(results.floors.begin(), results.floors.end(), [&](const FloorCell& cell) {
    return cell.name == name && cell.backend == backend;
  });
  return found == results.floors.end() ? nullptr : &*found;
}

std::vector<std::string> measured_backends(const ChapterResults& results) {
  std::vector<std::string> names;
  for (const ChapterBackend& backend : results.backends) {
    if (backend.missing.empty()) {
      names.push_back(backend.name);
    }
  }
  return names;
}

std::optional<stats::Estimate> floor_figure(const FloorCell& floor,
                                            std::vector<double> ProcessSamples::*samples) {
  std::vector<std::vector<double>> blocks;
  for (const ProcessSamples& block : floor.blocks) {
    blocks.push_back(block.*samples);
  }
  return stats::median_of_blocks(blocks);
}

std::optional<stats::Estimate> times_chapter(const LoadCell& cell) {
  const auto chapter = chapter_seconds(cell.services);
  auto here = stats::median_of(cell.tool.wall_ns);
  if (!chapter || !here) {
    return std::nullopt;
  }
  const double ns = *chapter * 1e9;
  here->value /= ns;
  if (here->interval) {
    here->interval = stats::Interval{here->interval->low / ns, here->interval->high / ns};
  }
  return here;
}

std::optional<stats::Estimate> times_other(const LoadCell& a, const LoadCell& b) {
  return stats::ratio_by_round(a.tool.wall_ns, b.tool.wall_ns);
}

ChapterGrowth growth_of(const ChapterResults& results, std::string_view backend, Load load) {
  ChapterGrowth growth;
  growth.backend = backend;
  growth.load = load;
  const auto cells = measured_cells(results, backend, load);
  const LoadCell* base = find_load(results, backend, load, 0);
  if (base != nullptr && !base->tool.wall_ns.empty()) {
    growth.base_ns = median(base->tool.wall_ns);
    const auto costlier = above(cells, *growth.base_ns);
    growth.above_base = growth_above(costlier, *growth.base_ns);
    for (const LoadCell* cell : costlier) {
      growth.sizes.push_back(cell->services);
    }
  }
  std::vector<double> rules;
  std::vector<double> wall;
  std::vector<double> cpu;
  for (const LoadCell* cell : cells) {
    rules.push_back(static_cast<double>(cell->rules));
    wall.push_back(median(cell->tool.wall_ns));
    cpu.push_back(cpu_median(cell->tool));
  }
  growth.line = stats::linear_fit(rules, wall);
  growth.cpu_line = stats::linear_fit(rules, cpu);
  for (std::size_t i = 0; growth.line && i < rules.size(); ++i) {
    const double residual = std::abs(wall[i] - growth.line->predict(rules[i]));
    growth.worst_residual =
        std::max(growth.worst_residual, residual / *std::max_element(wall.begin(), wall.end()));
  }
  return growth;
}

std::vector<ChapterGrowth> all_growths(const ChapterResults& results) {
  std::vector<ChapterGrowth> growths;
  for (const std::string& backend : measured_backends(results)) {
    for (const Load load : all_loads) {
      growths.push_back(growth_of(results, backend, load));
    }
  }
  return growths;
}

stats::LinearFit chapter_line() {
  std::vector<double> rules;
  std::vector<double> ns;
  for (const ChapterRow& row : chapter_table) {
    rules.push_back(static_cast<double>(row.rules));
    ns.push_back(row.seconds * 1e9);
  }
  return *stats::linear_fit(rules, ns);
}

std::vector<ChapterCrossing> crossings_of(const ChapterResults& results) {
  std::vector<ChapterCrossing> crossings;
  if (measured_backends(results).size() < 2) {
    return crossings;
  }
  const std::vector<double> sizes(results.sweep.begin(), results.sweep.end());
  for (const Load load : all_loads) {
    ChapterCrossing one{.load = load, .measured = {}, .predicted = {}};
    one.measured = stats::crossing(sizes, wall_by_round(results, "nft", load),
                                   wall_by_round(results, "legacy", load), results.seed);
    const auto nft = growth_of(results, "nft", load).line;
    const auto legacy = growth_of(results, "legacy", load).line;
    const bool throughout =
        one.measured && (one.measured->kind == stats::CrossingKind::cheaper_throughout ||
                         one.measured->kind == stats::CrossingKind::costlier_throughout);
    if (throughout && nft && legacy) {
      // The lines are over rules, 3 a service: the intersection is moved to services.
      constexpr auto base = static_cast<double>(chapter_base_rules);
      constexpr auto per_service = static_cast<double>(chapter_rules_per_service);
      auto predicted =
          stats::predicted_crossing(*nft, *legacy, one.measured->sizes.high * per_service + base);
      if (predicted) {
        predicted->services = (predicted->services - base) / per_service;
      }
      one.predicted = predicted;
    }
    crossings.push_back(one);
  }
  return crossings;
}

}  // namespace svcbench
