// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/kube_proxy_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "plane/iptables_restore.h"
#include "plane/kube_proxy/iptables.h"
#include "plane/kube_proxy/nftables.h"
#include "plane/kube_proxy/nftables_rules.h"
#include "plane/real_kube_proxy/api_server.h"
#include "plane/real_kube_proxy/kube_proxy_process.h"
#include "plane/real_kube_proxy/object_store.h"
#include "service/address_range.h"
#include "sys/child_process.h"
#include "sys/net_namespace.h"
#include "sys/route_socket.h"
#include "sys/stopwatch.h"

namespace svcbench::verify {

namespace {

using kube_proxy::Mode;
using kube_proxy::RuleListing;

constexpr std::int64_t second_ns = 1'000'000'000;
constexpr std::int64_t first_sync_patience_ns = 120 * second_ns;

std::vector<Family> families_of(std::span<const Service> services) {
  std::vector<Family> used;
  for (const Family family : {Family::ipv4, Family::ipv6}) {
    if (std::any_of(services.begin(), services.end(),
                    [&](const Service& service) { return service.frontend.address.family == family; })) {
      used.push_back(family);
    }
  }
  return used.empty() ? std::vector{Family::ipv4} : used;
}

Result<RuleListing> listed(Mode mode, Family family) {
  if (mode == Mode::nftables) {
    SVCB_TAKE(result,
              run_child({"nft", "--stateless", "list", "table", std::string(kube_proxy::nft_family(family)),
                         std::string(kube_proxy::nft_table)}));
    // No table is a listing too: of nothing.
    return kube_proxy::listing_of_nftables(result.exit_status == 0 ? result.out : "");
  }
  SVCB_TAKE(backend, find_iptables(std::nullopt));
  std::string saved;
  for (const char* table : {"mangle", "nat", "filter"}) {
    SVCB_TAKE(text, saved_table(backend, family, table));
    saved += text;
  }
  return kube_proxy::listing_of_iptables(saved);
}

using Listings = std::map<Family, RuleListing>;

Result<Listings> listed(Mode mode, std::span<const Family> families) {
  Listings all;
  for (const Family family : families) {
    SVCB_TAKE(one, listed(mode, family));
    all[family] = std::move(one);
  }
  return all;
}

Result<std::unique_ptr<DataPlane>> plane_of(Mode mode, const PlaneConfiguration& configuration) {
  if (mode == Mode::nftables) {
    return make_nftables(configuration);
  }
  SVCB_TAKE(backend, find_iptables(std::nullopt));  // the one that kube-proxy finds
  return std::make_unique<KubeProxyIptables>(backend, configuration);
}

// Until it has said for a while of no further sync: a version has one for each family, and of a large
// cluster may make a second one when it has all of it.
Status wait_until_settled(kubernetes::KubeProxyProcess& process, const std::string& binary) {
  SVCB_TAKE(first, process.next_sync(std::nullopt, 0, first_sync_patience_ns));
  if (!first) {
    return failure(
        "{} did not say within {} s of its start that its rules are complete; its last words: {}", binary,
        first_sync_patience_ns / second_ns, process.last_words());
  }
  std::int64_t elapsed_ns = first->elapsed_ns;
  for (;;) {
    SVCB_TAKE(next, process.next_sync(std::nullopt, 0, 2 * second_ns + 2 * elapsed_ns));
    if (!next) {
      return {};
    }
    elapsed_ns = std::max(elapsed_ns, next->elapsed_ns);
  }
}

// Runs `work` in a node of its own, which has these addresses.
Result<Listings> in_node(const PlaneConfiguration& configuration,
                         const std::function<Result<Listings>()>& work) {
  SVCB_TAKE(place, NetNamespace::create());
  SVCB_TAKE(inside, place.enter());
  SVCB_CHECK(bring_up_loopback());
  SVCB_TAKE(routes, RouteSocket::open());
  SVCB_TAKE(loopback, routes.index_of("lo"));
  for (const Address& address : configuration.node_addresses) {
    SVCB_CHECK(routes.add_address(loopback, {address, bits_of(address.family)}));
  }
  return work();
}

Result<Listings> written_by_svcbench(Mode mode, std::span<const Family> families,
                                     const RulesSubject& subject, const PlaneConfiguration& configuration) {
  return in_node(configuration, [&]() -> Result<Listings> {
    SVCB_TAKE(plane, plane_of(mode, configuration));
    SVCB_CHECK(plane->install(subject.services));
    return listed(mode, families);
  });
}

Result<Listings> written_by_kube_proxy(Mode mode, std::span<const Family> families,
                                       const RulesSubject& subject, std::string_view node,
                                       const PlaneConfiguration& configuration) {
  return in_node(configuration, [&]() -> Result<Listings> {
    kubernetes::ObjectStore store;
    store.put(subject.objects);
    SVCB_TAKE(server, kubernetes::ApiServer::start(store));
    SVCB_TAKE(process, kubernetes::KubeProxyProcess::start(kube_proxy::to_string(mode), node,
                                                           server->port(), configuration));
    SVCB_CHECK(wait_until_settled(process, configuration.kube_proxy.binary));
    return listed(mode, families);
  });
}

}  // namespace

std::vector<Address> rules_node_addresses(std::span<const Service> services) {
  // Of the ranges that are kept for benchmarks and for documentation.
  std::vector<Address> addresses;
  for (const Family family : families_of(services)) {
    addresses.push_back(Address::parse(family == Family::ipv4 ? "198.18.0.1" : "2001:db8::1").value());
  }
  return addresses;
}

Result<RulesSubject> rules_subject(std::vector<Service> services, std::string what) {
  RulesSubject subject;
  subject.what = std::move(what);
  const std::vector<Address> addresses = rules_node_addresses(services);
  SVCB_TAKE(objects, kubernetes::objects_of_all(services, rules_node));
  subject.objects = std::move(objects);
  subject.objects[{kubernetes::Resource::nodes, std::string(rules_node)}] =
      kubernetes::node_object(rules_node, addresses);
  subject.services = std::move(services);
  return subject;
}

Result<KubeProxyRules> compare_with_kube_proxy(const RulesSubject& subject, std::span<const Mode> modes,
                                               std::string_view node, const KubeProxyOptions& options) {
  KubeProxyRules result{.binary = options.binary,
                        .binary_version = options.binary_version,
                        .subject = subject.what,
                        .frontends = subject.services.size()};
  const auto families = families_of(subject.services);
  PlaneConfiguration configuration;
  configuration.kube_proxy = options;
  configuration.kube_proxy.service_cidrs = subject.service_cidrs;
  configuration.node_addresses = rules_node_addresses(subject.services);
  const std::string_view number =
      std::string_view(options.binary_version).substr(0, options.binary_version.find_first_of("-+"));
  const auto version = kube_proxy::Version::parse(number);
  for (const Mode mode : modes) {
    if (!version || !version->check(mode)) {
      result.modes.push_back(
          {.mode = mode,
           .why_not = fmt::format("it is {}, and svcbench knows the rules of {} in this mode",
                                  options.binary_version, kube_proxy::versions_of(mode))});
      continue;
    }
    configuration.kube_proxy.version = *version;
    SVCB_TAKE(ours, written_by_svcbench(mode, families, subject, configuration));
    SVCB_TAKE(theirs, written_by_kube_proxy(mode, families, subject, node, configuration));
    for (const Family family : families) {
      result.modes.push_back({.mode = mode,
                              .family = family,
                              .compared = kube_proxy::compare_rules(ours[family], theirs[family])});
    }
  }
  return result;
}

int exit_code(const KubeProxyRules& rules) {
  return std::any_of(rules.modes.begin(), rules.modes.end(),
                     [](const RulesOfMode& one) { return !one.compared.differences.empty(); })
             ? 3
             : 0;
}

}  // namespace svcbench::verify
