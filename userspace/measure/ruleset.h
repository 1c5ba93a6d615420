// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the load of a ruleset of the user's own costs.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "measure/clock.h"
#include "measure/journal.h"
#include "measure/visit_log.h"
#include "service/ruleset_file.h"
#include "sys/iptables_backend.h"
#include "sys/result.h"

namespace svcbench {

// What loads a ruleset: iptables-restore of one back end, `nft -f`, or `ipvsadm -R`.
struct RulesetTool {
  std::string backend;  // "legacy", "nft": iptables; "nftables"; "ipvs"
  std::string label;    // "iptables-nft 1.8.9", "nft 1.0.6", "ipvsadm"
  IptablesBackend iptables{};
  std::string program{};  // of the others: its path
};

// Those that are installed for that kind. Error: none is.
[[nodiscard]] Result<std::vector<RulesetTool>> find_ruleset_tools(RulesetKind kind);

// What a load of the whole ruleset took, ns: as often as it was done.
struct RulesetLoads {
  RulesetTool tool{};
  bool first = false;     // into a new network namespace; else over itself, where it is in place
  std::string missing{};  // why this tool did not take it; then there are no figures
  std::vector<double> wall_ns{};
  std::vector<double> user_ns{};
  std::vector<double> system_ns{};
  std::vector<std::string> said{};  // what the tool warned of, and took the ruleset: each once
};

struct RulesetRunOptions {
  std::size_t rounds = 20;
  double budget_seconds = 60;  // no round begins that would end a fifth after it; the first always does
  // Gets every visit; a resumed one gives back what was measured. None: nothing is kept.
  Journal* journal = nullptr;
  VisitLog* visits = nullptr;  // takes down every visit, and outlives the run; null: nobody asks
};

// Loads the ruleset with each tool in turn, `rounds` times: into a network namespace of its own, and there
// again; its sets are there before. After the first of each it is read back: the kernel must have the
// file's number of rules. For every tool two results, the first load's and the reload's. Needs
// enter_private_namespaces() before.
//
// Error: no tool takes it; says why each does not: the line, the rule, and all of the tool's and the
// kernel's words.
[[nodiscard]] Result<std::vector<RulesetLoads>> run_ruleset(const Ruleset& ruleset,
                                                            const std::vector<RulesetTool>& tools,
                                                            const RulesetRunOptions& options, Clock& clock);

}  // namespace svcbench
