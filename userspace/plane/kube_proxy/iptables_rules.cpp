// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/iptables_rules.h"

#include <fmt/format.h>

#include <algorithm>
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
constexpr std::string_view filter_tail =
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP\n"
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
// NodePorts on ::1 never work, and kube-proxy says so in the rule.
constexpr std::string_view node_ports_jump =
    "-A KUBE-SERVICES -m comment --comment \"kubernetes service nodeports; NOTE: this must be the last "
    "rule "
    "in this chain\" -m addrtype --dst-type LOCAL ";

// The longest name whose longest comment ("masquerade traffic for NAME external destinations") still fits
// into the 255 bytes that the kernel's comment match holds.
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

// "-m tcp -p tcp -d 10.96.0.1 --dport 80", of a ClusterIP.
void write_match(RuleText& text, const Frontend& frontend) {
  write_protocol(text, frontend.protocol);
  text << " -d " << frontend.address << " --dport " << unsigned{frontend.port};
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

std::string jumps_input() {
  struct Jump {
    std::string_view from, to, comment;
    bool new_flows_only;
  };
  static constexpr std::string_view external = "kubernetes externally-visible service portals";
  static constexpr std::string_view portals = "kubernetes service portals";
  static constexpr std::string_view firewall = "kubernetes load balancer firewall";
  static constexpr std::array<Jump, filter_jumps> filter{{
      {"INPUT", "KUBE-EXTERNAL-SERVICES", external, true},
      {"FORWARD", "KUBE-EXTERNAL-SERVICES", external, true},
      {"INPUT", "KUBE-NODEPORTS", "kubernetes health check service ports", false},
      {"FORWARD", "KUBE-SERVICES", portals, true},
      {"OUTPUT", "KUBE-SERVICES", portals, true},
      {"FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules", false},
      {"INPUT", "KUBE-PROXY-FIREWALL", firewall, true},
      {"OUTPUT", "KUBE-PROXY-FIREWALL", firewall, true},
      {"FORWARD", "KUBE-PROXY-FIREWALL", firewall, true},
  }};
  static constexpr std::array<Jump, nat_jumps> nat{{
      {"OUTPUT", "KUBE-SERVICES", portals, false},
      {"PREROUTING", "KUBE-SERVICES", portals, false},
      {"POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules", false},
  }};
  RuleText text(4096);
  const auto write = [&](std::span<const Jump> jumps) {
    for (const Jump& jump : jumps) {
      text << "-I " << jump.from << (jump.new_flows_only ? " -m conntrack --ctstate NEW" : "")
           << " -m comment --comment \"" << jump.comment << "\" -j " << jump.to << "\n";
    }
    text << "COMMIT\n";
  };
  text << filter_head;
  write(filter);
  text << nat_head;
  write(nat);
  return text.take();
}

std::string probability_text(std::size_t n) { return fmt::format("{:.10f}", 1.0 / static_cast<double>(n)); }

Status IptablesRules::replace(std::span<const Service> services) {
  IptablesRules fresh(family_, cluster_cidr_);
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
  std::vector<Endpoint> sorted = service.endpoints;
  std::sort(sorted.begin(), sorted.end());
  if (const auto twice = std::adjacent_find(sorted.begin(), sorted.end()); twice != sorted.end()) {
    return usage_error("the service {} ({}) has the endpoint {} twice", service.name,
                       service.frontend.text(), twice->text());
  }
  for (const Endpoint& endpoint : service.endpoints) {
    if (endpoint.address.family != family_) {
      return usage_error("the service {} ({}) is {}, its endpoint {} is not", service.name,
                         service.frontend.text(), to_string(family_), endpoint.text());
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
  const bool is_node_port = service.frontend.address.is_unspecified();
  const auto [place, is_new] = ports_.try_emplace(port_key(service));
  Port& port = place->second;
  if (!is_new) {
    const Entry* same_kind = is_node_port ? port.node_port : port.cluster_ip;
    if (same_kind != nullptr) {
      return usage_error(
          "{} and {} are both {} of {}: kube-proxy names chains by service and port, so they need names of "
          "their own",
          same_kind->frontend.text(), service.frontend.text(), is_node_port ? "NodePorts" : "ClusterIPs",
          service.name);
    }
    if (port.endpoints != service.endpoints) {
      return usage_error("{} and {} are frontends of one port, {}, and have different endpoints",
                         port.leader()->frontend.text(), service.frontend.text(), service.name);
    }
  }
  const auto entry = entries_.insert(entries_.end(), Entry{service.frontend, &port});
  by_frontend_.emplace(service.frontend, entry);
  (is_node_port ? port.node_port : port.cluster_ip) = &*entry;
  if (is_new) {
    port.names.name = service.name;
    port.names.frontend.protocol = service.frontend.protocol;
    port.id = id_of(service_chain("KUBE-SVC-", service));
    set_endpoints(port, service.endpoints);
  } else if (!gone_.empty()) {
    each_chain(port, [&](const std::string& chain) { gone_.erase(chain); });
  }
  mark_changed(port);
  return {};
}

Status IptablesRules::change_endpoints(const Entry& entry, const Service& service) {
  SVCB_CHECK(check(service));
  Port& port = *entry.port;
  if (port.names.name != service.name) {
    return usage_error("{} is called {} and cannot be called {} by a change of its endpoints",
                       service.frontend.text(), port.names.name, service.name);
  }
  each_chain(port, [&](std::string chain) { gone_.insert(std::move(chain)); });
  set_endpoints(port, service.endpoints);
  mark_changed(port);
  return {};
}

void IptablesRules::remove(std::list<Entry>::iterator entry) {
  Port& port = *entry->port;
  each_chain(port, [&](std::string chain) { gone_.insert(std::move(chain)); });
  (port.node_port == &*entry ? port.node_port : port.cluster_ip) = nullptr;
  by_frontend_.erase(entry->frontend);
  entries_.erase(entry);
  if (port.leader() != nullptr) {
    each_chain(port, [&](const std::string& chain) { gone_.erase(chain); });
    mark_changed(port);
    return;
  }
  endpoints_ -= port.endpoints.size();
  std::erase(changed_, &port);
  ports_.erase(port_key(port.names));
}

void IptablesRules::set_endpoints(Port& port, std::vector<Endpoint> endpoints) {
  endpoints_ += endpoints.size();
  endpoints_ -= port.endpoints.size();
  port.endpoints = std::move(endpoints);
  port.endpoint_ids.clear();
  port.endpoint_ids.reserve(port.endpoints.size());
  for (const Endpoint& endpoint : port.endpoints) {
    port.endpoint_ids.push_back(id_of(endpoint_chain(port.names, endpoint)));
  }
  if (!gone_.empty()) {
    each_chain(port, [&](const std::string& chain) { gone_.erase(chain); });
  }
}

void IptablesRules::mark_changed(Port& port) {
  if (!all_changed_ && !std::exchange(port.changed, true)) {
    changed_.push_back(&port);
  }
}

// The names of the chains that the port has. One without endpoints has none.
template <typename Visit>
void IptablesRules::each_chain(const Port& port, Visit visit) {
  if (port.endpoints.empty()) {
    return;
  }
  visit(chain_name("KUBE-SVC-", port.id));
  if (port.node_port != nullptr) {
    visit(chain_name("KUBE-EXT-", port.id));
  }
  for (const ChainId& id : port.endpoint_ids) {
    visit(chain_name("KUBE-SEP-", id));
  }
}

std::string IptablesRules::restore_input(Sync sync) const {
  const bool whole = all_changed_ || sync == Sync::full;
  const auto is_written = [whole](const Entry& entry) {
    const Port& port = *entry.port;
    return port.leader() == &entry && !port.endpoints.empty() && (whole || port.changed);
  };
  RuleText text(expected_size(whole));
  write_filter(text);
  text << nat_head;
  for (const Entry& entry : entries_) {
    if (is_written(entry)) {
      const Port& port = *entry.port;
      if (port.node_port != nullptr) {
        text << ":KUBE-EXT-" << port.id << chain_tail;
      }
      text << ":KUBE-SVC-" << port.id << chain_tail;
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
  text << node_ports_jump << (family_ == Family::ipv6 ? "! -d ::1/128 " : "") << "-j KUBE-NODEPORTS\n"
       << "COMMIT\n";
  return text.take();
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
  for (const Entry& entry : entries_) {
    const bool is_node_port = entry.frontend.address.is_unspecified();
    if (entry.port->endpoints.empty()) {
      counts.filter += 1;
    } else {
      // ClusterIP: its portal, and the mark in KUBE-SVC. NodePort: its portal, and two in KUBE-EXT.
      counts.nat += is_node_port ? 3 : 2;
    }
  }
  // The jump to it, and two in KUBE-SEP.
  counts.nat += 3 * endpoints_;
  return counts;
}

void IptablesRules::write_filter(RuleText& text) const {
  text << filter_head;
  for (const auto& [frontend, port] : entries_) {
    if (!port->endpoints.empty()) {
      continue;
    }
    const bool is_node_port = frontend.address.is_unspecified();
    text << (is_node_port ? "-A KUBE-EXTERNAL-SERVICES" : "-A KUBE-SERVICES") << " -m comment --comment \""
         << port->names.name << " has no endpoints\" ";
    if (is_node_port) {
      text << "-m addrtype --dst-type LOCAL ";
      write_protocol(text, frontend.protocol);
      text << " --dport " << unsigned{frontend.port};
    } else {
      write_match(text, frontend);
    }
    text << " -j REJECT\n";
  }
  text << filter_tail;
}

void IptablesRules::write_portal(RuleText& text, const Entry& entry) const {
  const auto& [frontend, port] = entry;
  if (port->endpoints.empty()) {
    return;
  }
  if (frontend.address.is_unspecified()) {
    text << "-A KUBE-NODEPORTS -m comment --comment " << port->names.name << " ";
    write_protocol(text, frontend.protocol);
    text << " --dport " << unsigned{frontend.port} << " -j KUBE-EXT-" << port->id << "\n";
  } else {
    text << "-A KUBE-SERVICES -m comment --comment \"" << port->names.name << " cluster IP\" ";
    write_match(text, frontend);
    text << " -j KUBE-SVC-" << port->id << "\n";
  }
}

void IptablesRules::write_port(RuleText& text, const Port& port, Probabilities& probabilities) const {
  const std::string& name = port.names.name;
  if (port.cluster_ip != nullptr) {
    text << "-A KUBE-SVC-" << port.id << " -m comment --comment \"" << name << " cluster IP\" ";
    write_match(text, port.cluster_ip->frontend);
    text << " ! -s " << cluster_cidr_ << " -j KUBE-MARK-MASQ\n";
  }
  if (port.node_port != nullptr) {
    text << "-A KUBE-EXT-" << port.id << " -m comment --comment \"masquerade traffic for " << name
         << " external destinations\" -j KUBE-MARK-MASQ\n-A KUBE-EXT-" << port.id << " -j KUBE-SVC-"
         << port.id << "\n";
  }
  const bool comments = !large_cluster();
  const std::size_t n = port.endpoints.size();
  for (std::size_t i = 0; i < n; ++i) {
    text << "-A KUBE-SVC-" << port.id;
    if (comments) {
      text << " -m comment --comment \"" << name << " -> " << port.endpoints[i] << "\"";
    }
    if (i + 1 < n) {
      text << " -m statistic --mode random --probability " << probabilities.of(n - i);
    }
    text << " -j KUBE-SEP-" << port.endpoint_ids[i] << "\n";
  }
  for (std::size_t i = 0; i < n; ++i) {
    const auto write_head = [&] {
      text << "-A KUBE-SEP-" << port.endpoint_ids[i];
      if (comments) {
        text << " -m comment --comment " << name;
      }
    };
    write_head();
    text << " -s " << port.endpoints[i].address << " -j KUBE-MARK-MASQ\n";
    write_head();
    text << " ";
    write_protocol(text, port.names.frontend.protocol);
    text << " -j DNAT --to-destination " << port.endpoints[i] << "\n";
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
