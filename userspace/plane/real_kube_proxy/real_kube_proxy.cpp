// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/real_kube_proxy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "plane/iptables_restore.h"
#include "plane/kube_proxy/iptables.h"
#include "plane/kube_proxy/nftables.h"
#include "plane/kube_proxy/nftables_rules.h"
#include "plane/real_kube_proxy/metrics.h"
#include "sys/child_process.h"
#include "sys/memfd.h"
#include "sys/route_socket.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

using kubernetes::Objects;
using kubernetes::Programmed;

constexpr std::string_view node_name = "svcbench-node";
constexpr std::array families{Family::ipv4, Family::ipv6};

// A change of several objects may be two syncs: the second begins minSyncPeriod after the first, and may
// take as long, and half as long again.
std::int64_t patience_for_second_ns(const kubernetes::CompletedSync& first) {
  constexpr std::int64_t between_syncs_ns = 50'000'000;
  return between_syncs_ns + first.elapsed_ns + first.elapsed_ns / 2;
}

// ---- iptables: whichever back end kube-proxy finds, which is the one on PATH ----

Result<Programmed> read_iptables(Family family) {
  SVCB_TAKE(backend, find_iptables(std::nullopt));
  SVCB_TAKE(nat, saved_table(backend, family, "nat"));
  SVCB_TAKE(filter, saved_table(backend, family, "filter"));
  return kubernetes::programmed_by_iptables(nat, filter, family);
}

Status clear_iptables(Family family) {
  SVCB_TAKE(backend, find_iptables(std::nullopt));
  SVCB_TAKE(program, restore_program(backend, family));
  SVCB_TAKE(empty, memfd_of("no-rules", "*mangle\nCOMMIT\n*filter\nCOMMIT\n*nat\nCOMMIT\n"));
  SVCB_TAKE(cleared, run_restore(program, empty, {.what = "empty tables", .interruptible = false}));
  return {};
}

// ---- nftables ----

Result<ChildResult> nft_on_table(std::vector<std::string> words, Family family, bool interruptible) {
  words.insert(words.begin(), "nft");
  words.insert(words.end(),
               {"table", std::string(kube_proxy::nft_family(family)), std::string(kube_proxy::nft_table)});
  ChildOptions options;
  options.interruptible = interruptible;
  SVCB_TAKE(result, run_child(words, options));
  if (result.exit_status != 0) {
    return failure("{} failed: exit status {}, {}", fmt::join(words, " "), result.exit_status,
                   result.first_error_line());
  }
  return result;
}

Result<Programmed> read_nftables(Family family) {
  SVCB_TAKE(listed, nft_on_table({"-j", "list"}, family, true));
  return kubernetes::programmed_by_nftables(listed.out, family);
}

Status clear_nftables(Family family) {
  SVCB_TAKE(deleted, nft_on_table({"delete"}, family, false));
  return {};
}

Result<std::unique_ptr<DataPlane>> make(const RealKubeProxy::Mode& mode,
                                        const PlaneConfiguration& configuration) {
  if (configuration.kube_proxy.binary.empty()) {
    return failure("kube-proxy-{} runs a kube-proxy of yours: give it with --kube-proxy PATH", mode.name);
  }
  return std::make_unique<RealKubeProxy>(mode, configuration, RealKubeProxy::Patience{});
}

void add(const Objects& from, Objects& to) { to.insert(from.begin(), from.end()); }

}  // namespace

Status probe_kube_proxy_iptables() { return probe_iptables_nft(); }
Status probe_kube_proxy_nftables() { return probe_nftables(); }

Result<std::unique_ptr<DataPlane>> make_kube_proxy_iptables(const PlaneConfiguration& configuration) {
  return make(RealKubeProxy::iptables(), configuration);
}
Result<std::unique_ptr<DataPlane>> make_kube_proxy_nftables(const PlaneConfiguration& configuration) {
  return make(RealKubeProxy::nftables(), configuration);
}

RealKubeProxy::Mode RealKubeProxy::iptables() { return {"iptables", read_iptables, clear_iptables}; }
RealKubeProxy::Mode RealKubeProxy::nftables() { return {"nftables", read_nftables, clear_nftables}; }

RealKubeProxy::~RealKubeProxy() {
  const bool ran = process_.has_value();
  process_.reset();
  server_.reset();
  for (const Family family : families) {
    if (ran) {
      // Nobody to tell of a failure: the namespace, and all in it, ends with the process anyway.
      (void)mode_.clear(family);
    }
  }
}

Status RealKubeProxy::start() {
  SVCB_CHECK(bring_up_loopback());  // the way between both
  SVCB_TAKE(server, kubernetes::ApiServer::start(*store_));
  server_ = std::move(server);
  SVCB_TAKE(process,
            kubernetes::KubeProxyProcess::start(mode_.name, node_name, server_->port(), configuration_));
  process_.emplace(std::move(process));
  return {};
}

Result<kubernetes::CompletedSync> RealKubeProxy::wait_for_sync(Family family, std::int64_t since_ns,
                                                               std::string_view what) {
  const std::int64_t patience = what == "start" ? patience_.start_ns : patience_.change_ns;
  SVCB_TAKE(sync, process_->next_sync(family, since_ns, patience));
  if (!sync) {
    return failure("{} did not say within {} s of its {} that its rules are complete; its last words: {}",
                   configuration_.kube_proxy.binary, patience / 1'000'000'000, what,
                   process_->last_words());
  }
  return *sync;
}

Status RealKubeProxy::install(std::span<const Service> services) {
  const Stopwatch generating;
  staged_.reset();
  accounted_seconds_ = 0;
  serves_metrics_ = true;
  process_.reset();
  server_.reset();
  owners_.clear();
  held_ = {};
  cost_ = {};
  for (const Service& service : services) {
    owners_[std::string(kubernetes::owner_of(service))].frontends.push_back(service);
  }
  Objects all;
  for (auto& [name, owned] : owners_) {
    SVCB_TAKE(objects, kubernetes::objects_of(owned.frontends, node_name));
    owned.objects = std::move(objects);
    add(owned.objects, all);
  }
  all[{kubernetes::Resource::nodes, std::string(node_name)}] =
      kubernetes::node_object(node_name, configuration_.node_addresses);
  for (std::size_t i = 0; i < configuration_.kube_proxy.service_cidrs.size(); ++i) {
    const std::string name = fmt::format("range-{}", i);
    all[{kubernetes::Resource::service_cidrs, name}] =
        kubernetes::service_cidr_object(name, configuration_.kube_proxy.service_cidrs[i]);
  }
  store_ = std::make_unique<kubernetes::ObjectStore>();
  store_->put(all);
  cost_.generate_ns = generating.ns();

  const Family family = services.empty() ? Family::ipv4 : services.front().frontend.address.family;
  const std::int64_t begun_ns = monotonic_ns();
  SVCB_CHECK(start());
  for (;;) {
    SVCB_TAKE(sync, wait_for_sync(family, begun_ns, "start"));
    held_ = {};
    SVCB_TAKE(count, entries());
    if (count >= services.size()) {
      note_cost(sync.end_ns - begun_ns, {});
      return {};
    }
  }
}

Status RealKubeProxy::stage(const Change& change) {
  const Stopwatch generating;
  staged_.reset();
  Staged staged;
  staged.family = change.service.frontend.address.family;
  staged.owner = kubernetes::owner_of(change.service);
  const auto found = owners_.find(staged.owner);
  const Owned before = found == owners_.end() ? Owned{} : found->second;
  auto& frontends = staged.after.frontends = before.frontends;
  const auto same = std::find_if(frontends.begin(), frontends.end(), [&](const Service& one) {
    return one.frontend == change.service.frontend;
  });
  if ((same == frontends.end()) != (change.operation == Operation::add_service)) {
    return failure("{} {}: there is {} such service at {}", to_string(change.operation),
                   change.service.name, same == frontends.end() ? "no" : "already a",
                   change.service.frontend.text());
  }
  switch (change.operation) {
    case Operation::add_service:
      frontends.push_back(change.service);
      break;
    case Operation::change_endpoints:
      *same = change.service;
      break;
    case Operation::remove_service:
      frontends.erase(same);
      break;
  }
  SVCB_TAKE(objects, kubernetes::objects_of(frontends, node_name));
  staged.after.objects = std::move(objects);
  for (const auto& [key, object] : before.objects) {
    if (!staged.after.objects.contains(key)) {
      staged.gone.push_back(key);
    }
  }
  staged_ = std::move(staged);
  cost_ = {};
  cost_.generate_ns = generating.ns();
  return {};
}

Status RealKubeProxy::commit() {
  if (!staged_) {
    return {};
  }
  Staged staged = *std::exchange(staged_, std::nullopt);
  held_ = {};
  SVCB_TAKE(before, process_->times());
  const std::int64_t begun_ns = monotonic_ns();
  const std::size_t events = store_->put(staged.after.objects) + store_->remove(staged.gone);
  if (staged.after.frontends.empty()) {
    owners_.erase(staged.owner);
  } else {
    owners_[staged.owner] = std::move(staged.after);
  }
  if (events == 0) {
    return {};
  }
  SVCB_TAKE(sync, wait_for_sync(staged.family, begun_ns, "change"));
  std::int64_t end_ns = sync.end_ns;
  if (events > 1) {
    SVCB_TAKE(second, process_->next_sync(staged.family, begun_ns, patience_for_second_ns(sync)));
    end_ns = second ? second->end_ns : end_ns;
  }
  note_cost(end_ns - begun_ns, before);
  return {};
}

std::optional<ControllersAccount> RealKubeProxy::controllers_account() {
  constexpr std::int64_t patience_ns = 2'000'000'000;
  if (!process_ || !serves_metrics_) {
    return std::nullopt;
  }
  const auto metrics = kubernetes::fetch_metrics(kubernetes::metrics_port, patience_ns);
  const auto account = metrics ? kubernetes::sync_account(*metrics) : std::nullopt;
  serves_metrics_ = account.has_value();
  if (!account) {
    return std::nullopt;
  }
  const double seconds = account->seconds - std::exchange(accounted_seconds_, account->seconds);
  const auto peak = process_->peak_bytes();
  return ControllersAccount{.sync_ns = std::llround(seconds * 1e9),
                            .peak_bytes = peak ? std::optional<std::uint64_t>(*peak) : std::nullopt};
}

void RealKubeProxy::note_cost(std::int64_t ns, const ProcessTimes& before) {
  cost_.commit_ns = ns;
  cost_.tools = 1;
  if (const auto now = process_->times()) {
    cost_.user_us = now->user_us - before.user_us;
    cost_.system_us = now->system_us - before.system_us;
  }
}

Result<const Programmed*> RealKubeProxy::held(Family family) const {
  auto& held = held_[static_cast<std::size_t>(family)];
  if (!held) {
    SVCB_TAKE(read, mode_.read_back(family));
    held = std::move(read);
  }
  return &*held;
}

Result<std::size_t> RealKubeProxy::entries() const {
  std::array<bool, 2> used{};
  for (const auto& [name, owned] : owners_) {
    for (const Service& service : owned.frontends) {
      used[static_cast<std::size_t>(service.frontend.address.family)] = true;
    }
  }
  std::size_t count = 0;
  for (const Family family : families) {
    if (used[static_cast<std::size_t>(family)]) {
      SVCB_TAKE(programmed, held(family));
      count += programmed->size();
    }
  }
  return count;
}

Result<std::optional<Service>> RealKubeProxy::find(const Frontend& frontend) const {
  SVCB_TAKE(programmed, held(frontend.address.family));
  const auto found = programmed->find(frontend);
  if (found == programmed->end()) {
    return std::optional<Service>{};
  }
  Service service;
  service.frontend = frontend;
  service.endpoints = found->second;
  return std::optional(std::move(service));
}

Service RealKubeProxy::programmed(const Service& service) const {
  Service result;
  result.frontend = service.frontend;
  result.endpoints = service.endpoints;
  std::sort(result.endpoints.begin(), result.endpoints.end());
  result.endpoints.erase(std::unique(result.endpoints.begin(), result.endpoints.end()),
                         result.endpoints.end());
  return result;
}

}  // namespace svcbench
