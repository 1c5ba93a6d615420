// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A ruleset of the user's own, as the tool of its kind dumped it: what is in it, and what it says of
// itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

// iptables: iptables-save's, or what kube-proxy gives iptables-restore. nftables: `nft list ruleset`'s, or
// a script of nft's. ipvs: `ipvsadm -Sn`'s.
enum class RulesetKind : std::uint8_t { iptables, nftables, ipvs };

[[nodiscard]] std::string_view to_string(RulesetKind kind);  // "iptables", "nftables", "ipvs"

struct RulesetTable {
  std::string name;        // "nat"; of nftables "ip kube-proxy"; of IPVS "ipvs"
  std::size_t rules = 0;   // of IPVS: servers
  std::size_t chains = 0;  // of IPVS: virtual services

  bool operator==(const RulesetTable&) const = default;
};

// A set that rules of iptables look into.
struct NeededSet {
  std::string name;
  std::size_t dimensions = 1;  // "src,dst": 2

  bool operator==(const NeededSet&) const = default;
};

struct Ruleset {
  std::string source;  // path
  std::string text;    // UTF-8, without a byte order mark, lines ended by LF
  RulesetKind kind = RulesetKind::iptables;
  Family family = Family::ipv4;  // of iptables: of all rules; else of the first that tells
  bool both_families = false;    // of nftables and IPVS
  std::vector<RulesetTable> tables{};
  std::vector<std::string> incomplete{};  // what the dump says of itself: which rules are not in it
  std::vector<std::string> notes{};       // sentences for the user
  std::vector<NeededSet> sets{};          // by name, each once
  std::string ipset_text{};               // what makes some of them, as `ipset save` prints it
  std::vector<std::string> empty_sets{};  // those that are made without members, as was asked for

  [[nodiscard]] std::size_t rules() const;
  [[nodiscard]] std::size_t chains() const;
  [[nodiscard]] std::string family_text() const;                  // "IPv4", "IPv6", "IPv4 and IPv6"
  [[nodiscard]] std::string_view line(std::size_t number) const;  // from 1; "": there is no such line
};

// Only the frame is looked at: tables, chains, rules, which families they are of. Whether the rules are
// right is for the tool to say. `family`: of iptables, for rules that do not tell theirs. Error: usage,
// names the line: it is no dump, not whole, two dumps in one (a table twice, two families), or one in a
// form that its tool does not read back, with the form that it does.
[[nodiscard]] Result<Ruleset> parse_ruleset(std::string bytes, const std::string& source,
                                            std::optional<Family> family = {});
// Of a file, or of standard input for "-".
[[nodiscard]] Result<Ruleset> read_ruleset(const std::string& path, std::optional<Family> family = {});

// The words of a rule, as a shell would take them: what is in quotes is one.
[[nodiscard]] std::vector<std::string> words_of_rule(std::string_view rule);

// The same look at what a tool says that the kernel has: rules of iptables-save's text, tables of nft's,
// servers and virtual services of ipvsadm's.
[[nodiscard]] std::size_t rules_in_saved(RulesetKind kind, std::string_view text);

// What is to be there before the rules: the sets of `ipset_file` ("": none; "-" is standard input), and
// with `make_empty` those that the rules name beside these, without members. Error: usage: it is not what
// `ipset save` prints; failure: sets are missing, names all of them.
[[nodiscard]] Status add_sets(Ruleset& ruleset, const std::string& ipset_file, bool make_empty);

}  // namespace svcbench
