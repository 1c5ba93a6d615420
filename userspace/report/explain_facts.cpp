// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "measure/emulation.h"
#include "measure/path_results.h"
#include "report/escape.h"
#include "report/explain.h"
#include "service/text.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr double told_at = 1 - stats::confidence;

// ---- samples ----

std::optional<Spread> spread_of(const Cell& cell) {
  if (cell.values.size() < 2) {
    return std::nullopt;
  }
  std::vector<double> sorted = cell.values;
  std::sort(sorted.begin(), sorted.end());
  Spread spread{.least = sorted.front(),
                .quarter = stats::quantile(sorted, 0.25).value_or(sorted.front()),
                .three_quarters = sorted[std::min(sorted.size() - 1, sorted.size() * 3 / 4)],
                .largest = sorted.back()};
  if (cell.value > 0) {
    spread.middle_half = (spread.three_quarters - spread.quarter) / cell.value;
  }
  return spread;
}

std::optional<DriftFigure> drift_of(const Cell& cell) {
  // A churn's values are in the order of its services, not of time.
  if (cell.values.size() < stats::fewest_repeats || cell.scenario == "churn") {
    return std::nullopt;
  }
  const std::size_t third = cell.values.size() / 3;
  const std::span<const double> all(cell.values);
  return DriftFigure{.first_third = stats::block_median(all.first(third)),
                     .last_third = stats::block_median(all.last(third)),
                     .slope = stats::drift(all)};
}

// ---- what the instrument itself costs ----

using Costs = std::vector<InstrumentCost>;

void add_cell(Costs& costs, const Cell& cell, std::string what) {
  costs.push_back({std::move(what), cell.value, cell.interval, cell.unit});
}

void add_cell(Costs& costs, const Run& run, const std::string& id, std::string what) {
  if (const Cell* cell = run.find(id)) {
    add_cell(costs, *cell, std::move(what));
  }
}

// The id's part behind the size: "new/last/UDP".
std::string kind_of(const Cell& cell) {
  const std::string head = fmt::format("/{}/", cell.services);
  const std::size_t at = cell.id.find(head);
  return at == std::string::npos ? "" : cell.id.substr(at + head.size());
}

void add_path_costs(Costs& costs, const Run& run, const Cell& cell) {
  const std::string flow = kind_of(cell).substr(0, kind_of(cell).find('/'));
  add_cell(costs, run, "instrument/clock", "one reading of the clock");
  for (const auto& [plane, what] :
       {std::pair{instrument_sink, "empty sink at the node's ingress: one veth and the stamps"},
        {instrument_redirect_xdp, "a program that only redirects, at XDP"},
        {instrument_redirect_tc, "a program that only redirects, at tc"},
        {instrument_route_xdp, "an XDP program that only routes"},
        {instrument_route_tc, "a tc program that only routes"}}) {
    for (const Cell& one : run.cells) {
      if (one.scenario == "path" && one.plane == plane && kind_of(one).starts_with(flow + "/")) {
        add_cell(costs, one, what);
        break;
      }
    }
  }
  if (cell.plane != instrument_null) {
    add_cell(costs, run, fmt::format("{}/null/{}/{}", cell.scenario, cell.services, kind_of(cell)),
             "plain forwarding, the same packets");
  }
}

// A child that does nothing, by the same stopwatch.
void add_child_cost(Costs& costs, const Run& run) {
  const json checks = value_at(run, "/details/sync_checks");
  std::vector<double> ns;
  for (const json& check : checks.is_array() ? checks : json::array()) {
    const json rounds = value_at(check, "/wall/rounds/ours_no_op_ns");
    for (const json& one : rounds.is_array() ? rounds : json::array()) {
      if (one.is_number()) {
        ns.push_back(one.get<double>());
      }
    }
  }
  if (const auto median = stats::median_of(ns)) {
    costs.push_back({"a child that does nothing, launch to exit", median->value, median->interval, "ns"});
  }
}

Costs instrument_costs(const Run& run, const Cell& cell) {
  Costs costs;
  if (cell.scenario == "path" || cell.scenario == "throughput") {
    add_path_costs(costs, run, cell);
  } else if (cell.scenario == "sync" || cell.scenario == "update") {
    if (run.command == "ebpf") {
      add_cell(costs, run, fmt::format("update/bare/{}/{}", cell.services, kind_of(cell)),
               "the bpf(2) call alone, over maps of its own");
    } else {
      add_child_cost(costs, run);
    }
  } else if (cell.scenario == "chapter") {
    add_cell(costs, run, "floor/exec", "a child that does nothing, launch to exit");
    add_cell(costs, run, fmt::format("floor/{}/empty-transaction", cell.plane),
             "the tool with an empty table");
  } else if (cell.scenario == "connect") {
    add_cell(costs, run, fmt::format("connect/plain/{}/{}", cell.services, kind_of(cell)),
             "the same to a backend's own address, no plane");
  } else if (cell.scenario == "program") {
    for (const Cell& one : run.cells) {
      const bool floor = one.what.starts_with("empty") || one.what.starts_with("rewind");
      const std::string family = cell.what.substr(std::min(cell.what.rfind(' ') + 1, cell.what.size()));
      if (floor && one.scenario == "program" && one.plane == cell.plane && one.what.ends_with(family)) {
        add_cell(costs, one,
                 one.what.starts_with("empty") ? "an empty program: the kernel's loop and the clock"
                                               : "and a destination drawn and written into the packet");
      }
    }
  }
  return costs;
}

// What another instrument says of the same, or of the like.
std::vector<std::string> second_instruments(const Run& run, const Cell& cell) {
  std::vector<std::string> lines;
  const auto text = [](const json& value) {
    return value.is_string() ? without_controls(value.get<std::string>()) : std::string();
  };
  const auto each_of = [&](const char* pointer, const auto& tell) {
    const json all = value_at(run, pointer);
    for (const json& one : all.is_array() ? all : json::array()) {
      if (one.is_object()) {
        tell(one);
      }
    }
  };
  if (cell.scenario == "sync") {
    each_of("/details/sync_checks", [&](const json& check) {
      if (check.value("plane", json()) == cell.plane) {
        for (const char* which : {"/wall/summary", "/cpu/summary", "/not_offered"}) {
          if (const std::string line = text(value_at(check, which)); !line.empty()) {
            lines.push_back(line);
          }
        }
      }
    });
  } else if (cell.scenario == "path") {
    each_of("/details/agreements", [&](const json& agreement) {
      lines.push_back(fmt::format("{}, what its further services cost a packet: {}",
                                  text(agreement.value("plane", json())),
                                  text(agreement.value("summary", json()))));
    });
  } else if (cell.scenario == "program") {
    each_of("/details/account_checks", [&](const json& check) {
      if (text(check.value("hook", json())) == cell.coordinate("hook")) {
        const std::string line = text(check.value("summary", check.value("not_offered", json())));
        lines.push_back("the kernel's own account of BPF programs: " + line);
      }
    });
  }
  return lines;
}

std::vector<std::string> notes_about(const Run& run, const Cell& cell) {
  std::vector<std::string> lines;
  for (const char* pointer : {"/details/notes", "/run/notes"}) {
    const json notes = value_at(run, pointer);
    for (const json& note : notes.is_array() ? notes : json::array()) {
      const std::string text = note.is_string() ? without_controls(note.get<std::string>()) : "";
      const bool volleys = text.find("overran") != std::string::npos && cell.scenario == "path";
      if (volleys || (!cell.plane.empty() && text.find(cell.plane) != std::string::npos)) {
        lines.push_back(text);
      }
    }
  }
  return lines;
}

}  // namespace

std::vector<std::string> doubts_about(const json& environment) {
  std::vector<std::string> doubts;
  const std::string emulation = emulation_line(emulation_of(environment));
  if (!emulation.empty()) {
    doubts.push_back(emulation);
  } else if (value_at(environment, "/cpu/hypervisor") == true) {
    doubts.emplace_back(
        "a virtual machine: its host may take the CPU away (steal) or change its speed, unseen from "
        "inside");
  }
  const json governor = value_at(environment, "/cpu/governor");
  if (governor.is_string() && governor != "performance") {
    doubts.push_back(
        fmt::format("the CPU's governor is {}: its clock follows the load, so that short work "
                    "seems slow (cpupower frequency-set -g performance)",
                    printable(governor.get<std::string>())));
  }
  if (value_at(environment, "/cpu/boost") == true) {
    doubts.emplace_back("boost is on: the CPU's clock depends on its temperature and on the other cores");
  }
  if (value_at(environment, "/cpu/smt_active") == true) {
    doubts.emplace_back("SMT is on: what runs on the sibling slows the core that is measured on");
  }
  const json clock = value_at(environment, "/clocksource");
  if (clock.is_string() && clock != "tsc" && clock != "arch_sys_counter") {
    doubts.push_back(
        fmt::format("the clock source is {}: each reading of the clock is costlier than the "
                    "processor's own counter",
                    printable(clock.get<std::string>())));
  }
  if (value_at(environment, "/bpf/jit_enable") == 0) {
    doubts.emplace_back("the BPF JIT is off: BPF programs are interpreted, many times slower");
  }
  // The kernel asks for rcu_normal first.
  if (value_at(environment, "/rcu/expedited") == 1 && value_at(environment, "/rcu/normal") != 1) {
    doubts.emplace_back(
        "RCU's grace periods are expedited (/sys/kernel/rcu_expedited is 1): a commit that waits for one "
        "is faster here than on most machines");
  }
  const json load = value_at(environment, "/load_average/0");
  const json cpus = value_at(environment, "/cpu/logical");
  if (load.is_number() && cpus.is_number() && load.get<double>() > 0.5 * cpus.get<double>()) {
    doubts.push_back(fmt::format("the load average was {} on {} CPUs before the run: other work ran",
                                 load.get<double>(), cpus.get<double>()));
  }
  return doubts;
}

std::string made_of(const Cell& cell, const Story& story) {
  std::string text = fmt::format("{} {}", grouped(cell.samples), cell.samples == 1 ? "sample" : "samples");
  if (!cell.values.empty()) {
    text += fmt::format("; {} values, each {}", grouped(cell.values.size()), story.value_is);
  } else {
    text += fmt::format("; a value is {}", story.value_is);
  }
  text += ". ";
  if (cell.interval && cell.values.empty() && cell.scenario != "growth") {
    return text + "The file keeps the figure and its interval, not what they were made of.";
  }
  if (cell.interval) {
    return text +
           "Median of the values; the interval is 95 %, of order statistics over them: no distribution "
           "is assumed, nothing is trimmed.";
  }
  return text + (cell.values.empty() ? "No interval: it was not repeated, or the file keeps none."
                                     : "No interval: fewer than 6 values.");
}

std::string checked_of(const Cell& cell, const Story& story) {
  return story.checked.empty() ? without_controls(fmt::format("{}", fmt::join(cell.checks, "; ")))
                               : std::string(story.checked);
}

bool DriftFigure::is_resolved() const { return slope && slope->p <= told_at; }

Explanation explain(const Run& run, const Cell& cell) {
  const json command = value_at(run, "/run/command_line");
  return {.story = story_of(run, cell),
          .spread = spread_of(cell),
          .drift = drift_of(cell),
          .instrument = instrument_costs(run, cell),
          .second_instruments = second_instruments(run, cell),
          .doubts = doubts_about(run.environment),
          .notes = notes_about(run, cell),
          .command_line = command.is_string() ? without_controls(command.get<std::string>()) : ""};
}

}  // namespace svcbench
