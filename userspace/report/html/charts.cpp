// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The charts of a page, as data.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "measure/chapter_results.h"
#include "plane/registry.h"
#include "report/html/page_run.h"
#include "report/tables.h"
#include "run/cells.h"
#include "run/json_parts.h"
#include "service/text.h"

namespace svcbench::html {

namespace {

using nlohmann::json;

json places_of(const PageRun& run, const std::vector<const Cell*>& cells) {
  json places = json::array();
  for (const Cell* cell : cells) {
    places.push_back(run.place(*cell));
  }
  return places;
}

// cost = a N^b with the exponent that the run has, through the middle of the points.
json fit_of(const PageRun& run, const std::vector<const Cell*>& cells, const Cell& growth) {
  double sum = 0;
  for (const Cell* cell : cells) {
    if (cell->value <= 0) {
      return nullptr;
    }
    sum += std::log(cell->value) - growth.value * std::log(static_cast<double>(cell->services));
  }
  return {{"a", std::exp(sum / static_cast<double>(cells.size()))},
          {"b", growth.value},
          {"trend", trend_of(growth)},
          {"cell", run.place(growth)}};
}

json series_of(const PageRun& run, const std::string& plane, const std::string& name, bool dash,
               const std::vector<const Cell*>& cells, const std::string& what) {
  const Cell* growth = run.find(growth_id(plane, what));
  return {{"plane", plane},
          {"name", name},
          {"dash", dash},
          {"cells", places_of(run, cells)},
          {"fit", growth == nullptr ? json() : fit_of(run, cells, *growth)}};
}

json growth_chart(const PageRun& run, const std::string& id, const std::string& title,
                  const std::string& caption, const std::string& axis, const std::string& unit,
                  json series) {
  return {{"chart", "growth"},
          {"id", fmt::format("{}-{}", id, run.index())},
          {"run", run.index()},
          {"title", title},
          {"caption", caption},
          {"x", {{"title", "Services"}}},
          {"y", {{"title", axis}, {"unit", unit}}},
          {"series", std::move(series)},
          {"marks", json::array()}};
}

bool shows_growth(const json& series) {
  return std::any_of(series.begin(), series.end(), [](const json& one) { return one["cells"].size() > 1; });
}

// ---- crossing points ----

// What a plane costs at `services`, between its points, straight on log-log axes.
std::optional<double> value_at(const std::vector<const Cell*>& cells, double services) {
  for (std::size_t i = 1; i < cells.size(); ++i) {
    const double low = static_cast<double>(cells[i - 1]->services);
    const double high = static_cast<double>(cells[i]->services);
    if (services >= low && services <= high && cells[i - 1]->value > 0 && cells[i]->value > 0) {
      const double share = std::log(services / low) / std::log(high / low);
      return cells[i - 1]->value * std::pow(cells[i]->value / cells[i - 1]->value, share);
    }
  }
  return std::nullopt;
}

std::string whole(double services) {
  return grouped(static_cast<std::size_t>(std::lround(std::max(services, 0.0))));
}

// Those of the run's crossings that have a place, of costs whose name begins with `what`.
template <typename CellsOf>
json marks_of(const PageRun& run, std::string_view what, const CellsOf& cells_of) {
  json marks = json::array();
  for (const Field& one : run.details().at("crossings").elements()) {
    const std::string kind = one.at("kind").text();
    const auto services = one.at("services").number_if_any();
    const auto interval = one.at("interval").interval();
    const std::string plane = one.at("plane").text();
    if (!one.at("what").text().starts_with(what) || !kind.starts_with("becomes") || !services ||
        !interval) {
      continue;
    }
    if (const auto value = value_at(cells_of(plane), *services)) {
      marks.push_back({{"services", *services},
                       {"low", interval->low},
                       {"high", interval->high},
                       {"value", *value},
                       {"text", fmt::format("{} {} than {} at N = {} [{}, {}]", label_of(plane), kind,
                                            label_of(one.at("beside").text()), whole(*services),
                                            whole(interval->low), whole(interval->high))},
                       {"more", fmt::format("{} rounds", one.at("rounds").count())}});
    }
  }
  return marks;
}

// ---- growth ----

void add_path_growth(const PageRun& run, const std::string& id, std::string_view flow,
                     std::string_view position, const std::string& title, const std::string& caption,
                     json& blocks) {
  const std::string rest = fmt::format("{}/{}/{}", flow, position, run.protocol());
  const std::string what = fmt::format("{} flow, {} {}", flow, position, run.protocol());
  const auto cells_of = [&](const std::string& plane) { return run.over_sizes("path", plane, rest); };
  json series = json::array();
  for (const std::string& plane : run.planes({"path"})) {
    const auto cells = cells_of(plane);
    if (!cells.empty()) {
      series.push_back(series_of(run, plane, label_of(plane), false, cells, what));
    }
  }
  if (shows_growth(series)) {
    json chart = growth_chart(run, id, title, caption, "Median time, wire to wire", run.path_unit(),
                              std::move(series));
    chart["marks"] = marks_of(run, what, cells_of);
    blocks.push_back(std::move(chart));
  }
}

std::string update_name(const std::string& plane, const std::string& way) {
  return way.empty() ? label_of(plane) : fmt::format("{}, {}", label_of(plane), way);
}

void add_update_growth(const PageRun& run, json& blocks) {
  json series = json::array();
  for (const std::string& plane : run.planes({"update"})) {
    const auto ways = run.ways(plane);
    for (const std::string& way : ways) {
      const auto cells = run.over_sizes("update", plane, way.empty() ? "change" : "change/" + way);
      const std::string what = way.empty() ? "change endpoints" : fmt::format("change endpoints ({})", way);
      if (!cells.empty()) {
        series.push_back(series_of(run, plane, update_name(plane, way), way != ways.front(), cells, what));
      }
    }
  }
  if (!shows_growth(series)) {
    return;
  }
  json chart =
      growth_chart(run, "growth-change", "A change of one Service's endpoints",
                   "From the change in hand to the kernel having it, generation included. Dashed: the "
                   "same by rewriting the whole table.",
                   "Median time", "ns", std::move(series));
  chart["marks"] = marks_of(run, "change endpoints", [&](const std::string& plane) {
    const auto ways = run.ways(plane);
    return run.over_sizes("update", plane,
                          ways.empty() || ways.front().empty() ? "change" : "change/" + ways.front());
  });
  blocks.push_back(std::move(chart));
}

void add_sync_growth(const PageRun& run, json& blocks) {
  json series = json::array();
  for (const std::string& plane : run.planes({"sync"})) {
    const auto cells = run.over_sizes("sync", plane, "");
    if (!cells.empty()) {
      series.push_back(series_of(run, plane, label_of(plane), false, cells, "sync"));
    }
  }
  if (shows_growth(series)) {
    blocks.push_back(
        growth_chart(run, "growth-sync", "All N Services from nothing",
                     "A controller's whole installation: generation, its tool or system calls, "
                     "the kernel's commit.",
                     "Median time", "ns", std::move(series)));
  }
}

// ---- percentiles ----

// Where a curve has its points: 1 / (1 - p), from the median to p99.99, and what a table asks for.
std::vector<double> percentile_places() {
  const std::vector<double> asked{2, 4, 10, 20, 100, 1000, 10'000};
  std::vector<double> places = asked;
  for (int step = 1; step < 37; ++step) {
    const double place = 2 * std::pow(10.0, 0.1 * step);
    const bool apart = std::none_of(asked.begin(), asked.end(),
                                    [&](double one) { return std::abs(std::log(place / one)) < 0.1; });
    if (apart) {
      places.push_back(place);
    }
  }
  std::sort(places.begin(), places.end());
  return places;
}

json curve_of(const Cell& cell, double packets) {
  json points = json::array();
  for (const double place : percentile_places()) {
    const auto value = quantile_of(cell.histogram, 1 - 1 / place);
    if (!value) {
      break;
    }
    points.push_back({place, *value, packets / place});
  }
  return points;
}

const Cell* find_path(const PageRun& run, const std::string& plane, std::size_t services,
                      std::string_view flow, std::string_view position) {
  return run.find(
      cell_id("path", plane, services, fmt::format("{}/{}/{}", flow, position, run.protocol())));
}

void add_percentiles(const PageRun& run, std::string_view flow, const std::string& id,
                     const std::string& title, json& blocks) {
  const auto sizes = run.sizes({"path"});
  if (sizes.empty()) {
    return;
  }
  json series = json::array();
  for (const std::string& plane : run.planes({"path"})) {
    const Cell* path = find_path(run, plane, sizes.back(), flow, "random");
    if (path == nullptr) {
      path = find_path(run, plane, sizes.back(), flow, "last");
    }
    const auto packets = path == nullptr ? decltype(path->also.end())() : path->also.find("packets");
    if (path == nullptr || packets == path->also.end()) {
      continue;
    }
    json points = curve_of(*path, packets->second);
    if (points.empty()) {
      continue;
    }
    series.push_back({{"plane", plane},
                      {"name", label_of(plane)},
                      {"points", std::move(points)},
                      {"packets", packets->second},
                      {"p50",
                       {{"value", path->value},
                        {"low", path->interval ? json(path->interval->low) : json()},
                        {"high", path->interval ? json(path->interval->high) : json()},
                        {"samples", path->samples},
                        {"unit", path->unit}}}});
  }
  if (!series.empty()) {
    blocks.push_back({{"chart", "percentiles"},
                      {"id", fmt::format("{}-{}", id, run.index())},
                      {"run", run.index()},
                      {"title", fmt::format("{}, {} Services", title, grouped(sizes.back()))},
                      {"caption",
                       "To a random Service. Every packet is in it; a percentile is shown only where "
                       "at least one packet took longer."},
                      {"x", {{"title", "Percentile of all packets"}}},
                      {"y", {{"title", "Time, wire to wire"}, {"unit", run.path_unit()}}},
                      {"series", std::move(series)}});
  }
}

// ---- programs ----

struct Part {
  std::string_view depth;
  std::string_view name;
};
constexpr std::array parts{Part{"empty", "an empty program: loop and clock"},
                           Part{"rewind", "drawing a destination"}, Part{"lookup", "parse, find, choose"},
                           Part{"dnat", "DNAT and checksums"}};

// Of one stack, bottom to top; null where one is missing.
std::array<const Cell*, parts.size()> depths_of(const PageRun& run, const std::string& plane,
                                                std::size_t services, std::string_view destination,
                                                std::string_view family) {
  std::array<const Cell*, parts.size()> cells{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool has_destination = i >= 2;
    cells[i] =
        run.find(cell_id("program", plane, services,
                         has_destination ? fmt::format("{}/{}/{}", parts[i].depth, destination, family)
                                         : fmt::format("{}/{}", parts[i].depth, family)));
  }
  return cells;
}

// ---- Figure 4.1 ----

json book_series() {
  json points = json::array();
  for (const ChapterRow& row : chapter_table) {
    points.push_back({row.services, row.seconds * 1e9});
  }
  return {{"plane", "the book"},
          {"slot", "book"},
          {"mark", "circle"},
          {"name", "the book, Ryzen 5700X"},
          {"dash", true},
          {"points", std::move(points)},
          {"about", "one figure each in the book: no interval, no count"},
          {"fit", json()}};
}

// "iptables-nft, reload".
void add_loads(const PageRun& run, const std::string& suffix, json& series) {
  for (const std::string& plane : run.planes({"chapter"})) {
    for (const auto& [load, name, what] :
         {std::array{"reload", "reload", "reload, above the table without services"},
          std::array{"first", "first load", "first load, above the table without services"}}) {
      auto cells = run.over_sizes("chapter", plane, load);
      if (!cells.empty()) {
        json one = series_of(run, plane, fmt::format("{}, {}{}", label_of(plane), name, suffix),
                             std::string_view(load) == "first", cells, what);
        one["fit"] = nullptr;  // its exponent is that of the cost above the base
        series.push_back(std::move(one));
      }
    }
  }
}

// Whole tables that other commands loaded.
void add_reloads(const PageRun& run, const std::string& suffix, json& series) {
  for (const std::string& plane : run.planes({"update"})) {
    if (kind_of(plane) != PlaneKind::iptables) {
      continue;
    }
    const bool full = !run.over_sizes("update", plane, "change/full").empty();
    const auto cells = run.over_sizes("update", plane, full ? "change/full" : "change");
    const bool of_chapter = !full && !cells.empty() && cells.front()->also.contains("rules");
    if (full || of_chapter) {
      series.push_back(series_of(
          run, plane, fmt::format("{}{}{}", label_of(plane), full ? ", kube-proxy's" : "", suffix), false,
          cells, full ? "change endpoints (full)" : "change endpoints"));
    }
  }
}

}  // namespace

void add_chapter_figure(const std::vector<PageRun>& runs, json& blocks) {
  json series = json::array();
  for (const PageRun& run : runs) {
    const std::string suffix =
        runs.size() > 1 ? fmt::format(" ({})", static_cast<char>('A' + run.index() % 26)) : "";
    add_loads(run, suffix, series);
    add_reloads(run, suffix, series);
  }
  if (series.empty()) {
    return;
  }
  series.insert(series.begin(), book_series());
  const bool others = std::any_of(series.begin(), series.end(), [](const json& one) {
    return one["name"].get_ref<const std::string&>().find("kube-proxy's") != std::string::npos;
  });
  blocks.push_back(
      {{"chart", "growth"},
       {"id", "figure-4-1-chart"},
       {"title", "Figure 4.1: iptables-restore of the whole table against the number of Services"},
       {"caption",
        std::string(
            "The book's five figures are of 3 rules a Service on an AMD Ryzen 7 5700X, in a privileged "
            "container.") +
            (others ? " Curves marked kube-proxy's load the table that kube-proxy writes: 2 + 3E rules a "
                      "Service of E endpoints, generation included."
                    : "")},
       {"x", {{"title", "Services"}}},
       {"y", {{"title", "Median time of a reload"}, {"unit", "ns"}}},
       {"series", std::move(series)},
       {"marks", json::array()}});
}

void add_growth_charts(const PageRun& run, json& blocks) {
  add_path_growth(run, "growth-new-last", "new", "last", "First packet of a flow, to the last Service",
                  "The last rule of a linear scan: its worst case. Dotted: the fitted line.", blocks);
  add_path_growth(run, "growth-new-random", "new", "random", "First packet of a flow, to a random Service",
                  "What a client meets on average.", blocks);
  add_path_growth(run, "growth-established", "established", "random", "Later packets of a flow",
                  "To a random Service. The connection tracker, or the flow table, answers.", blocks);
  add_update_growth(run, blocks);
  add_sync_growth(run, blocks);
}

void add_plain(const PageRun& run, json& blocks) {
  const auto tables = plain_tables(run);
  for (const Section& table : tables) {
    json series = json::array();
    const Cell* any = nullptr;
    for (const std::string& plane : run.planes({table.id})) {
      const auto cells = run.over_sizes(table.id, plane, table.id == "whole-sync" ? "one-change" : "");
      if (!cells.empty()) {
        any = cells.front();
        series.push_back(series_of(run, plane, label_of(plane), false, cells, any->what));
      }
    }
    if (any != nullptr && shows_growth(series)) {
      blocks.push_back(growth_chart(run, "growth-" + table.id, table.id, any->what, "Median", any->unit,
                                    std::move(series)));
    }
    blocks.push_back(section_block(table, run));
  }
}

void add_percentile_charts(const PageRun& run, json& blocks) {
  add_percentiles(run, "new", "latency-new", "First packet of a flow", blocks);
  add_percentiles(run, "established", "latency-established", "Later packets of a flow", blocks);
}

void add_program_chart(const PageRun& run, json& blocks) {
  const auto sizes = run.sizes({"program"});
  if (sizes.empty()) {
    return;
  }
  json categories = json::array();
  json totals = json::array();
  std::array<json, parts.size()> values{};
  values.fill(json::array());
  for (const std::string& plane : run.planes({"program"})) {
    for (const std::string_view family : {"IPv4", "IPv6"}) {
      for (const std::string_view destination : {"hot", "uniform", "zipf", "miss"}) {
        const auto cells = depths_of(run, plane, sizes.back(), destination, family);
        if (std::find(cells.begin(), cells.end(), nullptr) != cells.end()) {
          continue;
        }
        categories.push_back(fmt::format("{}, {}{}", label_of(plane).substr(6), destination,
                                         family == "IPv4" ? "" : ", IPv6"));
        totals.push_back(run.place(*cells.back()));
        for (std::size_t i = 0; i < parts.size(); ++i) {
          values[i].push_back(cells[i]->value - (i == 0 ? 0 : cells[i - 1]->value));
        }
      }
    }
  }
  if (categories.empty()) {
    return;
  }
  json list = json::array();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    list.push_back({{"name", parts[i].name}, {"values", std::move(values[i])}});
  }
  blocks.push_back(
      {{"chart", "stack"},
       {"id", fmt::format("program-chart-{}", run.index())},
       {"run", run.index()},
       {"title", fmt::format("The eBPF program alone, {} Services", grouped(sizes.back()))},
       {"caption",
        "BPF_PROG_TEST_RUN, by destination: hot one Service, uniform all alike, zipf the k-th with weight "
        "1/k, miss none. A part is the difference of two medians (a negative one, noise, is drawn as "
        "none); the whole is what was measured. It is not the path of a packet: no NIC, no skb, no "
        "routing."},
       {"first", "program"},
       {"x", {{"title", ""}}},
       {"y", {{"title", "ns a packet"}, {"unit", "ns"}}},
       {"categories", std::move(categories)},
       {"totals", std::move(totals)},
       {"parts", std::move(list)}});
}

}  // namespace svcbench::html
