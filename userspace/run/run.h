// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A finished run: the same for every command. What is a figure is a cell; what is none is in `details`.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "run/cell.h"
#include "stats/verdict.h"

namespace svcbench {

struct Run {
  std::string path;     // of the file that it was read from, as it was given; else what stands for it
  std::string command;  // that made it: "compare", "path", "nftables", "ipvs", "ebpf", "iptables", ...
  int schema_version = 0;
  nlohmann::json environment = nlohmann::json::object();  // the machine; an object, whatever its members
  nlohmann::json run = nlohmann::json::object();          // command line, seed, workload, ...; the same
  double seconds = 0;                                     // that it took; 0: the file does not say

  // What was measured, in the order of measuring's parts.
  std::vector<Cell> cells{};
  // What was not: scaled from another run, predicted, or left out (Cell::origin says which). Apart from the
  // others, so that nothing takes one for a measurement. No id is in both.
  std::vector<Cell> unmeasured{};

  std::vector<Verdict> verdicts{};

  // What is no figure, an object of what the command has of these:
  //   planes          those that ran, in the registry's order: names
  //   missing         [{plane, why}]: those that this machine cannot run
  //   notes           what a reader must know, a sentence each
  //   behaviours      comparison: {looked_at, planes, failed: [{plane, behaviour, variants, evidence}],
  //                   not_done}; verify: {NAME: {title, demands}}
  //   cases           verify: [{plane, behaviour, family, protocol, outcome, evidence, seconds}]
  //   crossings       [{what, plane, beside, kind, services, interval, sizes, rounds}], of the cells;
  //                   iptables: also predicted
  //   agreements, sync_checks, account_checks
  //                   what second instruments said of the same
  //   counted         what counted instructions say of the claims: {of, sweep, verdicts: {ID: summary}}
  //   speeds          known work that was done at two speeds (run/speeds.h)
  //   path_missing    {why, planes}: why no path was measured
  //   scaled_from     the run that lent: {file, kernel, kernel_source, emulated, planes}
  //   backends, chapter
  //                   iptables: the tools; the chapter's own Table 4.1
  //   ruleset         iptables --ruleset: {file, family, rules, chains, bytes, tables}
  //   replies         connect: [{plane, tcp_not_offered, from_dialled, from_backend}]
  //   churn           churn: its plan, the journal of its changes, what became of packets
  // Text in it is nobody's to trust.
  nlohmann::json details = nlohmann::json::object();

  // Null where it has none. `find` knows what was measured; `find_unmeasured` the others.
  [[nodiscard]] const Cell* find(std::string_view id) const;
  [[nodiscard]] const Cell* find_unmeasured(std::string_view id) const;
};

// What it says at "/run/seed", "/environment/kernel/release" or "/details/ruleset/rules"; null: nothing.
[[nodiscard]] nlohmann::json value_at(const Run& run, const std::string& pointer);
// The same of a part of it.
[[nodiscard]] nlohmann::json value_at(const nlohmann::json& part, const std::string& pointer);

}  // namespace svcbench
