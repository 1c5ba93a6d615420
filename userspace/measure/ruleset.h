// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A ruleset of the user's own, as iptables-save printed it: what is in it, and what its restore costs.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "measure/clock.h"
#include "measure/journal.h"
#include "svcbench/result.h"
#include "svcbench/service.h"
#include "sys/iptables_backend.h"

namespace svcbench {

struct RulesetTable {
  std::string name;
  std::size_t rules = 0;
  std::size_t chains = 0;

  bool operator==(const RulesetTable&) const = default;
};

struct Ruleset {
  std::string source;  // path
  std::string text;
  Family family = Family::ipv4;  // as the file's own first line says; else IPv4
  std::vector<RulesetTable> tables{};

  [[nodiscard]] std::size_t rules() const;
  [[nodiscard]] std::size_t chains() const;
};

// Only the frame is looked at: tables that begin and are committed, chains, rules. Whether the rules are
// right is for iptables-restore to say. Error: usage, names the line.
[[nodiscard]] Result<Ruleset> parse_ruleset(std::string text, const std::string& source);
// Of a file, or of standard input for "-".
[[nodiscard]] Result<Ruleset> read_ruleset(const std::string& path);

// What iptables-restore of the whole ruleset took, ns: as often as it was done.
struct RulesetLoads {
  IptablesBackend backend{};
  bool first = false;     // into a new network namespace; else over itself, where it is in place
  std::string missing{};  // why this back end did not take it; then there are no figures
  std::vector<double> wall_ns{};
  std::vector<double> user_ns{};
  std::vector<double> system_ns{};
};

struct RulesetRunOptions {
  std::size_t rounds = 20;
  double budget_seconds = 60;  // a round that begins ends; at least one does
  // Gets every visit; a resumed one gives back what was measured. None: nothing is kept.
  Journal* journal = nullptr;
};

// Loads the ruleset with each back end in turn, `rounds` times: into a network namespace of its own, and
// there again. After the first of each it is read back: the tables must have the file's number of rules.
// For every back end two results, the first load's and the reload's. Needs enter_private_namespaces()
// before.
[[nodiscard]] Result<std::vector<RulesetLoads>> run_ruleset(const Ruleset& ruleset,
                                                            const std::vector<IptablesBackend>& backends,
                                                            const RulesetRunOptions& options, Clock& clock);

}  // namespace svcbench
