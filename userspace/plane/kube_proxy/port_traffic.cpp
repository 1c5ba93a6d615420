// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/port_traffic.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "service/address_range.h"

namespace svcbench::kube_proxy {
namespace {

bool holds(const std::vector<Endpoint>& endpoints, const Endpoint& wanted) {
  return std::find(endpoints.begin(), endpoints.end(), wanted) != endpoints.end();
}

std::vector<Endpoint> joined(const std::vector<Endpoint>& some, const std::vector<Endpoint>& others) {
  std::vector<Endpoint> all = some;
  std::copy_if(others.begin(), others.end(), std::back_inserter(all),
               [&](const Endpoint& endpoint) { return !holds(some, endpoint); });
  return all;
}

// The Cluster policy's. One who knows of no other nodes has this one's only.
const std::vector<Endpoint>& cluster_endpoints(const Service& service) {
  return service.local_only && !service.cluster_endpoints.empty() ? service.cluster_endpoints
                                                                  : service.endpoints;
}

}  // namespace

FrontendKind kind_of(const Service& service) {
  if (service.frontend.address.is_unspecified()) {
    return FrontendKind::node_port;
  }
  return service.kind == FrontendKind::node_port ? FrontendKind::cluster_ip : service.kind;
}

std::vector<Endpoint> PortTraffic::reachable() const {
  if (!uses_local()) {
    return uses_cluster() ? cluster : std::vector<Endpoint>{};
  }
  if (!uses_cluster()) {
    return local;
  }
  return joined(cluster, local);
}

std::size_t PortTraffic::known() const { return std::max(counted, joined(cluster, local).size()); }

Status PortTraffic::add(const Service& service) {
  const FrontendKind kind = kind_of(service);
  if (frontends() != 0) {
    const bool other_cluster = cluster != in_text_order(cluster_endpoints(service));
    const bool knows_local = (has_cluster_ip && internal_local) || (externals != 0 && external_local);
    if (other_cluster || (service.local_only && knows_local && local != in_text_order(service.endpoints))) {
      return usage_error("{} ({}) has different endpoints than the other frontends of its port",
                         service.frontend.text(), service.name);
    }
    if (affinity_seconds != service.affinity_seconds) {
      return usage_error("{} ({}) has another session affinity than the other frontends of its port",
                         service.frontend.text(), service.name);
    }
    if (kind != FrontendKind::cluster_ip && externals != 0 && external_local != service.local_only) {
      return usage_error("{} ({}) has another traffic policy than the other external frontends of its port",
                         service.frontend.text(), service.name);
    }
  }
  if (kind == FrontendKind::cluster_ip) {
    has_cluster_ip = true;
  } else {
    ++externals;
    balancers += kind == FrontendKind::load_balancer ? 1 : 0;
  }
  set_endpoints(service);
  return {};
}

void PortTraffic::set_endpoints(const Service& service) {
  cluster = in_text_order(cluster_endpoints(service));
  affinity_seconds = service.affinity_seconds;
  counted = service.counted_endpoints;
  health_check_port = service.health_check_port;
  policy(kind_of(service)) = service.local_only;
  if (kind_of(service) == FrontendKind::load_balancer) {
    source_ranges = service.source_ranges;
  }
  if (service.local_only) {
    local = in_text_order(service.endpoints);
  }
}

void PortTraffic::remove(FrontendKind kind) {
  if (kind == FrontendKind::cluster_ip) {
    has_cluster_ip = false;
  } else {
    --externals;
    balancers -= kind == FrontendKind::load_balancer ? 1 : 0;
  }
  if (kind == FrontendKind::cluster_ip || externals == 0) {
    policy(kind) = false;
  }
  if (!internal_local && !external_local) {
    local.clear();
  }
}

void PortTraffic::change(const Service& service) {
  set_endpoints(service);
  if (!service.local_only) {
    std::erase_if(local, [&](const Endpoint& endpoint) { return !holds(cluster, endpoint); });
  }
  if (!internal_local && !external_local) {
    local.clear();
  }
}

std::vector<Endpoint> in_text_order(std::vector<Endpoint> endpoints) {
  if (endpoints.size() < 2) {
    return endpoints;
  }
  std::vector<std::pair<std::string, Endpoint>> texts;
  texts.reserve(endpoints.size());
  for (const Endpoint& endpoint : endpoints) {
    texts.emplace_back(endpoint.text(), endpoint);
  }
  std::sort(texts.begin(), texts.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::transform(texts.begin(), texts.end(), endpoints.begin(), [](const auto& one) { return one.second; });
  return endpoints;
}

bool allows_node(std::span<const std::string> source_ranges, std::span<const Address> node_addresses,
                 Family family) {
  const auto node = std::find_if(node_addresses.begin(), node_addresses.end(),
                                 [&](const Address& address) { return address.family == family; });
  return node != node_addresses.end() &&
         std::any_of(source_ranges.begin(), source_ranges.end(), [&](const std::string& text) {
           const auto range = AddressRange::parse(text);
           return range && range->contains(*node);
         });
}

Service readable(const Service& service) {
  Service result = service;
  result.endpoints = in_text_order(std::move(result.endpoints));
  result.source_ranges.clear();
  result.own_endpoints.clear();
  result.health_check_port = 0;
  result.counted_endpoints = 0;
  result.kind = kind_of(service);
  result.weights.clear();
  result.terminating.clear();
  const bool none = cluster_endpoints(service).empty();
  const bool is_external = result.kind != FrontendKind::cluster_ip;
  if (none) {
    result.local_only = false;
  }
  if (none || (service.local_only && service.endpoints.empty() && !is_external)) {
    result.affinity_seconds = 0;
  }
  if (!result.local_only || !is_external) {
    result.cluster_endpoints.clear();
  } else {
    result.cluster_endpoints = in_text_order(cluster_endpoints(service));
  }
  return result;
}

}  // namespace svcbench::kube_proxy
