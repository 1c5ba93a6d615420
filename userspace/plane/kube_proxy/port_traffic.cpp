// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/port_traffic.h"

#include <algorithm>

namespace svcbench::kube_proxy {
namespace {

bool holds(const std::vector<Endpoint>& endpoints, const Endpoint& wanted) {
  return std::find(endpoints.begin(), endpoints.end(), wanted) != endpoints.end();
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
  std::vector<Endpoint> all = cluster;
  std::copy_if(local.begin(), local.end(), std::back_inserter(all),
               [&](const Endpoint& endpoint) { return !holds(cluster, endpoint); });
  return all;
}

Status PortTraffic::add(const Service& service) {
  const FrontendKind kind = kind_of(service);
  if (frontends() != 0) {
    const bool other_cluster = cluster != cluster_endpoints(service);
    const bool knows_local = (has_cluster_ip && internal_local) || (externals != 0 && external_local);
    if (other_cluster || (service.local_only && knows_local && local != service.endpoints)) {
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
  }
  cluster = cluster_endpoints(service);
  affinity_seconds = service.affinity_seconds;
  policy(kind) = service.local_only;
  if (service.local_only) {
    local = service.endpoints;
  }
  return {};
}

void PortTraffic::remove(FrontendKind kind) {
  if (kind == FrontendKind::cluster_ip) {
    has_cluster_ip = false;
  } else {
    --externals;
  }
  if (kind == FrontendKind::cluster_ip || externals == 0) {
    policy(kind) = false;
  }
  if (!internal_local && !external_local) {
    local.clear();
  }
}

void PortTraffic::change(const Service& service) {
  policy(kind_of(service)) = service.local_only;
  affinity_seconds = service.affinity_seconds;
  cluster = cluster_endpoints(service);
  if (service.local_only) {
    local = service.endpoints;
  } else {
    std::erase_if(local, [&](const Endpoint& endpoint) { return !holds(cluster, endpoint); });
  }
  if (!internal_local && !external_local) {
    local.clear();
  }
}

Service readable(const Service& service) {
  Service result = service;
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
    result.cluster_endpoints = cluster_endpoints(service);
  }
  return result;
}

}  // namespace svcbench::kube_proxy
