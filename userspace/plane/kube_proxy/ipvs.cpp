// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/ipvs.h"

#include <fcntl.h>
#include <linux/ip_vs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <thread>

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

// A virtual server holds an endpoint once.
std::vector<Endpoint> ascending(std::vector<Endpoint> endpoints) {
  std::sort(endpoints.begin(), endpoints.end());
  endpoints.erase(std::unique(endpoints.begin(), endpoints.end()), endpoints.end());
  return endpoints;
}

// Those of `from` that are not in `without`; both ascending.
std::vector<Endpoint> difference(const std::vector<Endpoint>& from, const std::vector<Endpoint>& without) {
  std::vector<Endpoint> result;
  std::set_difference(from.begin(), from.end(), without.begin(), without.end(), std::back_inserter(result));
  return result;
}

bool as_made(const IpvsService& service) {
  return service.scheduler == scheduler && (service.flags & ~IP_VS_SVC_F_HASHED) == 0 &&
         service.timeout == 0;
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

Result<std::unique_ptr<KubeProxyIpvs>> KubeProxyIpvs::make(const PlaneSite& site) {
  SVCB_TAKE(ipvs, IpvsClient::open());
  SVCB_TAKE(tools, find_tools());
  return std::unique_ptr<KubeProxyIpvs>(new KubeProxyIpvs(site, std::move(tools), std::move(ipvs)));
}

KubeProxyIpvs::~KubeProxyIpvs() {
  interruptible_ = false;  // it may run because of the signal
  remove_all();
}

// ---- what is to be ----

Status KubeProxyIpvs::check(const Service& service) const {
  const Frontend& frontend = service.frontend;
  if (service.kind == FrontendKind::node_port || frontend.address.is_unspecified()) {
    return failure(
        "the ipvs plane has no virtual server for the NodePort {}: kube-proxy makes one for each address "
        "of "
        "the node, and none is known here (leave NodePorts out)",
        frontend.text());
  }
  if (tools_.iptables_restore[index_of(frontend.address.family)].empty()) {
    return failure(
        "there are IPv6 services, but no ip6tables-restore beside {} (install the iptables package "
        "whole)",
        tools_.iptables_restore[index_of(Family::ipv4)]);
  }
  return {};
}

Status KubeProxyIpvs::replace_services(std::span<const Service> services) {
  services_.assign(services.begin(), services.end());
  position_.clear();
  users_.clear();
  std::array<std::size_t, 2> count{};
  for (std::size_t i = 0; i < services_.size(); ++i) {
    const Frontend& frontend = services_[i].frontend;
    SVCB_CHECK(check(services_[i]));
    if (!position_.emplace(frontend, i).second) {
      return failure("two services have the frontend {}: which of them packets meet is not defined",
                     frontend.text());
    }
    ++users_[frontend.address];
    if (++count[index_of(frontend.address.family)] > ipset_capacity) {
      return failure("{} has room for {} services, as kube-proxy makes it, and there are more",
                     ipset_name(cluster_ip_set, frontend.address.family), ipset_capacity);
    }
  }
  return {};
}

std::vector<Address> KubeProxyIpvs::addresses() const {
  std::vector<Address> result;
  result.reserve(users_.size());
  for (const auto& [address, users] : users_) {
    result.push_back(address);
  }
  return result;
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
  staged.frontend = frontend;
  const auto wanted = ascending(change.service.endpoints);
  switch (change.operation) {
    case Operation::change_endpoints: {
      const auto before = ascending(services_[entry->second].endpoints);
      staged.come = difference(wanted, before);
      staged.go = difference(before, wanted);
      services_[entry->second] = change.service;
      break;
    }
    case Operation::add_service:
      staged.come = wanted;
      staged.address = ++users_[frontend.address] == 1;
      position_.emplace(frontend, services_.size());
      services_.push_back(change.service);
      break;
    case Operation::remove_service: {
      const auto users = users_.find(frontend.address);
      staged.address = --users->second == 0;
      if (staged.address) {
        users_.erase(users);
      }
      // The last one takes its place.
      const std::size_t removed = entry->second;
      position_[services_.back().frontend] = removed;
      std::swap(services_[removed], services_.back());
      services_.pop_back();
      position_.erase(frontend);
      break;
    }
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
  SVCB_CHECK(program(services));
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
    const Family family = change.service.frontend.address.family;
    staged_->rules = ipvs_rules(family, site_.cluster_cidr.of(family), false);
    for (const Service& service : services_) {
      if (service.frontend.address.family == family) {
        staged_->cluster_ips.insert(cluster_ip_member(service.frontend));
        staged_->ips.insert(service.frontend.address.text());
      }
    }
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
  const Family family = staged.frontend.address.family;
  const Stopwatch committing;
  const std::size_t before = messages_so_far();
  if (!programmed_family(family)) {
    SVCB_CHECK(program_family(family, ipset_restore({}, {}, family),
                              ipvs_rules(family, site_.cluster_cidr.of(family), true)));
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
  for (const Family family : families) {
    if (!families_[index_of(family)]) {
      continue;
    }
    SVCB_TAKE(cluster_ips, members(cluster_ip_set, family));
    SVCB_TAKE(ips, members(ipvs_ips_set, family));
    std::size_t count = 0;
    for (const IpvsService& service : services) {
      const Address& address = service.frontend.address;
      if (address.family != family) {
        continue;
      }
      ++count;
      used.insert(address);
      if (!addresses.contains(address)) {
        return failure("the virtual server {} is there, but its address is not bound to {}",
                       service.frontend.text(), device_name);
      }
      if (!cluster_ips.contains(cluster_ip_member(service.frontend)) || !ips.contains(address.text())) {
        return failure("the virtual server {} is there, but not in the ipsets {} and {}",
                       service.frontend.text(), ipset_name(cluster_ip_set, family),
                       ipset_name(ipvs_ips_set, family));
      }
    }
    if (cluster_ips.size() != count) {
      return failure("{} has {} members for {} virtual servers", ipset_name(cluster_ip_set, family),
                     cluster_ips.size(), count);
    }
    const auto own = static_cast<std::size_t>(std::count_if(
        used.begin(), used.end(), [family](const auto& one) { return one.family == family; }));
    if (ips.size() != own) {
      return failure("{} has {} members for {} service addresses", ipset_name(ipvs_ips_set, family),
                     ips.size(), own);
    }
  }
  if (used.size() != addresses.size()) {
    return failure("{} has {} addresses for {} of the virtual servers", device_name, addresses.size(),
                   used.size());
  }
  return services.size();
}

Result<std::optional<Service>> KubeProxyIpvs::find(const Frontend& frontend) const {
  SVCB_TAKE(found, ipvs_.service(frontend));
  if (!found) {
    return std::nullopt;
  }
  if (!as_made(*found)) {
    return failure("the virtual server {} is not kube-proxy's: scheduler {}, flags {:#x}, timeout {} s",
                   frontend.text(), found->scheduler, found->flags, found->timeout);
  }
  SVCB_TAKE(destinations, ipvs_.destinations(frontend));
  Service service;
  service.frontend = found->frontend;
  for (const IpvsDestination& one : destinations) {
    if (one.weight != 1 || (one.forwarding & IP_VS_CONN_F_FWD_MASK) != IP_VS_CONN_F_MASQ) {
      return failure("the real server {} of {} is not kube-proxy's: weight {}, forwarding {}",
                     one.endpoint.text(), frontend.text(), one.weight, one.forwarding);
    }
    service.endpoints.push_back(one.endpoint);
  }
  std::sort(service.endpoints.begin(), service.endpoints.end());
  return service;
}

Service KubeProxyIpvs::programmed(const Service& service) const {
  Service result = service;
  result.name.clear();
  result.endpoints = ascending(std::move(result.endpoints));
  return result;
}

// ---- the kernel ----

Status KubeProxyIpvs::program(std::span<const Service> services) {
  // Texts first: they are generated, not committed.
  const Stopwatch generating;
  const std::vector<Address> all = addresses();
  std::array<std::string, 2> sets;
  std::array<std::string, 2> rules;
  for (const Family family : families) {
    const bool has_services = std::any_of(
        all.begin(), all.end(), [family](const Address& address) { return address.family == family; });
    if (has_services) {
      sets[index_of(family)] = ipset_restore(services, all, family);
      rules[index_of(family)] = ipvs_rules(family, site_.cluster_cidr.of(family), true);
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
  for (const Service& service : services) {
    SVCB_CHECK(ipvs_.add_service(service.frontend, scheduler));
    for (const Endpoint& endpoint : ascending(service.endpoints)) {
      SVCB_CHECK(ipvs_.add_destination(service.frontend, endpoint));
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
  const Frontend& frontend = change.frontend;
  const Family family = frontend.address.family;
  const std::string cluster_ips = ipset_name(cluster_ip_set, family);
  const std::string ips = ipset_name(ipvs_ips_set, family);
  const std::string member = cluster_ip_member(frontend);
  const std::span<const Address> address(&frontend.address, change.address ? 1 : 0);

  if (change.operation == Operation::remove_service) {
    SVCB_CHECK(ipset({"del", cluster_ips, member}));
    if (change.address) {
      SVCB_CHECK(ipset({"del", ips, frontend.address.text()}));
    }
    SVCB_CHECK(ipvs_.remove_service(frontend));
    return device_->unbind(address);
  }
  if (change.operation == Operation::add_service) {
    SVCB_CHECK(ipvs_.add_service(frontend, scheduler));
    SVCB_CHECK(device_->bind(address));
  }
  for (const Endpoint& endpoint : change.come) {
    SVCB_CHECK(ipvs_.add_destination(frontend, endpoint));
  }
  for (const Endpoint& endpoint : change.go) {
    SVCB_CHECK(ipvs_.remove_destination(frontend, endpoint));
  }
  if (change.operation == Operation::add_service) {
    SVCB_CHECK(ipset({"add", cluster_ips, member}));
    if (change.address) {
      SVCB_CHECK(ipset({"add", ips, frontend.address.text()}));
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
  const Frontend& frontend = service.frontend;
  SVCB_TAKE(found, ipvs_.service(frontend));
  if (!found) {
    SVCB_CHECK(ipvs_.add_service(frontend, scheduler));
  } else if (!as_made(*found)) {
    SVCB_CHECK(ipvs_.set_service(frontend, scheduler));
  }
  if (bound.insert(frontend.address).second) {
    SVCB_CHECK(device_->bind({&frontend.address, 1}));
  }

  SVCB_CHECK(ipvs_.service(frontend));
  SVCB_TAKE(destinations, ipvs_.destinations(frontend));
  std::vector<Endpoint> current;
  current.reserve(destinations.size());
  for (const IpvsDestination& one : destinations) {
    current.push_back(one.endpoint);
  }
  std::sort(current.begin(), current.end());
  const auto wanted = ascending(service.endpoints);
  for (const Endpoint& endpoint : difference(wanted, current)) {
    SVCB_CHECK(ipvs_.add_destination(frontend, endpoint));
  }
  for (const Endpoint& endpoint : difference(current, wanted)) {
    SVCB_CHECK(ipvs_.destinations(frontend));  // graceful termination looks for open connections
    SVCB_CHECK(ipvs_.remove_destination(frontend, endpoint));
  }
  return {};
}

Status KubeProxyIpvs::sync_set(const IpsetShape& shape, Family family, const Staged& wanted) {
  static const std::unordered_set<std::string> none;
  const std::string name = ipset_name(shape.name, family);
  const auto& active = shape.name == cluster_ip_set ? wanted.cluster_ips
                       : shape.name == ipvs_ips_set ? wanted.ips
                                                    : none;
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
    if (service.frontend.address.family == family && !position_.contains(service.frontend)) {
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
  return check_result(result, program,
                      " (the kernel needs ip_set and the iptables match set: load the modules ip_set and "
                      "xt_set)");
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

Result<std::unique_ptr<DataPlane>> make_ipvs(const PlaneSite& site) {
  SVCB_TAKE(plane, KubeProxyIpvs::make(site));
  return plane;
}

}  // namespace svcbench::kube_proxy
