// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/ipvs_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "plane/kube_proxy/names.h"
#include "plane/kube_proxy/node_ports.h"
#include "plane/kube_proxy/port_traffic.h"

namespace svcbench::kube_proxy {

namespace {

constexpr std::size_t ipset_name_size = 31;  // IPSET_MAXNAMELEN less the zero

constexpr std::string_view nat = "nat";
constexpr std::string_view filter = "filter";

constexpr std::string_view loop_back = "LOOP-BACK";
constexpr std::string_view external_ip = "EXTERNAL-IP";
constexpr std::string_view external_ip_local = "EXTERNAL-IP-LOCAL";
constexpr std::string_view load_balancer = "LOAD-BALANCER";
constexpr std::string_view load_balancer_local = "LOAD-BALANCER-LOCAL";
constexpr std::string_view load_balancer_firewall = "LOAD-BALANCER-FW";
constexpr std::string_view load_balancer_source_ip = "LOAD-BALANCER-SOURCE-IP";
constexpr std::string_view load_balancer_source_cidr = "LOAD-BALANCER-SOURCE-CIDR";
constexpr std::string_view health_check = "HEALTH-CHECK-NODE-PORT";
constexpr std::string_view node_port_tcp = "NODE-PORT-TCP";
constexpr std::string_view node_port_local_tcp = "NODE-PORT-LOCAL-TCP";
constexpr std::string_view node_port_udp = "NODE-PORT-UDP";
constexpr std::string_view node_port_local_udp = "NODE-PORT-LOCAL-UDP";
constexpr std::string_view node_port_sctp = "NODE-PORT-SCTP-HASH";
constexpr std::string_view node_port_local_sctp = "NODE-PORT-LOCAL-SCTP-HASH";

std::string_view family_prefix(Family family) { return family == Family::ipv4 ? "KUBE-" : "KUBE-6-"; }

// One table's rules; {} stands for what the family or the configuration decides.
void append_table(std::string& text, std::string_view table, bool jumps) {
  fmt::format_to(std::back_inserter(text), "*{}\n", table);
  for (const auto& chain : ipvs_chains()) {
    if (chain.table == table) {
      fmt::format_to(std::back_inserter(text), ":{} - [0:0]\n", chain.name);
    }
  }
  for (const auto& jump : ipvs_jumps()) {
    if (jumps && jump.table == table) {
      fmt::format_to(std::back_inserter(text), "-I {} -m comment --comment \"{}\" -j {}\n", jump.from,
                     jump.comment, jump.to);
    }
  }
}

}  // namespace

std::span<const IpsetShape> ipset_shapes() {
  static constexpr std::array<IpsetShape, 17> shapes{{
      {loop_back, "hash:ip,port,ip"},
      {cluster_ip_set, "hash:ip,port"},
      {external_ip, "hash:ip,port"},
      {external_ip_local, "hash:ip,port"},
      {load_balancer, "hash:ip,port"},
      {load_balancer_firewall, "hash:ip,port"},
      {load_balancer_local, "hash:ip,port"},
      {load_balancer_source_ip, "hash:ip,port,ip"},
      {load_balancer_source_cidr, "hash:ip,port,net"},
      {node_port_tcp, "bitmap:port"},
      {node_port_local_tcp, "bitmap:port"},
      {node_port_udp, "bitmap:port"},
      {node_port_local_udp, "bitmap:port"},
      {node_port_sctp, "hash:ip,port"},
      {node_port_local_sctp, "hash:ip,port"},
      {health_check, "bitmap:port"},
      {ipvs_ips_set, "hash:ip"},
  }};
  return shapes;
}

std::string ipset_name(std::string_view name, Family family) {
  return fmt::format("{}{}", family_prefix(family), name).substr(0, ipset_name_size);
}

std::vector<std::string> ipset_create(const IpsetShape& shape, Family family) {
  std::vector<std::string> words{"create", ipset_name(shape.name, family), std::string(shape.type)};
  if (shape.type == "bitmap:port") {
    words.insert(words.end(), {"range", "0-65535"});
  } else {
    words.insert(words.end(), {"family", family == Family::ipv4 ? "inet" : "inet6", "hashsize", "1024",
                               "maxelem", std::to_string(ipset_capacity)});
  }
  words.emplace_back("-exist");
  return words;
}

std::string cluster_ip_member(const Frontend& frontend) {
  return fmt::format("{},{}:{}", frontend.address.text(), lower_case(frontend.protocol), frontend.port);
}

std::vector<std::string_view> ipset_members(std::string_view list) {
  constexpr std::string_view heading = "\nMembers:\n";
  std::vector<std::string_view> members;
  const std::size_t at = list.find(heading);
  list.remove_prefix(at == std::string_view::npos ? list.size() : at + heading.size());
  while (!list.empty()) {
    const std::size_t end = std::min(list.find('\n'), list.size());
    if (end != 0) {
      members.push_back(list.substr(0, end));
    }
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return members;
}

namespace {

// Whom a load balancer's address is for.
void add_sources(std::vector<IpsetMember>& entries, const Service& service,
                 const PlaneConfiguration& configuration) {
  if (service.source_ranges.empty()) {
    return;
  }
  const Address& address = service.frontend.address;
  const std::string balancer = cluster_ip_member(service.frontend);
  entries.push_back({load_balancer_firewall, balancer});
  for (const std::string& range : service.source_ranges) {
    entries.push_back({load_balancer_source_cidr, fmt::format("{},{}", balancer, range)});
  }
  if (allows_node(service.source_ranges, configuration.node_addresses, address.family)) {
    entries.push_back({load_balancer_source_ip, fmt::format("{},{}", balancer, address.text())});
  }
}

void add_node_port(std::vector<IpsetMember>& entries, const Service& service,
                   const PlaneConfiguration& configuration) {
  const Frontend& frontend = service.frontend;
  if (frontend.protocol == Protocol::sctp) {
    for (const Frontend& server :
         virtual_servers(service, ipvs_node_addresses(configuration, frontend.address.family))) {
      entries.push_back({node_port_sctp, cluster_ip_member(server)});
      if (service.local_only) {
        entries.push_back({node_port_local_sctp, cluster_ip_member(server)});
      }
    }
    return;
  }
  const bool is_tcp = frontend.protocol == Protocol::tcp;
  entries.push_back({is_tcp ? node_port_tcp : node_port_udp, std::to_string(frontend.port)});
  if (service.local_only) {
    entries.push_back({is_tcp ? node_port_local_tcp : node_port_local_udp, std::to_string(frontend.port)});
  }
}

}  // namespace

std::vector<IpsetMember> ipset_entries(const Service& service, const PlaneConfiguration& configuration) {
  const Frontend& frontend = service.frontend;
  std::vector<IpsetMember> entries;
  switch (kind_of(service)) {
    case FrontendKind::cluster_ip:
      entries.push_back({cluster_ip_set, cluster_ip_member(frontend)});
      break;
    case FrontendKind::external_ip:
      entries.push_back(
          {service.local_only ? external_ip_local : external_ip, cluster_ip_member(frontend)});
      break;
    case FrontendKind::load_balancer:
      add_sources(entries, service, configuration);
      entries.push_back({load_balancer, cluster_ip_member(frontend)});
      if (service.local_only) {
        entries.push_back({load_balancer_local, cluster_ip_member(frontend)});
      }
      break;
    case FrontendKind::node_port:
      add_node_port(entries, service, configuration);
      break;
  }
  if (service.health_check_port != 0) {
    entries.push_back({health_check, std::to_string(service.health_check_port)});
  }
  const bool all_are_here =
      configuration.endpoints_are_here || (service.local_only && service.own_endpoints.empty());
  for (const Endpoint& endpoint : all_are_here ? service.endpoints : service.own_endpoints) {
    const std::string address = endpoint.address.text();
    entries.push_back({loop_back, fmt::format("{},{}:{},{}", address, lower_case(frontend.protocol),
                                              endpoint.port, address)});
  }
  return entries;
}

std::vector<RealServer> real_servers(const Service& service) {
  const bool falls_back = service.local_only && service.endpoints.empty();
  std::vector<RealServer> servers;
  for (const Endpoint& endpoint : falls_back ? service.cluster_endpoints : service.endpoints) {
    servers.push_back({endpoint, 1});
  }
  if (service.frontend.protocol == Protocol::tcp) {
    for (const Endpoint& endpoint : service.terminating) {
      servers.push_back({endpoint, 0});
    }
  }
  // Of an endpoint in both lists, the first.
  std::stable_sort(servers.begin(), servers.end(),
                   [](const RealServer& a, const RealServer& b) { return a.endpoint < b.endpoint; });
  servers.erase(
      std::unique(servers.begin(), servers.end(),
                  [](const RealServer& a, const RealServer& b) { return a.endpoint == b.endpoint; }),
      servers.end());
  return servers;
}

std::vector<Frontend> virtual_servers(const Service& service, std::span<const Address> node_addresses) {
  const Frontend& frontend = service.frontend;
  if (kind_of(service) != FrontendKind::node_port) {
    return {frontend};
  }
  std::vector<Frontend> servers;
  for (const Address& address : node_addresses) {
    if (address.family == frontend.address.family) {
      servers.push_back({address, frontend.port, frontend.protocol});
    }
  }
  return servers;
}

std::string ipvsadm_restore(std::span<const Service> services, std::span<const Address> node_addresses,
                            Family family) {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const Service& service : services) {
    if (service.frontend.address.family != family) {
      continue;
    }
    auto reals = real_servers(service);
    std::erase_if(reals, [](const RealServer& real) { return real.weight == 0; });
    for (const Frontend& frontend : virtual_servers(service, node_addresses)) {
      const std::string_view option = frontend.protocol == Protocol::tcp   ? "-t"
                                      : frontend.protocol == Protocol::udp ? "-u"
                                                                           : "--sctp-service";
      const std::string name =
          fmt::format("{} {}", option, Endpoint{frontend.address, frontend.port}.text());
      fmt::format_to(out, "-A {} -s rr", name);
      if (service.affinity_seconds != 0) {
        fmt::format_to(out, " -p {}", service.affinity_seconds);
      }
      text += '\n';
      for (const RealServer& real : reals) {
        fmt::format_to(out, "-a {} -r {} -m -w {}\n", name, real.endpoint.text(), real.weight);
      }
    }
  }
  return text;
}

IpsetsInUse ipsets_in_use(std::span<const Service> services, Family family,
                          const PlaneConfiguration& configuration) {
  IpsetsInUse in_use;
  for (const Service& service : services) {
    if (service.frontend.address.family == family) {
      for (const IpsetMember& entry : ipset_entries(service, configuration)) {
        in_use.insert(entry.set);
      }
    }
  }
  return in_use;
}

std::string ipset_restore(std::span<const Service> services, std::span<const Address> addresses,
                          Family family, const PlaneConfiguration& configuration) {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const auto& shape : ipset_shapes()) {
    fmt::format_to(out, "{}\nflush {}\n", fmt::join(ipset_create(shape, family), " "),
                   ipset_name(shape.name, family));
  }
  for (const Service& service : services) {
    if (service.frontend.address.family == family) {
      for (const IpsetMember& entry : ipset_entries(service, configuration)) {
        fmt::format_to(out, "add {} {}\n", ipset_name(entry.set, family), entry.member);
      }
    }
  }
  const std::string ips = ipset_name(ipvs_ips_set, family);
  for (const Address& address : addresses) {
    if (address.family == family) {
      fmt::format_to(out, "add {} {}\n", ips, address.text());
    }
  }
  return text;
}

std::string ipset_destroy(std::string_view names, Family family) {
  std::string text;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find('\n'), names.size());
    const std::string_view name = names.substr(0, end);
    names.remove_prefix(std::min(end + 1, names.size()));
    const auto shapes = ipset_shapes();
    if (std::any_of(shapes.begin(), shapes.end(),
                    [&](const IpsetShape& shape) { return ipset_name(shape.name, family) == name; })) {
      fmt::format_to(std::back_inserter(text), "destroy {}\n", name);
    }
  }
  return text;
}

std::span<const IptablesChain> ipvs_chains() {
  static constexpr std::array<IptablesChain, 11> chains{{
      {nat, "KUBE-SERVICES"},
      {nat, "KUBE-POSTROUTING"},
      {nat, "KUBE-NODE-PORT"},
      {nat, "KUBE-LOAD-BALANCER"},
      {nat, "KUBE-MARK-MASQ"},
      {filter, "KUBE-FORWARD"},
      {filter, "KUBE-NODE-PORT"},
      {filter, "KUBE-PROXY-FIREWALL"},
      {filter, "KUBE-SOURCE-RANGES-FIREWALL"},
      {filter, "KUBE-IPVS-FILTER"},
      {filter, "KUBE-IPVS-OUT-FILTER"},
  }};
  return chains;
}

std::span<const IptablesJump> ipvs_jumps() {
  static constexpr std::array<IptablesJump, 9> jumps{{
      {nat, "OUTPUT", "KUBE-SERVICES", "kubernetes service portals"},
      {nat, "PREROUTING", "KUBE-SERVICES", "kubernetes service portals"},
      {nat, "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules"},
      {filter, "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules"},
      {filter, "INPUT", "KUBE-NODE-PORT", "kubernetes health check rules"},
      {filter, "INPUT", "KUBE-PROXY-FIREWALL", "kube-proxy firewall rules"},
      {filter, "FORWARD", "KUBE-PROXY-FIREWALL", "kube-proxy firewall rules"},
      {filter, "INPUT", "KUBE-IPVS-FILTER", "kubernetes ipvs access filter"},
      {filter, "OUTPUT", "KUBE-IPVS-OUT-FILTER", "kubernetes ipvs access filter"},
  }};
  return jumps;
}

std::vector<std::string> jump_command(std::string_view command, const IptablesJump& jump) {
  return {"-w", "5",       std::string(command), std::string(jump.from),    "-t", std::string(jump.table),
          "-m", "comment", "--comment",          std::string(jump.comment), "-j", std::string(jump.to)};
}

std::string ipvs_rules(Family family, std::string_view cluster_cidr, bool jumps,
                       const IpsetsInUse& in_use) {
  std::string text;
  const auto out = std::back_inserter(text);
  // A rule of the set `name`, if that has members: "-A CHAIN COMMENT -m set --match-set SET MATCH".
  const auto add = [&](std::string_view chain, std::string_view comment, std::string_view name,
                       std::string_view match) {
    if (!in_use.contains(name)) {
      return;
    }
    fmt::format_to(out, "-A {}", chain);
    if (!comment.empty()) {
      fmt::format_to(out, " -m comment --comment \"{}\"", comment);
    }
    fmt::format_to(out, " -m set --match-set {} {}\n", ipset_name(name, family), match);
  };
  // What comes from another machine, and what is for an address of this one.
  const auto accept_external = [&](std::string_view comment, std::string_view name) {
    add("KUBE-SERVICES", comment, name,
        "dst,dst -m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL -j ACCEPT");
    add("KUBE-SERVICES", comment, name, "dst,dst -m addrtype --dst-type LOCAL -j ACCEPT");
  };
  const auto node_ports = [&](std::string_view protocol, std::string_view comment, std::string_view name,
                              std::string_view target) {
    add(fmt::format("KUBE-NODE-PORT -p {}", protocol), comment, name, fmt::format("dst -j {}", target));
  };

  append_table(text, nat, jumps);
  fmt::format_to(
      out,
      "-A KUBE-SERVICES -s {} -j RETURN\n"
      "-A KUBE-POSTROUTING -m comment --comment \"Kubernetes endpoints dst ip:port, source ip for "
      "solving hairpin purpose\" -m set --match-set {} dst,dst,src -j MASQUERADE\n",
      family == Family::ipv4 ? "127.0.0.0/8" : "::1/128", ipset_name(loop_back, family));
  add("KUBE-SERVICES", "Kubernetes service lb portal", load_balancer, "dst,dst -j KUBE-LOAD-BALANCER");
  add("KUBE-LOAD-BALANCER", "Kubernetes service load balancer ip + port with externalTrafficPolicy=local",
      load_balancer_local, "dst,dst -j RETURN");
  node_ports("tcp", "Kubernetes nodeport TCP port with externalTrafficPolicy=local", node_port_local_tcp,
             "RETURN");
  node_ports("tcp", "Kubernetes nodeport TCP port for masquerade purpose", node_port_tcp, "KUBE-MARK-MASQ");
  node_ports("udp", "Kubernetes nodeport UDP port with externalTrafficPolicy=local", node_port_local_udp,
             "RETURN");
  node_ports("udp", "Kubernetes nodeport UDP port for masquerade purpose", node_port_udp, "KUBE-MARK-MASQ");
  add("KUBE-NODE-PORT -p sctp",
      "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
      node_port_local_sctp, "dst,dst -j RETURN");
  add("KUBE-NODE-PORT -p sctp",
      "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'", node_port_sctp,
      "dst,dst -j KUBE-MARK-MASQ");
  add("KUBE-SERVICES", "Kubernetes service cluster ip + port for masquerade purpose", cluster_ip_set,
      fmt::format("dst,dst ! -s {} -j KUBE-MARK-MASQ", cluster_cidr));
  static constexpr std::string_view external_comment =
      "Kubernetes service external ip + port for masquerade and filter purpose";
  add("KUBE-SERVICES", external_comment, external_ip, "dst,dst -j KUBE-MARK-MASQ");
  accept_external(external_comment, external_ip);
  accept_external("Kubernetes service external ip + port with externalTrafficPolicy=local",
                  external_ip_local);
  text +=
      "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT\n"
      "-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ\n";
  add("KUBE-SERVICES", "", cluster_ip_set, "dst,dst -j ACCEPT");
  add("KUBE-SERVICES", "", load_balancer, "dst,dst -j ACCEPT");
  text +=
      "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n-A KUBE-POSTROUTING -j MARK "
      "--xor-mark 0x4000\n-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring "
      "SNAT\" -j MASQUERADE --random-fully\n-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\nCOMMIT\n";

  append_table(text, filter, jumps);
  add("KUBE-PROXY-FIREWALL",
      "Kubernetes service load balancer ip + port for load balancer with sourceRange",
      load_balancer_firewall, "dst,dst -j KUBE-SOURCE-RANGES-FIREWALL");
  add("KUBE-SOURCE-RANGES-FIREWALL",
      "Kubernetes service load balancer ip + port + source cidr for packet filter purpose",
      load_balancer_source_cidr, "dst,dst,src -j RETURN");
  add("KUBE-SOURCE-RANGES-FIREWALL",
      "Kubernetes service load balancer ip + port + source IP for packet filter purpose",
      load_balancer_source_ip, "dst,dst,src -j RETURN");
  const auto set = [family](std::string_view name) { return ipset_name(name, family); };
  fmt::format_to(
      out,
      "-A KUBE-SOURCE-RANGES-FIREWALL -j DROP\n-A KUBE-FORWARD -m comment --comment \"kubernetes "
      "forwarding rules\" -m mark --mark 0x4000/0x4000 -j ACCEPT\n-A KUBE-FORWARD -m comment --comment "
      "\"kubernetes forwarding conntrack rule\" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A "
      "KUBE-NODE-PORT -m comment --comment \"Kubernetes health check node port\" -m set --match-set "
      "{health} dst -j ACCEPT\n-A KUBE-IPVS-FILTER -m set --match-set {load_balancer} dst,dst -j "
      "RETURN\n-A KUBE-IPVS-FILTER -m set --match-set {cluster_ip} dst,dst -j RETURN\n-A KUBE-IPVS-FILTER "
      "-m set --match-set {external_ip} dst,dst -j RETURN\n-A KUBE-IPVS-FILTER -m set --match-set "
      "{external_ip_local} dst,dst -j RETURN\n-A KUBE-IPVS-FILTER -m set --match-set {health} dst -j "
      "RETURN\n-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set {ipvs_ips} dst -j "
      "REJECT\nCOMMIT\n",
      fmt::arg("health", set(health_check)), fmt::arg("load_balancer", set(load_balancer)),
      fmt::arg("cluster_ip", set(cluster_ip_set)), fmt::arg("external_ip", set(external_ip)),
      fmt::arg("external_ip_local", set(external_ip_local)), fmt::arg("ipvs_ips", set(ipvs_ips_set)));
  return text;
}

std::string ipvs_rules_removal() {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const std::string_view table : {nat, filter}) {
    append_table(text, table, false);
    for (const auto& jump : ipvs_jumps()) {
      if (jump.table == table) {
        fmt::format_to(out, "-D {} -m comment --comment \"{}\" -j {}\n", jump.from, jump.comment, jump.to);
      }
    }
    for (const auto& chain : ipvs_chains()) {
      if (chain.table == table) {
        fmt::format_to(out, "-X {}\n", chain.name);
      }
    }
    text += "COMMIT\n";
  }
  return text;
}

}  // namespace svcbench::kube_proxy
