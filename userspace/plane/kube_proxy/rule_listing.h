// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two programs' rules side by side, as the kernel lists them: what only one of them wrote. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace svcbench::kube_proxy {

// What is in each place: "nat KUBE-SERVICES", "chain services", "map service-ips". The first line is the
// place's own head; then come rules in their order, or elements in order of their texts.
//
// What is no difference is the same text: kernel's own chains and their policies are left out, as are
// kube-proxy's canary chains (it watches them, they have no rules). Rules of frontends in the chains that
// all frontends share are sorted, because kube-proxy walks a hash map; so are the endpoints that one rule,
// or a run of rules, chooses from.
using RuleListing = std::map<std::string, std::vector<std::string>>;

// Of `iptables-save`, one family's tables after each other, without counters.
[[nodiscard]] RuleListing listing_of_iptables(std::string_view saved);
// Of `nft --stateless list table`.
[[nodiscard]] RuleListing listing_of_nftables(std::string_view listed);

enum class RuleSide : std::uint8_t { ours, theirs };

struct RuleDifference {
  RuleSide only = RuleSide::ours;
  std::string place{};
  std::string rule{};
  // Both have it, but at another place in the chain: the first rule of each side that is not where the
  // other one's is.
  bool order = false;
};

struct RuleComparison {
  std::size_t equal = 0;  // rules and elements
  std::vector<RuleDifference> differences{};
};

[[nodiscard]] RuleComparison compare_rules(const RuleListing& ours, const RuleListing& theirs);

}  // namespace svcbench::kube_proxy
