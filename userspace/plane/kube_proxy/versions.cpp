// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/versions.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>

#include "service/text.h"

namespace svcbench::kube_proxy {
namespace {

// A row a trait, in the order of Trait. Numbers are of pull requests of kubernetes/kubernetes; a change is
// of the release whose development it was merged in.
constexpr std::array<TraitRow, 13> rows{{
    {Trait::iptables_partial, 28, "iptables", "a change restores the chains of changed services only",
     "KEP-3453, MinimizeIPTablesRestore: on by default in 1.27, always in 1.28"},
    {Trait::iptables_saves_seldom, 28, "iptables",
     "above 1,000 endpoints the nat table is saved once a syncPeriod (30 s), not at every sync", "#110334"},
    {Trait::nft_stale_chains_apart, 30, "nftables",
     "chains out of use are emptied, and deleted a second later by a run of nft of their own",
     "seen of 1.30.5"},
    {Trait::nft_partial, 32, "nftables", "a change writes the chains and elements of changed services only",
     "#126013 (before: the whole table)"},
    {Trait::nft_firewall_plain, 32, "nftables", "elements of firewall-ips have no comment",
     "pkg/proxy/nftables/proxier.go beside #126013"},
    {Trait::conntrack_netlink, 32, "all",
     "stale UDP flows are looked for in one listing of the table, and deleted by netlink",
     "#126847, #127318 (before: a run of `conntrack -D` for each)"},
    {Trait::nft_lists_first, 33, "nftables", "chains and sets are listed before rules are generated",
     "#130119"},
    {Trait::nft_keeps_at_restart, 33, "nftables",
     "at its start it reads the elements that are there, and leaves them and endpoint chains as they are",
     "#130119 (before: maps are emptied, chains written anew)"},
    {Trait::service_cidrs, 33, "nftables", "what is for a ClusterIP that no Service has is dropped",
     "#122692, MultiCIDRServiceAllocator: on by default in 1.33"},
    {Trait::nft_filters_at_zero, 34, "nftables",
     "filter chains at priority 0, but for those before DNAT (before: -110 and -90)", "#132456"},
    {Trait::nft_masquerades_any_port, 34, "nftables",
     "a service's masquerade rule matches its address, not its port", "#131492"},
    {Trait::nft_lists_table_tersely, 36, "nftables",
     "one `nft --json --terse list table` (before: `list chains` and `list sets` of the family)",
     "#137501; seen of 1.36.1"},
    {Trait::nft_few_jumps, 36, "nftables",
     "services translate in their own chains, what is masqueraded is marked in place, and hairpins are a "
     "set (before: a chain for each endpoint, a jump to mark-for-masquerade)",
     "#135800, #136499; a table that a node printed"},
}};

struct ModeRow {
  Mode mode;
  std::string_view name;
  int first, last;          // whose rules are known
  std::string_view before;  // why not those before
  std::string_view after;
};

constexpr std::array<ModeRow, 3> modes{{
    {Mode::iptables, "iptables", 28, 36, "those wrote every chain at every sync", "svcbench is older"},
    {Mode::nftables, "nftables", 30, 36, "the mode is of 1.29, and its first rules were others",
     "svcbench is older"},
    {Mode::ipvs, "ipvs", 28, 36, "nobody has held svcbench against those", "svcbench is older"},
}};

const ModeRow& row_of(Mode mode) {
  return *std::find_if(modes.begin(), modes.end(), [&](const ModeRow& row) { return row.mode == mode; });
}

constexpr int first_minor = 28;
constexpr int last_minor = 36;

// "30" of "1.30", "v1.30" and "1.30.5"; none: it is no version.
std::optional<int> minor_of(std::string_view text) {
  if (text.starts_with('v')) {
    text.remove_prefix(1);
  }
  if (!text.starts_with("1.")) {
    return std::nullopt;
  }
  text.remove_prefix(2);
  const std::size_t dot = text.find('.');
  const std::string_view patch = dot == std::string_view::npos ? "0" : text.substr(dot + 1);
  const std::string_view minor = text.substr(0, dot);
  int value = 0;
  for (const std::string_view part : {patch, minor}) {
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value < 0 || part.size() > 3) {
      return std::nullopt;
    }
  }
  return value;
}

}  // namespace

std::span<const TraitRow> traits() { return rows; }

std::string_view to_string(Mode mode) { return row_of(mode).name; }

Result<Version> Version::parse(std::string_view text) {
  const auto minor = minor_of(text);
  if (!minor || *minor < first_minor || *minor > last_minor) {
    return usage_error("--kube-proxy-version: \"{}\" is none of 1.{} to 1.{}, whose rules svcbench knows",
                       printable(text), first_minor, last_minor);
  }
  return Version(*minor);
}

std::vector<Version> Version::all() {
  std::vector<Version> versions;
  for (int minor = first_minor; minor <= last_minor; ++minor) {
    versions.push_back(Version(minor));
  }
  return versions;
}

std::string Version::text() const { return fmt::format("1.{}", minor_); }

bool Version::has(Trait trait) const { return rows[static_cast<std::size_t>(trait)].since <= minor_; }

Status Version::check(Mode mode) const {
  const ModeRow& row = row_of(mode);
  if (minor_ >= row.first && minor_ <= row.last) {
    return {};
  }
  return usage_error("--kube-proxy-version {}: svcbench knows the rules of kube-proxy's {} mode of {}: {}",
                     text(), row.name, versions_of(mode), minor_ < row.first ? row.before : row.after);
}

std::string versions_of(Mode mode) {
  const ModeRow& row = row_of(mode);
  return fmt::format("1.{} to 1.{}", row.first, row.last);
}

}  // namespace svcbench::kube_proxy
