// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/service_rules.h"

#include <set>

#include "service/ruleset_file.h"
#include "service/text.h"

namespace svcbench {

namespace {

bool is_kube_proxys(std::string_view chain) { return chain.starts_with("KUBE-"); }

// Where a rule jumps to; "": nowhere.
std::string target_of(const std::vector<std::string>& words) {
  for (std::size_t i = 2; i + 1 < words.size(); ++i) {
    if (words[i] == "-j" || words[i] == "-g") {
      return words[i + 1];
    }
  }
  return "";
}

}  // namespace

Result<SplitRules> split_rules(std::string_view text) {
  SplitRules split;
  std::set<std::string, std::less<>> own_chains;  // of this table, the node's and not built in
  while (!text.empty()) {
    const std::string line(take_line(text));
    if (line.starts_with('*')) {
      own_chains.clear();
    }
    if (line.starts_with(':')) {
      const std::string name = line.substr(1, line.find(' ') - 1);
      if (line.compare(name.size() + 1, 3, " - ") == 0) {
        (is_kube_proxys(name) ? split.services : split.rest) += line + "\n";
        own_chains.insert(name);
        continue;
      }
    }
    const auto words = line.starts_with("-A ") ? words_of_rule(line) : std::vector<std::string>{};
    if (words.size() < 2) {
      split.services += line + "\n";
      split.rest += line + "\n";
      continue;
    }
    const std::string target = target_of(words);
    const bool is_built_in = !own_chains.contains(words[1]);
    const bool is_services = is_kube_proxys(words[1]) || (is_built_in && is_kube_proxys(target));
    if (own_chains.contains(target) && is_services != is_kube_proxys(target)) {
      return failure(
          "the rules of Services and the others cannot be told apart: \"{}\" leads from one to "
          "the other",
          printable(line));
    }
    (is_services ? split.services : split.rest) += line + "\n";
    ++(is_services ? split.service_rules : split.rest_rules);
  }
  return split;
}

Result<kubernetes::Programmed> frontends_of_rules(std::string_view text, Family family) {
  std::string nat;
  std::string filter;
  std::string others;
  std::string* table = &others;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with('*')) {
      table = line == "*nat" ? &nat : line == "*filter" ? &filter : &others;
    }
    table->append(line).push_back('\n');
  }
  return kubernetes::programmed_by_iptables(nat, filter, family);
}

}  // namespace svcbench
