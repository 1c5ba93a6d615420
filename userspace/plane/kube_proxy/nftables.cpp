// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/nftables.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <unordered_set>
#include <utility>

#include "plane/kube_proxy/names.h"
#include "sys/child_process.h"
#include "sys/memfd.h"
#include "sys/netlink_socket.h"
#include "sys/stopwatch.h"

namespace svcbench {
namespace {

using kube_proxy::NftTable;
using kube_proxy::ServicePort;

constexpr std::array families{Family::ipv4, Family::ipv6};

// A service port's place in its family's table.
std::string port_key(const Service& service) {
  return fmt::format("{} {}", service.name, kube_proxy::lower_case(service.frontend.protocol));
}

ServicePort empty_port(const Service& service) {
  return {.name = service.name,
          .family = service.frontend.address.family,
          .protocol = service.frontend.protocol};
}

Status check_service(const Service& service) {
  for (const auto* const endpoints : {&service.endpoints, &service.cluster_endpoints}) {
    for (const Endpoint& endpoint : *endpoints) {
      if (endpoint.address.family != service.frontend.address.family) {
        return failure("{} of {} cannot be translated to {}, which is of the other address family",
                       service.frontend.text(), service.name, endpoint.text());
      }
    }
  }
  return kube_proxy::check_nft_name(service.name);
}

bool has_frontend(const ServicePort& port, const Frontend& frontend) {
  return port.cluster_ip == frontend || port.node_port == frontend ||
         std::find(port.addresses.begin(), port.addresses.end(), frontend) != port.addresses.end();
}

// Adds the frontend of `service` to `port`, which is the one of its name.
Status add_frontend(ServicePort& port, const Service& service) {
  const FrontendKind kind = kube_proxy::kind_of(service);
  auto* const place = kind == FrontendKind::cluster_ip  ? &port.cluster_ip
                      : kind == FrontendKind::node_port ? &port.node_port
                                                        : nullptr;
  if (place != nullptr && *place) {
    return failure("{} has two frontends of one kind in one family, {} and {}: kube-proxy has one",
                   service.name, (*place)->text(), service.frontend.text());
  }
  auto traffic = port.traffic();
  SVCB_CHECK(traffic.add(service));
  port.set(std::move(traffic));
  if (place != nullptr) {
    *place = service.frontend;
  } else {
    port.addresses.push_back(service.frontend);
    if (kind == FrontendKind::load_balancer) {
      port.balancers.push_back(service.frontend);
    }
  }
  return {};
}

void remove_frontend(ServicePort& port, const Service& service) {
  const bool balances = std::erase(port.balancers, service.frontend) != 0;
  auto traffic = port.traffic();
  traffic.remove(balances ? FrontendKind::external_ip : kube_proxy::kind_of(service));
  port.set(std::move(traffic));
  std::erase(port.addresses, service.frontend);
  for (auto* const place : {&port.cluster_ip, &port.node_port}) {
    if (*place == service.frontend) {
      place->reset();
    }
  }
}

using Ports = std::unordered_map<std::string, ServicePort>;

struct GroupedServices {
  std::array<Ports, 2> ports;                            // by Family, then by port_key()
  std::array<std::vector<const ServicePort*>, 2> order;  // the same, in the order of the services
};

Result<GroupedServices> group(std::span<const Service> services) {
  GroupedServices grouped;
  std::unordered_set<Frontend> seen;
  for (const Service& service : services) {
    SVCB_CHECK(check_service(service));
    if (!seen.insert(service.frontend).second) {
      return failure("two services have the frontend {}: which of them packets meet is not defined",
                     service.frontend.text());
    }
    const auto family = static_cast<std::size_t>(service.frontend.address.family);
    const auto [place, is_new] = grouped.ports[family].try_emplace(port_key(service), empty_port(service));
    ServicePort& port = place->second;
    if (is_new) {
      grouped.order[family].push_back(&port);
    }
    SVCB_CHECK(add_frontend(port, service));
  }
  return grouped;
}

// What `before` (null: none) becomes; nothing: it goes.
Result<std::optional<ServicePort>> changed_port(const ServicePort* before, const Change& change) {
  const Service& service = change.service;
  ServicePort after = before == nullptr ? empty_port(service) : *before;
  if (change.operation == Operation::add_service) {
    SVCB_CHECK(add_frontend(after, service));
    return after;
  }
  if (!has_frontend(after, service.frontend)) {
    return failure("{} {}: there is no such service at {}", to_string(change.operation), service.name,
                   service.frontend.text());
  }
  if (change.operation == Operation::remove_service) {
    remove_frontend(after, service);
  } else {
    auto traffic = after.traffic();
    traffic.change(service);
    after.set(std::move(traffic));
  }
  const bool stays = after.cluster_ip || after.node_port || !after.addresses.empty();
  return stays ? std::optional(std::move(after)) : std::nullopt;
}

// But for those that are needed again: these are filled anew, as kube-proxy does it.
void write_deletions(std::string& text, Family family, const std::vector<std::string>& leftover,
                     const std::optional<ServicePort>& after, const kube_proxy::Version& version) {
  std::vector<std::string> needed;
  if (after && !leftover.empty()) {
    needed = kube_proxy::nft_chains(*after, version);
  }
  for (const std::string& chain : leftover) {
    if (!std::binary_search(needed.begin(), needed.end(), chain)) {
      kube_proxy::write_nft_delete_chain(text, family, chain);
    }
  }
}

void write_table_removal(std::string& text, Family family) {
  // Added first: it may not be there.
  fmt::format_to(std::back_inserter(text), "add table {0} {1}\ndelete table {0} {1}\n",
                 kube_proxy::nft_family(family), kube_proxy::nft_table);
}

// Reads the generation of the namespace's rules: every transaction raises it.
Result<std::uint32_t> rules_generation() {
  SVCB_TAKE(socket, NetlinkSocket::open(NETLINK_NETFILTER));
  constexpr int get_generation = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
  std::optional<std::uint32_t> generation;
  SVCB_TAKE(error, socket.request(message_with(get_generation, 0, nfgenmsg{}), [&](nlmsghdr* answer) {
    if (const nlattr* found = nlmsg_find_attr(answer, sizeof(nfgenmsg), NFTA_GEN_ID); found != nullptr) {
      generation = ntohl(nla_get_u32(found));
    }
  }));
  if (!generation) {
    return failure("the kernel did not tell its nftables generation: {}", std::strerror(error));
  }
  return *generation;
}

Result<std::string> find_nft() {
  auto path = find_program("nft");
  if (!path) {
    return failure("nft is neither on PATH nor in /usr/sbin (install the package nftables)");
  }
  return *path;
}

// With a ClusterIP of two endpoints, one of none, and a NodePort: everything that a table has.
std::vector<Service> probe_services() {
  const Address pod = Address::from_ipv4(0x0A80'0001);
  const Frontend with{Address::from_ipv4(0x0A60'0001), 80, Protocol::tcp};
  const Frontend without{Address::from_ipv4(0x0A60'0002), 53, Protocol::udp};
  const Frontend node{Address::from_ipv4(0), 30'080, Protocol::tcp};
  return {
      {"probe/web", FrontendKind::cluster_ip, with, {{pod, 8080}, {pod, 8081}}},
      {"probe/web", FrontendKind::node_port, node, {{pod, 8080}, {pod, 8081}}},
      {"probe/none", FrontendKind::cluster_ip, without, {}},
  };
}

}  // namespace

Status probe_nftables() {
  SVCB_TAKE(nft, find_nft());
  KubeProxyNftables plane(std::move(nft), {});
  if (const auto loaded = plane.install(probe_services()); !loaded) {
    return failure(
        "{} (the kernel needs nf_tables with nat, masquerade, fib, numgen and reject, nft 1.0.1 or later)",
        loaded.error().message);
  }
  return {};
}

Result<std::unique_ptr<DataPlane>> make_nftables(const PlaneConfiguration& configuration) {
  SVCB_TAKE(nft, find_nft());
  return std::make_unique<KubeProxyNftables>(std::move(nft), configuration);
}

KubeProxyNftables::~KubeProxyNftables() {
  std::string text;
  for (const Family family : families) {
    if (table(family).touched) {
      write_table_removal(text, family);
    }
  }
  if (const auto input = memfd_of("no-tables", text); input && !text.empty()) {
    // Nobody to tell of a failure: the namespace, and all in it, ends with the process anyway.
    (void)load(*input, text.size(), false);
  }
}

Result<KubeProxyNftables::Wanted> KubeProxyNftables::wanted(std::span<const Service> services,
                                                            const PlaneConfiguration& configuration,
                                                            const std::array<Table, 2>& before,
                                                            bool writes) {
  SVCB_TAKE(grouped, group(services));
  Wanted wanted;
  for (const Family family : families) {
    const auto index = static_cast<std::size_t>(family);
    Table& next = wanted.tables[index];
    next.programmed = !grouped.order[index].empty();
    next.touched = next.programmed || before[index].touched;
    if (before[index].touched && writes) {
      write_table_removal(wanted.text, family);
    }
    if (next.programmed && writes) {
      kube_proxy::write_nft_base(wanted.text, family, configuration);
    }
    for (const ServicePort* port : grouped.order[index]) {
      const bool shared = port->cluster_ip && next.cluster_ips[port->cluster_ip->address]++ != 0;
      if (writes) {
        kube_proxy::write_nft_sync(wanted.text, nullptr, port, shared, configuration);
      }
    }
    next.ports = std::move(grouped.ports[index]);
  }
  return wanted;
}

Result<std::string> KubeProxyNftables::install_input(std::span<const Service> services,
                                                     const PlaneConfiguration& configuration) {
  SVCB_TAKE(fresh, wanted(services, configuration, {}));
  return std::move(fresh.text);
}

Status KubeProxyNftables::install(std::span<const Service> services) {
  const Stopwatch generating;
  SVCB_TAKE(next, wanted(services, configuration_, tables_));
  staged_.reset();
  cost_ = {};
  if (next.text.empty()) {
    return {};
  }
  SVCB_TAKE(input, memfd_of("kube-proxy.nft", next.text));
  cost_.generate_ns = generating.ns();
  for (const Family family : families) {
    table(family).touched = next.tables[static_cast<std::size_t>(family)].touched;
  }
  SVCB_CHECK(load(input, next.text.size(), true));
  tables_ = std::move(next.tables);
  for (Table& loaded : tables_) {
    for (const auto& [key, port] : loaded.ports) {
      count_hairpins(loaded, port, 1);
    }
  }
  return {};
}

Status KubeProxyNftables::stage(const Change& change) {
  const Stopwatch generating;
  staged_.reset();
  SVCB_CHECK(check_service(change.service));
  Staged staged;
  staged.family = change.service.frontend.address.family;
  staged.key = port_key(change.service);
  const Table& current = table(staged.family);
  const auto found = current.ports.find(staged.key);
  const ServicePort* before = found == current.ports.end() ? nullptr : &found->second;
  SVCB_TAKE(after, changed_port(before, change));
  staged.after = std::move(after);

  std::string text;
  if (!current.programmed) {
    kube_proxy::write_nft_base(text, staged.family, configuration_);
  }
  write_deletions(text, staged.family, current.leftover, staged.after, configuration_.kube_proxy.version);
  const ServicePort* next = staged.after ? &*staged.after : nullptr;
  staged.leftover = kube_proxy::write_nft_sync(text, before, next, shares_cluster_ip(current, before, next),
                                               configuration_, &current.hairpins);

  // Everything anew; what goes, sets of affinity above all, goes by the lines before.
  if (!configuration_.kube_proxy.version.has(kube_proxy::Trait::nft_partial)) {
    text += whole_text(staged.family, &staged);
  }
  SVCB_TAKE(input, memfd_of("kube-proxy.nft", text));
  staged.input = std::move(input);
  staged.bytes = text.size();
  staged_ = std::move(staged);
  stale_flows_ = {};
  stale_flows_.note(change);
  cost_ = {};
  cost_.generate_ns = generating.ns();
  return {};
}

std::string KubeProxyNftables::whole_text(Family family, const Staged* changed) const {
  std::string text;
  kube_proxy::write_nft_base(text, family, configuration_);
  std::set<Address> cluster_ips;
  const auto write = [&](const ServicePort& port) {
    const bool shared = port.cluster_ip && !cluster_ips.insert(port.cluster_ip->address).second;
    kube_proxy::write_nft_sync(text, nullptr, &port, shared, configuration_);
  };
  for (const auto& [key, port] : table(family).ports) {
    if (changed == nullptr || key != changed->key) {
      write(port);
    }
  }
  if (changed != nullptr) {
    if (changed->after) {
      write(*changed->after);
    }
    for (const std::string& chain : changed->leftover) {
      kube_proxy::write_nft_flush_chain(text, family, chain);
    }
  }
  return text;
}

bool KubeProxyNftables::shares_cluster_ip(const Table& table, const ServicePort* before,
                                          const ServicePort* after) {
  const bool had = before != nullptr && before->cluster_ip;
  const ServicePort* holder = had ? before : after;
  if (holder == nullptr || !holder->cluster_ip) {
    return false;
  }
  const auto users = table.cluster_ips.find(holder->cluster_ip->address);
  return users != table.cluster_ips.end() && users->second > (had ? 1U : 0U);
}

Status KubeProxyNftables::commit() {
  if (!staged_) {
    return {};
  }
  Staged staged = *std::exchange(staged_, std::nullopt);
  table(staged.family).touched = true;
  SVCB_CHECK(load(staged.input, staged.bytes, true));
  apply(std::move(staged));
  return stale_flows_.end(cost_);
}

void KubeProxyNftables::apply(Staged staged) {
  Table& held = table(staged.family);
  held.programmed = true;
  held.leftover = std::move(staged.leftover);
  const auto old = held.ports.find(staged.key);
  const auto count = [&](const std::optional<Frontend>& frontend, int by) {
    if (frontend) {
      auto& users = held.cluster_ips[frontend->address];
      users += static_cast<std::size_t>(by);
      if (users == 0) {
        held.cluster_ips.erase(frontend->address);
      }
    }
  };
  if (old != held.ports.end()) {
    count(old->second.cluster_ip, -1);
    count_hairpins(held, old->second, -1);
  }
  if (staged.after) {
    count(staged.after->cluster_ip, 1);
    count_hairpins(held, *staged.after, 1);
    held.ports.insert_or_assign(std::move(staged.key), std::move(*staged.after));
  } else {
    held.ports.erase(staged.key);
  }
}

void KubeProxyNftables::count_hairpins(Table& table, const ServicePort& port, int by) const {
  for (const std::string& key : kube_proxy::nft_hairpins(port, configuration_)) {
    auto& users = table.hairpins[key];
    users += static_cast<std::size_t>(by);
    if (users == 0) {
      table.hairpins.erase(key);
    }
  }
}

Status KubeProxyNftables::load(const Fd& input, std::size_t bytes, bool interruptible) {
  ChildOptions options;
  options.stdin_fd = input.get();
  options.interruptible = interruptible;
  SVCB_TAKE(result, run_child({nft_, "-f", "-"}, options));
  if (result.exit_status != 0) {
    return failure("{} did not take the {} table: exit status {}, {}", nft_, kube_proxy::nft_table,
                   result.exit_status, result.first_error_line());
  }
  cost_.commit_ns = result.wall_ns;
  cost_.user_us = result.user_us;
  cost_.system_us = result.system_us;
  cost_.tools = 1;
  cost_.input_bytes = bytes;
  return {};
}

Result<std::size_t> KubeProxyNftables::entries() const {
  std::size_t services = 0;
  for (const Family family : families) {
    if (table(family).programmed) {
      SVCB_TAKE(held, read_back(family));
      SVCB_TAKE(count, held->services(table(family).leftover));
      services += count;
    }
  }
  return services;
}

Result<std::optional<Service>> KubeProxyNftables::find(const Frontend& frontend) const {
  if (!table(frontend.address.family).programmed) {
    return std::nullopt;
  }
  SVCB_TAKE(held, read_back(frontend.address.family));
  return held->find(frontend);
}

Service KubeProxyNftables::programmed(const Service& service) const {
  Service result = kube_proxy::readable(service);
  if (result.kind == FrontendKind::load_balancer) {
    result.kind = FrontendKind::external_ip;  // the maps know no difference
  }
  if (result.endpoints.empty() && result.cluster_endpoints.empty()) {
    result.name = kube_proxy::nft_comment(service.name);
  } else {
    const ServicePort port = empty_port(service);
    result.name = kube_proxy::service_name_of_nft_chain(kube_proxy::nft_service_chain(port));
  }
  return result;
}

Result<const NftTable*> KubeProxyNftables::read_back(Family family) const {
  // Read before the table: a transaction in between makes the snapshot look older than it is, never newer.
  SVCB_TAKE(generation, rules_generation());
  auto& snapshot = snapshots_[static_cast<std::size_t>(family)];
  if (!snapshot || snapshot->generation != generation) {
    snapshot.reset();
    const std::string name(kube_proxy::nft_family(family));
    SVCB_TAKE(listed, run_child({nft_, "-j", "list", "table", name, std::string(kube_proxy::nft_table)}));
    if (listed.exit_status != 0) {
      return failure("{} list table {} {} failed: exit status {}, {}", nft_, name, kube_proxy::nft_table,
                     listed.exit_status, listed.first_error_line());
    }
    SVCB_TAKE(parsed, NftTable::parse(listed.out, family));
    snapshot = Snapshot{generation, std::move(parsed)};
  }
  return &snapshot->table;
}

}  // namespace svcbench
