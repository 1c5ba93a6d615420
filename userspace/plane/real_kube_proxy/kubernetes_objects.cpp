// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/kubernetes_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace svcbench::kubernetes {

namespace {

using nlohmann::json;

constexpr std::string_view other_node = "another-node";

std::string_view port_name_of(const Service& service) {
  const std::size_t colon = service.name.find(':');
  return colon == std::string::npos ? std::string_view{} : std::string_view(service.name).substr(colon + 1);
}

// Stands for any other: nothing here looks at one but to tell objects apart.
std::string uid_of(std::string_view kind, std::string_view name) {
  return fmt::format("{}:{}", kind, name);
}

json metadata(std::string_view kind, std::string_view full_name) {
  const std::size_t slash = full_name.find('/');
  json out{{"name", full_name.substr(slash == std::string_view::npos ? 0 : slash + 1)},
           {"uid", uid_of(kind, full_name)},
           {"creationTimestamp", "2026-01-01T00:00:00Z"}};
  if (slash != std::string_view::npos) {
    out["namespace"] = full_name.substr(0, slash);
  }
  return out;
}

// Adds what is not there yet.
void add_once(json& array, json value) {
  if (std::find(array.begin(), array.end(), value) == array.end()) {
    array.push_back(std::move(value));
  }
}

// A Service's ports, which its frontends tell apart by name.
class Ports {
 public:
  json& of(const Service& service) {
    const std::string name(port_name_of(service));
    const std::string protocol(to_string(service.frontend.protocol));
    for (json& port : ports_) {
      if (port.value("name", "") == name && port["protocol"] == protocol) {
        return port;
      }
    }
    ports_.push_back({{"name", name}, {"protocol", protocol}});
    return ports_.back();
  }

  [[nodiscard]] json take() { return std::move(ports_); }

 private:
  json ports_ = json::array();
};

Status add_frontend(const Service& service, json& spec, json& ingress, Ports& ports) {
  const std::string address = service.frontend.address.text();
  json& port = ports.of(service);
  const auto set_port = [&](const char* member) -> Status {
    if (port.contains(member) && port[member] != service.frontend.port) {
      return failure("{} has the ports {} and {}: one port of a Service has one number", service.name,
                     port[member].dump(), service.frontend.port);
    }
    port[member] = service.frontend.port;
    return {};
  };
  switch (service.kind) {
    case FrontendKind::cluster_ip:
      add_once(spec["clusterIPs"], address);
      spec["internalTrafficPolicy"] = service.local_only ? "Local" : "Cluster";
      return set_port("port");
    case FrontendKind::node_port:
      if (spec["type"] == "ClusterIP") {
        spec["type"] = "NodePort";
      }
      break;
    case FrontendKind::external_ip:
      add_once(spec["externalIPs"], address);
      break;
    case FrontendKind::load_balancer:
      spec["type"] = "LoadBalancer";
      add_once(ingress, {{"ip", address}, {"ipMode", "VIP"}});
      for (const std::string& range : service.source_ranges) {
        add_once(spec["loadBalancerSourceRanges"], range);
      }
      if (service.health_check_port != 0) {
        spec["healthCheckNodePort"] = service.health_check_port;
      }
      break;
  }
  spec["externalTrafficPolicy"] = service.local_only ? "Local" : "Cluster";
  return set_port(service.kind == FrontendKind::node_port ? "nodePort" : "port");
}

Result<json> service_object(std::span<const Service> frontends, std::string_view owner) {
  json spec{{"type", "ClusterIP"}, {"clusterIPs", json::array()}};
  json ingress = json::array();
  Ports ports;
  std::uint32_t affinity = 0;
  for (const Service& service : frontends) {
    SVCB_CHECK(add_frontend(service, spec, ingress, ports));
    affinity = std::max(affinity, service.affinity_seconds);
  }
  if (spec["clusterIPs"].empty()) {
    return failure("{} has no ClusterIP, and kube-proxy programs no Service without one", owner);
  }
  spec["clusterIP"] = spec["clusterIPs"][0];
  json families = json::array();
  for (const json& address : spec["clusterIPs"]) {
    families.push_back(address.get_ref<const std::string&>().find(':') == std::string::npos ? "IPv4"
                                                                                            : "IPv6");
  }
  spec["ipFamilies"] = std::move(families);
  spec["ipFamilyPolicy"] = spec["clusterIPs"].size() > 1 ? "RequireDualStack" : "SingleStack";
  spec["sessionAffinity"] = affinity == 0 ? "None" : "ClientIP";
  if (affinity != 0) {
    spec["sessionAffinityConfig"] = {{"clientIP", {{"timeoutSeconds", affinity}}}};
  }
  json all = ports.take();
  for (json& port : all) {
    if (!port.contains("port")) {
      return failure("the port \"{}\" of {} has no number of its own", port.value("name", ""), owner);
    }
    port["targetPort"] = port["port"];  // kube-proxy takes the slices' ports
  }
  spec["ports"] = std::move(all);
  json status{{"loadBalancer", json::object()}};
  if (!ingress.empty()) {
    status["loadBalancer"]["ingress"] = std::move(ingress);
  }
  return json{{"apiVersion", "v1"},
              {"kind", "Service"},
              {"metadata", metadata("service", owner)},
              {"spec", std::move(spec)},
              {"status", std::move(status)}};
}

enum class Condition : std::uint8_t { ready, terminating };

json endpoint_json(const Endpoint& endpoint, Condition condition, bool here, std::string_view node) {
  const bool ready = condition == Condition::ready;
  return {{"addresses", {endpoint.address.text()}},
          {"conditions", {{"ready", ready}, {"serving", true}, {"terminating", !ready}}},
          {"nodeName", here ? node : other_node}};
}

void add_endpoints(const Service& service, std::string_view owner, std::string_view node,
                   Objects& objects) {
  const bool elsewhere_too = service.local_only && !service.cluster_endpoints.empty();
  const auto& ready = elsewhere_too ? service.cluster_endpoints : service.endpoints;
  const auto is_here = [&](const Endpoint& endpoint) {
    const auto& own = service.local_only ? service.endpoints : service.own_endpoints;
    return std::find(own.begin(), own.end(), endpoint) != own.end();
  };
  const auto add = [&](const Endpoint& endpoint, Condition condition, bool here) {
    const std::string_view port = port_name_of(service);
    const std::string_view protocol = to_string(service.frontend.protocol);
    const std::string name = fmt::format("{}-{}-{}-{}-{}", owner, to_string(endpoint.address.family),
                                         port.empty() ? "port" : port, protocol, endpoint.port);
    json& slice = objects[{Resource::endpoint_slices, name}];
    if (slice.is_null()) {
      slice = {{"apiVersion", "discovery.k8s.io/v1"},
               {"kind", "EndpointSlice"},
               {"metadata", metadata("slice", name)},
               {"addressType", to_string(endpoint.address.family)},
               {"ports", {{{"name", port}, {"protocol", protocol}, {"port", endpoint.port}}}},
               {"endpoints", json::array()}};
      slice["metadata"]["labels"] = {
          {"kubernetes.io/service-name", owner.substr(owner.find('/') + 1)},
          {"endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"}};
    }
    add_once(slice["endpoints"], endpoint_json(endpoint, condition, here, node));
  };
  for (const Endpoint& endpoint : ready) {
    add(endpoint, Condition::ready, is_here(endpoint));
  }
  for (const Endpoint& endpoint : service.terminating) {
    add(endpoint, Condition::terminating, service.local_only || is_here(endpoint));
  }
}

}  // namespace

std::string_view owner_of(const Service& service) {
  return std::string_view(service.name).substr(0, service.name.find(':'));
}

Result<Objects> objects_of(std::span<const Service> frontends, std::string_view node) {
  Objects objects;
  if (frontends.empty()) {
    return objects;
  }
  const std::string_view owner = owner_of(frontends.front());
  if (const std::size_t slash = owner.find('/'); slash == std::string_view::npos || slash == 0) {
    return failure("{} is no namespace/service: no object can be made of it", owner);
  }
  SVCB_TAKE(service, service_object(frontends, owner));
  objects[{Resource::services, std::string(owner)}] = std::move(service);
  for (const Service& one : frontends) {
    add_endpoints(one, owner, node, objects);
  }
  return objects;
}

Result<Objects> objects_of_all(std::span<const Service> services, std::string_view node) {
  std::map<std::string_view, std::vector<Service>> by_owner;
  for (const Service& service : services) {
    by_owner[owner_of(service)].push_back(service);
  }
  Objects all;
  for (const auto& [owner, frontends] : by_owner) {
    SVCB_TAKE(objects, objects_of(frontends, node));
    all.merge(objects);
  }
  return all;
}

json node_object(std::string_view name, std::span<const Address> addresses) {
  json own = json::array({{{"type", "Hostname"}, {"address", name}}});
  for (const Address& address : addresses) {
    own.push_back({{"type", "InternalIP"}, {"address", address.text()}});
  }
  if (addresses.empty()) {
    own.push_back({{"type", "InternalIP"}, {"address", "127.0.0.1"}});
  }
  json out{{"apiVersion", "v1"},
           {"kind", "Node"},
           {"metadata", metadata("node", name)},
           {"spec", json::object()},
           {"status",
            {{"addresses", std::move(own)}, {"conditions", {{{"type", "Ready"}, {"status", "True"}}}}}}};
  out["metadata"]["labels"] = {{"kubernetes.io/hostname", name}};
  return out;
}

json service_cidr_object(std::string_view name, std::string_view range) {
  return {{"apiVersion", "networking.k8s.io/v1"},
          {"kind", "ServiceCIDR"},
          {"metadata", metadata("cidr", name)},
          {"spec", {{"cidrs", {range}}}}};
}

}  // namespace svcbench::kubernetes
