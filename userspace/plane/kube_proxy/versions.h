// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// kube-proxy's versions, as data: what it writes or does that changed, since which version, and where that
// is from. Planes ask a version whether it has a trait, and know no numbers. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace svcbench::kube_proxy {

// What a version has and those before it have not.
enum class Trait : std::uint8_t {
  iptables_partial,        // a change writes the chains of changed services only
  iptables_saves_seldom,   // above 1,000 endpoints, the nat table is saved once a syncPeriod only
  nft_stale_chains_apart,  // chains out of use go in a run of their own, a second later
  nft_partial,             // a change writes the chains and elements of changed services only
  nft_firewall_plain,      // elements of firewall-ips have no comment
  conntrack_netlink,       // the table is listed and entries deleted by netlink; before, by `conntrack -D`
  nft_lists_first,         // chains and sets are listed before rules are generated
  nft_keeps_at_restart,    // elements and endpoint chains that are there already are left as they are
  service_cidrs,           // ServiceCIDRs are read
  nft_filters_at_zero,     // filter chains at priority 0, but for what is before DNAT
  nft_masquerades_any_port,  // a service's masquerade rule matches its address alone
  nft_lists_table_tersely,   // one listing of the table without elements
  nft_few_jumps,             // no chain for an endpoint without affinity, no chain mark-for-masquerade
};

struct TraitRow {
  Trait trait;
  int since;                // of 1.x
  std::string_view mode;    // "iptables", "nftables", "all"
  std::string_view what;    // what is so from then on, a few words
  std::string_view source;  // upstream's pull request, or how it was seen
};

// Ascending by version.
[[nodiscard]] std::span<const TraitRow> traits();

enum class Mode : std::uint8_t { iptables, nftables, ipvs };
[[nodiscard]] std::string_view to_string(Mode mode);

// A version 1.x that svcbench knows in some mode. The default is the newest whose rules were held against
// upstream's own tests; later ones against what a node printed.
class Version {
 public:
  constexpr Version() = default;
  // "1.30", "v1.30", "1.30.5". A usage error says which there are.
  [[nodiscard]] static Result<Version> parse(std::string_view text);
  [[nodiscard]] static std::vector<Version> all();  // ascending

  [[nodiscard]] std::string text() const;  // "1.30"
  [[nodiscard]] bool has(Trait trait) const;
  // Usage error: why its rules in this mode are not known, and whose are.
  [[nodiscard]] Status check(Mode mode) const;

  bool operator==(const Version&) const = default;
  auto operator<=>(const Version&) const = default;

 private:
  constexpr explicit Version(int minor) : minor_(minor) {}
  int minor_ = 35;
};

// "1.28 to 1.36": those whose rules in this mode are known.
[[nodiscard]] std::string versions_of(Mode mode);

}  // namespace svcbench::kube_proxy
