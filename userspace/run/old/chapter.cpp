// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "run/old/old_run.h"

namespace svcbench::old {

namespace {

void add_load(const Field& field, Run& run) {
  Cell cell =
      chapter_cell(field.at("backend").text(), field.at("services").count(), field.at("load").text());
  if (was_left_out(field, cell, run) || !take(cell, field.at("wall_p50_ns").estimate())) {
    return;
  }
  cell.values = field.at("wall_ns").numbers();
  take_part(cell, "tool_user_ns", {field.at("user_ns").numbers()});
  take_part(cell, "tool_system_ns", {field.at("system_ns").numbers()});
  take_part(cell, "generate_ns", {field.at("generate_ns").numbers()});
  take_beside(cell, "rules", field.at("rules").number_if_any());
  take_beside(cell, "input_bytes", field.at("input_bytes").number_if_any());
  take_beside(cell, "chapter_ns", field.at("chapter_ns").number_if_any());
  add(run, std::move(cell));
}

void add_floor(const Field& field, Run& run) {
  Cell cell = floor_cell(field.at("name").text(), field.at("backend").text_if_any());
  if (!take(cell, field.at("wall_p50_ns").estimate())) {
    return;
  }
  SampleBlocks wall;
  SampleBlocks user;
  SampleBlocks system;
  for (const Field& block : field.at("blocks").elements()) {
    wall.push_back(block.at("wall_ns").numbers());
    user.push_back(block.at("user_ns").numbers());
    system.push_back(block.at("system_ns").numbers());
  }
  take_blocks(cell, std::move(wall));
  take_part(cell, "tool_user_ns", std::move(user));
  take_part(cell, "tool_system_ns", std::move(system));
  add(run, std::move(cell));
}

std::optional<stats::Estimate> slope_of(const Field& line) {
  if (line.is_null()) {
    return std::nullopt;
  }
  return stats::Estimate{line.at("ns_per_rule").number(), line.at("ns_per_rule_interval").interval(), 0};
}

void add_growth(const Field& one, Run& run) {
  Cell cell = chapter_growth_cell(one.at("backend").text(), one.at("load").text());
  take_beside(cell, "base_ns", one.at("base_ns").number_if_any());
  take_slope(cell, "ns_per_rule", slope_of(one.at("line")));
  take_beside(cell, "intercept_ns", one.at("line").at("intercept_ns").number_if_any());
  take_slope(cell, "cpu_ns_per_rule", slope_of(one.at("cpu_line")));
  const Field growth = one.at("above_base");
  if (growth.is_null()) {
    leave_out(cell, "at no two sizes is the load clear of what the table without services takes", {});
  } else {
    cell.value = growth.at("exponent").number();
    cell.interval = growth.at("interval").interval();
    cell.samples = growth.at("rounds").count();
  }
  add(run, std::move(cell));
}

// Both back ends' loads beside each other, as comparisons have it.
nlohmann::json crossing_of(const Field& one) {
  nlohmann::json out = one.at("measured").is_null() ? nlohmann::json::object() : one.at("measured").json();
  out["what"] = one.at("load").json();
  out["plane"] = "iptables-nft";
  out["beside"] = "iptables-legacy";
  out["predicted"] = one.at("predicted").json();
  return out;
}

}  // namespace

void add_chapter(const Field& document, Run& run) {
  for (const Field& field : document.at("loads").elements()) {
    add_load(field, run);
  }
  for (const Field& field : document.at("floors").elements()) {
    add_floor(field, run);
  }
  for (const Field& one : document.at("growth").elements()) {
    add_growth(one, run);
  }
  nlohmann::json crossings = nlohmann::json::array();
  for (const Field& one : document.at("crossings").elements()) {
    crossings.push_back(crossing_of(one));
  }
  run.details["crossings"] = std::move(crossings);
}

}  // namespace svcbench::old
