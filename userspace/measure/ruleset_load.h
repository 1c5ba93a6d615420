// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Loading a ruleset of the user's own into a network namespace, and why one is not taken.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "measure/ruleset.h"
#include "plane/plane.h"
#include "sys/child_process.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

struct RulesetLoad {
  SyncCost cost{};
  std::vector<std::string> said{};  // what the tool said beside an exit status of 0
};

// A ruleset as one tool takes it: the input stands in memory, made once. Refers to both, which must outlive
// it.
class RulesetLoader {
 public:
  static Result<RulesetLoader> make(const Ruleset& ruleset, const RulesetTool& tool);

  // Into this network namespace: the sets that are to be there, once.
  [[nodiscard]] Status make_sets() const;
  // The whole ruleset; it replaces what is there. Error: says the line, the rule and the reasons.
  [[nodiscard]] Result<RulesetLoad> load() const;
  // That the kernel has as many rules as the file.
  [[nodiscard]] Status check_holds() const;

 private:
  RulesetLoader(const Ruleset& ruleset, const RulesetTool& tool, Fd input)
      : ruleset_(&ruleset), tool_(&tool), input_(std::move(input)) {}
  [[nodiscard]] Result<std::vector<std::string>> command() const;
  [[nodiscard]] Error why_not_taken(const ChildResult& answer) const;
  // Of a table whose COMMIT, in that line, the kernel refused: the first rule without which it does not.
  [[nodiscard]] std::optional<std::size_t> refused_rule(std::size_t commit_line) const;
  // What `iptables` says of that one rule, where the others before it are in place.
  [[nodiscard]] std::string words_on_rule(std::size_t commit_line, std::size_t rule_line) const;
  [[nodiscard]] Result<bool> takes(const std::string& text) const;

  const Ruleset* ruleset_;
  const RulesetTool* tool_;
  Fd input_;
};

}  // namespace svcbench
