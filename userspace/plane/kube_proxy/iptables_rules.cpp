// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/iptables_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "plane/kube_proxy/names.h"
#include "service/text.h"

namespace svcbench::kube_proxy {
namespace {

constexpr std::string_view chain_tail = " - [0:0]\n";

constexpr std::string_view filter_head =
    "*filter\n"
    ":KUBE-SERVICES - [0:0]\n"
    ":KUBE-EXTERNAL-SERVICES - [0:0]\n"
    ":KUBE-FORWARD - [0:0]\n"
    ":KUBE-NODEPORTS - [0:0]\n"
    ":KUBE-PROXY-FIREWALL - [0:0]\n";
constexpr std::string_view kubelet_firewall = ":KUBE-FIREWALL - [0:0]\n";
constexpr std::string_view filter_tail =
    "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding rules\" -m mark --mark 0x4000/0x4000 "
    "-j ACCEPT\n"
    "-A KUBE-FORWARD -m comment --comment \"kubernetes forwarding conntrack rule\" -m conntrack --ctstate "
    "RELATED,ESTABLISHED -j ACCEPT\n"
    "COMMIT\n";
constexpr std::string_view nat_head =
    "*nat\n"
    ":KUBE-SERVICES - [0:0]\n"
    ":KUBE-NODEPORTS - [0:0]\n"
    ":KUBE-POSTROUTING - [0:0]\n"
    ":KUBE-MARK-MASQ - [0:0]\n";
constexpr std::string_view nat_base =
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n"
    "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000\n"
    "-A KUBE-POSTROUTING -m comment --comment \"kubernetes service traffic requiring SNAT\" -j MASQUERADE "
    "--random-fully\n"
    "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n";
constexpr std::string_view node_ports_jump =
    "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last "
    "rule in this chain\" ";

// The longest name whose longest comment ("masquerade LOCAL traffic for NAME external destinations") still
// fits into the 255 bytes that the kernel's comment match holds.
constexpr std::size_t longest_name = 200;

ChainId id_of(std::string_view chain) {
  ChainId id{};
  chain.substr(chain.size() - id.size()).copy(id.data(), id.size());
  return id;
}

std::string chain_name(std::string_view prefix, const ChainId& id) {
  return std::string(prefix).append(id.data(), id.size());
}

std::string port_key(const Service& service) {
  return fmt::format("{}/{}", lower_case(service.frontend.protocol), service.name);
}

// "-m tcp -p tcp".
void write_protocol(RuleText& text, Protocol protocol) {
  const std::string_view name = lower_case(protocol);
  text << "-m " << name << " -p " << name;
}

// "-m tcp -p tcp -d 10.96.0.1 --dport 80".
void write_match(RuleText& text, const Frontend& frontend) {
  write_protocol(text, frontend.protocol);
  text << " -d " << frontend.address << " --dport " << unsigned{frontend.port};
}

// What comments call a frontend with an address.
std::string_view words_for(FrontendKind kind) {
  return kind == FrontendKind::cluster_ip    ? "cluster IP"
         : kind == FrontendKind::external_ip ? "external IP"
                                             : "loadbalancer IP";
}

// Names become words of rules: nothing that would end the word, or the rule.
bool fits_comment(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && std::all_of(name.begin(), name.end(), [](char c) {
    return c > ' ' && c <= '~' && c != '"' && c != '\'' && c != '\\';
  });
}

}  // namespace

// Formatting a number takes longer than the rest of a rule, and few different ones are needed.
class IptablesRules::Probabilities {
 public:
  std::string_view of(std::size_t n) {
    if (texts_.size() <= n) {
      texts_.resize(n + 1);
    }
    if (texts_[n].empty()) {
      texts_[n] = probability_text(n);
    }
    return texts_[n];
  }

 private:
  std::vector<std::string> texts_;
};

std::span<const KernelJump> kernel_jumps() {
  static constexpr std::string_view external = "kubernetes externally-visible service portals";
  static constexpr std::string_view portals = "kubernetes service portals";
  static constexpr std::string_view firewall = "kubernetes load balancer firewall";
  static constexpr std::array<KernelJump, filter_jumps + nat_jumps> jumps{{
      {"filter", "INPUT", "KUBE-EXTERNAL-SERVICES", external, true},
      {"filter", "FORWARD", "KUBE-EXTERNAL-SERVICES", external, true},
      {"filter", "INPUT", "KUBE-NODEPORTS", "kubernetes health check service ports", false},
      {"filter", "FORWARD", "KUBE-SERVICES", portals, true},
      {"filter", "OUTPUT", "KUBE-SERVICES", portals, true},
      {"filter", "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules", false},
      {"filter", "INPUT", "KUBE-PROXY-FIREWALL", firewall, true},
      {"filter", "OUTPUT", "KUBE-PROXY-FIREWALL", firewall, true},
      {"filter", "FORWARD", "KUBE-PROXY-FIREWALL", firewall, true},
      {"filter", "INPUT", "KUBE-FIREWALL", "", false},
      {"filter", "OUTPUT", "KUBE-FIREWALL", "", false},
      {"nat", "OUTPUT", "KUBE-SERVICES", portals, false},
      {"nat", "PREROUTING", "KUBE-SERVICES", portals, false},
      {"nat", "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules", false},
  }};
  return jumps;
}

std::vector<std::string> KernelJump::words() const {
  std::vector<std::string> words;
  const auto add = [&](std::initializer_list<std::string_view> more) {
    words.insert(words.end(), more.begin(), more.end());
  };
  if (new_flows_only) {
    add({"-m", "conntrack", "--ctstate", "NEW"});
  }
  if (!comment.empty()) {
    add({"-m", "comment", "--comment", comment});
  }
  add({"-j", to});
  return words;
}

std::string jumps_input() {
  RuleText text(4096);
  const auto write = [&](std::string_view table) {
    for (const KernelJump& jump : kernel_jumps()) {
      if (jump.table != table) {
        continue;
      }
      text << "-I " << jump.from << (jump.new_flows_only ? " -m conntrack --ctstate NEW" : "");
      if (!jump.comment.empty()) {
        text << " -m comment --comment \"" << jump.comment << "\"";
      }
      text << " -j " << jump.to << "\n";
    }
    text << "COMMIT\n";
  };
  text << filter_head << kubelet_firewall;
  write("filter");
  text << nat_head;
  write("nat");
  return text.take();
}

std::string probability_text(std::size_t n) { return fmt::format("{:.10f}", 1.0 / static_cast<double>(n)); }

IptablesRules::IptablesRules(Family family, PlaneConfiguration configuration)
    : family_(family),
      configuration_(std::move(configuration)),
      node_ports_(node_port_places(configuration_, family, NodePortDefault::everywhere)) {}

// kube-proxy lets 127.0.0.1 be routed for the sake of NodePorts there, and this keeps others from it.
bool IptablesRules::guards_localhost() const {
  return family_ == Family::ipv4 && configuration_.kube_proxy.localhost_node_ports && node_ports_.localhost;
}

Status IptablesRules::replace(std::span<const Service> services) {
  IptablesRules fresh(family_, configuration_);
  for (const Service& service : services) {
    if (service.frontend.address.family == family_) {
      SVCB_CHECK(fresh.add(service));
    }
  }
  for (const auto& [key, port] : ports_) {
    each_chain(port, [&](std::string chain) { gone_.insert(std::move(chain)); });
  }
  if (!gone_.empty()) {
    for (const auto& [key, port] : fresh.ports_) {
      each_chain(port, [&](const std::string& chain) { gone_.erase(chain); });
    }
  }
  fresh.gone_ = std::move(gone_);
  *this = std::move(fresh);
  return {};
}

Status IptablesRules::apply(const Change& change) {
  const Service& service = change.service;
  const auto known = by_frontend_.find(service.frontend);
  if ((known != by_frontend_.end()) == (change.operation == Operation::add_service)) {
    return failure("cannot {} {}: it {}", to_string(change.operation), service.frontend.text(),
                   known != by_frontend_.end() ? "is there already" : "is not there");
  }
  switch (change.operation) {
    case Operation::add_service:
      return add(service);
    case Operation::change_endpoints:
      return change_endpoints(*known->second, service);
    case Operation::remove_service:
      break;
  }
  remove(known->second);
  return {};
}

Status IptablesRules::check(const Service& service) const {
  if (!fits_comment(service.name)) {
    return usage_error("the service {} is called \"{}\", which no iptables comment can hold (1 to {} {})",
                       service.frontend.text(), printable(service.name), longest_name,
                       "printable characters, no quotes, backslashes or spaces");
  }
  for (const auto* const endpoints : {&service.endpoints, &service.cluster_endpoints}) {
    std::vector<Endpoint> sorted = *endpoints;
    std::sort(sorted.begin(), sorted.end());
    if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end()) {
      return usage_error("the service {} ({}) has the endpoint {} twice", service.name,
                         service.frontend.text(), twice->text());
    }
    for (const Endpoint& endpoint : *endpoints) {
      if (endpoint.address.family != family_) {
        return usage_error("the service {} ({}) is {}, its endpoint {} is not", service.name,
                           service.frontend.text(), to_string(family_), endpoint.text());
      }
    }
  }
  return {};
}

Status IptablesRules::add(const Service& service) {
  if (by_frontend_.contains(service.frontend)) {
    return failure("two services have the frontend {}: which of them packets meet is not defined",
                   service.frontend.text());
  }
  SVCB_CHECK(check(service));
  const FrontendKind kind = kind_of(service);
  const auto known = ports_.find(port_key(service));
  if (known != ports_.end()) {
    const Entry* same_kind = kind == FrontendKind::node_port    ? known->second.node_port
                             : kind == FrontendKind::cluster_ip ? known->second.cluster_ip
                                                                : nullptr;
    if (same_kind != nullptr) {
      return usage_error(
          "{} and {} are both {}s of {}: kube-proxy names chains by service and port, so they need names "
          "of their own",
          same_kind->frontend.text(), service.frontend.text(), to_string(kind), service.name);
    }
    chains_go(known->second);
    if (const auto added = known->second.traffic.add(service); !added) {
      chains_come(known->second);
      return added;
    }
  }
  Port& port = known != ports_.end() ? known->second : ports_[port_key(service)];
  if (known == ports_.end()) {
    SVCB_CHECK(port.traffic.add(service));
    port.names.name = service.name;
    port.names.frontend.protocol = service.frontend.protocol;
    port.id = id_of(service_chain("KUBE-SVC-", service));
  }
  const auto entry = entries_.insert(entries_.end(), Entry{service.frontend, kind, &port});
  by_frontend_.emplace(service.frontend, entry);
  if (kind == FrontendKind::cluster_ip) {
    port.cluster_ip = &*entry;
  } else if (kind == FrontendKind::node_port) {
    port.node_port = &*entry;
  } else {
    port.addresses.push_back(&*entry);
  }
  chains_come(port);
  return {};
}

Status IptablesRules::change_endpoints(const Entry& entry, const Service& service) {
  SVCB_CHECK(check(service));
  Port& port = *entry.port;
  if (port.names.name != service.name) {
    return usage_error("{} is called {} and cannot be called {} by a change of its endpoints",
                       service.frontend.text(), port.names.name, service.name);
  }
  chains_go(port);
  port.traffic.change(service);
  chains_come(port);
  return {};
}

void IptablesRules::remove(std::list<Entry>::iterator entry) {
  Port& port = *entry->port;
  chains_go(port);
  port.traffic.remove(entry->kind);
  if (port.cluster_ip == &*entry) {
    port.cluster_ip = nullptr;
  } else if (port.node_port == &*entry) {
    port.node_port = nullptr;
  } else {
    std::erase(port.addresses, &*entry);
  }
  by_frontend_.erase(entry->frontend);
  entries_.erase(entry);
  if (port.leader() != nullptr) {
    chains_come(port);
    return;
  }
  endpoints_ -= port.endpoints.size();
  known_ -= port.known;
  std::erase(changed_, &port);
  ports_.erase(port_key(port.names));
}

// Before the port changes: its chains may be needed no more.
void IptablesRules::chains_go(const Port& port) {
  each_chain(port, [&](std::string chain) { gone_.insert(std::move(chain)); });
}

// After it: these are needed.
void IptablesRules::chains_come(Port& port) {
  known_ -= port.known;
  port.known = port.traffic.known();
  known_ += port.known;
  std::vector<Endpoint> endpoints = port.traffic.reachable();
  if (endpoints != port.endpoints) {
    endpoints_ += endpoints.size();
    endpoints_ -= port.endpoints.size();
    port.endpoints = std::move(endpoints);
    port.endpoint_ids.clear();
    port.endpoint_ids.reserve(port.endpoints.size());
    for (const Endpoint& endpoint : port.endpoints) {
      port.endpoint_ids.push_back(id_of(endpoint_chain(port.names, endpoint)));
    }
  }
  if (!gone_.empty()) {
    each_chain(port, [&](const std::string& chain) { gone_.erase(chain); });
  }
  if (!all_changed_ && !std::exchange(port.changed, true)) {
    changed_.push_back(&port);
  }
}

// Whether packets to the frontend get to an endpoint from everywhere.
bool IptablesRules::is_served(const Entry& entry) {
  const PortTraffic& traffic = entry.port->traffic;
  return entry.kind == FrontendKind::cluster_ip ? traffic.has_internal() : traffic.has_external();
}

// The names of the chains that the port has. One without endpoints has none.
template <typename Each>
void IptablesRules::each_chain(const Port& port, Each each) {
  if (port.traffic.uses_external()) {
    each(chain_name("KUBE-EXT-", port.id));
  }
  if (port.uses_firewall()) {
    each(chain_name("KUBE-FW-", port.id));
  }
  if (port.traffic.uses_cluster()) {
    each(chain_name("KUBE-SVC-", port.id));
  }
  if (port.traffic.uses_local()) {
    each(chain_name("KUBE-SVL-", port.id));
  }
  for (const ChainId& id : port.endpoint_ids) {
    each(chain_name("KUBE-SEP-", id));
  }
}

std::unordered_set<std::string> IptablesRules::chains() const {
  std::unordered_set<std::string> names;
  for (const auto& [key, port] : ports_) {
    each_chain(port, [&](std::string chain) { names.insert(std::move(chain)); });
  }
  return names;
}

std::string IptablesRules::restore_input(Sync sync) const {
  const bool whole = all_changed_ || sync == Sync::full;
  const auto is_written = [whole](const Entry& entry) {
    const Port& port = *entry.port;
    return port.leader() == &entry && port.traffic.has_endpoints() && (whole || port.changed);
  };
  RuleText text(expected_size(whole));
  write_filter(text);
  text << nat_head;
  for (const Entry& entry : entries_) {
    if (is_written(entry)) {
      const Port& port = *entry.port;
      if (port.traffic.uses_external()) {
        text << ":KUBE-EXT-" << port.id << chain_tail;
      }
      if (port.uses_firewall()) {
        text << ":KUBE-FW-" << port.id << chain_tail;
      }
      if (port.traffic.uses_cluster()) {
        text << ":KUBE-SVC-" << port.id << chain_tail;
      }
      if (port.traffic.uses_local()) {
        text << ":KUBE-SVL-" << port.id << chain_tail;
      }
      for (const ChainId& id : port.endpoint_ids) {
        text << ":KUBE-SEP-" << id << chain_tail;
      }
    }
  }
  // A chain can be deleted only when it is empty and nothing leads there: this line empties it, and those
  // above emptied what led there.
  for (const std::string& chain : gone_) {
    text << ":" << chain << chain_tail;
  }
  text << nat_base;
  Probabilities probabilities;
  for (const Entry& entry : entries_) {
    write_portal(text, entry);
    if (is_written(entry)) {
      write_port(text, *entry.port, probabilities);
    }
  }
  for (const std::string& chain : gone_) {
    text << "-X " << chain << "\n";
  }
  write_node_ports_jumps(text);
  text << "COMMIT\n";
  return text.take();
}

// NodePorts on ::1 never work, and those on 127.0.0.0/8 only where they are to: kube-proxy says so here.
void IptablesRules::write_node_ports_jumps(RuleText& text) const {
  const bool ipv6 = family_ == Family::ipv6;
  if (node_ports_.everywhere) {
    text << node_ports_jump << "-m addrtype --dst-type LOCAL "
         << (ipv6                                             ? "! -d ::1/128 "
             : configuration_.kube_proxy.localhost_node_ports ? ""
                                                              : "! -d 127.0.0.0/8 ")
         << "-j KUBE-NODEPORTS\n";
    return;
  }
  for (const Address& address : node_ports_.addresses) {
    text << node_ports_jump << "-d " << address << " -j KUBE-NODEPORTS\n";
  }
}

void IptablesRules::synced() {
  for (Port* port : changed_) {
    port->changed = false;
  }
  changed_.clear();
  gone_.clear();
  all_changed_ = false;
}

RuleCounts IptablesRules::counts() const {
  RuleCounts counts{entries_.size(), nat_base_rules, filter_base_rules};
  counts.nat += (node_ports_.everywhere ? 1 : node_ports_.addresses.size()) - 1;
  counts.filter -= guards_localhost() ? 0 : 1;
  for (const Entry& entry : entries_) {
    counts.filter += is_served(entry) ? 0 : 1;
    counts.nat += counts_localhost(entry) ? 1 : 0;
  }
  for (const auto& [key, port] : ports_) {
    const PortTraffic& traffic = port.traffic;
    // The portal of the ClusterIP, and the mark in its chain.
    counts.nat += traffic.has_cluster_ip && traffic.has_internal() ? 2 : 0;
    if (traffic.uses_external()) {
      // Portals; in KUBE-EXT the mark, or the three rules for what the node and its pods send; the jump on.
      counts.nat += traffic.externals + (traffic.external_local ? 3 : 1) + (traffic.has_external() ? 1 : 0);
    }
    if (port.uses_firewall()) {
      // A rule a source, and one that says what becomes of others; in the filter table one an address.
      const std::size_t own =
          allows_node(traffic.source_ranges, configuration_.node_addresses, family_) ? 1 : 0;
      counts.nat += traffic.source_ranges.size() + own * traffic.balancers + 1;
      counts.filter += traffic.balancers;
    }
    counts.filter += traffic.health_check_port != 0 ? 1 : 0;
    // Jumps to endpoints: with affinity, for clients that were seen and for others. Two rules in KUBE-SEP.
    const std::size_t jumps = (traffic.uses_cluster() ? traffic.cluster.size() : 0) +
                              (traffic.uses_local() ? traffic.local.size() : 0);
    counts.nat += (traffic.affinity_seconds != 0 ? 2 : 1) * jumps + 2 * port.endpoints.size();
  }
  return counts;
}

bool IptablesRules::has_affinity() const {
  return std::any_of(ports_.begin(), ports_.end(),
                     [](const auto& port) { return port.second.traffic.affinity_seconds != 0; });
}

void IptablesRules::write_filter(RuleText& text) const {
  text << filter_head;
  if (guards_localhost()) {
    text << kubelet_firewall;
  }
  for (const Entry& entry : entries_) {
    write_filter_rules(text, entry);
  }
  if (guards_localhost()) {
    text << "-A KUBE-FIREWALL -m comment --comment \"block incoming localnet connections\" -d 127.0.0.0/8 "
            "! -s 127.0.0.0/8 -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP\n";
  }
  text << "-A KUBE-FORWARD -m conntrack --ctstate INVALID "
       << (configuration_.kube_proxy.nfacct ? "-m nfacct --nfacct-name ct_state_invalid_dropped_pkts " : "")
       << "-j DROP\n"
       << filter_tail;
}

void IptablesRules::write_filter_rules(RuleText& text, const Entry& entry) const {
  const auto& [frontend, kind, port] = entry;
  const PortTraffic& traffic = port->traffic;
  if (port->leader() == &entry && traffic.health_check_port != 0) {
    text << "-A KUBE-NODEPORTS -m comment --comment \"" << port->names.name
         << " health check node port\" -m tcp -p tcp --dport " << unsigned{traffic.health_check_port}
         << " -j ACCEPT\n";
  }
  if (kind == FrontendKind::load_balancer && port->uses_firewall()) {
    text << "-A KUBE-PROXY-FIREWALL -m comment --comment \"" << port->names.name
         << " traffic not accepted by KUBE-FW-" << port->id << "\" ";
    write_match(text, frontend);
    text << " -j DROP\n";
  }
  if (is_served(entry)) {
    return;
  }
  const bool elsewhere = traffic.has_endpoints();
  text << (kind == FrontendKind::cluster_ip ? "-A KUBE-SERVICES" : "-A KUBE-EXTERNAL-SERVICES")
       << " -m comment --comment \"" << port->names.name
       << (elsewhere ? " has no local endpoints\" " : " has no endpoints\" ");
  if (kind == FrontendKind::node_port) {
    text << "-m addrtype --dst-type LOCAL ";
    write_protocol(text, frontend.protocol);
    text << " --dport " << unsigned{frontend.port};
  } else {
    write_match(text, frontend);
  }
  text << (elsewhere ? " -j DROP\n" : " -j REJECT\n");
}

// Whether packets to a NodePort at 127.0.0.1 are counted by a rule of their own.
bool IptablesRules::counts_localhost(const Entry& entry) const {
  return entry.kind == FrontendKind::node_port && entry.port->traffic.has_endpoints() &&
         configuration_.kube_proxy.nfacct && guards_localhost();
}

void IptablesRules::write_portal(RuleText& text, const Entry& entry) const {
  const auto& [frontend, kind, port] = entry;
  const PortTraffic& traffic = port->traffic;
  const bool is_internal = kind == FrontendKind::cluster_ip;
  if (!(is_internal ? traffic.has_internal() : traffic.has_endpoints())) {
    return;
  }
  const auto write_node_port = [&](std::string_view destination, std::string_view counter) {
    text << "-A KUBE-NODEPORTS -m comment --comment " << port->names.name << " ";
    write_protocol(text, frontend.protocol);
    text << destination << " --dport " << unsigned{frontend.port} << counter;
  };
  if (kind == FrontendKind::node_port) {
    if (counts_localhost(entry)) {
      write_node_port(" -d 127.0.0.0/8", " -m nfacct --nfacct-name localhost_nps_accepted_pkts");
      text << " -j KUBE-EXT-" << port->id << "\n";
    }
    write_node_port("", "");
  } else {
    text << "-A KUBE-SERVICES -m comment --comment \"" << port->names.name << " " << words_for(kind)
         << "\" ";
    write_match(text, frontend);
  }
  text << " -j "
       << (kind == FrontendKind::load_balancer && port->uses_firewall() ? "KUBE-FW-"
           : !is_internal                                               ? "KUBE-EXT-"
           : traffic.internal_local                                     ? "KUBE-SVL-"
                                                                        : "KUBE-SVC-")
       << port->id << "\n";
}

void IptablesRules::write_port(RuleText& text, const Port& port, Probabilities& probabilities) const {
  const std::string& name = port.names.name;
  const PortTraffic& traffic = port.traffic;
  if (port.cluster_ip != nullptr && traffic.has_internal()) {
    text << (traffic.internal_local ? "-A KUBE-SVL-" : "-A KUBE-SVC-") << port.id
         << " -m comment --comment \"" << name << " cluster IP\" ";
    write_match(text, port.cluster_ip->frontend);
    text << " ! -s " << configuration_.cluster_cidr.of(family_) << " -j KUBE-MARK-MASQ\n";
  }
  if (traffic.uses_external()) {
    write_external(text, port);
  }
  if (port.uses_firewall()) {
    write_firewall(text, port);
  }
  if (traffic.uses_cluster()) {
    write_policy(text, port, "KUBE-SVC-", traffic.cluster, probabilities);
  }
  if (traffic.uses_local()) {
    write_policy(text, port, "KUBE-SVL-", traffic.local, probabilities);
  }
  const bool comments = !large_cluster();
  for (std::size_t i = 0; i < port.endpoints.size(); ++i) {
    const auto write_head = [&] {
      text << "-A KUBE-SEP-" << port.endpoint_ids[i];
      if (comments) {
        text << " -m comment --comment " << name;
      }
    };
    write_head();
    text << " -s " << port.endpoints[i].address << " -j KUBE-MARK-MASQ\n";
    write_head();
    if (traffic.affinity_seconds != 0) {
      text << " -m recent --name KUBE-SEP-" << port.endpoint_ids[i] << " --set";
    }
    text << " ";
    write_protocol(text, port.names.frontend.protocol);
    text << " -j DNAT --to-destination " << port.endpoints[i] << "\n";
  }
}

void IptablesRules::write_external(RuleText& text, const Port& port) const {
  const std::string& name = port.names.name;
  const auto write_head = [&](std::string_view what) {
    text << "-A KUBE-EXT-" << port.id << " -m comment --comment \"" << what << " traffic for " << name
         << " external destinations\" ";
  };
  if (port.traffic.external_local) {
    // What this node and its pods send is not bound by the policy.
    write_head("pod");
    text << "-s " << configuration_.cluster_cidr.of(family_) << " -j KUBE-SVC-" << port.id << "\n";
    write_head("masquerade LOCAL");
    text << "-m addrtype --src-type LOCAL -j KUBE-MARK-MASQ\n";
    write_head("route LOCAL");
    text << "-m addrtype --src-type LOCAL -j KUBE-SVC-" << port.id << "\n";
  } else {
    write_head("masquerade");
    text << "-j KUBE-MARK-MASQ\n";
  }
  if (port.traffic.has_external()) {
    text << "-A KUBE-EXT-" << port.id << " -j " << (port.traffic.external_local ? "KUBE-SVL-" : "KUBE-SVC-")
         << port.id << "\n";
  }
}

void IptablesRules::write_firewall(RuleText& text, const Port& port) const {
  const auto write_source = [&](const auto& source) {
    text << "-A KUBE-FW-" << port.id << " -m comment --comment \"" << port.names.name
         << " loadbalancer IP\" -s " << source << " -j KUBE-EXT-" << port.id << "\n";
  };
  const auto& ranges = port.traffic.source_ranges;
  std::for_each(ranges.begin(), ranges.end(), write_source);
  if (allows_node(ranges, configuration_.node_addresses, family_)) {
    for (const Entry* entry : port.addresses) {
      if (entry->kind == FrontendKind::load_balancer) {
        write_source(entry->frontend.address);
      }
    }
  }
  // Matches everything, and does nothing: for whoever reads the rules.
  text << "-A KUBE-FW-" << port.id << " -m comment --comment \"other traffic to " << port.names.name
       << " will be dropped by KUBE-PROXY-FIREWALL\"\n";
}

// The jumps to endpoints in KUBE-SVC or KUBE-SVL.
void IptablesRules::write_policy(RuleText& text, const Port& port, std::string_view prefix,
                                 const std::vector<Endpoint>& endpoints,
                                 Probabilities& probabilities) const {
  const bool comments = !large_cluster();
  const std::size_t n = endpoints.size();
  const auto id_at = [&](std::size_t i) -> const ChainId& {
    if (port.endpoints[i] == endpoints[i]) {  // mostly: `endpoints` is all that the port has
      return port.endpoint_ids[i];
    }
    const auto place = std::find(port.endpoints.begin(), port.endpoints.end(), endpoints[i]);
    return port.endpoint_ids[static_cast<std::size_t>(place - port.endpoints.begin())];
  };
  const auto write_head = [&](std::size_t i) {
    text << "-A " << prefix << port.id;
    if (comments) {
      text << " -m comment --comment \"" << port.names.name << " -> " << endpoints[i] << "\"";
    }
  };
  if (port.traffic.affinity_seconds != 0) {
    for (std::size_t i = 0; i < n; ++i) {
      write_head(i);
      text << " -m recent --name KUBE-SEP-" << id_at(i) << " --rcheck --seconds "
           << unsigned{port.traffic.affinity_seconds} << " --reap -j KUBE-SEP-" << id_at(i) << "\n";
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    write_head(i);
    if (i + 1 < n) {
      text << " -m statistic --mode random --probability " << probabilities.of(n - i);
    }
    text << " -j KUBE-SEP-" << id_at(i) << "\n";
  }
}

// Generous: growing means copying megabytes.
std::size_t IptablesRules::expected_size(bool whole) const {
  constexpr std::size_t base = 4096;
  constexpr std::size_t portal = 2 * longest_name;
  constexpr std::size_t port = 640;
  constexpr std::size_t endpoint = 448;
  constexpr std::size_t comments = 4 * longest_name;
  std::size_t size = base + entries_.size() * portal + gone_.size() * 64;
  const auto add = [&](std::size_t ports, std::size_t endpoints) {
    size += ports * port + endpoints * (endpoint + (large_cluster() ? 0 : comments));
  };
  if (whole) {
    add(ports_.size(), endpoints_);
  } else {
    for (const Port* changed : changed_) {
      add(1, changed->endpoints.size());
    }
  }
  return size;
}

}  // namespace svcbench::kube_proxy
