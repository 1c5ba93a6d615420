// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Where a plane is made: what it must know of the node besides the services.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plane/kube_proxy/versions.h"
#include "service/service.h"

namespace svcbench {

// The node's pod addresses, by family: what comes from elsewhere is masqueraded (kube-proxy's
// --cluster-cidr).
struct ClusterCidr {
  std::string ipv4 = "10.0.0.0/8";
  std::string ipv6 = "fd00::/8";

  [[nodiscard]] const std::string& of(Family family) const { return family == Family::ipv4 ? ipv4 : ipv6; }
};

// Entries of a Maglev table unless the user says otherwise: a hundred for each of five endpoints, which
// keeps their shares within a few per cent of each other (the paper's section 5.3).
inline constexpr std::uint32_t default_maglev = 509;

// How kube-proxy is set up; no plane of another kind looks at it.
struct KubeProxyOptions {
  kube_proxy::Version version{};
  // Ranges of the node's addresses that NodePorts are reached at (--nodeport-addresses). Empty:
  // kube-proxy's default, which is every address by iptables and IPVS, and the node's first one by
  // nftables.
  std::vector<std::string> node_port_addresses{};
  // Where ClusterIPs are allocated from (the cluster's ServiceCIDRs): packets to others there are dropped
  // by nftables. Empty: not known.
  std::vector<std::string> service_cidrs{};
  bool localhost_node_ports = true;  // --iptables-localhost-nodeports
  bool nfacct = false;               // the kernel has xt_nfacct, and kube-proxy's counters are in rules
  // A kube-proxy of the user's own, for the planes that run one; empty: there is none.
  std::string binary{};
  std::string binary_version{};  // as it says: "v1.30.5"
};

// How long a flow of the eBPF planes may be idle before it counts as absent, in seconds, by its state.
struct FlowTimeouts {
  // Those that kube-proxy sets in conntrack: --conntrack-tcp-timeout-established, -close-wait.
  double established = 86'400;
  double half_closed = 3600;
  // Those of conntrack itself (net.netfilter.nf_conntrack_{tcp,udp}_timeout_*): syn_sent, syn_recv,
  // unacknowledged (here: begun in mid-stream and not answered), time_wait, close; udp, udp_stream.
  double syn_sent = 120;
  double syn_received = 60;
  double unacknowledged = 300;
  double time_wait = 120;
  double close = 10;
  double udp = 30;
  double udp_stream = 120;
  double fragments = 30;  // net.ipv4.ipfrag_time: how long a datagram's later fragments follow its first
};

// A range of ports, both ends in it.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;
};

// How the eBPF planes work; no other plane looks at it.
struct EbpfChoice {
  // Direct server return: packets go to backends wrapped in IP, and replies never pass the node.
  bool dsr = false;
  // Entries of each service's Maglev table, a prime; 0: backends are chosen by a hash of the flow.
  std::uint32_t maglev = 0;
  // Every service has ClientIP affinity, whether it asks for it or not.
  bool affinity = false;
  // Entries of the flow table, of each family; a translated flow takes two. A sixteenth as many again (but
  // 1,024, or as many) are for flows that nobody has answered.
  std::uint32_t flows_capacity = 131'072;
  FlowTimeouts timeouts{};
  // Of flows that are masqueraded, and of those whose own port is taken. Neither NodePorts (30000-32767)
  // nor what the node's own sockets take (net.ipv4.ip_local_port_range, 32768-60999).
  PortRange masquerade_ports{16'384, 29'999};
  // An open TCP flow whose endpoint is gone gets another one, which resets it; else it is left alone, as by
  // kube-proxy.
  bool move_gone = false;
  // ICMP errors that each CPU may send, and of them in a row: net.ipv4.icmp_msgs_per_sec and
  // icmp_msgs_burst. 0: any number.
  std::uint32_t errors_per_second = 1000;
  std::uint32_t errors_at_once = 50;
  // Direct server return: ranges of addresses that are routed to the node ("198.51.100.0/24", one of each
  // family at most). A flow's packets are wrapped in packets from one of these, by the flow, so that a
  // receiver that tells flows apart by outer addresses spreads them. A family without one: the node's own.
  std::vector<std::string> wrap_sources{};
};

// A plane programs the network namespace that it is made, used and destroyed in: a private one.
struct PlaneConfiguration {
  ClusterCidr cluster_cidr{};
  // The node's own addresses, of both families. NodePorts are reached at these; eBPF masquerades with the
  // first of a family. None: IPVS takes those of the network namespace, without loopback and link-local
  // ones; eBPF has no NodePorts and masquerades nothing.
  std::vector<Address> node_addresses{};
  // Every endpoint is a pod of this node: IPVS masquerades what a pod sends to itself through its service
  // by a list of these. Else only those of services with a Local traffic policy are known to be.
  bool endpoints_are_here = false;
  // Interface index of the device that clients' packets come in by, for planes that attach programs to it;
  // 0: no traffic will come, and nothing is attached.
  unsigned ingress = 0;
  // Of the device that backends' packets come in by, for planes that translate replies with programs there;
  // 0: as for `ingress`.
  unsigned egress = 0;
  // Folder of a cgroup v2 (Cgroup::path()) that the clients' sockets are opened in, for planes that work at
  // sockets; empty: there are no clients, and nothing is attached.
  std::string cgroup{};
  // Services that the plane must have room for later on, besides the installed ones (planes of fixed size).
  std::optional<std::uint32_t> services_capacity{};
  std::optional<std::uint32_t> backends_capacity{};
  EbpfChoice ebpf{};
  KubeProxyOptions kube_proxy{};
};

}  // namespace svcbench
