// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The rules that kube-proxy's iptables mode programs, as iptables-restore input. Pure: no kernel, no clock.
// Sources: kubernetes pkg/proxy/iptables (1.28 and later), and what it writes for its own test clusters.
//
//   KUBE-SERVICES:  a ClusterIP's match -> KUBE-SVC-x, or KUBE-SVL-x where its traffic policy is Local; an
//                   external IP's or a load balancer's -> KUBE-EXT-x, or where that is for some sources
//                   only
//                   -> KUBE-FW-x; last, local addresses -> KUBE-NODEPORTS
//   KUBE-FW-x:      from each of these sources -> KUBE-EXT-x. What falls through is dropped in the filter
//                   table's KUBE-PROXY-FIREWALL
//   KUBE-NODEPORTS: a NodePort's match -> KUBE-EXT-x
//   KUBE-EXT-x:     policy Cluster: mark for masquerade -> KUBE-SVC-x. Local: what pods send -> KUBE-SVC-x;
//                   what the node sends: mark -> KUBE-SVC-x; all other -> KUBE-SVL-x, where there is one
//   KUBE-SVC-x:     from outside the cluster CIDR mark for masquerade; with session affinity, a client that
//                   was seen within its timeout -> its KUBE-SEP-y; endpoint i of n with 1/(n-i) -> its
//                   KUBE-SEP-y, the last always
//   KUBE-SVL-x:     the same for the endpoints of this node
//   KUBE-SEP-y:     mark what comes from the endpoint itself; DNAT (and with affinity, remember the client)
//   filter table:   for frontends that lead nowhere REJECT, or DROP where only other nodes have endpoints
//                   (ClusterIPs in KUBE-SERVICES, others in KUBE-EXTERNAL-SERVICES); health check node
//                   ports in KUBE-NODEPORTS; three rules of KUBE-FORWARD; of IPv4, where NodePorts are at
//                   127.0.0.1 too, one of KUBE-FIREWALL, which kubelet writes as well
//
// Where this is not kube-proxy:
// - The order in KUBE-SERVICES. kube-proxy's is that of a Go map, another one at every sync. A new flow's
//   cost is its service's place, so a benchmark of the first and the last service must know it: here the
//   order is that of the services as they were given, a changed service keeps its place, and an added one
//   goes to the end.
// - Chains that went away are known, and deleted in the restore that makes them go. kube-proxy finds them
//   by an iptables-save of the nat table, at every sync; above 1,000 endpoints at one sync in 30 s only,
//   and until then leaves them unused. Neither that save nor its cost is here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plane/configuration.h"
#include "plane/iptables_text.h"
#include "plane/kube_proxy/node_ports.h"
#include "plane/kube_proxy/port_traffic.h"
#include "plane/plane.h"

namespace svcbench::kube_proxy {

// Above so many endpoints, ready or not, kube-proxy leaves the names out of the rules of KUBE-SEP chains
// and of the jumps to them.
constexpr std::size_t large_cluster_endpoints = 1000;

// Rules that do not stem from services. The jumps from the kernel's chains are made apart from the sync.
// Those of IPv4 where NodePorts are at all addresses; else there is a jump to them for each address, and no
// rule of KUBE-FIREWALL, which IPv6 never has.
constexpr std::size_t nat_base_rules = 5;     // KUBE-POSTROUTING 3, KUBE-MARK-MASQ 1, the NodePorts' jump
constexpr std::size_t filter_base_rules = 4;  // KUBE-FORWARD 3, KUBE-FIREWALL 1
constexpr std::size_t nat_jumps = 3;          // PREROUTING, OUTPUT, POSTROUTING
constexpr std::size_t filter_jumps = 11;

// A jump from one of the kernel's chains.
struct KernelJump {
  std::string_view table, from, to;
  std::string_view comment;  // empty: none
  bool new_flows_only;

  // After "-C CHAIN -t TABLE" or "-I CHAIN -t TABLE": "-m", "conntrack", ...
  [[nodiscard]] std::vector<std::string> words() const;
};
[[nodiscard]] std::span<const KernelJump> kernel_jumps();

// Creates the chains that the kernel's chains lead to, and the jumps there, before all else that is in
// them. For a namespace that has neither: they would be there twice.
[[nodiscard]] std::string jumps_input();

// 1/n with ten decimals.
[[nodiscard]] std::string probability_text(std::size_t n);

struct RuleCounts {
  std::size_t services = 0;  // frontends
  std::size_t nat = 0;       // rules, without the jumps from the kernel's chains
  std::size_t filter = 0;    // rules, without the jumps

  bool operator==(const RuleCounts&) const = default;
};

// The rules of one family: what they are to be, and what of it the kernel has yet to be told.
//
// Frontends with one name and protocol are one service port (port_traffic.h), which share its chains and
// thus its endpoints. Whatever changes the endpoints of one changes them for all.
class IptablesRules {
 public:
  IptablesRules(Family family, PlaneConfiguration configuration);
  IptablesRules(const IptablesRules&) = delete;
  IptablesRules& operator=(const IptablesRules&) = delete;
  IptablesRules(IptablesRules&&) = default;
  IptablesRules& operator=(IptablesRules&&) = default;
  ~IptablesRules() = default;

  // Those of `services` that are of this family, instead of all that was. Errors name the service: a
  // frontend twice, a service port with two ClusterIPs, frontends of one port whose endpoints differ, an
  // endpoint twice or of the other family, a name that no comment can hold. Nothing is changed then.
  Status replace(std::span<const Service> services);
  // The same errors; and a service that is there already, or not.
  Status apply(const Change& change);

  enum class Sync : std::uint8_t {
    partial,  // the base chains whole, and the chains of the service ports that changed
    full,     // every chain
  };
  // What makes the kernel hold these rules, for iptables-restore --noflush --counters: every change since
  // the last synced(). Chains that are not named in it stay as they are. As in kube-proxy, a partial sync
  // that takes the number of endpoints across 1,000 leaves the comments of untouched chains as they were.
  [[nodiscard]] std::string restore_input(Sync sync) const;
  // The kernel took the last restore_input().
  void synced();

  [[nodiscard]] RuleCounts counts() const;
  // Whether the next restore_input() deletes this chain.
  [[nodiscard]] bool is_gone(const std::string& chain) const { return gone_.contains(chain); }
  // The names of all chains of service ports.
  [[nodiscard]] std::unordered_set<std::string> chains() const;
  // Whether some service has session affinity, which needs the kernel's match `recent`.
  [[nodiscard]] bool has_affinity() const;
  [[nodiscard]] bool large_cluster() const { return known_ > large_cluster_endpoints; }

 private:
  class Probabilities;
  struct Port;
  struct Entry {  // a frontend
    Frontend frontend;
    FrontendKind kind;
    Port* port;
  };
  // Names are hashed when a port appears or changes, not at every sync.
  struct Port {
    Service names;  // name and protocol: what chains are named by
    ChainId id{};
    const Entry* cluster_ip = nullptr;
    const Entry* node_port = nullptr;
    std::vector<const Entry*> addresses;  // external IPs, and load balancers'
    PortTraffic traffic;
    std::vector<Endpoint> endpoints;    // that some packet gets to
    std::vector<ChainId> endpoint_ids;  // of each
    std::size_t known = 0;              // endpoints that are counted of it
    bool changed = false;               // since the last sync

    // Whether what comes to its load balancer's addresses is looked at for its source.
    [[nodiscard]] bool uses_firewall() const { return traffic.has_endpoints() && traffic.has_firewall(); }
    // Its chains are written with the rule of this one. Null: it has no frontend.
    [[nodiscard]] const Entry* leader() const {
      const Entry* first = cluster_ip != nullptr ? cluster_ip : node_port;
      return first != nullptr || addresses.empty() ? first : addresses.front();
    }
  };

  Status add(const Service& service);
  Status change_endpoints(const Entry& entry, const Service& service);
  void remove(std::list<Entry>::iterator entry);
  Status check(const Service& service) const;
  void chains_go(const Port& port);
  void chains_come(Port& port);
  template <typename Each>
  static void each_chain(const Port& port, Each each);
  [[nodiscard]] static bool is_served(const Entry& entry);

  void write_filter(RuleText& text) const;
  void write_filter_rules(RuleText& text, const Entry& entry) const;
  void write_firewall(RuleText& text, const Port& port) const;
  void write_node_ports_jumps(RuleText& text) const;
  [[nodiscard]] bool counts_localhost(const Entry& entry) const;
  [[nodiscard]] bool guards_localhost() const;  // by the rule of KUBE-FIREWALL
  void write_portal(RuleText& text, const Entry& entry) const;
  void write_port(RuleText& text, const Port& port, Probabilities& probabilities) const;
  void write_external(RuleText& text, const Port& port) const;
  void write_policy(RuleText& text, const Port& port, std::string_view prefix,
                    const std::vector<Endpoint>& endpoints, Probabilities& probabilities) const;
  [[nodiscard]] std::size_t expected_size(bool whole) const;

  Family family_;
  PlaneConfiguration configuration_;
  NodePortPlaces node_ports_;
  std::list<Entry> entries_;  // in the order of KUBE-SERVICES
  std::unordered_map<Frontend, std::list<Entry>::iterator> by_frontend_;
  std::unordered_map<std::string, Port> ports_;  // by protocol and name
  std::size_t endpoints_ = 0;                    // that chains are for, of all ports
  std::size_t known_ = 0;                        // and that are counted of them
  std::vector<Port*> changed_;
  std::set<std::string> gone_;  // chains that the kernel may have, and that no port has any more
  bool all_changed_ = true;     // the kernel was told of nothing yet
};

}  // namespace svcbench::kube_proxy
