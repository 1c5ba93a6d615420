// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "measure/emulation.h"
#include "report/escape.h"
#include "report/quantity.h"
#include "report/text_table.h"
#include "service/text.h"
#include "stats/change.h"

namespace svcbench {

namespace {

using nlohmann::json;

constexpr std::size_t label_width = 13;
constexpr double told_at = 1 - stats::confidence;

json value_at(const json& document, const char* pointer) {
  const json::json_pointer place(pointer);
  return document.contains(place) ? document.at(place) : json();
}

// "Timed       from ..." with the text's further lines below its first.
std::string entry(std::string_view label, const std::string& text) {
  if (text.empty()) {
    return "";
  }
  std::string lines = wrapped(text, label_width);
  return fmt::format("{:<{}}", label, label_width) + lines.substr(label_width);
}

std::string entries(std::string_view label, const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    out += entry(out.empty() ? label : "", text);
  }
  return out;
}

std::string percent(double share) { return fmt::format("{:+.1f} %", share * 100); }

// ---- samples ----

std::string samples_text(const Cell& cell, const Story& story) {
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

std::string spread_text(const Cell& cell) {
  if (cell.values.size() < 2) {
    return "";
  }
  std::vector<double> sorted = cell.values;
  std::sort(sorted.begin(), sorted.end());
  const double low = stats::quantile(sorted, 0.25).value_or(sorted.front());
  const double high = sorted[std::min(sorted.size() - 1, sorted.size() * 3 / 4)];
  std::string text = fmt::format("least {}, quarter {}, three quarters {}, largest {}",
                                 quantity(sorted.front(), cell.unit), quantity(low, cell.unit),
                                 quantity(high, cell.unit), quantity(sorted.back(), cell.unit));
  if (cell.value > 0) {
    text += fmt::format("; the middle half spans {:.1f} % of the median", (high - low) / cell.value * 100);
  }
  return text;
}

std::string drift_text(const Cell& cell) {
  // A churn's values are in the order of its services, not of time.
  if (cell.values.size() < stats::fewest_repeats || cell.scenario == "churn") {
    return "";
  }
  const std::size_t third = cell.values.size() / 3;
  const std::span<const double> all(cell.values);
  const double first = stats::block_median(all.first(third));
  const double last = stats::block_median(all.last(third));
  std::string text =
      fmt::format("first third {}, last third {}", quantity(first, cell.unit), quantity(last, cell.unit));
  if (const auto drift = stats::drift(all)) {
    text += fmt::format(
        "; slope from first to last {} of the median [{}, {}] (Theil and Sen), p {:.2g}: {}",
        percent(drift->share), percent(drift->interval.low), percent(drift->interval.high), drift->p,
        drift->p > told_at ? "no drift resolved"
                           : "IT DRIFTED while the run went on (among hundreds of figures, one in twenty "
                             "seems to)");
  }
  return text;
}

std::string beside_text(const Cell& cell) {
  std::string text;
  for (const auto& [name, value] : cell.also) {
    const std::string unit = name.ends_with("_ns")                ? "ns"
                             : name.ends_with("_bytes")           ? "bytes"
                             : is_quantile(name) || name == "max" ? cell.unit
                                                                  : "";
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name,
                        unit.empty() ? fmt::format("{:.10g}", value) : quantity(value, unit));
  }
  return text;
}

// ---- what the instrument itself costs ----

// "sink (…): 332 ns [..]"
void add_cell(std::vector<std::string>& lines, const RunFile& run, const std::string& id,
              const std::string& what) {
  if (const Cell* cell = run.find(id)) {
    lines.push_back(fmt::format("{}: {}", what, quantity(*cell)));
  }
}

// The id's part behind the size: "new/last/UDP".
std::string kind_of(const Cell& cell) {
  const std::string head = fmt::format("/{}/", cell.services);
  const std::size_t at = cell.id.find(head);
  return at == std::string::npos ? "" : cell.id.substr(at + head.size());
}

void add_path_costs(std::vector<std::string>& lines, const RunFile& run, const Cell& cell) {
  const std::string flow = kind_of(cell).substr(0, kind_of(cell).find('/'));
  add_cell(lines, run, "instrument/clock", "one reading of the clock");
  for (const auto& [plane, what] :
       {std::pair{"sink", "empty sink at the node's ingress: one veth and the stamps"},
        {"redirect-xdp", "a program that only redirects, at XDP"},
        {"redirect-tc", "a program that only redirects, at tc"},
        {"route-xdp", "an XDP program that only routes"},
        {"route-tc", "a tc program that only routes"}}) {
    for (const Cell& one : run.cells) {
      if (one.scenario == "path" && one.plane == plane && kind_of(one).starts_with(flow + "/")) {
        lines.push_back(fmt::format("{}: {}", what, quantity(one)));
        break;
      }
    }
  }
  if (cell.plane != "null") {
    add_cell(lines, run, fmt::format("{}/null/{}/{}", cell.scenario, cell.services, kind_of(cell)),
             "plain forwarding, the same packets");
  }
}

// A child that does nothing, by the same stopwatch.
void add_child_cost(std::vector<std::string>& lines, const RunFile& run) {
  const json checks = value_at(run.document, "/sync_checks");
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
    lines.push_back(
        fmt::format("a child that does nothing, launch to exit: {}", quantity(median->value, "ns")));
  }
}

std::vector<std::string> instrument_costs(const RunFile& run, const Cell& cell) {
  std::vector<std::string> lines;
  if (cell.scenario == "path" || cell.scenario == "throughput") {
    add_path_costs(lines, run, cell);
  } else if (cell.scenario == "sync" || cell.scenario == "update") {
    if (run.command == "ebpf") {
      add_cell(lines, run, fmt::format("update/bare/{}/{}", cell.services, kind_of(cell)),
               "the bpf(2) call alone, over maps of its own");
    } else {
      add_child_cost(lines, run);
    }
  } else if (cell.scenario == "chapter") {
    add_cell(lines, run, "floor/exec", "a child that does nothing, launch to exit");
    add_cell(lines, run, fmt::format("floor/{}/empty-transaction", cell.plane),
             "the tool with an empty table");
  } else if (cell.scenario == "connect") {
    add_cell(lines, run, fmt::format("connect/plain/{}/{}", cell.services, kind_of(cell)),
             "the same to a backend's own address, no plane");
  } else if (cell.scenario == "program") {
    for (const Cell& one : run.cells) {
      const bool floor = one.what.starts_with("empty") || one.what.starts_with("rewind");
      const std::string family = cell.what.substr(std::min(cell.what.rfind(' ') + 1, cell.what.size()));
      if (floor && one.scenario == "program" && one.plane == cell.plane && one.what.ends_with(family)) {
        lines.push_back(fmt::format("{}: {}",
                                    one.what.starts_with("empty")
                                        ? "an empty program: the kernel's loop and the clock"
                                        : "and a destination drawn and written into the packet",
                                    quantity(one)));
      }
    }
  }
  return lines;
}

// What another instrument says of the same, or of the like.
std::vector<std::string> second_instruments(const RunFile& run, const Cell& cell) {
  std::vector<std::string> lines;
  const auto text = [](const json& value) {
    return value.is_string() ? without_controls(value.get<std::string>()) : std::string();
  };
  const auto each_of = [&](const char* pointer, const auto& tell) {
    const json all = value_at(run.document, pointer);
    for (const json& one : all.is_array() ? all : json::array()) {
      if (one.is_object()) {
        tell(one);
      }
    }
  };
  if (cell.scenario == "sync") {
    each_of("/sync_checks", [&](const json& check) {
      if (check.value("plane", json()) == cell.plane) {
        for (const char* which : {"/wall/summary", "/cpu/summary", "/not_offered"}) {
          if (const std::string line = text(value_at(check, which)); !line.empty()) {
            lines.push_back(line);
          }
        }
      }
    });
  } else if (cell.scenario == "path") {
    each_of("/agreements", [&](const json& agreement) {
      lines.push_back(fmt::format("{}, what its further services cost a packet: {}",
                                  text(agreement.value("plane", json())),
                                  text(agreement.value("summary", json()))));
    });
  } else if (cell.scenario == "program") {
    each_of("/account_checks", [&](const json& check) {
      if ("ebpf-" + text(check.value("hook", json())) == cell.plane) {
        const std::string line = text(check.value("summary", check.value("not_offered", json())));
        lines.push_back("the kernel's own account of BPF programs: " + line);
      }
    });
  }
  return lines;
}

std::vector<std::string> notes_about(const RunFile& run, const Cell& cell) {
  std::vector<std::string> lines;
  for (const char* pointer : {"/notes", "/path_notes", "/run/notes"}) {
    const json notes = value_at(run.document, pointer);
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
        fmt::format("the clock source is {}: each reading of the clock is dearer than the "
                    "processor's own counter",
                    printable(clock.get<std::string>())));
  }
  if (value_at(environment, "/bpf/jit_enable") == 0) {
    doubts.emplace_back("the BPF JIT is off: BPF programs are interpreted, many times slower");
  }
  const json load = value_at(environment, "/load_average/0");
  const json cpus = value_at(environment, "/cpu/logical");
  if (load.is_number() && cpus.is_number() && load.get<double>() > 0.5 * cpus.get<double>()) {
    doubts.push_back(fmt::format("the load average was {} on {} CPUs before the run: other work ran",
                                 load.get<double>(), cpus.get<double>()));
  }
  return doubts;
}

std::string explain_cell(const RunFile& run, const Cell& cell) {
  const Story* story = story_of(run, cell);
  std::string out = cell.id + "\n";
  out += wrapped(fmt::format("{}{}{}: {}", without_controls(cell.what),
                             cell.plane.empty() ? "" : ", " + without_controls(cell.plane),
                             cell.services == 0 ? "" : fmt::format(", {} services", grouped(cell.services)),
                             quantity(cell)),
                 0);
  out += "\n";
  if (story == nullptr) {
    return out;
  }
  out += entry("Timed", std::string(story->timed));
  out += entry("Not in it", std::string(story->not_timed));
  out += entry("Checked", std::string(story->checked));
  out += entry("Made of", samples_text(cell, *story));
  out += entry("Spread", spread_text(cell));
  out += entry("Beside it", beside_text(cell));
  out += entry("Drift", drift_text(cell));
  out += entries("Instrument", instrument_costs(run, cell));
  out += entries("A second one", second_instruments(run, cell));
  out += entry("Could bias", std::string(story->bias));
  out += entries("The machine", doubts_about(run.document.at("environment")));
  out += entries("Notes", notes_about(run, cell));
  out += entry("Run", run_line(run));
  const json command = value_at(run.document, "/run/command_line");
  out += entry("Again", command.is_string() ? without_controls(command.get<std::string>()) : "");
  return out;
}

std::string list_cells(const RunFile& run) {
  std::vector<std::string> scenarios;
  for (const Cell& cell : run.cells) {
    if (std::find(scenarios.begin(), scenarios.end(), cell.scenario) == scenarios.end()) {
      scenarios.push_back(cell.scenario);
    }
  }
  std::string out;
  for (const std::string& scenario : scenarios) {
    TextTable table({{scenario, TextTable::Align::left}, {""}, {"samples"}});
    for (const Cell& cell : run.cells) {
      if (cell.scenario == scenario) {
        table.add({cell.id, quantity(cell), grouped(cell.samples)});
      }
    }
    out += (out.empty() ? "" : "\n") + table.text();
  }
  return out;
}

}  // namespace svcbench
