// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/ipvs.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ip_vs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <iterator>
#include <memory>
#include <thread>

#include "plane/kube_proxy/port_traffic.h"
#include "sys/fd.h"
#include "sys/iptables_backend.h"
#include "sys/memfd.h"
#include "sys/stopwatch.h"

namespace svcbench::kube_proxy {

namespace {

constexpr std::array families{Family::ipv4, Family::ipv6};
constexpr std::string_view device_name = "kube-ipvs0";
constexpr const char* scheduler = "rr";

constexpr std::size_t controller_way = 0;
constexpr std::size_t kernel_way = 1;

// A rule's hold on an ipset ends a little after the rule: nf_tables frees rules from a work queue.
constexpr int destroy_attempts = 50;
constexpr std::chrono::milliseconds destroy_pause{20};

std::size_t index_of(Family family) { return static_cast<std::size_t>(family); }

std::vector<Endpoint> endpoints_with(const std::vector<RealServer>& servers, std::uint32_t weight) {
  std::vector<Endpoint> endpoints;
  for (const RealServer& server : servers) {
    if (server.weight == weight) {
      endpoints.push_back(server.endpoint);
    }
  }
  return endpoints;
}

// The server of that endpoint among `servers`, which ascend; null: there is none.
const RealServer* find_server(const std::vector<RealServer>& servers, const Endpoint& endpoint) {
  const auto place =
      std::lower_bound(servers.begin(), servers.end(), endpoint,
                       [](const RealServer& server, const Endpoint& one) { return server.endpoint < one; });
  return place == servers.end() || place->endpoint != endpoint ? nullptr : &*place;
}

bool as_made(const IpvsService& service) {
  constexpr std::uint32_t known = IP_VS_SVC_F_HASHED | IP_VS_SVC_F_PERSISTENT;
  const bool persists = (service.flags & IP_VS_SVC_F_PERSISTENT) != 0;
  return service.scheduler == scheduler && (service.flags & ~known) == 0 &&
         persists == (service.timeout != 0);
}

// The network namespace's, but for those of loopback, link-local ones, and those that services have.
std::vector<Address> local_addresses() {
  std::vector<Address> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) {
    return addresses;
  }
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || (one->ifa_flags & IFF_LOOPBACK) != 0 || one->ifa_name == device_name) {
      continue;
    }
    Address address;
    if (one->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, one->ifa_addr, sizeof in);
      std::memcpy(address.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
      addresses.push_back(address);
    } else if (one->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, one->ifa_addr, sizeof in);
      if (!IN6_IS_ADDR_LINKLOCAL(&in.sin6_addr)) {
        address.family = Family::ipv6;
        std::memcpy(address.bytes.data(), &in.sin6_addr, sizeof in.sin6_addr);
        addresses.push_back(address);
      }
    }
  }
  return addresses;
}

// Of this thread's network namespace. `path` is under /proc/sys.
Status set_sysctl(const std::string& path, std::string_view remedy) {
  const Fd file(open(("/proc/sys/" + path).c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() || write(file.get(), "1", 1) != 1) {
    return failure("set the sysctl {} to 1: {} ({})", path, std::strerror(errno), remedy);
  }
  return {};
}

Status set_sysctls() {
  constexpr std::string_view remedy = "needs root, and a kernel with CONFIG_IP_VS_NFCT";
  for (const char* name : {"conntrack", "expire_nodest_conn", "expire_quiescent_template"}) {
    SVCB_CHECK(set_sysctl(std::string("net/ipv4/vs/") + name, remedy));
  }
  return set_sysctl("net/ipv4/ip_forward", "needs root, and a /proc/sys that can be written to");
}

Status check_result(const ChildResult& result, const std::string& program, std::string_view remedy) {
  if (result.exit_status == 0) {
    return {};
  }
  return failure("{}: exit status {}, {}{}", program, result.exit_status, result.first_error_line(),
                 remedy);
}

// Whether the programs and their half of the kernel work together: rules of every kind that kube-proxy has,
// but for ipsets, come and go again.
Status try_iptables(const IptablesBackend& backend) {
  SVCB_TAKE(input, memfd_of("try-iptables",
                            "*nat\n"
                            "-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully\n"
                            "-D POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE --random-fully\n"
                            "COMMIT\n"));
  ChildOptions options;
  options.stdin_fd = input.get();
  SVCB_TAKE(result, run_child({backend.restore, "--noflush"}, options));
  return check_result(
      result, backend.restore,
      " (the kernel needs nf_tables with nft_compat, or for the legacy back end iptable_nat)");
}

Result<IptablesBackend> working_iptables() {
  Result<IptablesBackend> found = find_iptables(std::nullopt);
  for (const char* name : {"iptables-nft-restore", "iptables-legacy-restore"}) {
    if (!find_program(name)) {
      continue;
    }
    found = find_iptables(name);
    if (found && try_iptables(*found)) {
      return found;
    }
  }
  SVCB_TAKE(last, std::move(found));
  SVCB_CHECK(try_iptables(last));
  return last;
}

}  // namespace

Result<KubeProxyIpvs::Tools> KubeProxyIpvs::find_tools() {
  constexpr std::string_view suffix = "-restore";
  Tools tools;
  const auto ipset = find_program("ipset");
  if (!ipset) {
    return failure("ipset is neither on PATH nor in /usr/sbin (install the package ipset)");
  }
  tools.ipset = *ipset;
  SVCB_TAKE(backend, working_iptables());
  tools.iptables_restore = {backend.restore, backend.restore6};
  for (const Family family : families) {
    const std::string& restore = tools.iptables_restore[index_of(family)];
    if (!restore.empty()) {
      tools.iptables[index_of(family)] = restore.substr(0, restore.size() - suffix.size());
    }
  }
  return tools;
}

Result<std::unique_ptr<KubeProxyIpvs>> KubeProxyIpvs::make(const PlaneConfiguration& configuration) {
  SVCB_TAKE(ipvs, IpvsClient::open());
  SVCB_TAKE(tools, find_tools());
  return std::unique_ptr<KubeProxyIpvs>(
      new KubeProxyIpvs(configuration, std::move(tools), std::move(ipvs)));
}

KubeProxyIpvs::~KubeProxyIpvs() {
  interruptible_ = false;  // it may run because of the signal
  remove_all();
}

// ---- what is to be ----

Status KubeProxyIpvs::check(const Service& service) {
  const Frontend& frontend = service.frontend;
  if (tools_.iptables_restore[index_of(frontend.address.family)].empty()) {
    return failure(
        "there are IPv6 services, but no ip6tables-restore beside {} (install the iptables package "
        "whole)",
        tools_.iptables_restore[index_of(Family::ipv4)]);
  }
  if (kind_of(service) != FrontendKind::node_port) {
    return {};
  }
  if (node_addresses_.empty()) {
    node_addresses_ =
        configuration_.node_addresses.empty() ? local_addresses() : configuration_.node_addresses;
  }
  if (servers_of(service).empty()) {
    return failure(
        "the ipvs plane has no virtual server for the NodePort {}: kube-proxy makes one for each address "
        "of the node, and this one has none but loopback's (give it one, or leave NodePorts out)",
        frontend.text());
  }
  return {};
}

std::vector<Frontend> KubeProxyIpvs::servers_of(const Service& service) const {
  return virtual_servers(service, node_addresses_);
}

bool KubeProxyIpvs::is_wanted(const Frontend& virtual_server) const {
  const Frontend node_port{
      {.bytes = {}, .family = virtual_server.address.family}, virtual_server.port, virtual_server.protocol};
  const bool is_node = std::find(node_addresses_.begin(), node_addresses_.end(), virtual_server.address) !=
                       node_addresses_.end();
  return position_.contains(virtual_server) || (is_node && position_.contains(node_port));
}

Status KubeProxyIpvs::replace_services(std::span<const Service> services) {
  services_.assign(services.begin(), services.end());
  for (Service& service : services_) {
    service.terminating.clear();  // nothing that ends is told the kernel anew
  }
  position_.clear();
  users_.clear();
  members_ = {};
  cluster_ips_ = {};
  node_addresses_.clear();
  for (std::size_t i = 0; i < services_.size(); ++i) {
    const Service& service = services_[i];
    const Frontend& frontend = service.frontend;
    SVCB_CHECK(check(service));
    if (!position_.emplace(frontend, i).second) {
      return failure("two services have the frontend {}: which of them packets meet is not defined",
                     frontend.text());
    }
    if (kind_of(service) != FrontendKind::node_port) {
      ++users_[frontend.address];
    }
    count_members(service, 1, nullptr);
    if (cluster_ips_[index_of(frontend.address.family)] > ipset_capacity) {
      return failure("{} has room for {} services, as kube-proxy makes it, and there are more",
                     ipset_name(cluster_ip_set, frontend.address.family), ipset_capacity);
    }
  }
  return {};
}

// Counts what the service has in sets; `changed`, if any, gets the members that come (`by` 1) or go (-1).
void KubeProxyIpvs::count_members(const Service& service, int by, std::vector<IpsetMember>* changed) {
  const std::size_t family = index_of(service.frontend.address.family);
  for (IpsetMember& entry : ipset_entries(service, configuration_)) {
    bool differs = true;
    if (entry.set == cluster_ip_set) {
      cluster_ips_[family] += static_cast<std::size_t>(by);
    } else {
      auto& users = members_[family][entry];
      users += static_cast<std::size_t>(by);
      differs = by > 0 ? users == 1 : users == 0;
      if (users == 0) {
        members_[family].erase(entry);
      }
    }
    if (differs && changed != nullptr) {
      changed->push_back(std::move(entry));
    }
  }
}

IpsetsInUse KubeProxyIpvs::in_use(Family family) const {
  IpsetsInUse sets;
  for (const auto& [member, users] : members_[index_of(family)]) {
    sets.insert(member.set);
  }
  if (cluster_ips_[index_of(family)] != 0) {
    sets.insert(cluster_ip_set);
  }
  return sets;
}

std::vector<Address> KubeProxyIpvs::addresses() const {
  std::vector<Address> result;
  result.reserve(users_.size());
  for (const auto& [address, users] : users_) {
    result.push_back(address);
  }
  return result;
}

// All members that the family's sets are to have.
KubeProxyIpvs::SetContents KubeProxyIpvs::contents(Family family) const {
  SetContents sets;
  for (const Service& service : services_) {
    if (service.frontend.address.family != family) {
      continue;
    }
    for (IpsetMember& entry : ipset_entries(service, configuration_)) {
      sets[entry.set].insert(std::move(entry.member));
    }
    if (kind_of(service) != FrontendKind::node_port) {
      sets[ipvs_ips_set].insert(service.frontend.address.text());
    }
  }
  return sets;
}

Status KubeProxyIpvs::apply(const Change& change) {
  const Frontend& frontend = change.service.frontend;
  const auto entry = position_.find(frontend);
  const bool known = entry != position_.end();
  if (known == (change.operation == Operation::add_service)) {
    return failure("cannot {} {}: it {}", to_string(change.operation), frontend.text(),
                   known ? "is there already" : "is not there");
  }
  Staged staged;
  staged.way = way_;
  staged.operation = change.operation;
  staged.service = change.service;
  const bool binds = kind_of(change.service) != FrontendKind::node_port;
  const IpsetsInUse used_before = in_use(frontend.address.family);
  switch (change.operation) {
    case Operation::change_endpoints: {
      Service& service = services_[entry->second];
      staged.before = real_servers(service);
      // What was never there cannot end.
      std::erase_if(staged.service.terminating, [&](const Endpoint& endpoint) {
        return find_server(staged.before, endpoint) == nullptr;
      });
      staged.after = real_servers(staged.service);
      staged.persistence = service.affinity_seconds != change.service.affinity_seconds;
      count_members(change.service, 1, &staged.members_come);
      count_members(service, -1, &staged.members_go);
      service = staged.service;
      break;
    }
    case Operation::add_service:
      staged.service.terminating.clear();
      staged.after = real_servers(staged.service);
      staged.address = binds && ++users_[frontend.address] == 1;
      count_members(change.service, 1, &staged.members_come);
      position_.emplace(frontend, services_.size());
      services_.push_back(staged.service);
      break;
    case Operation::remove_service: {
      if (binds) {
        const auto users = users_.find(frontend.address);
        staged.address = --users->second == 0;
        if (staged.address) {
          users_.erase(users);
        }
      }
      // The last one takes its place.
      const std::size_t removed = entry->second;
      staged.service = services_[removed];
      count_members(staged.service, -1, &staged.members_go);
      position_[services_.back().frontend] = removed;
      std::swap(services_[removed], services_.back());
      services_.pop_back();
      position_.erase(frontend);
      break;
    }
  }
  const IpsetsInUse used = in_use(frontend.address.family);
  staged.rules_differ = used != used_before;
  if (staged.rules_differ || way_ == controller_way) {
    staged.rules = ipvs_rules(frontend.address.family,
                              configuration_.cluster_cidr.of(frontend.address.family), false, used);
  }
  // A ClusterIP that changes its endpoints stays what it is.
  if (change.operation == Operation::change_endpoints) {
    const auto stays = [](const IpsetMember& one) { return one.set == cluster_ip_set; };
    std::erase_if(staged.members_come, stays);
    std::erase_if(staged.members_go, stays);
  }
  staged_ = std::move(staged);
  return {};
}

// ---- DataPlane ----

Status KubeProxyIpvs::install(std::span<const Service> services) {
  remove_all();
  SVCB_CHECK(replace_services(services));
  cost_ = {};
  netlink_messages_ = 0;
  staged_.reset();
  const Stopwatch installing;
  const std::size_t before = ipvs_.requests();
  SVCB_CHECK(program());
  netlink_messages_ = messages_so_far() - before;
  cost_.commit_ns = installing.ns() - cost_.generate_ns;
  return {};
}

Status KubeProxyIpvs::stage(const Change& change) {
  cost_ = {};
  const Stopwatch generating;
  SVCB_CHECK(check(change.service));
  SVCB_CHECK(apply(change));
  if (way_ == controller_way) {
    // As kube-proxy does, from all services, whatever changed.
    staged_->sets = contents(change.service.frontend.address.family);
  }
  cost_.generate_ns = generating.ns();
  return {};
}

Status KubeProxyIpvs::commit() {
  if (!staged_ || !device_) {
    return failure("the ipvs plane has no change to commit: {}",
                   device_ ? "nothing was staged" : "nothing was installed");
  }
  const Staged staged = std::move(*staged_);
  staged_.reset();
  const Family family = staged.service.frontend.address.family;
  const Stopwatch committing;
  const std::size_t before = messages_so_far();
  if (!programmed_family(family)) {
    SVCB_CHECK(
        program_family(family, ipset_restore({}, {}, family),
                       ipvs_rules(family, configuration_.cluster_cidr.of(family), true, in_use(family))));
  }
  SVCB_CHECK(staged.way == kernel_way ? commit_change(staged) : sync(family, staged));
  netlink_messages_ = messages_so_far() - before;
  cost_.commit_ns = committing.ns();
  return {};
}

std::span<const std::string_view> KubeProxyIpvs::ways() const {
  static constexpr std::array<std::string_view, 2> names{"controller", "kernel"};
  return names;
}

Status KubeProxyIpvs::choose_way(std::size_t way) {
  if (way >= ways().size()) {
    return failure("the ipvs plane has {} ways of being changed, not {}", ways().size(), way + 1);
  }
  way_ = way;
  return {};
}

Result<std::size_t> KubeProxyIpvs::entries() const {
  SVCB_TAKE(services, ipvs_.services());
  if (!device_) {
    return services.size();
  }
  SVCB_TAKE(bound, device_->bound());
  const std::set<Address> addresses(bound.begin(), bound.end());
  std::set<Address> used;
  std::size_t wanted = 0;
  for (const Service& service : services_) {
    wanted += servers_of(service).size();
  }
  for (const IpvsService& service : services) {
    const Address& address = service.frontend.address;
    const bool is_bound = addresses.contains(address);
    const bool is_node =
        std::find(node_addresses_.begin(), node_addresses_.end(), address) != node_addresses_.end();
    if (is_bound) {
      used.insert(address);
    } else if (!is_node) {
      return failure("the virtual server {} is there, but its address is not bound to {}",
                     service.frontend.text(), device_name);
    }
  }
  for (const Family family : families) {
    if (families_[index_of(family)]) {
      SVCB_CHECK(check_sets(family, services));
    }
  }
  if (used.size() != addresses.size()) {
    return failure("{} has {} addresses for {} of the virtual servers", device_name, addresses.size(),
                   used.size());
  }
  // A NodePort is one service, and a virtual server at each address of the node.
  return services.size() == wanted ? services_.size() : services.size();
}

// That the sets hold the virtual servers that there are.
Status KubeProxyIpvs::check_sets(Family family, const std::vector<IpvsService>& services) const {
  SVCB_TAKE(cluster_ips, members(cluster_ip_set, family));
  SVCB_TAKE(ips, members(ipvs_ips_set, family));
  const auto& others = members_[index_of(family)];
  std::size_t count = 0;
  std::set<Address> own;
  for (const IpvsService& service : services) {
    const Frontend& frontend = service.frontend;
    const Address& address = frontend.address;
    if (address.family != family) {
      continue;
    }
    const auto place = position_.find(frontend);
    const bool is_cluster_ip = place == position_.end()
                                   ? !is_wanted(frontend)
                                   : kind_of(services_[place->second]) == FrontendKind::cluster_ip;
    const bool is_node_port = place == position_.end() && is_wanted(frontend);
    count += is_cluster_ip ? 1 : 0;
    if (is_node_port) {
      continue;
    }
    own.insert(address);
    if ((is_cluster_ip && !cluster_ips.contains(cluster_ip_member(frontend))) ||
        !ips.contains(address.text())) {
      return failure("the virtual server {} is there, but not in the ipsets {} and {}", frontend.text(),
                     ipset_name(cluster_ip_set, family), ipset_name(ipvs_ips_set, family));
    }
  }
  if (cluster_ips.size() != count) {
    return failure("{} has {} members for {} virtual servers", ipset_name(cluster_ip_set, family),
                   cluster_ips.size(), count);
  }
  if (ips.size() != own.size()) {
    return failure("{} has {} members for {} service addresses", ipset_name(ipvs_ips_set, family),
                   ips.size(), own.size());
  }
  if (others.empty()) {
    return {};
  }
  SetContents wanted = contents(family);
  for (const IpsetShape& shape : ipset_shapes()) {
    if (shape.name != cluster_ip_set && shape.name != ipvs_ips_set) {
      SVCB_TAKE(held, members(shape.name, family));
      if (held != wanted[shape.name]) {
        return failure("{} has {} members, and others than the {} that were to be",
                       ipset_name(shape.name, family), held.size(), wanted[shape.name].size());
      }
    }
  }
  return {};
}

Result<std::optional<Service>> KubeProxyIpvs::find(const Frontend& frontend) const {
  Service asked;
  asked.frontend = frontend;
  std::optional<Service> found;
  bool is_first = true;
  for (const Frontend& server : servers_of(asked)) {
    SVCB_TAKE(one, read_server(server));
    if (one) {
      one->frontend = frontend;
    }
    if (!is_first && one != found) {
      return failure("the virtual servers of {} at the node's addresses differ", frontend.text());
    }
    found = std::move(one);
    is_first = false;
  }
  if (!found) {
    return std::nullopt;
  }
  const Family family = frontend.address.family;
  const auto is_in = [&](FrontendKind kind, bool local) -> Result<bool> {
    Service tried;
    tried.frontend = frontend;
    tried.kind = kind;
    tried.local_only = local;
    const std::vector<IpsetMember> entries = ipset_entries(tried, configuration_);
    if (entries.empty()) {
      return false;
    }
    SVCB_TAKE(held, members(entries.back().set, family));
    return held.contains(entries.back().member);
  };
  found->kind = kind_of(asked);
  if (members_[index_of(family)].empty()) {
    return found;  // nothing but ClusterIPs
  }
  if (found->kind == FrontendKind::node_port) {
    SVCB_TAKE(local, is_in(FrontendKind::node_port, true));
    found->local_only = local;
    return found;
  }
  for (const FrontendKind kind : {FrontendKind::external_ip, FrontendKind::load_balancer}) {
    for (const bool local : {true, false}) {
      SVCB_TAKE(is_member, is_in(kind, local));
      if (is_member) {
        found->kind = kind;
        found->local_only = local;
        return found;
      }
    }
  }
  return found;
}

// What the kernel has at one address.
Result<std::optional<Service>> KubeProxyIpvs::read_server(const Frontend& virtual_server) const {
  SVCB_TAKE(found, ipvs_.service(virtual_server));
  if (!found) {
    return std::nullopt;
  }
  if (!as_made(*found)) {
    return failure("the virtual server {} is not kube-proxy's: scheduler {}, flags {:#x}, timeout {} s",
                   virtual_server.text(), found->scheduler, found->flags, found->timeout);
  }
  SVCB_TAKE(destinations, ipvs_.destinations(virtual_server));
  Service service;
  service.frontend = found->frontend;
  service.affinity_seconds = found->timeout;
  for (const IpvsDestination& one : destinations) {
    if (one.weight > 1 || (one.forwarding & IP_VS_CONN_F_FWD_MASK) != IP_VS_CONN_F_MASQ) {
      return failure("the real server {} of {} is not kube-proxy's: weight {}, forwarding {}",
                     one.endpoint.text(), virtual_server.text(), one.weight, one.forwarding);
    }
    (one.weight == 1 ? service.endpoints : service.terminating).push_back(one.endpoint);
  }
  std::sort(service.endpoints.begin(), service.endpoints.end());
  std::sort(service.terminating.begin(), service.terminating.end());
  return service;
}

Service KubeProxyIpvs::programmed(const Service& service) const {
  Service result = service;
  const auto held = position_.find(service.frontend);
  std::erase_if(result.terminating, [&](const Endpoint& endpoint) {
    return held == position_.end() ||
           find_server(real_servers(services_[held->second]), endpoint) == nullptr;
  });
  const auto servers = real_servers(result);
  result.name.clear();
  result.source_ranges.clear();
  result.own_endpoints.clear();
  result.health_check_port = 0;
  result.counted_endpoints = 0;
  result.kind = kind_of(service);
  result.endpoints = endpoints_with(servers, 1);
  result.terminating = endpoints_with(servers, 0);
  result.local_only = service.local_only && result.kind != FrontendKind::cluster_ip;
  result.cluster_endpoints.clear();
  result.weights.clear();
  return result;
}

// ---- the kernel ----

Status KubeProxyIpvs::program() {
  // Texts first: they are generated, not committed.
  const Stopwatch generating;
  const std::vector<Address> all = addresses();
  std::array<std::string, 2> sets;
  std::array<std::string, 2> rules;
  for (const Family family : families) {
    const bool has_services =
        std::any_of(services_.begin(), services_.end(),
                    [family](const Service& service) { return service.frontend.address.family == family; });
    if (has_services) {
      sets[index_of(family)] = ipset_restore(services_, all, family, configuration_);
      rules[index_of(family)] =
          ipvs_rules(family, configuration_.cluster_cidr.of(family), true, in_use(family));
    }
  }
  cost_.generate_ns = generating.ns();

  SVCB_CHECK(set_sysctls());
  SVCB_TAKE(device, AddressDevice::create(std::string(device_name)));
  device_.emplace(std::move(device));
  SVCB_CHECK(ipvs_.flush());
  for (const Family family : families) {
    if (!sets[index_of(family)].empty()) {
      SVCB_CHECK(program_family(family, sets[index_of(family)], rules[index_of(family)]));
    }
  }
  for (const Service& service : services_) {
    const auto reals = real_servers(service);
    for (const Frontend& server : servers_of(service)) {
      SVCB_CHECK(ipvs_.add_service(server, scheduler, service.affinity_seconds));
      SVCB_CHECK(change_servers(server, {}, reals, false));
    }
  }
  return device_->bind(all);
}

Status KubeProxyIpvs::program_family(Family family, const std::string& sets, const std::string& rules) {
  programmed_family(family) = true;
  SVCB_CHECK(restore(tools_.ipset, {"restore", "-exist"}, sets));
  return restore(tools_.iptables_restore[index_of(family)], {"-w", "5", "--noflush", "--counters"}, rules);
}

// Way "kernel". ipset before IPVS where a service goes, as kube-proxy has it.
Status KubeProxyIpvs::commit_change(const Staged& change) {
  const Service& service = change.service;
  const Frontend& frontend = service.frontend;
  const Family family = frontend.address.family;
  const std::span<const Address> address(&frontend.address, change.address ? 1 : 0);
  const std::string ips = ipset_name(ipvs_ips_set, family);
  const auto put_rules = [&]() -> Status {
    return change.rules_differ ? restore(tools_.iptables_restore[index_of(family)],
                                         {"-w", "5", "--noflush", "--counters"}, change.rules)
                               : Status();
  };

  if (change.operation == Operation::remove_service) {
    for (const IpsetMember& member : change.members_go) {
      SVCB_CHECK(ipset({"del", ipset_name(member.set, family), member.member}));
    }
    if (change.address) {
      SVCB_CHECK(ipset({"del", ips, frontend.address.text()}));
    }
    SVCB_CHECK(put_rules());
    for (const Frontend& server : servers_of(service)) {
      SVCB_CHECK(ipvs_.remove_service(server));
    }
    return device_->unbind(address);
  }
  for (const Frontend& server : servers_of(service)) {
    if (change.operation == Operation::add_service) {
      SVCB_CHECK(ipvs_.add_service(server, scheduler, service.affinity_seconds));
    } else if (change.persistence) {
      SVCB_CHECK(ipvs_.set_service(server, scheduler, service.affinity_seconds));
    }
  }
  if (change.address) {
    SVCB_CHECK(device_->bind(address));
  }
  for (const Frontend& server : servers_of(service)) {
    SVCB_CHECK(change_servers(server, change.before, change.after, false));
  }
  for (const IpsetMember& member : change.members_come) {
    SVCB_CHECK(ipset({"add", ipset_name(member.set, family), member.member}));
  }
  for (const IpsetMember& member : change.members_go) {
    SVCB_CHECK(ipset({"del", ipset_name(member.set, family), member.member}));
  }
  if (change.address) {
    SVCB_CHECK(ipset({"add", ips, frontend.address.text()}));
  }
  return put_rules();
}

// Makes the real servers of a virtual server `after`, which are `before`. `looks_first`: as kube-proxy's
// graceful termination does at each that goes.
Status KubeProxyIpvs::change_servers(const Frontend& frontend, const std::vector<RealServer>& before,
                                     const std::vector<RealServer>& after, bool looks_first) {
  for (const RealServer& server : after) {
    const RealServer* const old = find_server(before, server.endpoint);
    if (old == nullptr) {
      SVCB_CHECK(ipvs_.add_destination(frontend, server.endpoint, server.weight));
    } else if (*old != server) {
      SVCB_CHECK(ipvs_.set_destination(frontend, server.endpoint, server.weight));
    }
  }
  for (const RealServer& server : before) {
    if (find_server(after, server.endpoint) == nullptr) {
      if (looks_first) {
        SVCB_CHECK(ipvs_.destinations(frontend));  // for open connections
      }
      SVCB_CHECK(ipvs_.remove_destination(frontend, server.endpoint));
    }
  }
  return {};
}

// Way "controller".
Status KubeProxyIpvs::sync(Family family, const Staged& wanted) {
  SVCB_CHECK(sync_chains(family));
  SVCB_TAKE(present, device_->present());
  if (!present) {
    return failure("the device {} is gone: something else removed it", device_name);
  }
  for (const IpsetShape& shape : ipset_shapes()) {
    SVCB_CHECK(ipset(ipset_create(shape, family)));
  }
  SVCB_TAKE(list, device_->bound());
  std::set<Address> bound(list.begin(), list.end());
  SVCB_CHECK(device_->all_addresses());
  for (const Service& service : services_) {
    if (service.frontend.address.family == family) {
      SVCB_CHECK(sync_service(service, bound));
    }
  }
  for (const IpsetShape& shape : ipset_shapes()) {
    SVCB_CHECK(sync_set(shape, family, wanted));
  }
  SVCB_CHECK(restore(tools_.iptables_restore[index_of(family)], {"-w", "5", "--noflush", "--counters"},
                     wanted.rules));
  return remove_leftovers(family, bound);
}

Status KubeProxyIpvs::sync_chains(Family family) {
  const std::string& iptables = tools_.iptables[index_of(family)];
  for (const IptablesChain& chain : ipvs_chains()) {
    SVCB_TAKE(result,
              run({iptables, "-w", "5", "-N", std::string(chain.name), "-t", std::string(chain.table)}));
    if (result.exit_status != 1) {  // 1: it is there
      SVCB_CHECK(check_result(result, iptables, ""));
    }
  }
  for (const IptablesJump& jump : ipvs_jumps()) {
    auto argv = jump_command("-C", jump);
    argv.insert(argv.begin(), iptables);
    SVCB_TAKE(there, run(argv));
    if (there.exit_status != 0) {
      argv = jump_command("-I", jump);
      argv.insert(argv.begin(), iptables);
      SVCB_TAKE(added, run(argv));
      SVCB_CHECK(check_result(added, iptables, ""));
    }
  }
  return {};
}

Status KubeProxyIpvs::sync_service(const Service& service, std::set<Address>& bound) {
  const auto wanted = real_servers(service);
  for (const Frontend& server : servers_of(service)) {
    SVCB_TAKE(found, ipvs_.service(server));
    if (!found) {
      SVCB_CHECK(ipvs_.add_service(server, scheduler, service.affinity_seconds));
    } else if (!as_made(*found) || found->timeout != service.affinity_seconds) {
      SVCB_CHECK(ipvs_.set_service(server, scheduler, service.affinity_seconds));
    }
    if (kind_of(service) != FrontendKind::node_port && bound.insert(server.address).second) {
      SVCB_CHECK(device_->bind({&server.address, 1}));
    }

    SVCB_CHECK(ipvs_.service(server));
    SVCB_TAKE(destinations, ipvs_.destinations(server));
    std::vector<RealServer> current;
    current.reserve(destinations.size());
    for (const IpvsDestination& one : destinations) {
      current.push_back({one.endpoint, one.weight});
    }
    std::sort(current.begin(), current.end(),
              [](const RealServer& a, const RealServer& b) { return a.endpoint < b.endpoint; });
    SVCB_CHECK(change_servers(server, current, wanted, true));
  }
  return {};
}

Status KubeProxyIpvs::sync_set(const IpsetShape& shape, Family family, const Staged& wanted) {
  static const std::unordered_set<std::string> none;
  const std::string name = ipset_name(shape.name, family);
  const auto found = wanted.sets.find(shape.name);
  const auto& active = found == wanted.sets.end() ? none : found->second;
  SVCB_TAKE(result, run({tools_.ipset, "list", name}));
  SVCB_CHECK(check_result(result, tools_.ipset, ""));
  std::unordered_set<std::string> current;
  for (const std::string_view member : ipset_members(result.out)) {
    current.emplace(member);
  }
  for (const std::string& member : current) {
    if (!active.contains(member)) {
      SVCB_CHECK(ipset({"del", name, member}));
    }
  }
  for (const std::string& member : active) {
    if (!current.contains(member)) {
      SVCB_CHECK(ipset({"add", name, member}));
    }
  }
  return {};
}

Status KubeProxyIpvs::remove_leftovers(Family family, const std::set<Address>& bound) {
  SVCB_TAKE(services, ipvs_.services());
  for (const IpvsService& service : services) {
    if (service.frontend.address.family == family && !is_wanted(service.frontend)) {
      SVCB_CHECK(ipvs_.remove_service(service.frontend));
    }
  }
  for (const Address& address : bound) {
    if (address.family == family && !users_.contains(address)) {
      SVCB_CHECK(device_->unbind({&address, 1}));
    }
  }
  return {};
}

// ---- programs ----

Result<ChildResult> KubeProxyIpvs::run(const std::vector<std::string>& argv, int input) {
  ChildOptions options;
  options.stdin_fd = input;
  options.interruptible = interruptible_;
  SVCB_TAKE(result, run_child(argv, options));
  ++cost_.tools;
  cost_.user_us += result.user_us;
  cost_.system_us += result.system_us;
  return result;
}

Status KubeProxyIpvs::ipset(const std::vector<std::string>& words) {
  std::vector<std::string> argv{tools_.ipset};
  argv.insert(argv.end(), words.begin(), words.end());
  SVCB_TAKE(result, run(argv));
  return check_result(result, tools_.ipset, "");
}

Status KubeProxyIpvs::restore(const std::string& program, std::vector<std::string> words,
                              const std::string& input) {
  SVCB_TAKE(file, memfd_of("ipvs-restore", input));
  words.insert(words.begin(), program);
  SVCB_TAKE(result, run(words, file.get()));
  cost_.input_bytes += input.size();
  return check_result(
      result, program,
      " (the kernel needs ip_set and the iptables match set, for external IPs also physdev: "
      "load the modules ip_set, xt_set and xt_physdev)");
}

Result<std::unordered_set<std::string>> KubeProxyIpvs::members(std::string_view set, Family family) const {
  SVCB_TAKE(result, run_child({tools_.ipset, "list", ipset_name(set, family)}));
  SVCB_CHECK(check_result(result, tools_.ipset, ""));
  std::unordered_set<std::string> all;
  for (const std::string_view member : ipset_members(result.out)) {
    all.emplace(member);
  }
  return all;
}

std::size_t KubeProxyIpvs::messages_so_far() const {
  return ipvs_.requests() + (device_ ? device_->requests() : 0);
}

// Nobody to tell of a failure: the namespace, and all in it, ends with the process anyway.
void KubeProxyIpvs::remove_all() {
  for (const Family family : families) {
    if (!std::exchange(programmed_family(family), false)) {
      continue;
    }
    (void)restore(tools_.iptables_restore[index_of(family)], {"-w", "5", "--noflush"},
                  ipvs_rules_removal());
    for (int attempt = 0; attempt < destroy_attempts; ++attempt) {
      const auto names = run({tools_.ipset, "list", "-n"});
      if (!names || restore(tools_.ipset, {"restore"}, ipset_destroy(names->out, family))) {
        break;
      }
      std::this_thread::sleep_for(destroy_pause);
    }
  }
  if (device_) {
    (void)ipvs_.flush();
    device_.reset();
  }
}

// ---- for the registry ----

Status probe_ipvs() {
  SVCB_TAKE(ipvs, IpvsClient::open());
  Service service;
  // TEST-NET-2 and 3 of RFC 5737.
  service.frontend = {Address::from_ipv4(0xC6336401), 80, Protocol::tcp};
  service.endpoints = {{Address::from_ipv4(0xCB007101), 8080}};
  SVCB_CHECK(ipvs.add_service(service.frontend, scheduler));
  SVCB_CHECK(ipvs.remove_service(service.frontend));

  // All the rest in the only way that shows that it works.
  SVCB_TAKE(plane, KubeProxyIpvs::make({}));
  SVCB_CHECK(plane->install({&service, 1}));
  SVCB_TAKE(entries, plane->entries());
  if (entries != 1) {
    return failure("IPVS took one virtual server and has {}", entries);
  }
  return {};
}

Result<std::unique_ptr<DataPlane>> make_ipvs(const PlaneConfiguration& configuration) {
  SVCB_TAKE(plane, KubeProxyIpvs::make(configuration));
  return plane;
}

}  // namespace svcbench::kube_proxy
