// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/served_cluster.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "service/json_member.h"

namespace svcbench::kubernetes {

namespace {

using nlohmann::json;

constexpr const char* service_label = "kubernetes.io/service-name";
constexpr const char* zone_label = "topology.kubernetes.io/zone";

std::string text_of(const json& object, const char* name) {
  const json& found = json_member(object, name);
  return found.is_string() ? found.get<std::string>() : "";
}

void set_default(json& object, const char* name, json value) {
  if (json_member(object, name).is_null()) {
    object[name] = std::move(value);
  }
}

// The member, made an object if it is none.
json& object_at(json& object, const char* name) {
  json& found = object[name];
  if (!found.is_object()) {
    found = json::object();
  }
  return found;
}

void complete_ports(json& ports) {
  for (json& port : ports) {
    if (port.is_object()) {
      set_default(port, "name", "");
      set_default(port, "protocol", "TCP");
    }
  }
}

bool is_ipv6(const json& address) {
  return address.is_string() && address.get_ref<const std::string&>().find(':') != std::string::npos;
}

void complete_spec(json& spec) {
  set_default(spec, "type", "ClusterIP");
  set_default(spec, "sessionAffinity", "None");
  if (text_of(spec, "sessionAffinity") == "ClientIP") {
    object_at(object_at(spec, "sessionAffinityConfig"), "clientIP").emplace("timeoutSeconds", 10'800);
  }
  if (text_of(spec, "type") == "ExternalName") {
    return;
  }
  if (json_member(spec, "clusterIPs").empty() && !text_of(spec, "clusterIP").empty()) {
    spec["clusterIPs"] = {spec["clusterIP"]};
  } else if (text_of(spec, "clusterIP").empty() && !json_member(spec, "clusterIPs").empty()) {
    spec["clusterIP"] = spec["clusterIPs"][0];
  }
  json families = json::array();
  for (const json& address : json_member(spec, "clusterIPs")) {
    families.push_back(is_ipv6(address) ? "IPv6" : "IPv4");
  }
  set_default(spec, "ipFamilies", std::move(families));
  set_default(spec, "internalTrafficPolicy", "Cluster");
  if (text_of(spec, "type") != "ClusterIP" || !json_member(spec, "externalIPs").empty()) {
    set_default(spec, "externalTrafficPolicy", "Cluster");
  }
  if (spec.contains("ports") && spec["ports"].is_array()) {
    complete_ports(spec["ports"]);
  }
}

// The slice's own port is a null pointer to kube-proxy where it is left out.
void complete_slice(json& slice) {
  slice["apiVersion"] = "discovery.k8s.io/v1";
  if (slice.contains("ports") && slice["ports"].is_array()) {
    complete_ports(slice["ports"]);
  }
  if (!json_member(slice, "endpoints").is_array()) {
    slice["endpoints"] = json::array();
  }
  bool any_ipv6 = false;
  for (json& endpoint : slice["endpoints"]) {
    // v1beta1 told the node among the topology.
    if (const json& node = json_member(json_member(endpoint, "topology"), "kubernetes.io/hostname");
        node.is_string()) {
      set_default(endpoint, "nodeName", node);
    }
    if (endpoint.is_object()) {
      endpoint.erase("topology");
    }
    const json& addresses = json_member(endpoint, "addresses");
    any_ipv6 = any_ipv6 || (addresses.is_array() && !addresses.empty() && is_ipv6(addresses[0]));
  }
  set_default(slice, "addressType", any_ipv6 ? "IPv6" : "IPv4");
}

// As EndpointSlice mirroring does it, a slice a subset and family.
void add_mirrored(const json& endpoints, Objects& objects) {
  const std::string space = text_of(endpoints["metadata"], "namespace");
  const std::string name = text_of(endpoints["metadata"], "name");
  for (const json& subset : json_member(endpoints, "subsets")) {
    for (const bool ipv6 : {false, true}) {
      json slice{{"kind", "EndpointSlice"},
                 {"metadata", {{"namespace", space}, {"labels", {{service_label, name}}}}},
                 {"addressType", ipv6 ? "IPv6" : "IPv4"},
                 {"ports", json_member(subset, "ports")},
                 {"endpoints", json::array()}};
      for (const bool ready : {true, false}) {
        for (const json& address : json_member(subset, ready ? "addresses" : "notReadyAddresses")) {
          if (is_ipv6(json_member(address, "ip")) == ipv6) {
            slice["endpoints"].push_back({{"addresses", {address["ip"]}},
                                          {"conditions", {{"ready", ready}}},
                                          {"nodeName", text_of(address, "nodeName")}});
          }
        }
      }
      const std::string slice_name = fmt::format("{}-mirrored-{}", name, objects.size());
      slice["metadata"]["name"] = slice_name;
      slice["metadata"]["uid"] = slice_name;
      complete_slice(slice);
      if (!slice["endpoints"].empty()) {
        objects[{Resource::endpoint_slices, fmt::format("{}/{}", space, slice_name)}] = std::move(slice);
      }
    }
  }
}

std::optional<Resource> resource_of(const std::string& kind) {
  return kind == "Service"         ? std::optional(Resource::services)
         : kind == "EndpointSlice" ? std::optional(Resource::endpoint_slices)
         : kind == "ServiceCIDR"   ? std::optional(Resource::service_cidrs)
                                   : std::nullopt;
}

std::uint64_t version_of(const json& object) {
  const std::string text = text_of(json_member(object, "metadata"), "resourceVersion");
  std::uint64_t version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

// Other APIs have kinds of the same name: serving.knative.dev/v1 Service.
bool is_kubernetes_own(const json& object) {
  const std::string version = text_of(object, "apiVersion");
  return version.find('/') == std::string::npos || version.find(".k8s.io/") != std::string::npos;
}

// kube-proxy asks for what has neither label.
bool is_unselected(const json& metadata) {
  const json& labels = json_member(metadata, "labels");
  return !json_member(labels, "service.kubernetes.io/service-proxy-name").is_null() ||
         !json_member(labels, "service.kubernetes.io/headless").is_null();
}

bool has_slice(const Objects& objects, const json& endpoints) {
  for (const auto& [key, object] : objects) {
    if (key.resource == Resource::endpoint_slices &&
        text_of(object["metadata"], "namespace") == text_of(endpoints["metadata"], "namespace") &&
        text_of(json_member(object["metadata"], "labels"), service_label) ==
            text_of(endpoints["metadata"], "name")) {
      return true;
    }
  }
  return false;
}

}  // namespace

Objects served_cluster(std::span<const json> file, std::string_view node,
                       std::span<const Address> addresses) {
  Objects objects;
  std::vector<json> mirrored;
  json own_node = node_object(node, addresses);
  for (const json& read : file) {
    const std::string kind = text_of(read, "kind");
    const std::string name = text_of(json_member(read, "metadata"), "name");
    const auto resource = resource_of(kind);
    if (name.empty() || !is_kubernetes_own(read) || is_unselected(json_member(read, "metadata")) ||
        (!resource && kind != "Endpoints" && kind != "Node")) {
      continue;
    }
    json object = read;
    json& metadata = object["metadata"];
    if (kind == "Node") {
      if (const json& zone = json_member(json_member(metadata, "labels"), zone_label);
          name == node && !zone.is_null()) {
        own_node["metadata"]["labels"][zone_label] = zone;
      }
      continue;
    }
    if (resource != Resource::service_cidrs) {
      set_default(metadata, "namespace", "default");
    }
    set_default(metadata, "uid", fmt::format("{}/{}", kind, name));
    if (!resource) {
      mirrored.push_back(std::move(object));
      continue;
    }
    const std::string space = text_of(metadata, "namespace");
    json& held = objects[{*resource, space.empty() ? name : fmt::format("{}/{}", space, name)}];
    if (!held.is_null() && version_of(held) >= version_of(object)) {
      continue;
    }
    if (resource == Resource::services) {
      object["apiVersion"] = "v1";
      complete_spec(object_at(object, "spec"));
    } else if (resource == Resource::endpoint_slices) {
      complete_slice(object);
    }
    held = std::move(object);
  }
  for (const json& endpoints : mirrored) {
    if (!has_slice(objects, endpoints)) {
      add_mirrored(endpoints, objects);
    }
  }
  objects[{Resource::nodes, std::string(node)}] = std::move(own_node);
  return objects;
}

}  // namespace svcbench::kubernetes
