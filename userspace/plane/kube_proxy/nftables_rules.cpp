// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/nftables_rules.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>

#include "plane/kube_proxy/names.h"
#include "plane/kube_proxy/node_ports.h"
#include "service/text.h"

namespace svcbench::kube_proxy {
namespace {

// kube-proxy's limit for what follows the prefix: the kernel's names end at 255 characters, and 16 are left
// for the longest prefix.
constexpr std::size_t longest_base = 240;
constexpr std::size_t hash_size = 8;
// Of libnftnl's 128 bytes for an element's comment one is its end.
constexpr std::size_t longest_comment = 127;

constexpr std::string_view masquerade_mark = "0x4000";
constexpr std::string_view node_port_ips = "nodeport-ips";

// ---- names ----

std::string hash_and_cut(std::string_view name) {
  std::string base = hashed(name, hash_size);
  base += '-';
  base += name;
  if (base.size() > longest_base) {
    base.resize(longest_base - 3);
    base += "...";
  }
  return base;
}

// ns4/svc4/tcp/p80
std::string port_path(const ServicePort& port) {
  const ServiceName name = split(port.name);
  return fmt::format("{}/{}/{}/{}", name.name_space, name.name, lower_case(port.protocol), name.port);
}

std::string endpoint_chain_of(std::string_view path, const Endpoint& endpoint) {
  std::string address = endpoint.address.text();
  std::replace(address.begin(), address.end(), ':', '.');
  return "endpoint-" + hash_and_cut(fmt::format("{}__{}/{}", path, address, endpoint.port));
}

// All chains of a port, none where it has no endpoints.
struct Chains {
  std::string service;  // empty, as the next two: not needed
  std::string local;
  std::string external;
  std::string firewall;
  std::vector<Endpoint> reachable;
  std::vector<std::string> endpoints;  // of each of those; none: they have no chains
};

Chains chains_of(const ServicePort* port, const Version& version) {
  Chains chains;
  if (port == nullptr) {
    return chains;
  }
  const PortTraffic traffic = port->traffic();
  if (!traffic.has_endpoints() && !traffic.has_firewall()) {
    return chains;
  }
  const std::string path = port_path(*port);
  const std::string base = hash_and_cut(path);
  if (traffic.has_firewall()) {
    chains.firewall = "firewall-" + base;
  }
  if (traffic.uses_cluster()) {
    chains.service = "service-" + base;
  }
  if (traffic.uses_local()) {
    chains.local = "local-" + base;
  }
  if (traffic.uses_external()) {
    chains.external = "external-" + base;
  }
  chains.reachable = traffic.reachable();
  if (version.has(Trait::nft_few_jumps) && port->affinity_seconds == 0) {
    return chains;
  }
  chains.endpoints.reserve(chains.reachable.size());
  for (const Endpoint& endpoint : chains.reachable) {
    chains.endpoints.push_back(endpoint_chain_of(path, endpoint));
  }
  return chains;
}

std::vector<std::string> sorted(const Chains& chains) {
  std::vector<std::string> all = chains.endpoints;
  for (const std::string* chain : {&chains.service, &chains.local, &chains.external, &chains.firewall}) {
    if (!chain->empty()) {
      all.push_back(*chain);
    }
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

// ---- elements ----

struct Element {
  std::string_view container;
  std::string key;
  std::string value;    // of a map: the verdict
  std::string comment;  // empty: none

  bool operator==(const Element&) const = default;
};

constexpr std::string_view cluster_ips = "cluster-ips";
constexpr std::string_view firewall_ips = "firewall-ips";
constexpr std::string_view hairpins = "hairpin-connections";

Element dispatch(const Frontend& frontend, const std::string& chain) {
  return {nft_dispatch_map(frontend), nft_key(frontend), "goto " + chain, {}};
}

// Packets to a frontend without endpoints are rejected; where other nodes have some, dropped.
Element refusal(const ServicePort& port, const Frontend& frontend, bool elsewhere) {
  return {nft_refusal_map(frontend), nft_key(frontend), elsewhere ? "drop" : "goto reject-chain",
          nft_comment(port.name)};
}

std::vector<Element> elements_of(const ServicePort* port, const Chains& chains, bool cluster_ip_shared,
                                 const PlaneConfiguration& configuration) {
  const Version& version = configuration.kube_proxy.version;
  std::vector<Element> elements;
  if (port == nullptr) {
    return elements;
  }
  const PortTraffic traffic = port->traffic();
  if (port->cluster_ip) {
    if (!cluster_ip_shared) {
      elements.push_back({cluster_ips, port->cluster_ip->address.text(), {}, {}});
    }
    elements.push_back(
        traffic.has_internal()
            ? dispatch(*port->cluster_ip, traffic.internal_local ? chains.local : chains.service)
            : refusal(*port, *port->cluster_ip, traffic.has_endpoints()));
  }
  const auto add_external = [&](const Frontend& frontend) {
    if (traffic.has_endpoints()) {
      elements.push_back(dispatch(frontend, chains.external));
    }
    if (!traffic.has_external()) {
      elements.push_back(refusal(*port, frontend, traffic.has_endpoints()));
    }
  };
  std::for_each(port->addresses.begin(), port->addresses.end(), add_external);
  if (!chains.firewall.empty()) {
    for (const Frontend& balancer : port->balancers) {
      elements.push_back({firewall_ips, nft_key(balancer), "goto " + chains.firewall,
                          version.has(Trait::nft_firewall_plain) ? "" : nft_comment(port->name)});
    }
  }
  if (port->node_port) {
    add_external(*port->node_port);
  }
  for (std::string& hairpin : nft_hairpins(*port, configuration)) {
    elements.push_back({hairpins, std::move(hairpin), {}, {}});
  }
  return elements;
}

// ---- text ----

// Appends commands on one family's table.
class Commands {
 public:
  Commands(std::string& text, Family family) : text_(&text), family_(nft_family(family)) {}

  // "add rule ip kube-proxy", the parts after a space each, the end of the line.
  template <typename... Parts>
  void write(std::string_view command, const Parts&... parts) {
    text_->append(command).append(" ").append(family_).append(" ").append(nft_table);
    (text_->append(" ").append(parts), ...);
    text_->append("\n");
  }

  void ensure_chain(std::string_view chain) {
    write("add chain", chain);
    write("flush chain", chain);
  }
  void add(const Element& element) {
    const std::string comment =
        element.comment.empty() ? "" : fmt::format(" comment \"{}\"", element.comment);
    const std::string value = element.value.empty() ? "" : " : " + element.value;
    write("add element", element.container, fmt::format("{{ {}{}{} }}", element.key, comment, value));
  }
  void remove(const Element& element) {
    write("delete element", element.container, fmt::format("{{ {} }}", element.key));
  }

 private:
  std::string* text_;
  std::string_view family_;
};

// What marks a packet for masquerade.
std::string marks(const Version& version) {
  return version.has(Trait::nft_few_jumps) ? fmt::format("mark set mark or {}", masquerade_mark)
                                           : "jump mark-for-masquerade";
}

void write_external_rules(Commands& commands, const ServicePort& port, const PortTraffic& traffic,
                          const Chains& chains, const PlaneConfiguration& configuration) {
  const ClusterCidr& cidr = configuration.cluster_cidr;
  const Version& version = configuration.kube_proxy.version;
  if (traffic.external_local) {
    // What this node and its pods send is not bound by the policy.
    commands.write("add rule", chains.external, nft_family(port.family), "saddr", cidr.of(port.family),
                   "goto", chains.service, "comment \"short-circuit pod traffic\"");
    commands.write("add rule", chains.external, "fib saddr type local", marks(version),
                   "comment \"masquerade local traffic\"");
    commands.write("add rule", chains.external, "fib saddr type local goto", chains.service,
                   "comment \"short-circuit local traffic\"");
  } else {
    commands.write("add rule", chains.external,
                   marks(version) + (version.has(Trait::nft_few_jumps) ? " comment \"masquerade\"" : ""));
  }
  if (traffic.has_external()) {
    commands.write("add rule", chains.external, "goto",
                   traffic.external_local ? chains.local : chains.service);
  }
}

void write_firewall_rule(Commands& commands, const ServicePort& port, const Chains& chains,
                         const PlaneConfiguration& configuration) {
  std::vector<std::string> sources = port.source_ranges;
  if (allows_node(port.source_ranges, configuration.node_addresses, port.family)) {
    std::transform(port.balancers.begin(), port.balancers.end(), std::back_inserter(sources),
                   [](const Frontend& balancer) { return balancer.address.text(); });
  }
  commands.write("add rule", chains.firewall, nft_family(port.family),
                 fmt::format("saddr != {{ {} }} drop", fmt::join(sources, ", ")));
}

// The same where endpoints have no chains.
void write_translation(Commands& commands, const ServicePort& port, const std::string& chain,
                       const std::vector<Endpoint>& endpoints) {
  std::string targets;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    fmt::format_to(std::back_inserter(targets), "{}{} : {} . {}", i == 0 ? "" : " , ", i,
                   endpoints[i].address.text(), endpoints[i].port);
  }
  commands.write(
      "add rule", chain, "meta l4proto", lower_case(port.protocol), "dnat", nft_family(port.family),
      fmt::format("addr . port to numgen random mod {} map {{ {} }}", endpoints.size(), targets));
}

// Of the chain `chain`: to the endpoints of one policy.
void write_policy_rules(Commands& commands, const ServicePort& port, const std::string& chain,
                        const std::vector<Endpoint>& endpoints, const Chains& chains) {
  if (chains.endpoints.empty()) {
    return write_translation(commands, port, chain, endpoints);
  }
  const auto chain_of = [&](const Endpoint& endpoint) -> const std::string& {
    const auto place = std::find(chains.reachable.begin(), chains.reachable.end(), endpoint);
    return chains.endpoints[static_cast<std::size_t>(place - chains.reachable.begin())];
  };
  std::string targets;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    // Mostly the policy's endpoints are all that there are.
    const bool in_place = chains.reachable[i] == endpoints[i];
    const std::string& target = in_place ? chains.endpoints[i] : chain_of(endpoints[i]);
    fmt::format_to(std::back_inserter(targets), "{}{} : goto {}", i == 0 ? "" : " , ", i, target);
    if (port.affinity_seconds != 0) {
      commands.write("add rule", chain, nft_family(port.family), "saddr", "@" + nft_affinity_set(target),
                     "goto", target);
    }
  }
  commands.write("add rule", chain,
                 fmt::format("numgen random mod {} vmap {{ {} }}", endpoints.size(), targets));
}

void write_service_rules(Commands& commands, const ServicePort& port, const Chains& chains,
                         const PlaneConfiguration& configuration) {
  const ClusterCidr& cidr = configuration.cluster_cidr;
  const std::string_view ip = nft_family(port.family);
  const PortTraffic traffic = port.traffic();
  if (port.cluster_ip && traffic.has_internal() &&
      !configuration.kube_proxy.version.has(Trait::nft_few_jumps)) {
    std::string match = port.cluster_ip->address.text();
    if (!configuration.kube_proxy.version.has(Trait::nft_masquerades_any_port)) {
      fmt::format_to(std::back_inserter(match), " {} dport {}", lower_case(port.protocol),
                     port.cluster_ip->port);
    }
    commands.write("add rule", traffic.internal_local ? chains.local : chains.service, ip, "daddr", match,
                   ip, "saddr !=", cidr.of(port.family), "jump mark-for-masquerade");
  }
  if (traffic.uses_external()) {
    write_external_rules(commands, port, traffic, chains, configuration);
  }
  if (port.affinity_seconds != 0) {
    for (const std::string& chain : chains.endpoints) {
      commands.write(
          "add set", nft_affinity_set(chain),
          fmt::format("{{ type {} ; flags dynamic,timeout ; timeout {}s ; }}",
                      port.family == Family::ipv4 ? "ipv4_addr" : "ipv6_addr", port.affinity_seconds));
    }
  }
  if (traffic.uses_cluster()) {
    write_policy_rules(commands, port, chains.service, traffic.cluster, chains);
  }
  if (traffic.uses_local()) {
    write_policy_rules(commands, port, chains.local, traffic.local, chains);
  }
}

void write_endpoint_rules(Commands& commands, const ServicePort& port, const Endpoint& endpoint,
                          const std::string& chain, const Version& version) {
  const std::string_view ip = nft_family(port.family);
  if (!version.has(Trait::nft_few_jumps)) {
    commands.write("add rule", chain, ip, "saddr", endpoint.address.text(), "jump mark-for-masquerade");
  }
  if (port.affinity_seconds != 0) {
    commands.write("add rule", chain, "update", "@" + nft_affinity_set(chain), "{", ip, "saddr }");
  }
  commands.write("add rule", chain, "meta l4proto", lower_case(port.protocol), "dnat to", endpoint.text());
}

std::vector<std::string> affinity_sets_of(const ServicePort* port, const Chains& chains) {
  std::vector<std::string> sets;
  if (port != nullptr && port->affinity_seconds != 0) {
    std::transform(chains.endpoints.begin(), chains.endpoints.end(), std::back_inserter(sets),
                   [](const std::string& chain) { return nft_affinity_set(chain); });
  }
  std::sort(sets.begin(), sets.end());
  sets.erase(std::unique(sets.begin(), sets.end()), sets.end());
  return sets;
}

struct BaseChain {
  std::string_view name, type, hook, priority;
};
struct Jump {
  std::string_view from, match, to;
};
struct Hooks {
  std::span<const BaseChain> chains;
  std::span<const Jump> jumps;
};

// What drops by source ranges comes before DNAT, to meet addresses as clients wrote them. What refuses a
// service may come after it: nothing was translated there.
constexpr std::array<BaseChain, 8> base_chains{{
    {"filter-prerouting-pre-dnat", "filter", "prerouting", "-110"},
    {"filter-output-pre-dnat", "filter", "output", "-110"},
    {"filter-input", "filter", "input", "0"},
    {"filter-forward", "filter", "forward", "0"},
    {"filter-output", "filter", "output", "0"},
    {"nat-prerouting", "nat", "prerouting", "-100"},
    {"nat-output", "nat", "output", "-100"},
    {"nat-postrouting", "nat", "postrouting", "100"},
}};
constexpr std::array<Jump, 11> jumps{{
    {"filter-input", "ct state new jump", "nodeport-endpoints-check"},
    {"filter-input", "ct state new jump", "service-endpoints-check"},
    {"filter-forward", "ct state new jump", "service-endpoints-check"},
    {"filter-output", "ct state new jump", "service-endpoints-check"},
    {"filter-prerouting-pre-dnat", "ct state new jump", "firewall-check"},
    {"filter-output-pre-dnat", "ct state new jump", "firewall-check"},
    {"nat-output", "jump", "services"},
    {"nat-prerouting", "jump", "services"},
    {"nat-postrouting", "jump", "masquerading"},
    {"filter-forward", "ct state new jump", "cluster-ips-check"},
    {"filter-output", "ct state new jump", "cluster-ips-check"},
}};

// Of versions without Trait::nft_filters_at_zero: all before DNAT, but for what is about ClusterIPs of the
// node's own packets.
constexpr std::array<BaseChain, 8> early_base_chains{{
    {"filter-prerouting", "filter", "prerouting", "-110"},
    {"filter-input", "filter", "input", "-110"},
    {"filter-forward", "filter", "forward", "-110"},
    {"filter-output", "filter", "output", "-110"},
    {"filter-output-post-dnat", "filter", "output", "-90"},
    {"nat-prerouting", "nat", "prerouting", "-100"},
    {"nat-output", "nat", "output", "-100"},
    {"nat-postrouting", "nat", "postrouting", "100"},
}};
constexpr std::array<Jump, 11> early_jumps{{
    {"filter-input", "ct state new jump", "nodeport-endpoints-check"},
    {"filter-input", "ct state new jump", "service-endpoints-check"},
    {"filter-forward", "ct state new jump", "service-endpoints-check"},
    {"filter-output", "ct state new jump", "service-endpoints-check"},
    {"filter-prerouting", "ct state new jump", "firewall-check"},
    {"filter-output", "ct state new jump", "firewall-check"},
    {"nat-output", "jump", "services"},
    {"nat-prerouting", "jump", "services"},
    {"nat-postrouting", "jump", "masquerading"},
    {"filter-forward", "ct state new jump", "cluster-ips-check"},
    {"filter-output-post-dnat", "ct state new jump", "cluster-ips-check"},
}};

Hooks hooks_of(const Version& version) {
  return version.has(Trait::nft_filters_at_zero) ? Hooks{base_chains, jumps}
                                                 : Hooks{early_base_chains, early_jumps};
}

constexpr std::array<std::string_view, 7> top_chains{
    "nodeport-endpoints-check", "service-endpoints-check", "firewall-check", "services", "masquerading",
    "cluster-ips-check",        "mark-for-masquerade"};

struct Map {
  std::string_view name;
  bool by_address;  // else by protocol and port only
  std::string_view comment;
};

constexpr std::array<Map, 5> maps{{
    {"no-endpoint-services", true, "vmap to drop or reject packets to services with no endpoints"},
    {"no-endpoint-nodeports", false,
     "vmap to drop or reject packets to service nodeports with no endpoints"},
    {firewall_ips, true, "destinations that are subject to LoadBalancerSourceRanges"},
    {"service-ips", true, "ClusterIP, ExternalIP and LoadBalancer IP traffic"},
    {"service-nodeports", false, "NodePort traffic"},
}};

void write_chains(Commands& commands, const Hooks& hooks, const Version& version) {
  // Deleted and added: a chain of that name with another priority would make the transaction fail.
  for (const BaseChain& chain : hooks.chains) {
    commands.write("add chain", chain.name);
    commands.write("delete chain", chain.name);
  }
  for (const BaseChain& chain : hooks.chains) {
    commands.write(
        "add chain", chain.name,
        fmt::format("{{ type {} hook {} priority {} ; }}", chain.type, chain.hook, chain.priority));
    commands.write("flush chain", chain.name);
  }
  for (const std::string_view chain : top_chains) {
    if (chain != "mark-for-masquerade" || !version.has(Trait::nft_few_jumps)) {
      commands.ensure_chain(chain);
    }
  }
  commands.write("add chain", "reject-chain",
                 "{ comment \"helper for @no-endpoint-services / @no-endpoint-nodeports\" ; }");
  commands.write("flush chain", "reject-chain");
}

void write_sets(Commands& commands, std::string_view address_type, bool keeps, const Version& version) {
  const bool has_hairpins = version.has(Trait::nft_few_jumps);
  if (has_hairpins) {
    commands.write(
        "add set", hairpins,
        fmt::format(
            "{{ type {0} . {0} . inet_proto . inet_service ; comment \"service hairpin connections\" ; }}",
            address_type));
  }
  commands.write("add set", cluster_ips,
                 fmt::format("{{ type {} ; comment \"Active ClusterIPs\" ; }}", address_type));
  for (const Map& map : maps) {
    commands.write(
        "add map", map.name,
        fmt::format("{{ type {}{}inet_proto . inet_service : verdict ; comment \"{}\" ; }}",
                    map.by_address ? address_type : "", map.by_address ? " . " : "", map.comment));
  }
  if (keeps) {
    return;
  }
  commands.write("flush set", cluster_ips);
  if (has_hairpins) {
    commands.write("flush set", hairpins);
  }
  for (const Map& map : maps) {
    commands.write("flush map", map.name);
  }
}

void write_masquerading(Commands& commands, std::string_view ip, const Version& version,
                        const std::string& cidr) {
  if (version.has(Trait::nft_few_jumps)) {
    commands.write("add rule", "masquerading mark and", masquerade_mark, "!= 0 mark set mark xor",
                   masquerade_mark, "masquerade fully-random");
    commands.write("add rule", "masquerading ct status dnat", ip, "saddr .", ip,
                   "daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random");
    commands.write("add rule", "services", ip, "daddr @cluster-ips", ip, "saddr !=", cidr, marks(version),
                   "comment \"masquerade clusterIP traffic from outside cluster\"");
    return;
  }
  commands.write("add rule", "mark-for-masquerade mark set mark or", masquerade_mark);
  commands.write("add rule", "masquerading mark and", masquerade_mark, "== 0 return");
  commands.write("add rule", "masquerading mark set mark xor", masquerade_mark);
  commands.write("add rule", "masquerading masquerade fully-random");
}

void write_base_rules(Commands& commands, Family family, const NodePortPlaces& node_ports,
                      std::span<const Jump> jumps_there, const std::vector<std::string>& service_cidrs,
                      const PlaneConfiguration& configuration) {
  for (const Jump& jump : jumps_there) {
    commands.write("add rule", jump.from, jump.match, jump.to);
  }
  const std::string_view ip = nft_family(family);
  const std::string not_localhost = family == Family::ipv4 ? "ip daddr != 127.0.0.0/8" : "ip6 daddr != ::1";
  const std::string frontend = fmt::format("{} daddr . meta l4proto . th dport", ip);
  const std::string port = " meta l4proto . th dport";
  const std::string local_port =
      node_ports.everywhere ? not_localhost + port : fmt::format("{} daddr @{}{}", ip, node_port_ips, port);

  write_masquerading(commands, ip, configuration.kube_proxy.version, configuration.cluster_cidr.of(family));
  commands.write("add rule", "cluster-ips-check", ip,
                 "daddr @cluster-ips reject comment \"Reject traffic to invalid ports of ClusterIPs\"");
  if (!service_cidrs.empty()) {
    commands.write("add rule", "cluster-ips-check", ip,
                   fmt::format("daddr {{ {} }} drop comment \"Drop traffic to unallocated ClusterIPs\"",
                               fmt::join(service_cidrs, ",")));
  }
  commands.write("add rule", "reject-chain reject");
  commands.write("add rule", "service-endpoints-check", frontend, "vmap @no-endpoint-services");
  commands.write("add rule", "nodeport-endpoints-check", local_port, "vmap @no-endpoint-nodeports");
  commands.write("add rule", "firewall-check", frontend, "vmap @firewall-ips");
  commands.write("add rule", "services", frontend, "vmap @service-ips");
  commands.write("add rule", node_ports.everywhere ? "services fib daddr type local" : "services",
                 local_port, "vmap @service-nodeports");
}

void write_node_port_ips(Commands& commands, std::string_view address_type,
                         const NodePortPlaces& node_ports) {
  if (node_ports.everywhere) {
    return;
  }
  commands.write(
      "add set", node_port_ips,
      fmt::format("{{ type {} ; comment \"IPs that accept NodePort traffic\" ; }}", address_type));
  commands.write("flush set", node_port_ips);
  for (const Address& address : node_ports.addresses) {
    commands.write("add element", node_port_ips, fmt::format("{{ {} }}", address.text()));
  }
}

}  // namespace

PortTraffic ServicePort::traffic() const {
  return {.cluster = endpoints,
          .local = local,
          .internal_local = internal_local,
          .external_local = external_local,
          .has_cluster_ip = cluster_ip.has_value(),
          .externals = addresses.size() + (node_port ? 1 : 0),
          .affinity_seconds = affinity_seconds,
          .balancers = balancers.size(),
          .source_ranges = source_ranges};
}

void ServicePort::set(PortTraffic traffic) {
  endpoints = std::move(traffic.cluster);
  local = std::move(traffic.local);
  internal_local = traffic.internal_local;
  external_local = traffic.external_local;
  affinity_seconds = traffic.affinity_seconds;
  source_ranges = std::move(traffic.source_ranges);
}

std::string nft_service_chain(const ServicePort& port) {
  return "service-" + hash_and_cut(port_path(port));
}

std::string nft_external_chain(const ServicePort& port) {
  return "external-" + hash_and_cut(port_path(port));
}

std::string nft_local_chain(const ServicePort& port) { return "local-" + hash_and_cut(port_path(port)); }

std::string nft_firewall_chain(const ServicePort& port) {
  return "firewall-" + hash_and_cut(port_path(port));
}

std::string nft_affinity_set(std::string_view endpoint_chain) {
  return "affinity-" + std::string(endpoint_chain.substr(std::string_view("endpoint-").size()));
}

std::string nft_endpoint_chain(const ServicePort& port, const Endpoint& endpoint) {
  return endpoint_chain_of(port_path(port), endpoint);
}

std::vector<std::string> nft_chains(const ServicePort& port, const Version& version) {
  return sorted(chains_of(&port, version));
}

std::vector<std::string> nft_hairpins(const ServicePort& port, const PlaneConfiguration& configuration) {
  std::vector<std::string> keys;
  if (!configuration.kube_proxy.version.has(Trait::nft_few_jumps)) {
    return keys;
  }
  const PortTraffic traffic = port.traffic();
  for (const Endpoint& endpoint : configuration.endpoints_are_here ? traffic.reachable() : traffic.local) {
    const std::string address = endpoint.address.text();
    keys.push_back(fmt::format("{0} . {0} . {1} . {2}", address, lower_case(port.protocol), endpoint.port));
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::string service_name_of_nft_chain(std::string_view chain) {
  // service-LAUZTJTB-ns4/svc4/tcp/p80
  const std::size_t prefix = std::min(chain.find('-'), chain.size());
  const std::size_t before_path = prefix + 1 + hash_size + 1;
  const std::string_view path = chain.substr(std::min(before_path, chain.size()));
  const std::size_t port = path.rfind('/');
  const std::size_t protocol =
      port == std::string_view::npos || port == 0 ? std::string_view::npos : path.rfind('/', port - 1);
  if (path.ends_with("...") || protocol == std::string_view::npos) {
    return std::string(path);
  }
  std::string_view name = path.substr(0, protocol);
  if (name.starts_with('/')) {  // a name without a namespace
    name.remove_prefix(1);
  }
  const std::string_view port_name = path.substr(port + 1);
  return port_name.empty() ? std::string(name) : fmt::format("{}:{}", name, port_name);
}

std::string nft_comment(std::string_view service_name) {
  return std::string(service_name.substr(0, longest_comment));
}

Status check_nft_name(std::string_view service_name) {
  // What nft's grammar takes in a name, and the colon before the port's name.
  const bool fits = std::all_of(service_name.begin(), service_name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_' || c == '/' || c == ':';
  });
  const std::size_t colon = service_name.find(':');
  const bool one_colon =
      colon == std::string_view::npos || service_name.find(':', colon + 1) == std::string_view::npos;
  if (service_name.empty() || !fits || !one_colon) {
    return usage_error(
        "a service's name becomes part of a chain's, and \"{}\" cannot (namespace/service[:port], of "
        "letters, digits, - _ and .)",
        printable(service_name));
  }
  return {};
}

std::string_view nft_dispatch_map(const Frontend& frontend) {
  return frontend.address.is_unspecified() ? "service-nodeports" : "service-ips";
}

std::string_view nft_refusal_map(const Frontend& frontend) {
  return frontend.address.is_unspecified() ? "no-endpoint-nodeports" : "no-endpoint-services";
}

std::string nft_key(const Frontend& frontend) {
  const std::string port = fmt::format("{} . {}", lower_case(frontend.protocol), frontend.port);
  return frontend.address.is_unspecified() ? port : frontend.address.text() + " . " + port;
}

std::string_view nft_family(Family family) { return family == Family::ipv4 ? "ip" : "ip6"; }

void write_nft_base(std::string& text, Family family, const PlaneConfiguration& configuration, bool keeps) {
  const std::string_view address_type = family == Family::ipv4 ? "ipv4_addr" : "ipv6_addr";
  const NodePortPlaces node_ports = node_port_places(configuration, family, NodePortDefault::first_address);
  Commands commands(text, family);
  commands.write("add table", "{ comment \"rules for kube-proxy\" ; }");
  const Version& version = configuration.kube_proxy.version;
  const Hooks hooks = hooks_of(version);
  const auto service_cidrs = version.has(Trait::service_cidrs)
                                 ? ranges_of(configuration.kube_proxy.service_cidrs, family)
                                 : std::vector<std::string>();
  write_chains(commands, hooks, version);
  write_sets(commands, address_type, keeps, version);
  write_node_port_ips(commands, address_type, node_ports);
  write_base_rules(commands, family, node_ports, hooks.jumps, service_cidrs, configuration);
}

std::vector<std::string> write_nft_sync(std::string& text, const ServicePort* before,
                                        const ServicePort* after, bool cluster_ip_shared,
                                        const PlaneConfiguration& configuration,
                                        const NftHairpinUsers* users) {
  if (before == nullptr && after == nullptr) {
    return {};
  }
  Commands commands(text, after != nullptr ? after->family : before->family);
  const Version& version = configuration.kube_proxy.version;
  const Chains old_chains = chains_of(before, version);
  const Chains new_chains = chains_of(after, version);
  const auto old_elements = elements_of(before, old_chains, cluster_ip_shared, configuration);
  const auto new_elements = elements_of(after, new_chains, cluster_ip_shared, configuration);
  const auto is_others = [&](const Element& element) {
    const auto found = users == nullptr || element.container != hairpins ? decltype(users->end())()
                                                                         : users->find(element.key);
    return users != nullptr && element.container == hairpins && found != users->end() && found->second > 1;
  };
  const auto holds = [](const std::vector<Element>& elements, const Element& wanted) {
    return std::find(elements.begin(), elements.end(), wanted) != elements.end();
  };

  // An endpoint that is listed twice has one chain.
  std::vector<std::string> written = new_chains.endpoints;
  std::sort(written.begin(), written.end());
  const bool repeats = std::adjacent_find(written.begin(), written.end()) != written.end();
  const auto is_repeat = [&](std::size_t i) {
    const auto place = new_chains.endpoints.begin() + static_cast<std::ptrdiff_t>(i);
    return repeats && std::find(new_chains.endpoints.begin(), place, *place) != place;
  };

  for (std::size_t i = 0; i < new_chains.endpoints.size(); ++i) {
    if (!is_repeat(i)) {
      commands.ensure_chain(new_chains.endpoints[i]);
    }
  }
  for (const std::string* chain :
       {&new_chains.service, &new_chains.local, &new_chains.external, &new_chains.firewall}) {
    if (!chain->empty()) {
      commands.ensure_chain(*chain);
    }
  }
  const auto old_sets = affinity_sets_of(before, old_chains);
  const auto new_sets = affinity_sets_of(after, new_chains);
  const auto old_names = sorted(old_chains);
  const auto new_names = sorted(new_chains);
  std::vector<std::string> stale;
  std::set_difference(old_names.begin(), old_names.end(), new_names.begin(), new_names.end(),
                      std::back_inserter(stale));
  if (!old_sets.empty() && !new_sets.empty() && before->affinity_seconds != after->affinity_seconds) {
    for (const std::string& chain : stale) {  // no rule may name a set that is deleted
      commands.write("flush chain", chain);
    }
    for (const std::string& set : old_sets) {
      if (std::binary_search(new_sets.begin(), new_sets.end(), set)) {
        commands.write("delete set", set);
      }
    }
  }
  for (const Element& element : old_elements) {
    if (!holds(new_elements, element) && !is_others(element)) {
      commands.remove(element);
    }
  }
  for (const Element& element : new_elements) {
    if (!holds(old_elements, element)) {
      commands.add(element);
    }
  }
  if (!new_chains.firewall.empty()) {
    write_firewall_rule(commands, *after, new_chains, configuration);
  }
  if (!new_chains.reachable.empty()) {
    write_service_rules(commands, *after, new_chains, configuration);
  }
  for (std::size_t i = 0; i < new_chains.endpoints.size(); ++i) {
    if (!is_repeat(i)) {
      write_endpoint_rules(commands, *after, new_chains.reachable[i], new_chains.endpoints[i], version);
    }
  }

  for (const std::string& chain : stale) {
    commands.write("flush chain", chain);
  }
  for (const std::string& set : old_sets) {
    if (!std::binary_search(new_sets.begin(), new_sets.end(), set)) {
      commands.write("delete set", set);
    }
  }
  return stale;
}

void write_nft_restart(std::string& text, const ServicePort& port, bool cluster_ip_shared,
                       const PlaneConfiguration& configuration, const NftHeld& held) {
  Commands commands(text, port.family);
  const Version& version = configuration.kube_proxy.version;
  const Chains chains = chains_of(&port, version);
  const auto is_kept = [&](std::size_t i) {
    return port.affinity_seconds == 0 && held.chains.contains(chains.endpoints[i]);
  };
  for (std::size_t i = 0; i < chains.endpoints.size(); ++i) {
    if (!is_kept(i)) {
      commands.ensure_chain(chains.endpoints[i]);
    }
  }
  for (const std::string* chain : {&chains.service, &chains.local, &chains.external, &chains.firewall}) {
    if (!chain->empty()) {
      commands.ensure_chain(*chain);
    }
  }
  for (const Element& element : elements_of(&port, chains, cluster_ip_shared, configuration)) {
    const auto found = held.elements.find(fmt::format("{} {}", element.container, element.key));
    if (found != held.elements.end() && found->second == element.value) {
      continue;
    }
    if (found != held.elements.end()) {
      commands.remove(element);
    }
    commands.add(element);
  }
  if (!chains.firewall.empty()) {
    write_firewall_rule(commands, port, chains, configuration);
  }
  if (!chains.reachable.empty()) {
    write_service_rules(commands, port, chains, configuration);
  }
  for (std::size_t i = 0; i < chains.endpoints.size(); ++i) {
    if (!is_kept(i)) {
      write_endpoint_rules(commands, port, chains.reachable[i], chains.endpoints[i], version);
    }
  }
}

std::span<const NftContainer> nft_containers(const Version& version) {
  static constexpr std::array<NftContainer, 7> containers{{{"set", hairpins},
                                                           {"set", cluster_ips},
                                                           {"map", "service-ips"},
                                                           {"map", firewall_ips},
                                                           {"map", "no-endpoint-services"},
                                                           {"map", "no-endpoint-nodeports"},
                                                           {"map", "service-nodeports"}}};
  return std::span(containers).subspan(version.has(Trait::nft_few_jumps) ? 0 : 1);
}

void write_nft_flush_chain(std::string& text, Family family, std::string_view chain) {
  Commands(text, family).write("flush chain", chain);
}

void write_nft_delete_chain(std::string& text, Family family, std::string_view chain) {
  Commands(text, family).write("delete chain", chain);
}

}  // namespace svcbench::kube_proxy
