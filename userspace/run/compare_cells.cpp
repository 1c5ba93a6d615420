// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Of compare, path, nftables and ipvs; and the paths of ebpf.
#include <fmt/format.h>

#include <algorithm>

#include "measure/emulation.h"
#include "measure/wire/latency_histogram.h"
#include "run/cells.h"

namespace svcbench {

namespace {

// "new" of "new flow".
std::string first_word(const std::string& text) { return text.substr(0, text.find(' ')); }

Cell cell_of(const Field& field, std::string scenario, std::string unit) {
  Cell cell;
  cell.scenario = std::move(scenario);
  cell.plane = field.at("plane").text();
  cell.services = field.at("services").count();
  cell.unit = std::move(unit);
  return cell;
}

void add_sync(const Field& field, Cells& cells) {
  Cell cell = cell_of(field, "sync", "ns");
  cell.what = "sync";
  cell.id = id_of(cell);
  std::vector<double> user;
  std::vector<double> system;
  std::vector<double> generate;
  std::vector<double> commit;
  std::vector<double> bytes;
  for (const Field& repeat : field.at("repeats").elements()) {
    generate.push_back(repeat.at("generate_ns").number());
    commit.push_back(repeat.at("commit_ns").number());
    user.push_back(repeat.at("user_us").number() * 1e3);
    system.push_back(repeat.at("system_us").number() * 1e3);
    bytes.push_back(repeat.at("input_bytes").number());
    cell.values.push_back(generate.back() + commit.back());
  }
  if (!take_estimate(cell, field.at("p50_ns")) || cell.values.empty()) {
    return;  // left out
  }
  cell.also = {{"generate_ns", stats::block_median(generate)},
               {"commit_ns", stats::block_median(commit)},
               {"tool_user_ns", stats::block_median(user)},
               {"tool_system_ns", stats::block_median(system)},
               {"input_bytes", stats::block_median(bytes)}};
  cells.push_back(std::move(cell));
}

// stage + commit, block by block.
std::vector<std::vector<double>> whole(const Field& field) {
  auto blocks = field.at("commit_ns").blocks();
  const auto stages = field.at("stage_ns").blocks();
  for (std::size_t b = 0; b < std::min(blocks.size(), stages.size()); ++b) {
    for (std::size_t i = 0; i < std::min(blocks[b].size(), stages[b].size()); ++i) {
      blocks[b][i] += stages[b][i];
    }
  }
  return blocks;
}

void add_update(const Field& field, Cells& cells) {
  Cell cell = cell_of(field, "update", "ns");
  const std::string operation = field.at("operation").text();
  const std::string way = field.at("way").text_if_any();
  cell.what = operation + (way.empty() ? "" : ", " + way);
  cell.id = fmt::format("{}/{}{}{}", id_of(cell), id_part(first_word(operation)), way.empty() ? "" : "/",
                        id_part(way));
  if (!take_estimate(cell, field.at("p50_ns"))) {
    return;
  }
  cell.values = stats::block_medians(whole(field));
  const auto commit = stats::median_of_blocks(field.at("commit_ns").blocks());
  const auto stage = stats::median_of_blocks(field.at("stage_ns").blocks());
  if (commit && stage) {
    cell.also = {{"stage_ns", stage->value}, {"commit_ns", commit->value}};
  }
  cells.push_back(std::move(cell));
}

// p99.99 and the largest, which the file has as a histogram.
void add_tail(Cell& cell, const Field& field, double ns) {
  std::vector<std::pair<double, double>> buckets;
  double packets = 0;
  for (const std::vector<double>& bucket : field.at("histogram").blocks()) {
    if (bucket.size() == 2) {
      buckets.emplace_back(bucket[0], bucket[1]);
      packets += bucket[1];
    }
  }
  if (buckets.empty()) {
    return;
  }
  cell.also["max"] = buckets.back().first / ns;
  if (packets >= 1e4) {
    double left = packets * 1e-4;
    auto bucket = buckets.rbegin();
    for (; left > bucket->second; ++bucket) {
      left -= bucket->second;
    }
    cell.also["p99.99"] = bucket->first / ns;
  }
}

void add_throughput(const Field& field, const Cell& path, Cells& cells) {
  Cell cell = cell_of(field, "throughput", "packets/s");
  cell.values = field.at("packets_per_second").numbers();
  if (const auto estimate = stats::median_of(cell.values)) {
    cell.what = path.what;
    cell.id = cell.scenario + path.id.substr(path.scenario.size());
    cell.value = estimate->value;
    cell.interval = estimate->interval;
    cell.samples = estimate->samples;
    cells.push_back(std::move(cell));
  }
}

void add_path(const Field& field, const ToldIn& told, Cells& cells) {
  Cell cell = cell_of(field, "path", told.name == "ns" ? "ns" : "instructions");
  const std::string flow = field.at("flow").text();
  const std::string position = field.at("position").text();
  const std::string protocol = field.at("protocol").text();
  const std::string family = field.at("family").text();
  const bool ipv4 = family == "IPv4";
  cell.what = fmt::format("{}, {} {}{}", flow, position, protocol, ipv4 ? "" : ", " + family);
  cell.id = fmt::format("{}/{}/{}/{}{}", id_of(cell), id_part(first_word(flow)), id_part(position),
                        id_part(protocol), ipv4 ? "" : "/" + id_part(family));
  if (!take_estimate(cell, field.at("p50_ns"))) {
    return;
  }
  cell.values = field.at("volley_p50_ns").numbers();
  take_if_any(cell, "p90", field.at("p90_ns"));
  take_if_any(cell, "p99", field.at("p99_ns"));
  take_if_any(cell, "p99.9", field.at("p999_ns"));
  for (double* ns : {&cell.value, cell.interval ? &cell.interval->low : nullptr,
                     cell.interval ? &cell.interval->high : nullptr}) {
    if (ns != nullptr) {
      *ns /= told.ns;
    }
  }
  for (double& ns : cell.values) {
    ns /= told.ns;
  }
  for (auto& [name, ns] : cell.also) {
    ns /= told.ns;
  }
  add_tail(cell, field, told.ns);
  cell.also["packets"] = field.at("packets").number();
  const Cell path = cell;
  cells.push_back(std::move(cell));
  add_throughput(field, path, cells);
}

void add_states(const Field& field, Cells& cells) {
  const auto add = [&](const char* name, std::string what, std::string unit,
                       const std::optional<double>& value) -> Cell* {
    if (!value) {
      return nullptr;
    }
    Cell cell = cell_of(field, "state", std::move(unit));
    cell.what = std::move(what);
    cell.id = fmt::format("{}/{}", id_of(cell), name);
    cell.value = *value;
    cell.samples = 1;
    cells.push_back(std::move(cell));
    return &cells.back();
  };
  add("conntrack", "conntrack entries per 1,000 new flows", "entries",
      field.at("conntrack_entries_per_1000_new_flows").number_if_any());
  add("flow-table", "entries of the plane's own flow table per 1,000 new flows", "entries",
      field.at("flow_table_entries_per_1000_new_flows").number_if_any());
  if (Cell* cell =
          add("kernel-memory", "kernel memory", "bytes", field.at("kernel_bytes").number_if_any())) {
    cell->interval = field.at("kernel_bytes_interval").interval();
  }
  const Field peak = field.at("user_peak");
  if (peak.is_null()) {
    return;
  }
  if (Cell* cell =
          add("user-memory", "user-space memory at its peak", "bytes", peak.at("bytes").number())) {
    cell->also = {{"own_bytes", peak.at("own_bytes").number()},
                  {"tool_bytes", peak.at("tool_bytes").number()}};
  }
}

}  // namespace

void add_path_cells(const Field& document, Cells& cells) {
  const ToldIn told = told_in(emulation_of(document.at("environment").json()));
  for (const Field& field : document.at("paths").elements()) {
    add_path(field, told, cells);
  }
  if (const auto clock = document.at("instrument").at("clock_ns").number_if_any()) {
    Cell cell;
    cell.id = "instrument/clock";
    cell.scenario = "instrument";
    cell.what = "one reading of the clock in a program";
    cell.unit = told.name == "ns" ? "ns" : "instructions";
    cell.value = *clock / told.ns;
    cell.samples = 1;
    cells.push_back(std::move(cell));
  }
}

void add_compare_cells(const Field& document, Cells& cells) {
  for (const Field& field : document.at("syncs").elements()) {
    add_sync(field, cells);
  }
  for (const Field& field : document.at("updates").elements()) {
    add_update(field, cells);
  }
  add_path_cells(document, cells);
  for (const Field& field : document.at("states").elements()) {
    add_states(field, cells);
  }
  add_growth_cells(document.at("growth"), "what", cells);
}

}  // namespace svcbench
