// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/old/old_run.h"

namespace svcbench::old {

namespace {

void add_update(const Field& field, Run& run) {
  Cell cell =
      update_cell(field.at("plane").text(), field.at("services").count(), field.at("operation").text(), "");
  if (was_left_out(field, cell, run) || !take(cell, field.at("p50_ns").estimate())) {
    return;
  }
  take_blocks(cell, field.at("commit_ns").blocks());
  take_part(cell, "stage_ns", field.at("stage_ns").blocks());
  take_beside(cell, "p99", field.at("p99_ns").number_if_any());
  take_beside(cell, "max", field.at("max_ns").number_if_any());
  take_beside(cell, "rules", field.at("rules").number_if_any());
  add(run, std::move(cell));
}

void add_fill(const Field& field, Run& run) {
  Cell cell = fill_cell(field.at("services").count(), field.at("writes").text());
  if (!take(cell, field.at("p50_ns").estimate())) {
    return;
  }
  cell.values = field.at("ns").numbers();
  take_beside(cell, "map_bytes", field.at("map_bytes").number_if_any());
  take_beside(cell, "backends", field.at("backends").number_if_any());
  if (field.at("batched").json() == false) {
    cell.at["batched"] = "no";
  }
  add(run, std::move(cell));
}

void add_program(const Field& field, Run& run) {
  Cell cell = program_cell(field.at("hook").text(), field.at("services").count(), field.at("depth").text(),
                           field.at("destination").text_if_any(), field.at("family").text());
  if (!take(cell, field.at("p50_ns").estimate())) {
    return;
  }
  take_blocks(cell, field.at("ns_per_packet").blocks());
  take_part(cell, "kernel_ns", {field.at("kernel_ns_per_packet").numbers()});
  take_beside(cell, "packets_per_sample", field.at("packets_per_sample").number_if_any());
  add(run, std::move(cell));
}

}  // namespace

void add_ebpf(const Field& document, Run& run) {
  for (const Field& field : document.at("updates").elements()) {
    add_update(field, run);
  }
  for (const Field& field : document.at("fills").elements()) {
    add_fill(field, run);
  }
  for (const Field& field : document.at("programs").elements()) {
    add_program(field, run);
  }
  add_paths(document, run);
  add_growths(document.at("growth"), "operation", run);
  add_growths(document.at("path_growth"), "what", run);
}

}  // namespace svcbench::old
