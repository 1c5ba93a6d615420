// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fmt/format.h>

#include "run/cells.h"

namespace svcbench {

namespace {

void add_update(const Field& field, Cells& cells) {
  Cell cell;
  cell.scenario = "update";
  cell.plane = field.at("plane").text();
  cell.services = field.at("services").count();
  cell.what = field.at("operation").text();
  cell.unit = "ns";
  cell.id = fmt::format("{}/{}", id_of(cell), id_part(cell.what.substr(0, cell.what.find(' '))));
  if (!take_estimate(cell, field.at("p50_ns"))) {
    return;  // left out
  }
  cell.values = stats::block_medians(field.at("commit_ns").blocks());
  take_if_any(cell, "p99", field.at("p99_ns"));
  take_if_any(cell, "max", field.at("max_ns"));
  take_if_any(cell, "rules", field.at("rules"));
  if (const auto stage = field.at("stage_p50_ns").estimate()) {
    cell.also["stage_ns"] = stage->value;
  }
  cells.push_back(std::move(cell));
}

void add_fill(const Field& field, Cells& cells) {
  const std::string writes = field.at("writes").text();
  Cell cell;
  cell.scenario = "fill";
  cell.plane = "ebpf";
  cell.services = field.at("services").count();
  cell.what = "fill empty maps, " + writes;
  cell.unit = "ns";
  cell.id = fmt::format("{}/{}", id_of(cell), id_part(writes));
  if (!take_estimate(cell, field.at("p50_ns"))) {
    return;
  }
  cell.values = field.at("ns").numbers();
  take_if_any(cell, "map_bytes", field.at("map_bytes"));
  take_if_any(cell, "backends", field.at("backends"));
  cells.push_back(std::move(cell));
}

void add_program(const Field& field, Cells& cells) {
  const std::string hook = field.at("hook").text();
  const std::string depth = field.at("depth").text();
  const std::string family = field.at("family").text();
  const std::string destination = field.at("destination").text_if_any();
  Cell cell;
  cell.scenario = "program";
  cell.plane = "ebpf-" + hook;
  cell.services = field.at("services").count();
  cell.what = fmt::format("{}{}{}, {}", depth, destination.empty() ? "" : ", ", destination, family);
  cell.unit = "ns";
  cell.id = fmt::format("{}/{}{}{}/{}", id_of(cell), id_part(depth), destination.empty() ? "" : "/",
                        id_part(destination), id_part(family));
  if (!take_estimate(cell, field.at("p50_ns"))) {
    return;
  }
  cell.values = stats::block_medians(field.at("ns_per_packet").blocks());
  if (const auto kernel = stats::median_of(field.at("kernel_ns_per_packet").numbers())) {
    cell.also["kernel_ns"] = kernel->value;
  }
  take_if_any(cell, "packets_per_sample", field.at("packets_per_sample"));
  cells.push_back(std::move(cell));
}

}  // namespace

void add_ebpf_cells(const Field& document, Cells& cells) {
  for (const Field& field : document.at("updates").elements()) {
    add_update(field, cells);
  }
  for (const Field& field : document.at("fills").elements()) {
    add_fill(field, cells);
  }
  for (const Field& field : document.at("programs").elements()) {
    add_program(field, cells);
  }
  add_path_cells(document, cells);
  add_growth_cells(document.at("growth"), "operation", cells);
  add_growth_cells(document.at("path_growth"), "what", cells);
}

}  // namespace svcbench
