// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Charts of bars, as data: each at the largest size that there is.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "report/html/page_run.h"
#include "service/text.h"

namespace svcbench::html {

namespace {

using nlohmann::json;

// ---- what a sync is made of ----

constexpr std::array<std::string_view, 4> phases{"generating text or messages", "its tool, user time",
                                                 "its tool, system time", "the rest of the commit"};

// In the order of the phases; null where the plane runs no tool.
std::array<json, phases.size()> phases_of(const Cell& sync) {
  const auto ns = [&](const char* name) {
    const auto found = sync.also.find(name);
    return found == sync.also.end() ? 0.0 : found->second;
  };
  const double user = ns("tool_user_ns");
  const double system = ns("tool_system_ns");
  const bool tool = user + system > 0 || ns("input_bytes") > 0;
  return {json(ns("generate_ns")), tool ? json(user) : json(), tool ? json(system) : json(),
          json(ns("commit_ns") - user - system)};
}

// ---- a bar a figure ----

struct BarSet {
  std::string name;
  std::vector<const Cell*> cells;  // one a category; null: not measured
};

json sets_json(const PageRun& run, const std::vector<BarSet>& sets) {
  json out = json::array();
  for (const BarSet& set : sets) {
    json places = json::array();
    for (const Cell* cell : set.cells) {
      places.push_back(cell == nullptr ? json() : json(run.place(*cell)));
    }
    out.push_back({{"name", set.name}, {"cells", std::move(places)}});
  }
  return out;
}

}  // namespace

void add_sync_chart(const PageRun& run, json& blocks) {
  const auto sizes = run.sizes({"sync"});
  if (sizes.empty()) {
    return;
  }
  json categories = json::array();
  json totals = json::array();
  std::array<json, phases.size()> values{};
  values.fill(json::array());
  for (const std::string& plane : run.planes({"sync"})) {
    const Cell* cell = run.find(cell_id("sync", plane, sizes.back(), ""));
    if (cell == nullptr) {
      continue;  // left out, which the machine's section tells
    }
    categories.push_back(label_of(plane));
    totals.push_back(run.place(*cell));
    const auto parts = phases_of(*cell);
    for (std::size_t i = 0; i < phases.size(); ++i) {
      values[i].push_back(parts[i]);
    }
  }
  if (categories.empty()) {
    return;
  }
  json parts = json::array();
  for (std::size_t i = 0; i < phases.size(); ++i) {
    parts.push_back({{"name", phases[i]}, {"values", std::move(values[i])}});
  }
  blocks.push_back({{"chart", "stack"},
                    {"id", fmt::format("sync-chart-{}", run.index())},
                    {"run", run.index()},
                    {"title", fmt::format("All {} Services from nothing", grouped(sizes.back()))},
                    {"caption",
                     "A tool's CPU time is the kernel's account of it. The rest of the commit is waiting, "
                     "or the plane's own system calls where it runs no tool. Each part is a median by "
                     "itself (a negative rest, noise, is drawn as none); the whole is what was measured."},
                    {"first", "plane"},
                    {"x", {{"title", ""}}},
                    {"y", {{"title", "Median time"}, {"unit", "ns"}}},
                    {"categories", std::move(categories)},
                    {"totals", std::move(totals)},
                    {"parts", std::move(parts)}});
}

void add_fill_chart(const PageRun& run, json& blocks) {
  const auto sizes = run.sizes({"fill"});
  if (sizes.empty()) {
    return;
  }
  const std::vector<std::string> writes{"single", "batch", "mapped"};
  BarSet fill{.name = "fill of empty maps", .cells = {}};
  for (const std::string& way : writes) {
    fill.cells.push_back(run.find(cell_id("fill", "ebpf", sizes.back(), way)));
  }
  blocks.push_back(
      {{"chart", "bars"},
       {"id", fmt::format("fill-chart-{}", run.index())},
       {"run", run.index()},
       {"title", fmt::format("{} Services into empty eBPF maps", grouped(sizes.back()))},
       {"caption",
        "Single: a system call an entry; batch: BPF_MAP_UPDATE_BATCH; mapped: backends written "
        "through mapped memory, Services in a batch. Lines in the bars: 95 % intervals."},
       {"first", "writes"},
       {"x", {{"title", ""}}},
       {"y", {{"title", "Median time"}, {"unit", "ns"}}},
       {"categories", writes},
       {"sets", sets_json(run, {fill})}});
}

void add_throughput_chart(const PageRun& run, json& blocks) {
  const auto sizes = run.sizes({"throughput"});
  if (sizes.empty()) {
    return;
  }
  const auto planes = run.planes({"throughput"});
  std::vector<BarSet> sets;
  for (const auto& [flow, name] : {std::pair{"new", "first packets of flows"},
                                   {"established", "later packets"},
                                   {"reply", "replies"}}) {
    BarSet set{.name = name, .cells = {}};
    for (const std::string& plane : planes) {
      set.cells.push_back(run.find(
          cell_id("throughput", plane, sizes.back(), fmt::format("{}/random/{}", flow, run.protocol()))));
    }
    if (std::any_of(set.cells.begin(), set.cells.end(), [](const Cell* cell) { return cell != nullptr; })) {
      sets.push_back(std::move(set));
    }
  }
  if (sets.empty()) {
    return;
  }
  json categories = json::array();
  for (const std::string& plane : planes) {
    categories.push_back(label_of(plane));
  }
  blocks.push_back({{"chart", "bars"},
                    {"id", fmt::format("throughput-chart-{}", run.index())},
                    {"run", run.index()},
                    {"title", fmt::format("Packets a second, {} Services", grouped(sizes.back()))},
                    {"caption",
                     "To random Services, in batches of 64. One CPU generates, forwards and counts: planes "
                     "compare, a node's rate it is not. Lines in the bars: 95 % intervals."},
                    {"first", "plane"},
                    {"x", {{"title", ""}}},
                    {"y", {{"title", "Packets a second"}, {"unit", "packets/s"}}},
                    {"categories", std::move(categories)},
                    {"sets", sets_json(run, sets)}});
}

}  // namespace svcbench::html
