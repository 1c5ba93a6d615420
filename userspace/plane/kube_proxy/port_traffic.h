// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One port of a Kubernetes Service in one family, and which of its endpoints packets get to by which way:
// what kube-proxy's iptables and nftables modes decide alike before they write rules. Pure.
//
// A port's frontends are a ClusterIP and a NodePort at most, and any number of external IPs and load
// balancer's addresses. They share the lists of endpoints, as in the cluster: one for the Cluster traffic
// policy, and one, of this node's, for Local. "Internal" traffic is that to the ClusterIP; "external" is
// all other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench::kube_proxy {

// What kind of frontend it is by its address: an unspecified one is a NodePort, whatever `kind` says.
[[nodiscard]] FrontendKind kind_of(const Service& service);

struct PortTraffic {
  std::vector<Endpoint> cluster{};  // by the Cluster policy
  std::vector<Endpoint> local{};    // by the Local policy: this node's
  bool internal_local = false;
  bool external_local = false;
  bool has_cluster_ip = false;
  std::size_t externals = 0;  // NodePort, external IPs, load balancer's addresses
  std::uint32_t affinity_seconds = 0;
  std::size_t balancers = 0;                 // of the externals, load balancer's addresses
  std::vector<std::string> source_ranges{};  // who may use these; empty: everyone
  std::uint16_t health_check_port = 0;
  std::size_t counted = 0;  // endpoints that the cluster says the port has, ready or not

  // Endpoints as kube-proxy counts them, to tell a large cluster: all that it knows of the port.
  [[nodiscard]] std::size_t known() const;
  // Whether a load balancer's addresses are for some sources only.
  [[nodiscard]] bool has_firewall() const { return balancers != 0 && !source_ranges.empty(); }

  [[nodiscard]] bool has_endpoints() const { return !cluster.empty() || !local.empty(); }
  // Whether packets to the ClusterIP, or from outside to other frontends, get anywhere. Where not, they are
  // refused if there is no endpoint at all, and dropped if there are some on other nodes.
  [[nodiscard]] bool has_internal() const { return internal_local ? !local.empty() : has_endpoints(); }
  [[nodiscard]] bool has_external() const { return external_local ? !local.empty() : has_endpoints(); }
  // A ClusterIP with the Local policy needs the other endpoints only where there are external frontends:
  // what the node and its pods send there is not bound by the policy.
  [[nodiscard]] bool uses_cluster() const {
    return !cluster.empty() && (!internal_local || externals != 0);
  }
  [[nodiscard]] bool uses_local() const {
    return !local.empty() && (internal_local || (external_local && externals != 0));
  }
  // Also where no external packet gets anywhere: the node's own do.
  [[nodiscard]] bool uses_external() const { return has_endpoints() && externals != 0; }
  // All that some packet gets to, each once.
  [[nodiscard]] std::vector<Endpoint> reachable() const;

  // A frontend comes: its policy, and where it is the first the port's endpoints and affinity. Error: they
  // are others than those of the port's other frontends.
  Status add(const Service& service);
  // A frontend goes. `service`: as it was added, its endpoints are of no concern.
  void remove(FrontendKind kind);
  // A frontend's endpoints, and thus those of all; also its policy and affinity. With the Cluster policy
  // the local list loses those that are gone.
  void change(const Service& service);

  bool operator==(const PortTraffic&) const = default;

 private:
  void set_endpoints(const Service& service);
  bool& policy(FrontendKind kind) {
    return kind == FrontendKind::cluster_ip ? internal_local : external_local;
  }
  [[nodiscard]] std::size_t frontends() const { return externals + (has_cluster_ip ? 1 : 0); }
};

// In kube-proxy's order, that of their texts: 10.0.0.10:80 comes before 10.0.0.2:80.
[[nodiscard]] std::vector<Endpoint> in_text_order(std::vector<Endpoint> endpoints);

// Whether a load balancer's own addresses are sources as well: where a source range has the node's address.
// What the node sends there comes back with the balancer's address as its source.
[[nodiscard]] bool allows_node(std::span<const std::string> source_ranges,
                               std::span<const Address> node_addresses, Family family);

// What can be read back of `service` from kube-proxy's rules: no weights (kube-proxy has none), no
// terminating endpoints (connection tracking serves them), no affinity and no policy where no rule shows
// them, the cluster's endpoints only for external frontends, nothing of source ranges and of what is
// counted. Endpoints in kube-proxy's order.
[[nodiscard]] Service readable(const Service& service);

}  // namespace svcbench::kube_proxy
