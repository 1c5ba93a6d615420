// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/registry.h"

#include <algorithm>
#include <array>

#include "plane/ebpf/attached_ebpf.h"
#include "plane/ebpf/sock_plane.h"
#include "plane/kube_proxy/iptables.h"
#include "plane/kube_proxy/ipvs.h"
#include "plane/kube_proxy/nftables.h"
#include "plane/null_plane.h"
#include "plane/real_kube_proxy/real_kube_proxy.h"

namespace svcbench {

namespace {

// Cilium serves these at their sockets, too.
constexpr std::array<Lack, 1> received_only{
    {{"node-client",
      "its programs see what comes in by a device; the node's own programs are ebpf-sock's clients"}}};
constexpr std::string_view from_elsewhere =
    "it serves the sockets of this node and its pods; clients from elsewhere are a packet plane's";
constexpr std::array<Lack, 6> sockets_only{{{"from-outside", from_elsewhere},
                                            {"masquerade", from_elsewhere},
                                            {"local-policy", from_elsewhere},
                                            {"udp-moves",
                                             "a connected socket was translated when it was connected; "
                                             "Cilium closes it then, svcbench does not"},
                                            {"direct-dial",
                                             "a socket that dials the service is connected to the backend "
                                             "itself: for the kernel a second one from its port is the "
                                             "same connection"},
                                            {"too-big",
                                             "no packet on the wire bears a frontend: a router's errors go "
                                             "to the backend itself"}}};

constexpr std::string_view no_flow_table =
    "nothing is remembered of flows: each packet goes where the service's table says now, and a table that "
    "changed says so of a few flows";
constexpr std::string_view no_state = "nothing is remembered of clients";
constexpr std::array<Lack, 9> stateless{
    {{"node-client", received_only[0].reason},
     {"keeps-backend", no_flow_table},
     {"terminating", no_flow_table},
     {"affinity-holds", no_state},
     {"affinity-expires", no_state},
     {"fragments",
      "the end at the backends is the test's own, and hands on no fragments; a backend that owns the "
      "frontend's address puts them together"},
     {"hairpin", "a backend would get its own address as a client's, and reply to itself"},
     {"masquerade", "the backend replies to the client itself, and so must see it"},
     {"direct-dial",
      "the end at the backends is the test's own, and takes a client's port for one connection; a backend "
      "that owns the frontend's address tells both apart"}}};

constexpr std::array<std::string_view, 3> iptables_claims{"iptables-scan", "iptables-reload", "conntrack"};
constexpr std::array<std::string_view, 2> ipvs_claims{"ipvs-constant", "conntrack"};
constexpr std::array<std::string_view, 4> ebpf_claims{"ebpf-constant", "lookup-2-5us", "update-flat",
                                                      "conntrack"};

}  // namespace

std::span<const Lack> lacks_of_direct_return() { return stateless; }

std::span<const PlaneRow> planes() {
  static constexpr std::array<PlaneRow, 23> rows{{
      {.name = "null",
       .summary = "no data plane: packets go to a backend's own address, and the kernel forwards them",
       .requires_kernel = "any",
       .probe = probe_null,
       .make = make_null,
       .delivery = Delivery::direct,
       .label = "plain forwarding",
       .colour = "null",
       .mark = "circle"},
      {.name = "iptables-legacy",
       .summary = "kube-proxy's iptables mode, legacy back end",
       .requires_kernel = "x_tables",
       .probe = probe_iptables_legacy,
       .make = make_iptables_legacy,
       .kind = PlaneKind::iptables,
       .runs_tools = true,
       .claims = iptables_claims,
       .label = "iptables-legacy",
       .colour = "legacy",
       .mark = "circle"},
      {.name = "iptables-nft",
       .summary = "kube-proxy's iptables mode, nft back end",
       .requires_kernel = "nf_tables",
       .probe = probe_iptables_nft,
       .make = make_iptables_nft,
       .kind = PlaneKind::iptables,
       .runs_tools = true,
       .claims = iptables_claims,
       .label = "iptables-nft",
       .colour = "nft",
       .mark = "square"},
      {.name = "nftables",
       .summary = "kube-proxy's nftables mode: verdict maps, a chain for each service and endpoint",
       .requires_kernel = "nf_tables, 5.13",
       .probe = probe_nftables,
       .make = make_nftables,
       .kind = PlaneKind::nftables,
       .runs_tools = true,
       .label = "nftables",
       .colour = "nftables",
       .mark = "triangle"},
      {.name = "kube-proxy-iptables",
       .summary = "a kube-proxy of yours (--kube-proxy PATH), in its iptables mode",
       .requires_kernel = "nf_tables",
       .probe = probe_kube_proxy_iptables,
       .make = make_kube_proxy_iptables,
       .kind = PlaneKind::iptables,
       .runs_binary = true,
       .variant_of = "iptables-nft",
       .label = "kube-proxy, iptables",
       .colour = "nft",
       .mark = "star"},
      {.name = "kube-proxy-nftables",
       .summary = "a kube-proxy of yours (--kube-proxy PATH), in its nftables mode",
       .requires_kernel = "nf_tables, 5.13",
       .probe = probe_kube_proxy_nftables,
       .make = make_kube_proxy_nftables,
       .kind = PlaneKind::nftables,
       .runs_binary = true,
       .variant_of = "nftables",
       .label = "kube-proxy, nftables",
       .colour = "nftables",
       .mark = "star"},
      {.name = "ipvs",
       .summary = "kube-proxy's IPVS mode: a virtual server for each service, ipsets, few iptables rules",
       .requires_kernel = "module ip_vs",
       .probe = kube_proxy::probe_ipvs,
       .make = kube_proxy::make_ipvs,
       .kind = PlaneKind::ipvs,
       .claims = ipvs_claims,
       .label = "IPVS",
       .colour = "ipvs",
       .mark = "cross"},
      {.name = "ebpf-xdp",
       .summary = "BPF hash map of services and array of backends, at the device's XDP hook",
       .requires_kernel = "BPF, 5.15",
       .probe = probe_ebpf_xdp,
       .make = make_ebpf_xdp,
       .kind = PlaneKind::ebpf,
       .sees_frames = true,
       .lacks = received_only,
       .claims = ebpf_claims,
       .label = "eBPF, XDP",
       .colour = "xdp",
       .mark = "diamond"},
      {.name = "ebpf-tc",
       .summary = "the same maps and lookup, at the device's tc ingress hook",
       .requires_kernel = "BPF, 5.15",
       .probe = probe_ebpf_tc,
       .make = make_ebpf_tc,
       .kind = PlaneKind::ebpf,
       .lacks = received_only,
       .claims = ebpf_claims,
       .label = "eBPF, tc",
       .colour = "tc",
       .mark = "pill"},
      {.name = "ebpf-sock",
       .summary = "the same maps at the sockets of a cgroup: translated once, in connect()",
       .requires_kernel = "BPF, 5.15",
       .probe = probe_ebpf_sock,
       .make = make_ebpf_sock,
       .kind = PlaneKind::ebpf,
       .lacks = sockets_only,
       .off_wire = ebpf_sock_off_wire,
       .claims = ebpf_claims,
       .label = "eBPF, socket",
       .colour = "sock",
       .mark = "star"},
      {.name = "ebpf-xdp-maglev",
       .summary = "ebpf-xdp with a Maglev table for each service",
       .requires_kernel = "BPF, 5.15",
       .probe = probe_ebpf_xdp,
       .make = make_ebpf_xdp_maglev,
       .kind = PlaneKind::ebpf,
       .sees_frames = true,
       .lacks = received_only,
       .variant_of = "ebpf-xdp",
       .claims = ebpf_claims},
      {.name = "ebpf-tc-maglev",
       .summary = "ebpf-tc with a Maglev table for each service",
       .requires_kernel = "BPF, 5.15",
       .probe = probe_ebpf_tc,
       .make = make_ebpf_tc_maglev,
       .kind = PlaneKind::ebpf,
       .lacks = received_only,
       .variant_of = "ebpf-tc",
       .claims = ebpf_claims},
      {.name = "ebpf-xdp-dsr",
       .summary = "ebpf-xdp with Maglev tables and direct server return: IP-in-IP, no flow is remembered",
       .requires_kernel = "BPF, 5.15",
       .probe = probe_ebpf_xdp,
       .make = make_ebpf_xdp_dsr,
       .kind = PlaneKind::ebpf,
       .sees_frames = true,
       .lacks = stateless,
       .delivery = Delivery::wrapped,
       .variant_of = "ebpf-xdp",
       .claims = ebpf_claims},
      {.name = "ebpf-tc-dsr",
       .summary = "ebpf-tc with Maglev tables and direct server return: IP-in-IP, no flow is remembered",
       .requires_kernel = "BPF, 5.15",
       .probe = probe_ebpf_tc,
       .make = make_ebpf_tc_dsr,
       .kind = PlaneKind::ebpf,
       .lacks = stateless,
       .delivery = Delivery::wrapped,
       .variant_of = "ebpf-tc",
       .claims = ebpf_claims},
      {.name = "ebpf",
       .summary = "ebpf-xdp's and ebpf-tc's maps and programs by themselves, without traffic",
       .requires_kernel = "BPF, 5.15",
       .kind = PlaneKind::ebpf,
       .label = "eBPF maps",
       .colour = "xdp",
       .mark = "diamond"},
      {.name = "bare",
       .summary = "the map syscalls of ebpf and nothing else: the floor under its updates",
       .requires_kernel = "BPF, 5.15",
       .label = "bare bpf(2) call",
       .colour = "null",
       .mark = "square"},
      {.name = "iptables",
       .summary =
           "the chapter's nat table, three rules for each service, reloaded whole (legacy or nft back end)",
       .requires_kernel = "x_tables",
       .kind = PlaneKind::iptables,
       .runs_tools = true},
      {.name = "plain",
       .summary = "a backend dialled by its own address, on a node without a plane",
       .requires_kernel = "any",
       .label = "no plane",
       .colour = "null",
       .mark = "circle",
       .is_instrument = true},
      {.name = "sink",
       .summary = "an empty sink at the node's ingress",
       .requires_kernel = "any",
       .is_instrument = true},
      {.name = "redirect-xdp",
       .summary = "an XDP program that only redirects",
       .requires_kernel = "any",
       .is_instrument = true},
      {.name = "redirect-tc",
       .summary = "a tc program that only redirects",
       .requires_kernel = "any",
       .is_instrument = true},
      {.name = "route-xdp",
       .summary = "an XDP program that only routes",
       .requires_kernel = "any",
       .is_instrument = true},
      {.name = "route-tc",
       .summary = "a tc program that only routes",
       .requires_kernel = "any",
       .is_instrument = true},
  }};
  return rows;
}

const PlaneRow* find_plane(std::string_view name) {
  const auto rows = planes();
  const auto found =
      std::find_if(rows.begin(), rows.end(), [&](const PlaneRow& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

PlaneKind kind_of(std::string_view plane) {
  const PlaneRow* row = find_plane(plane);
  return row == nullptr ? PlaneKind::none : row->kind;
}

bool is_netfilter(PlaneKind kind) {
  return kind == PlaneKind::iptables || kind == PlaneKind::nftables || kind == PlaneKind::ipvs;
}

bool is_floor(std::string_view plane) {
  const PlaneRow* row = find_plane(plane);
  return row != nullptr && row->delivery == Delivery::direct;
}

bool is_instrument(std::string_view plane) {
  const PlaneRow* row = find_plane(plane);
  return row != nullptr && row->is_instrument;
}

bool bears(std::string_view plane, std::string_view claim) {
  const PlaneRow* row = find_plane(plane);
  return row != nullptr && std::find(row->claims.begin(), row->claims.end(), claim) != row->claims.end();
}

}  // namespace svcbench
