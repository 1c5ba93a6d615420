// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the kernel holds of kube-proxy's nftables table, from `nft -j list table`. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench::kube_proxy {

// One rule of a service's chains, as far as kube-proxy's rules need it; addresses as nft prints them.
struct NftRule {
  std::string daddr;         // ip daddr X
  std::string saddr;         // ip saddr X; of a set "@X"
  std::string other_saddr;   // ip saddr != X, "10.0.0.0/8"
  std::uint64_t dport = 0;   // tcp dport X, or another protocol's; 0: any
  std::string protocol;      // meta l4proto
  std::string jump;          // the chain that is jumped to; a mark set in place is mark-for-masquerade's
  std::string go_to;         // the chain that packets go to and do not return from
  std::uint64_t modulo = 0;  // numgen random mod
  std::vector<std::pair<std::uint64_t, std::string>> targets;  // of its vmap, ascending
  std::optional<Endpoint> dnat;
  std::vector<std::pair<std::uint64_t, Endpoint>> choices;  // of a translation by numgen's map, ascending
  std::string update;        // the set that the source address is put into, "@X"
  bool local_saddr = false;  // fib saddr type local
  bool other = false;        // it has something else, which svcbench does not write

  bool operator==(const NftRule&) const = default;
};

struct NftElement {
  std::string target;   // the chain that its verdict goes to
  std::string comment;  // empty: none
  bool drop = false;    // its verdict
};

// Names of chains and sets of kube-proxy's table, as `nft --json list` prints them.
struct NftNames {
  std::vector<std::string> chains;  // of services and endpoints
  std::vector<std::string> affinity_sets;
};
// Adds those of one listing.
[[nodiscard]] Status add_nft_names(std::string_view json, NftNames& names);

// Adds the elements of one set or map, as `nft --json list set`, or `list map`, prints it, by NftHeld's
// keys.
[[nodiscard]] Status add_nft_elements(std::string_view json,
                                      std::unordered_map<std::string, std::string>& elements);

// A table as it was read.
class NftTable {
 public:
  [[nodiscard]] static Result<NftTable> parse(std::string_view json, Family family);

  // Follows map, service chain, vmap and endpoint chains to what packets for `frontend` meet, and compares
  // every rule on the way with what kube-proxy writes there. An Error names the chain that differs.
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const;

  // Services that the maps lead to or refuse. An Error where the chains are others than those that the maps
  // lead to, and `leftover`, which are empty.
  [[nodiscard]] Result<std::size_t> services(std::span<const std::string> leftover) const;

 private:
  using Map = std::unordered_map<std::string, NftElement>;  // by key, as nft_key() has it

  [[nodiscard]] const NftElement* element(std::string_view map, const std::string& key) const;
  [[nodiscard]] Result<const std::vector<NftRule>*> chain(const std::string& name) const;
  // Whether ClusterIPs are masqueraded by a rule for all of them (Trait::nft_few_jumps).
  [[nodiscard]] bool marks_in_services() const;
  // What a dispatch element leads to, over the external chain for all but ClusterIPs.
  Status read_external(const std::string& target, Service& service) const;
  // A service- or local- chain.
  Status read_policy(const std::string& name, Service& service, std::vector<Endpoint>& endpoints) const;
  [[nodiscard]] Result<Endpoint> endpoint(const std::string& chain_name, const Service& service) const;

  Family family_ = Family::ipv4;
  std::unordered_map<std::string, Map> maps_;
  std::unordered_map<std::string, std::vector<NftRule>> chains_;
  std::unordered_map<std::string, std::uint32_t> affinity_sets_;  // timeout in seconds
  std::unordered_set<std::string> cluster_ips_;
};

}  // namespace svcbench::kube_proxy
