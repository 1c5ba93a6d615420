// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/results_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "measure/analysis.h"
#include "measure/emulation.h"
#include "report/figures.h"
#include "report/quantity.h"
#include "report/text_table.h"
#include "service/text.h"

namespace svcbench {

namespace {

using Column = TextTable::Column;
constexpr auto left = TextTable::Align::left;
constexpr auto right = TextTable::Align::right;

constexpr double us = 1e3;
constexpr double ms = 1e6;

std::string times(const std::optional<stats::Estimate>& ratio) {
  return ratio ? grouped(static_cast<std::size_t>(std::lround(ratio->value))) + " x" : "-";
}

std::string short_name(Operation operation) {
  switch (operation) {
    case Operation::change_endpoints:
      return "change";
    case Operation::add_service:
      return "add";
    case Operation::remove_service:
      return "remove";
  }
  return "";
}

// ---- updates ----

// iptables' half of a row: its figure, or what it would have been.
std::string iptables_figure(const UpdateCell* cell) {
  if (cell == nullptr) {
    return "-";
  }
  if (!cell->skipped.empty()) {
    return cell->predicted_ns ? fmt::format("(about {:.0f})", *cell->predicted_ns / ms) : "(skipped)";
  }
  return figure(stats::median_of_blocks(cell->commit_ns), ms);
}

std::string update_table(const Results& results) {
  TextTable table(
      {{"N"}, {"", left}, {"eBPF us"}, {"p99"}, {"max"}, {"bare"}, {"rules"}, {"iptables ms"}, {"ratio"}});
  for (const std::size_t services : sizes_of(results)) {
    for (const Operation operation :
         {Operation::change_endpoints, Operation::add_service, Operation::remove_service}) {
      const UpdateCell* ebpf = find_update(results, "ebpf", services, operation);
      const UpdateCell* bare = find_update(results, "bare", services, operation);
      const UpdateCell* iptables = find_update(results, "iptables", services, operation);
      const auto all = pooled(ebpf->commit_ns);
      const bool both = iptables != nullptr && !iptables->commit_ns.empty();
      table.add({grouped(services), short_name(operation),
                 figure(stats::median_of_blocks(ebpf->commit_ns), us),
                 number(stats::quantile(all, 0.99), us), all.empty() ? "-" : number(all.back(), us),
                 bare == nullptr ? "-" : number(stats::median_of_blocks(bare->commit_ns)->value, us),
                 both ? grouped(iptables->rules) : "-", iptables_figure(iptables),
                 both ? times(ratio(iptables->commit_ns, ebpf->commit_ns)) : "-"});
    }
  }
  return table.text();
}

// One line for all operations of a plane and size that were skipped for the same reason.
std::string skipped_lines(const Results& results) {
  std::string out;
  std::string last;
  for (const UpdateCell& cell : results.updates) {
    if (cell.skipped.empty()) {
      continue;
    }
    const std::string line =
        fmt::format("{}, {} services: skipped: {}", cell.plane, grouped(cell.services), cell.skipped);
    if (line != last) {
      out += wrapped(line, 0);
      last = line;
    }
  }
  return out;
}

std::string growth_table(const Results& results) {
  TextTable table({{"plane", left},
                   {"operation", left},
                   {"exponent b of cost ~ N^b"},
                   {"trend", left},
                   {"ns a further service"}});
  for (const GrowthFigure& figure : all_growths(results)) {
    if (!figure.growth) {
      continue;
    }
    const auto& growth = *figure.growth;
    const std::string interval =
        growth.interval ? fmt::format(" [{:.3f}, {:.3f}]", growth.interval->low, growth.interval->high)
                        : " [?]";
    table.add({figure.plane, std::string(to_string(figure.operation)),
               fmt::format("{:.3f}{}", growth.exponent, interval), std::string(to_string(classify(growth))),
               figure.line ? fmt::format("{:.3f}", figure.line->slope) : "-"});
  }
  return table.text();
}

// Of an endpoint change.
std::string update_curves(const Results& results, Bars bars) {
  const auto sizes = sizes_of(results);
  CurveGroup group{.title = "change endpoints", .told = [](double ns) { return quantity(ns, "ns"); }};
  for (const GrowthFigure& one : all_growths(results)) {
    if (one.operation != Operation::change_endpoints) {
      continue;
    }
    Curve& curve = group.curves.emplace_back(Curve{one.plane});
    for (const std::size_t services : sizes) {
      const UpdateCell* cell = find_update(results, one.plane, services, one.operation);
      const auto cost = cell == nullptr ? std::nullopt : stats::median_of_blocks(cell->commit_ns);
      curve.costs.push_back(cost ? std::optional(cost->value) : std::nullopt);
    }
  }
  return render_curves(sizes, {group}, bars);
}

// ---- fills ----

std::string fill_table(const Results& results) {
  TextTable table(
      {{"N"}, {"single ms"}, {"batch ms"}, {"mapped ms"}, {"batch gain"}, {"mapped gain"}, {"maps MiB"}});
  const auto blocks = [](const FillCell& cell) {
    Blocks each;
    for (const double ns : cell.ns) {
      each.push_back({ns});
    }
    return each;
  };
  for (const std::size_t services : sizes_of(results)) {
    const FillCell* single = find_fill(results, "single", services);
    const FillCell* batch = find_fill(results, "batch", services);
    const FillCell* mapped = find_fill(results, "mapped", services);
    if (single == nullptr || batch == nullptr || mapped == nullptr) {
      continue;
    }
    const auto gain = [&](const FillCell& faster) {
      const auto times_faster = ratio(blocks(*single), blocks(faster));
      return times_faster ? fmt::format("{:.1f} x", times_faster->value) : std::string("-");
    };
    table.add({grouped(services), figure(stats::median_of(single->ns), ms),
               figure(stats::median_of(batch->ns), ms), figure(stats::median_of(mapped->ns), ms),
               gain(*batch), gain(*mapped),
               fmt::format("{:.1f}", static_cast<double>(mapped->map_bytes) / (1024.0 * 1024.0))});
  }
  const bool batches = std::all_of(results.fills.begin(), results.fills.end(),
                                   [](const FillCell& cell) { return cell.batched; });
  return table.text() +
         (batches ? "" : "This kernel has no BPF_MAP_UPDATE_BATCH: entries went one by one.\n");
}

// ---- programs ----

ToldIn program_unit(const Results& results) { return told_in(emulation_of(results.environment)); }

std::string program_cell(const Results& results, const std::string& hook, const std::string& depth,
                         Family family, const std::string& destination, std::size_t services) {
  const ProgramCell* cell = find_program(results, hook, depth, family, destination, services);
  return cell == nullptr ? "-"
                         : figure(stats::median_of_blocks(cell->ns_per_packet), program_unit(results).ns);
}

std::string program_table(const Results& results, const std::string& hook, Family family) {
  const auto sizes = sizes_of(results);
  TextTable table({{"N"}, {"program", left}, {"hot"}, {"uniform"}, {"zipf"}, {"miss"}});
  for (const std::string depth : {"empty", "rewind"}) {
    table.add({"any", depth, program_cell(results, hook, depth, family, "", sizes.back()), "", "", ""});
  }
  for (const std::size_t services : sizes) {
    for (const std::string depth : {"bare", "lookup", "dnat"}) {
      std::vector<std::string> row{grouped(services), depth == "dnat" ? "lookup+DNAT" : depth};
      for (const std::string destination : {"hot", "uniform", "zipf", "miss"}) {
        row.push_back(program_cell(results, hook, depth, family, destination, services));
      }
      table.add(row);
    }
  }
  return table.text();
}

std::string program_tables(const Results& results) {
  std::string out;
  const auto sizes = sizes_of(results);
  for (const Family family : families_of(results)) {
    for (const std::string hook : {"xdp", "tc"}) {
      out += fmt::format(
          "\nProgram {} a packet, {}, {} (BPF_PROG_TEST_RUN: no flow table, no forwarding, not a path)\n",
          program_unit(results).name, hook, to_string(family));
      out += program_table(results, hook, family);
      const ProgramCell* dnat = find_program(results, hook, "dnat", family, "uniform", sizes.back());
      const ProgramCell* bare = find_program(results, hook, "bare", family, "uniform", sizes.back());
      if (dnat != nullptr && bare != nullptr) {
        const auto times_bare = ratio(dnat->ns_per_packet, bare->ns_per_packet);
        out += fmt::format("lookup + DNAT costs {} times the bare hash lookup (uniform, {} services).\n",
                           figure(times_bare, 1), grouped(sizes.back()));
      }
    }
  }
  return out;
}

// One line a hook: whether the kernel's account of the programs says the same.
std::string account_lines(const Results& results) {
  const ToldIn unit = program_unit(results);
  const auto told = [&unit](const std::optional<stats::Estimate>& estimate) {
    return estimate ? fmt::format("{} {}", figure(estimate, unit.ns), unit.name) : std::string("-");
  };
  std::string out;
  for (const AccountCheck& check : results.account_checks) {
    const std::string what = fmt::format("Second instrument (the kernel's bpf_stats), {}", check.hook);
    if (!check.not_offered.empty()) {
      out += wrapped(fmt::format("{}: not offered: {}", what, check.not_offered), 0);
      continue;
    }
    out += wrapped(
        fmt::format("{}, lookup + DNAT over an empty program, {}, {} services: {}. Its floor is {} "
                    "a run (an empty program); keeping it adds {} to each run.",
                    what, check.destination, grouped(check.services), summary_of(check.compared(), unit),
                    told(stats::median_of(check.account_empty)), told(check.cost_of_account())),
        0);
  }
  return out;
}

}  // namespace

std::string render_results(const Results& results, Bars bars) {
  std::string out =
      "Update of one service where N exist: median [95 % interval]; eBPF and its bare syscall in us,\n"
      "iptables-restore of the whole table in ms, and how many times the eBPF update that is\n";
  out += update_table(results);
  out += skipped_lines(results);
  out += "\nGrowth with N (flat: the interval lies below 0.1; linear: it reaches 0.8)\n";
  out += growth_table(results);
  if (const std::string curves = update_curves(results, bars); !curves.empty()) {
    out += "\n" + curves;
  }
  out +=
      "\nFill: all N services into empty maps (single: a syscall an entry; batch: BPF_MAP_UPDATE_BATCH;\n"
      "mapped: backends through mapped memory, services in a batch; gain: over single)\n";
  out += fill_table(results);
  out += program_tables(results);
  if (const std::string account = account_lines(results); !account.empty()) {
    out += "\n" + account;
  }
  return out;
}

}  // namespace svcbench
