// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The rules of kube-proxy's nftables mode, as input of `nft -f -`: the shape and the order of the version
// that the configuration names (versions.h). Pure text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "plane/configuration.h"
#include "plane/kube_proxy/port_traffic.h"
#include "service/service.h"

namespace svcbench::kube_proxy {

inline constexpr std::string_view nft_table = "kube-proxy";

// One port of a Kubernetes Service in one family (port_traffic.h), which kube-proxy makes one service chain
// of, and one for the endpoints of this node where a traffic policy is Local.
struct ServicePort {
  std::string name;  // namespace/service[:port name]
  Family family = Family::ipv4;
  Protocol protocol = Protocol::tcp;
  std::optional<Frontend> cluster_ip{};
  std::optional<Frontend> node_port{};       // its address is the unspecified one
  std::vector<Endpoint> endpoints{};         // by the Cluster policy
  std::vector<Frontend> addresses{};         // external IPs, and the load balancer's
  std::vector<Endpoint> local{};             // endpoints of this node, where a policy is Local
  bool internal_local = false;               // the policies: of the ClusterIP
  bool external_local = false;               // and of the other frontends
  std::uint32_t affinity_seconds = 0;        // 0: none
  std::vector<Frontend> balancers{};         // of the addresses, the load balancer's
  std::vector<std::string> source_ranges{};  // who may use these; empty: everyone

  [[nodiscard]] PortTraffic traffic() const;
  void set(PortTraffic traffic);  // all but the frontends

  bool operator==(const ServicePort&) const = default;
};

// The chains of a port that has endpoints: service-LAUZTJTB-ns4/svc4/tcp/p80. The hash is of what follows
// it; a name that is too long for kube-proxy (not so among Kubernetes' own names) is cut, and ends in
// "...".
[[nodiscard]] std::string nft_service_chain(const ServicePort& port);
// external-LAUZTJTB-ns4/svc4/tcp/p80: where all frontends but the ClusterIP lead. It masquerades, and goes
// on to service-, or with the Local policy to local-LAUZTJTB-ns4/svc4/tcp/p80.
[[nodiscard]] std::string nft_external_chain(const ServicePort& port);
[[nodiscard]] std::string nft_local_chain(const ServicePort& port);
// firewall-LAUZTJTB-ns4/svc4/tcp/p80: drops what comes to a load balancer's address from other sources than
// it is for.
[[nodiscard]] std::string nft_firewall_chain(const ServicePort& port);
// endpoint-5RFCDDV7-ns4/svc4/tcp/p80__10.180.0.5/80, with dots for an IPv6 address's colons.
[[nodiscard]] std::string nft_endpoint_chain(const ServicePort& port, const Endpoint& endpoint);
// affinity-5RFCDDV7-ns4/svc4/tcp/p80__10.180.0.5/80: the set of clients that were sent to the endpoint.
[[nodiscard]] std::string nft_affinity_set(std::string_view endpoint_chain);
// All chains that `port` needs, in alphabetical order; where it has no endpoints, the firewall's at most.
[[nodiscard]] std::vector<std::string> nft_chains(const ServicePort& port, const Version& version);
// Elements of the set hairpin-connections (Trait::nft_few_jumps): "10.0.0.1 . 10.0.0.1 . tcp . 80" for each
// endpoint of the port that is known to be on this node. Ports may have one together.
[[nodiscard]] std::vector<std::string> nft_hairpins(const ServicePort& port,
                                                    const PlaneConfiguration& configuration);
// How many ports have each of them.
using NftHairpinUsers = std::unordered_map<std::string, std::size_t>;

// namespace/service[:port name] of a service-, local- or external- chain's name; of a name that was cut,
// what is left of it.
[[nodiscard]] std::string service_name_of_nft_chain(std::string_view chain);
// What an element of a port without endpoints carries as its comment: the name, cut to what nft takes.
[[nodiscard]] std::string nft_comment(std::string_view service_name);

// Error: a name that cannot be part of a chain's name. (Nor of nft's input: it is not quoted there.)
[[nodiscard]] Status check_nft_name(std::string_view service_name);

// The map that sends `frontend` to its chain, or refuses it, and the element's key: "10.96.0.1 . tcp . 80",
// for a NodePort "tcp . 30080".
[[nodiscard]] std::string_view nft_dispatch_map(const Frontend& frontend);
[[nodiscard]] std::string_view nft_refusal_map(const Frontend& frontend);
[[nodiscard]] std::string nft_key(const Frontend& frontend);

// "ip", "ip6".
[[nodiscard]] std::string_view nft_family(Family family);

// Appends what kube-proxy writes once for a table: base chains, maps, and the rules that do not depend on
// services. NodePorts are taken at the addresses that `configuration` says, at the node's first one if it
// says none, and on every local address if no address of the node is known. What is for a ClusterIP that no
// service has is dropped where the ranges of these are known.
// `keeps`: the elements that are there stay.
void write_nft_base(std::string& text, Family family, const PlaneConfiguration& configuration,
                    bool keeps = false);

// Appends what makes `after` of `before`; null is none. `cluster_ip_shared`: another port has the same
// ClusterIP, whose element in cluster-ips is there before and stays. As kube-proxy does it: the chains that
// `after` needs are added, emptied and written anew, elements written only where they differ, those that go
// before those that come, since they may have one key; affinity sets that are not needed any more are
// deleted at once. Unlike there, a set whose timeout changed is made anew: the kernel changes no set's
// timeout. Returns the chains that are not needed any more: emptied here, for the caller to delete in a
// later transaction (before Linux 6.2 the kernel took them for referenced until some time after this one).
// Hairpins that by `users`, before the change, another port has as well stay; null: nobody else has one.
std::vector<std::string> write_nft_sync(std::string& text, const ServicePort* before,
                                        const ServicePort* after, bool cluster_ip_shared,
                                        const PlaneConfiguration& configuration,
                                        const NftHairpinUsers* users = nullptr);

// What a table holds when kube-proxy starts, as far as it reads it.
struct NftHeld {
  std::unordered_set<std::string> chains;
  // By container and key, "service-ips 10.96.0.1 . tcp . 80"; of a set's element the value is empty.
  std::unordered_map<std::string, std::string> elements;
};

// What makes the table hold `port` when kube-proxy starts and finds `held` there (Trait::
// nft_keeps_at_restart): endpoint chains that are there are right by their names, without affinity, and
// elements are compared.
void write_nft_restart(std::string& text, const ServicePort& port, bool cluster_ip_shared,
                       const PlaneConfiguration& configuration, const NftHeld& held);

// Sets and maps whose elements stem from services.
struct NftContainer {
  std::string_view kind;  // "set", "map"
  std::string_view name;
};
[[nodiscard]] std::span<const NftContainer> nft_containers(const Version& version);

void write_nft_flush_chain(std::string& text, Family family, std::string_view chain);
void write_nft_delete_chain(std::string& text, Family family, std::string_view chain);

}  // namespace svcbench::kube_proxy
