// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Of compare, path, nftables and ipvs; and the paths of ebpf.
#include <fmt/format.h>

#include <algorithm>

#include "measure/emulation.h"
#include "run/old/old_run.h"

namespace svcbench::old {

namespace {

using nlohmann::json;

void add_sync(const Field& field, Run& run) {
  Cell cell = sync_cell(field.at("plane").text(), field.at("services").count());
  if (was_left_out(field, cell, run)) {
    return;
  }
  std::map<std::string, std::vector<double>> parts;
  for (const Field& repeat : field.at("repeats").elements()) {
    parts["generate_ns"].push_back(repeat.at("generate_ns").number());
    parts["commit_ns"].push_back(repeat.at("commit_ns").number());
    parts["tool_user_ns"].push_back(repeat.at("user_us").number() * 1e3);
    parts["tool_system_ns"].push_back(repeat.at("system_us").number() * 1e3);
    parts["input_bytes"].push_back(repeat.at("input_bytes").number());
    cell.values.push_back(parts["generate_ns"].back() + parts["commit_ns"].back());
  }
  if (take(cell, field.at("p50_ns").estimate()) && !cell.values.empty()) {
    for (auto& [name, samples] : parts) {
      take_part(cell, name.c_str(), {std::move(samples)});
    }
    add(run, std::move(cell));
  }
}

void add_update(const Field& field, Run& run) {
  Cell cell = update_cell(field.at("plane").text(), field.at("services").count(),
                          field.at("operation").text(), field.at("way").text_if_any());
  if (was_left_out(field, cell, run)) {
    return;
  }
  if (!take(cell, field.at("p50_ns").estimate())) {
    leave_out(cell, "no time was left for it in the budget", std::nullopt);
    add(run, std::move(cell));
    return;
  }
  SampleBlocks commits = field.at("commit_ns").blocks();
  SampleBlocks stages = field.at("stage_ns").blocks();
  if (const auto commit = stats::median_of_blocks(commits)) {
    cell.also["commit_ns"] = commit->value;
  }
  // stage + commit, block by block.
  for (std::size_t b = 0; b < std::min(commits.size(), stages.size()); ++b) {
    for (std::size_t i = 0; i < std::min(commits[b].size(), stages[b].size()); ++i) {
      commits[b][i] += stages[b][i];
    }
  }
  take_blocks(cell, std::move(commits));
  take_part(cell, "stage_ns", std::move(stages));
  add(run, std::move(cell));
}

void add_path(const Field& field, const DisplayUnit& unit, Run& run) {
  Cell cell = path_cell(field.at("plane").text(), field.at("services").count(), field.at("flow").text(),
                        field.at("position").text(), field.at("protocol").text(), field.at("family").text(),
                        path_unit(unit));
  if (!take(cell, field.at("p50_ns").estimate())) {
    return;
  }
  cell.values = field.at("volley_p50_ns").numbers();
  if (auto p99 = field.at("volley_p99_ns").numbers(); !p99.empty()) {
    cell.parts["p99"] = {std::move(p99)};
  }
  rescale(cell, unit.ns);
  std::vector<std::pair<double, double>> buckets;
  for (const std::vector<double>& bucket : field.at("histogram").blocks()) {
    if (bucket.size() == 2) {
      buckets.emplace_back(bucket[0], bucket[1]);
    }
  }
  take_histogram(cell, buckets, unit.ns);
  for (const auto& [name, key] : {std::pair{"p90", "p90_ns"}, {"p99", "p99_ns"}, {"p99.9", "p999_ns"}}) {
    if (const auto ns = field.at(key).number_if_any()) {
      cell.also[name] = *ns / unit.ns;
    }
  }
  cell.also["packets"] = field.at("packets").number();
  Cell throughput = throughput_cell(cell);
  add(run, std::move(cell));
  throughput.values = field.at("packets_per_second").numbers();
  if (take(throughput, stats::median_of(throughput.values))) {
    add(run, std::move(throughput));
  }
}

void add_state(const Field& field, Run& run) {
  const auto cell_of = [&](const char* kept, const std::optional<double>& value) {
    Cell cell = state_cell(field.at("plane").text(), field.at("services").count(), kept);
    cell.value = value.value_or(0);
    cell.samples = 1;
    return cell;
  };
  for (const auto& [kept, key] : {std::pair{"conntrack", "conntrack_entries_per_1000_new_flows"},
                                  {"flow-table", "flow_table_entries_per_1000_new_flows"}}) {
    if (const auto entries = field.at(key).number_if_any()) {
      add(run, cell_of(kept, entries));
    }
  }
  if (const auto bytes = field.at("kernel_bytes").number_if_any()) {
    Cell cell = cell_of("kernel-memory", bytes);
    cell.interval = field.at("kernel_bytes_interval").interval();
    take_method(cell, field.at("kernel_bytes_method").text_if_any());
    add(run, std::move(cell));
  }
  const Field peak = field.at("user_peak");
  if (!peak.is_null()) {
    Cell cell = cell_of("user-memory", peak.at("bytes").number());
    cell.also = {{"own_bytes", peak.at("own_bytes").number()},
                 {"tool_bytes", peak.at("tool_bytes").number()}};
    take_method(cell, peak.at("method").text_if_any());
    add(run, std::move(cell));
  }
}

// ---- planes that another run gave ----

class Scaled {
 public:
  Scaled(const Field& lent, Run& run) : lent_(lent), run_(run) {
    unit_ = display_unit(emulation_of(run.environment));
    const auto shape = run.run.find("shape");
    const bool ipv6 =
        shape != run.run.end() && shape->is_object() && shape->value("family", json()) == "ipv6";
    family_ = ipv6 ? "IPv6" : "IPv4";
  }

  void add_all() {
    for (const Field& field : lent_.at("cells").elements()) {
      add_cost(field);
    }
    for (const Field& field : lent_.at("growth").elements()) {
      add_growth(field);
    }
    for (const Field& field : lent_.at("counts").elements()) {
      add_count(field, "conntrack", "conntrack_entries_per_1000_new_flows");
      add_count(field, "user-memory", "user_peak_bytes");
    }
    run_.details["scaled_from"] = lent_.at("source").json();
    run_.details["scaled_from"]["planes"] = lent_.at("planes").json();
  }

 private:
  void add(Cell cell) {
    cell.origin = Origin::scaled;
    cell.checks.clear();
    svcbench::add(run_, std::move(cell));
  }

  [[nodiscard]] Cell cost_cell(const Field& field) const {
    const std::string plane = field.at("plane").text();
    const std::size_t services = field.at("services").is_null() ? 0 : field.at("services").count();
    if (!field.at("flow").is_null()) {
      return path_cell(plane, services, field.at("flow").text(), field.at("position").text(),
                       field.at("protocol").text(), family_, path_unit(unit_));
    }
    const std::string operation = field.at("operation").text_if_any();
    return operation.empty() ? sync_cell(plane, services)
                             : update_cell(plane, services, operation, field.at("way").text_if_any());
  }

  void add_cost(const Field& field) {
    Cell cell = cost_cell(field);
    take(cell, field.at("scaled_ns").estimate());
    for (const Field& shared : field.at("via").elements()) {
      const stats::Estimate none{0, std::nullopt, 0};
      cell.by_way_of.push_back({shared.at("plane").text(), shared.at("ratio").estimate().value_or(none),
                                shared.at("here_ns").estimate().value_or(none),
                                shared.at("scaled_ns").estimate().value_or(none)});
    }
    if (cell.scenario == "path") {
      rescale(cell, unit_.ns);
    }
    add(std::move(cell));
  }

  void add_growth(const Field& field) {
    const Cell of = cost_cell(field);
    const std::string way = field.at("way").text_if_any();
    Cell cell = growth_cell(
        of.plane, way.empty() ? of.what : fmt::format("{} ({})", field.at("operation").text(), way),
        growing(of));
    cell.value = field.at("exponent").number();
    cell.interval = field.at("interval").interval();
    cell.samples = field.at("rounds").is_null() ? 0 : field.at("rounds").count();
    add(std::move(cell));
  }

  void add_count(const Field& field, const char* kept, const char* key) {
    if (const auto value = field.at(key).number_if_any()) {
      Cell cell = state_cell(field.at("plane").text(), field.at("services").count(), kept);
      cell.value = *value;
      cell.samples = 1;
      add(std::move(cell));
    }
  }

  const Field lent_;
  Run& run_;
  DisplayUnit unit_{};
  std::string family_{};
};

}  // namespace

void add_growths(const Field& growths, const char* what_key, Run& run) {
  for (const Field& one : growths.elements()) {
    if (one.at("exponent").is_null()) {
      continue;
    }
    const std::string what = one.at(what_key).text();
    const bool path =
        what.starts_with("new") || what.starts_with("established") || what.starts_with("reply");
    Cell cell = growth_cell(one.at("plane").text(), what,
                            {{"of", what == "sync" ? "sync"
                                    : path         ? "path"
                                                   : "update"}});
    cell.value = one.at("exponent").number();
    cell.interval = one.at("interval").interval();
    cell.samples = one.at("rounds").count();
    // An estimate in a comparison, a number beside its interval in `ebpf`.
    const Field slope = one.at("ns_per_service");
    if (slope.json().is_object()) {
      take_slope(cell, "ns_per_service", slope.estimate());
    } else if (const auto value = slope.number_if_any()) {
      take_slope(cell, "ns_per_service",
                 stats::Estimate{*value, one.at("ns_per_service_interval").interval(), 0});
    }
    add(run, std::move(cell));
  }
}

void add_paths(const Field& document, Run& run) {
  const DisplayUnit unit = display_unit(emulation_of(run.environment));
  for (const Field& field : document.at("paths").elements()) {
    add_path(field, unit, run);
  }
  if (const auto clock = document.at("instrument").at("clock_ns").number_if_any()) {
    Cell cell = clock_cell(path_unit(unit));
    cell.value = *clock / unit.ns;
    add(run, std::move(cell));
  }
}

void add_compare(const Field& document, Run& run) {
  for (const Field& field : document.at("syncs").elements()) {
    add_sync(field, run);
  }
  for (const Field& field : document.at("updates").elements()) {
    add_update(field, run);
  }
  add_paths(document, run);
  for (const Field& field : document.at("states").elements()) {
    add_state(field, run);
  }
  add_growths(document.at("growth"), "what", run);
  for (const Field& lent : document.at("borrowed").elements()) {
    Scaled(lent, run).add_all();
  }
}

}  // namespace svcbench::old
