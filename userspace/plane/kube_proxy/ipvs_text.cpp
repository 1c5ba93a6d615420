// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/ipvs_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

#include "plane/kube_proxy/names.h"

namespace svcbench::kube_proxy {

namespace {

constexpr std::size_t ipset_name_size = 31;  // IPSET_MAXNAMELEN less the zero

constexpr std::string_view nat = "nat";
constexpr std::string_view filter = "filter";

std::string_view family_prefix(Family family) { return family == Family::ipv4 ? "KUBE-" : "KUBE-6-"; }

// One table's rules; {} stands for what the family or the site decides.
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
      {"LOOP-BACK", "hash:ip,port,ip"},
      {cluster_ip_set, "hash:ip,port"},
      {"EXTERNAL-IP", "hash:ip,port"},
      {"EXTERNAL-IP-LOCAL", "hash:ip,port"},
      {"LOAD-BALANCER", "hash:ip,port"},
      {"LOAD-BALANCER-FW", "hash:ip,port"},
      {"LOAD-BALANCER-LOCAL", "hash:ip,port"},
      {"LOAD-BALANCER-SOURCE-IP", "hash:ip,port,ip"},
      {"LOAD-BALANCER-SOURCE-CIDR", "hash:ip,port,net"},
      {"NODE-PORT-TCP", "bitmap:port"},
      {"NODE-PORT-LOCAL-TCP", "bitmap:port"},
      {"NODE-PORT-UDP", "bitmap:port"},
      {"NODE-PORT-LOCAL-UDP", "bitmap:port"},
      {"NODE-PORT-SCTP-HASH", "hash:ip,port"},
      {"NODE-PORT-LOCAL-SCTP-HASH", "hash:ip,port"},
      {"HEALTH-CHECK-NODE-PORT", "bitmap:port"},
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

std::string ipset_restore(std::span<const Service> services, std::span<const Address> addresses,
                          Family family) {
  std::string text;
  const auto out = std::back_inserter(text);
  for (const auto& shape : ipset_shapes()) {
    fmt::format_to(out, "{}\nflush {}\n", fmt::join(ipset_create(shape, family), " "),
                   ipset_name(shape.name, family));
  }
  const std::string cluster_ips = ipset_name(cluster_ip_set, family);
  for (const Service& service : services) {
    if (service.frontend.address.family == family) {
      fmt::format_to(out, "add {} {}\n", cluster_ips, cluster_ip_member(service.frontend));
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

std::string ipvs_rules(Family family, std::string_view cluster_cidr, bool jumps) {
  std::string text;
  const auto set = [family](std::string_view name) { return ipset_name(name, family); };

  append_table(text, nat, jumps);
  fmt::format_to(
      std::back_inserter(text),
      "-A KUBE-SERVICES -s {loopback} -j RETURN\n"
      "-A KUBE-POSTROUTING -m comment --comment \"Kubernetes endpoints dst ip:port, source ip for solving "
      "hairpin purpose\" -m set --match-set {loop_back} dst,dst,src -j MASQUERADE\n"
      "-A KUBE-SERVICES -m comment --comment \"Kubernetes service cluster ip + port for masquerade "
      "purpose\""
      " -m set --match-set {cluster_ip} dst,dst ! -s {cidr} -j KUBE-MARK-MASQ\n"
      "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODE-PORT\n"
      "-A KUBE-LOAD-BALANCER -j KUBE-MARK-MASQ\n"
      "-A KUBE-SERVICES -m set --match-set {cluster_ip} dst,dst -j ACCEPT\n"
      "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n"
      "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000\n"
      "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j "
      "MASQUERADE "
      "--random-fully\n"
      "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n"
      "COMMIT\n",
      fmt::arg("loopback", family == Family::ipv4 ? "127.0.0.0/8" : "::1/128"),
      fmt::arg("loop_back", set("LOOP-BACK")), fmt::arg("cluster_ip", set(cluster_ip_set)),
      fmt::arg("cidr", cluster_cidr));

  append_table(text, filter, jumps);
  fmt::format_to(
      std::back_inserter(text),
      "-A KUBE-SOURCE-RANGES-FIREWALL -j DROP\n"
      "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 "
      "-j "
      "ACCEPT\n"
      "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack "
      "--ctstate "
      "RELATED,ESTABLISHED -j ACCEPT\n"
      "-A KUBE-NODE-PORT -m comment --comment \"Kubernetes health check node port\" -m set --match-set "
      "{health} dst -j ACCEPT\n"
      "-A KUBE-IPVS-FILTER -m set --match-set {load_balancer} dst,dst -j RETURN\n"
      "-A KUBE-IPVS-FILTER -m set --match-set {cluster_ip} dst,dst -j RETURN\n"
      "-A KUBE-IPVS-FILTER -m set --match-set {external_ip} dst,dst -j RETURN\n"
      "-A KUBE-IPVS-FILTER -m set --match-set {external_ip_local} dst,dst -j RETURN\n"
      "-A KUBE-IPVS-FILTER -m set --match-set {health} dst -j RETURN\n"
      "-A KUBE-IPVS-FILTER -m conntrack --ctstate NEW -m set --match-set {ipvs_ips} dst -j REJECT\n"
      "COMMIT\n",
      fmt::arg("health", set("HEALTH-CHECK-NODE-PORT")), fmt::arg("load_balancer", set("LOAD-BALANCER")),
      fmt::arg("cluster_ip", set(cluster_ip_set)), fmt::arg("external_ip", set("EXTERNAL-IP")),
      fmt::arg("external_ip_local", set("EXTERNAL-IP-LOCAL")), fmt::arg("ipvs_ips", set(ipvs_ips_set)));
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
