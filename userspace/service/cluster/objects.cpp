// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>

#include "service/kubernetes_address.h"
#include "service/text.h"

namespace svcbench::cluster {
namespace {

using nlohmann::json;

// ---- names, numbers and addresses ----

// Names go into rule sets, chain names and terminals, so nothing but what Kubernetes allows in one passes.
Result<std::string> dns_name(const JsonField& field) {
  constexpr std::size_t longest = 253;  // RFC 1123
  SVCB_TAKE(name, field.required_text());
  const bool allowed = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (!allowed || name.size() > longest) {
    return usage_error("{}: \"{}\" is not a Kubernetes name (at most {} of a-z, 0-9, - and .)",
                       field.where(), printable(name), longest);
  }
  return name;
}

// As dns_name(), but a port may go without: "".
Result<std::string> label_of_port(const JsonField& field) {
  SVCB_TAKE(name, field.text());
  return name.empty() ? Result<std::string>(name) : dns_name(field);
}

// An object of a manifest may leave out its namespace: that is the one called default.
Result<std::string> namespaced_name(const JsonField& item) {
  const JsonField metadata = item.get("metadata");
  SVCB_TAKE(name, dns_name(metadata.get("name")));
  const JsonField field = metadata.get("namespace");
  if (field.absent()) {
    return "default/" + name;
  }
  SVCB_TAKE(space, dns_name(field));
  return space + "/" + name;
}

Result<Address> usable_address(const JsonField& field) {
  SVCB_TAKE(text, field.required_text());
  auto address = kubernetes_address(text);
  if (!address) {
    return usage_error("{}: {}", field.where(), address.error().message);
  }
  if (address->is_unspecified()) {
    return usage_error("{}: {} is the address of nothing", field.where(), trimmed(text));
  }
  return address;
}

Result<Protocol> protocol(const JsonField& field) {
  SVCB_TAKE(text, field.text());
  if (text.empty() || text == "TCP") {
    return Protocol::tcp;
  }
  if (text == "UDP") {
    return Protocol::udp;
  }
  if (text == "SCTP") {
    return Protocol::sctp;
  }
  return usage_error("{}: \"{}\" is not TCP, UDP or SCTP", field.where(), printable(text));
}

// No value where there is none: Kubernetes writes 0 for it, or nothing.
Result<std::optional<std::uint16_t>> node_port_number(const JsonField& field) {
  if (field.absent() || field.is_zero()) {
    return std::nullopt;
  }
  SVCB_TAKE(number, field.port());
  return number;
}

// Kubernetes says that it is opaque; the API servers that there are count.
std::uint64_t version_of(const JsonField& item) {
  const std::string text = item.get("metadata").get("resourceVersion").text().value_or("");
  std::uint64_t version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

// No value where the slice has no such annotation.
Result<std::optional<std::uint16_t>> slice_weight(const JsonField& annotations) {
  const JsonField field = annotations.get("svcbench/weight");
  SVCB_TAKE(text, field.text());
  if (text.empty()) {
    return std::nullopt;
  }
  std::uint16_t weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (error != std::errc() || end != text.data() + text.size() || weight == 0) {
    return usage_error("{}: \"{}\" is not a weight (1 to 65535)", field.where(), printable(text));
  }
  return weight;
}

// ---- Services ----

Result<bool> is_local(const JsonField& policy) {
  SVCB_TAKE(text, policy.text());
  if (text == "Local") {
    return true;
  }
  if (text.empty() || text == "Cluster") {
    return false;
  }
  return usage_error("{}: \"{}\" is not Cluster or Local", policy.where(), printable(text));
}

Result<std::uint32_t> affinity_seconds(const JsonField& spec) {
  constexpr std::uint32_t if_absent = 10'800;  // the API server's default
  constexpr std::uint32_t most = 86'400;       // and its limit
  const JsonField affinity = spec.get("sessionAffinity");
  SVCB_TAKE(text, affinity.text());
  if (text.empty() || text == "None") {
    return 0U;
  }
  if (text != "ClientIP") {
    return usage_error("{}: \"{}\" is not None or ClientIP", affinity.where(), printable(text));
  }
  return spec.get("sessionAffinityConfig").get("clientIP").get("timeoutSeconds").number(1, most, if_absent);
}

// The labels that make a Service or a slice another's than kube-proxy's; empty: it is kube-proxy's.
std::string_view why_not_ours(const JsonField& item) {
  const JsonField labels = item.get("metadata").get("labels");
  if (!labels.get("service.kubernetes.io/service-proxy-name").absent()) {
    return "label service.kubernetes.io/service-proxy-name: another proxy's";
  }
  if (!labels.get("service.kubernetes.io/headless").absent()) {
    return "label service.kubernetes.io/headless";
  }
  return "";
}

// The fields that hold addresses: those of clusterIPs, or clusterIP where that is absent or empty.
Result<std::vector<JsonField>> cluster_ip_fields(const JsonField& spec) {
  SVCB_TAKE(fields, spec.get("clusterIPs").elements());
  if (fields.empty()) {
    const JsonField single = spec.get("clusterIP");
    SVCB_TAKE(text, single.text());
    if (!text.empty()) {
      fields.push_back(single);
    }
  }
  return fields;
}

// Why no frontend can be made of a Service; empty when one can.
Result<std::string_view> why_skipped(const JsonField& item, const std::vector<JsonField>& ips) {
  if (const std::string_view other = why_not_ours(item); !other.empty()) {
    return other;
  }
  const JsonField spec = item.get("spec");
  SVCB_TAKE(type, spec.get("type").text());
  if (type == "ExternalName") {
    return "ExternalName: a DNS alias without a cluster IP";
  }
  if (ips.empty()) {
    return "no cluster IP";
  }
  SVCB_TAKE(first, ips.front().text());
  if (first == "None") {
    return "headless: clusterIP is None";
  }
  SVCB_TAKE(ports, spec.get("ports").elements());
  return ports.empty() ? "no ports" : "";
}

// ---- which object it is ----

enum class Kind { service, slice, endpoints, node, service_cidr, list, status, other };

// Of one of the API's versions that are read. Other APIs have kinds of the same name:
// serving.knative.dev/v1 Service.
Kind kind_of(const std::string& kind, const std::string& version, bool has_items) {
  const auto is = [&](std::string_view wanted, std::string_view api) {
    return kind == wanted && (version.empty() || version == api || version == fmt::format("{}beta1", api));
  };
  return is("Service", "v1")                          ? Kind::service
         : is("EndpointSlice", "discovery.k8s.io/v1") ? Kind::slice
         : is("Endpoints", "v1")                      ? Kind::endpoints
         : is("Node", "v1")                           ? Kind::node
         : is("ServiceCIDR", "networking.k8s.io/v1")  ? Kind::service_cidr
         : is("Status", "v1")                         ? Kind::status
         : is("List", "v1") || has_items              ? Kind::list
                                                      : Kind::other;
}

}  // namespace

void Objects::leave_out(std::string name, std::string reason, std::size_t count) {
  if (!skipped.empty() && skipped.back().name == name && skipped.back().reason == reason) {
    skipped.back().count += count;
    return;
  }
  skipped.push_back({std::move(name), std::move(reason), count});
}

std::string Objects::other_kinds() const {
  std::string out;
  for (const auto& [kind, count] : other_kinds_) {
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", grouped(count), kind);
  }
  return out;
}

std::optional<bool> Objects::is_for_here(std::uint32_t zones) const {
  if (zone_.empty()) {
    return std::nullopt;
  }
  const auto& names = sets_of_zones_[zones];
  return std::find(names.begin(), names.end(), zone_) != names.end();
}

void Objects::take(const json& object) {
  ++taken_;
  const JsonField item(object);
  const std::string unnamed = fmt::format("object {}", grouped(taken_));
  const auto kind_text = item.get("kind").required_text();
  const auto version = item.get("apiVersion").text();
  if (!kind_text || !version) {
    leave_out(unnamed, (kind_text ? version.error() : kind_text.error()).message);
    return;
  }
  const Kind kind = kind_of(*kind_text, *version, !item.get("items").absent());
  Status taken;
  switch (kind) {
    case Kind::list:
      taken = take_list(item);
      break;
    case Kind::node:
      taken = take_node(item);
      break;
    case Kind::service_cidr:
      taken = take_cidrs(item);
      break;
    case Kind::status:
      leave_out(unnamed, fmt::format("what the API server said in place of objects: \"{}\"",
                                     printable(item.get("message").text().value_or(""))));
      break;
    case Kind::other: {
      const std::string of = *version == "v1" || version->empty() ? "" : fmt::format(" ({})", *version);
      ++other_kinds_[printable(*kind_text + of)];
      break;
    }
    case Kind::service:
    case Kind::slice:
    case Kind::endpoints: {
      const auto name = namespaced_name(item);
      if (!name) {
        leave_out(fmt::format("{}, {}", *kind_text, unnamed), name.error().message);
      } else if (kind == Kind::service) {
        take_service(item, *name);
      } else if (kind == Kind::slice) {
        take_slice(item, *name);
      } else {
        take_endpoints(item, *name);
      }
      break;
    }
  }
  if (!taken) {
    leave_out(fmt::format("{}, {}", printable(*kind_text), unnamed), taken.error().message);
  }
}

// A list that the API server gave in parts says so.
Status Objects::take_list(const JsonField& list) {
  const JsonField metadata = list.get("metadata");
  if (list.get("items").absent()) {
    return list.get("items").expected("an array");
  }
  SVCB_TAKE(rest, metadata.get("continue").text());
  if (!rest.empty()) {
    SVCB_TAKE(remaining, metadata.get("remainingItemCount").number(0, UINT32_MAX, 0));
    notes.push_back(fmt::format(
        "the cluster is not whole: a list in it is a part of one, and {} objects were to follow",
        remaining == 0 ? "more" : grouped(remaining)));
  }
  return {};
}

Status Objects::take_node(const JsonField& node) {
  const JsonField metadata = node.get("metadata");
  if (options_.node.empty() || !zone_.empty()) {
    return {};
  }
  SVCB_TAKE(name, metadata.get("name").text());
  SVCB_TAKE(zone, metadata.get("labels").get("topology.kubernetes.io/zone").text());
  if (name == options_.node) {
    zone_ = zone;
  }
  return {};
}

Status Objects::take_cidrs(const JsonField& range) {
  SVCB_TAKE(cidrs, range.get("spec").get("cidrs").elements());
  for (const JsonField& field : cidrs) {
    SVCB_TAKE(text, field.text());
    const auto read = AddressRange::parse(text);
    if (!read) {
      return usage_error("{}: {}", field.where(), read.error().message);
    }
    service_cidrs.push_back(read->text());
  }
  return {};
}

// ---- Services ----

void Objects::take_service(const JsonField& item, const std::string& name) {
  ServiceObject service;
  service.name = name;
  service.version = version_of(item);
  const auto [place, is_new] = services_by_name_.emplace(name, std::nullopt);
  if (!is_new) {
    const bool newer = place->second && service.version > services[*place->second].version;
    leave_out(name, newer ? "stands twice in what was read: the newer one, by resourceVersion, is taken"
                          : "stands twice in what was read: the first one is taken");
    if (!newer) {
      return;
    }
  }
  if (const Status read = read_service(item, service); !read) {
    leave_out(name, read.error().message);
    return;
  }
  if (service.ports.empty()) {
    return;  // each of them was told
  }
  if (!is_new) {
    services[*place->second] = std::move(service);
    return;
  }
  place->second = services.size();
  services.push_back(std::move(service));
}

// Error: the whole Service cannot be used.
Status Objects::read_service(const JsonField& item, ServiceObject& service) {
  const JsonField spec = item.get("spec");
  SVCB_TAKE(ips, cluster_ip_fields(spec));
  SVCB_TAKE(reason, why_skipped(item, ips));
  if (!reason.empty()) {
    return usage_error("{}", reason);
  }
  SVCB_TAKE(created, item.get("metadata").get("creationTimestamp").text());
  service.created = std::move(created);
  SVCB_CHECK(read_cluster_ips(ips, service));
  SVCB_TAKE(internal, is_local(spec.get("internalTrafficPolicy")));
  SVCB_TAKE(external, is_local(spec.get("externalTrafficPolicy")));
  SVCB_TAKE(affinity, affinity_seconds(spec));
  service.internal_local = internal;
  service.external_local = external;
  service.affinity_seconds = affinity;
  // Of load balancers that ask each node for its own endpoints.
  SVCB_TAKE(type, spec.get("type").text());
  const auto health_check = node_port_number(spec.get("healthCheckNodePort"));
  if (!health_check) {
    leave_out(service.name, health_check.error().message);
  } else if (type == "LoadBalancer" && external) {
    service.health_check_port = health_check->value_or(0);
  }
  SVCB_CHECK(read_externals(item, service));
  SVCB_TAKE(ports, spec.get("ports").elements());
  add_ports(ports, service);
  return {};
}

// Error: none of them can be used.
Status Objects::read_cluster_ips(const std::vector<JsonField>& ips, ServiceObject& service) {
  std::vector<std::string> reasons;
  for (const JsonField& ip : ips) {
    if (const auto address = usable_address(ip); !address) {
      reasons.push_back(address.error().message);
    } else if (std::find(service.addresses.begin(), service.addresses.end(), *address) ==
               service.addresses.end()) {
      service.addresses.push_back(*address);
    }
  }
  if (service.addresses.empty()) {
    return usage_error("{}", reasons.front());
  }
  for (std::string& reason : reasons) {
    leave_out(service.name, std::move(reason));
  }
  return {};
}

Status Objects::read_externals(const JsonField& item, ServiceObject& service) {
  SVCB_TAKE(external_ips, item.get("spec").get("externalIPs").elements());
  for (const JsonField& field : external_ips) {
    if (const auto address = usable_address(field)) {
      add_external(service, {FrontendKind::external_ip, *address});
    } else {
      leave_out(service.name, address.error().message);
    }
  }
  SVCB_TAKE(ingresses, item.get("status").get("loadBalancer").get("ingress").elements());
  for (const JsonField& ingress : ingresses) {
    const JsonField ip = ingress.get("ip");
    const auto text = ip.text();
    const auto mode = ingress.get("ipMode").text();
    const auto host = ingress.get("hostname").text();
    if (!text || !mode || !host) {
      leave_out(service.name, (!text ? text : !mode ? mode : host).error().message);
    } else if (text->empty()) {
      leave_out(service.name, host->empty() ? "load balancer without an address, and without a host name"
                                            : "load balancer without an address: it has a host name");
    } else if (*mode == "Proxy") {
      leave_out(service.name, "load balancer with ipMode Proxy: packets come by way of it");
    } else if (const auto address = usable_address(ip)) {
      add_external(service, {FrontendKind::load_balancer, *address});
    } else {
      leave_out(service.name, address.error().message);
    }
  }
  SVCB_TAKE(ranges, item.get("spec").get("loadBalancerSourceRanges").elements());
  for (const JsonField& field : ranges) {
    const auto text = field.text();
    if (const auto range = text ? AddressRange::parse(*text) : tl::unexpected(text.error())) {
      service.source_ranges.push_back(*range);
    } else {
      leave_out(service.name, "loadBalancerSourceRanges: " + range.error().message);
    }
  }
  return {};
}

void Objects::add_external(ServiceObject& service, const External& external) {
  const auto& addresses = service.addresses;
  const bool has_family = std::any_of(addresses.begin(), addresses.end(), [&](const Address& address) {
    return address.family == external.address.family;
  });
  const bool is_there =
      std::any_of(service.externals.begin(), service.externals.end(),
                  [&](const External& other) { return other.address == external.address; });
  if (!has_family) {
    leave_out(service.name,
              fmt::format("{} of a family that it has no cluster IP of", to_string(external.kind)));
  } else if (!is_there) {  // one that is an external IP and the load balancer's is one frontend
    service.externals.push_back(external);
  }
}

void Objects::add_ports(const std::vector<JsonField>& fields, ServiceObject& service) {
  for (const JsonField& field : fields) {
    const auto read = [&]() -> Result<ServicePort> {
      SVCB_TAKE(label, label_of_port(field.get("name")));
      SVCB_TAKE(transport, protocol(field.get("protocol")));
      SVCB_TAKE(number, field.get("port").port());
      return ServicePort{std::move(label), transport, number};
    }();
    if (!read) {
      leave_out(service.name, read.error().message);
      continue;
    }
    ServicePort port = *read;
    if (port.protocol == Protocol::sctp && !options_.sctp) {
      leave_out(service.port_name(port), "SCTP: only TCP and UDP are measured");
      continue;
    }
    if (const auto node_port = node_port_number(field.get("nodePort"))) {
      port.node_port = *node_port;
    } else {
      leave_out(service.port_name(port), node_port.error().message);
    }
    service.ports.push_back(std::move(port));
  }
}

// ---- EndpointSlices, and Endpoints ----

std::vector<SlicePort> Objects::read_ports(const JsonField& list, const std::string& owner) {
  std::vector<SlicePort> ports;
  const auto fields = list.elements();
  if (!fields) {
    leave_out(owner, fields.error().message);
    return ports;
  }
  for (const JsonField& field : *fields) {
    const auto read = [&]() -> Result<SlicePort> {
      SVCB_TAKE(name, label_of_port(field.get("name")));
      SVCB_TAKE(transport, protocol(field.get("protocol")));
      const JsonField number = field.get("port");
      if (number.absent()) {
        return usage_error("a port without a number, which no Service's port means");
      }
      SVCB_TAKE(value, number.port());
      return SlicePort{std::move(name), transport, value};
    }();
    if (read) {
      ports.push_back(*read);
    } else {
      leave_out(owner, read.error().message);
    }
  }
  return ports;
}

void Objects::read_hints(const JsonField& hints, SliceEndpoint& endpoint) {
  // Hints are advice: of odd ones none is taken.
  for (const JsonField& field : hints.get("forNodes").elements().value_or(std::vector<JsonField>{})) {
    if (const auto name = field.get("name").text(); name && !name->empty()) {
      endpoint.node_hint_given = true;
      endpoint.node_hint_here =
          endpoint.node_hint_here || (!options_.node.empty() && *name == options_.node);
    }
  }
  std::vector<std::string> zones;
  std::string key;
  for (const JsonField& field : hints.get("forZones").elements().value_or(std::vector<JsonField>{})) {
    if (const auto name = field.get("name").text(); name && !name->empty()) {
      zones.push_back(*name);
      key += *name + '\n';
    }
  }
  if (!zones.empty()) {
    const auto [place, is_new] =
        zones_by_text_.emplace(std::move(key), static_cast<std::uint32_t>(sets_of_zones_.size()));
    if (is_new) {
      sets_of_zones_.push_back(std::move(zones));
    }
    endpoint.zones = place->second;
  }
}

Result<SliceEndpoint> Objects::read_endpoint(const JsonField& field, Family family) {
  SliceEndpoint endpoint;
  const JsonField conditions = field.get("conditions");
  SVCB_TAKE(ready, conditions.get("ready").boolean(true));
  SVCB_TAKE(serving, conditions.get("serving").boolean(true));
  SVCB_TAKE(terminating, conditions.get("terminating").boolean(false));
  endpoint.ready = ready;
  endpoint.serving = serving;
  endpoint.terminating = terminating;
  SVCB_TAKE(own, field.get("addresses").elements());
  if (own.empty()) {
    return usage_error("{}: an endpoint without an address", field.where());
  }
  SVCB_TAKE(address, usable_address(own.front()));
  if (address.family != family) {
    return usage_error("{}: {} stands in a slice of {} addresses", own.front().where(), address.text(),
                       to_string(family));
  }
  endpoint.address = address;
  SVCB_TAKE(node, field.get("nodeName").text());
  if (node.empty()) {  // v1beta1 has it here
    SVCB_TAKE(host, field.get("topology").get("kubernetes.io/hostname").text());
    node = std::move(host);
  }
  endpoint.here = !options_.node.empty() && node == options_.node;
  node_is_known_ = node_is_known_ || endpoint.here;
  read_hints(field.get("hints"), endpoint);
  return endpoint;
}

void Objects::add_slice(const std::string& service, Slice slice) {
  std::vector<Slice>& all = slices[service];
  // A Service's Endpoints object gives a slice of each family, in each subset.
  if (!slice.is_endpoints) {
    const auto [place, is_new] = slices_by_name_.emplace(slice.name, std::pair(service, all.size()));
    if (!is_new) {
      Slice& other = slices[place->second.first][place->second.second];
      const bool newer = slice.version > other.version && place->second.first == service;
      leave_out("EndpointSlice " + slice.name,
                newer ? "stands twice in what was read: the newer one, by resourceVersion, is taken"
                      : "stands twice in what was read: the first one is taken");
      if (newer) {
        other = std::move(slice);
      }
      return;
    }
  }
  all.push_back(std::move(slice));
}

void Objects::take_slice(const JsonField& item, const std::string& name) {
  const std::string called = "EndpointSlice " + name;
  const JsonField metadata = item.get("metadata");
  const auto service = metadata.get("labels").get("kubernetes.io/service-name").text();
  const auto type = item.get("addressType").required_text();
  if (!service || !type) {
    leave_out(called, (service ? type.error() : service.error()).message);
    return;
  }
  if (const std::string_view other = why_not_ours(item); !other.empty()) {
    leave_out(called, std::string(other));
    return;
  }
  if (service->empty()) {
    leave_out(called, "no label kubernetes.io/service-name: it is no Service's");
    return;
  }
  if (*type == "FQDN") {
    leave_out(called, "addressType FQDN: names, which no cluster IP leads to");
    return;
  }
  if (*type != "IPv4" && *type != "IPv6") {
    leave_out(called, fmt::format("addressType: \"{}\" is not IPv4, IPv6 or FQDN", printable(*type)));
    return;
  }
  Slice slice;
  slice.name = name;
  slice.family = *type == "IPv4" ? Family::ipv4 : Family::ipv6;
  slice.version = version_of(item);
  const std::size_t told = skipped.size();
  slice.ports = read_ports(item.get("ports"), called);
  slice.ports_told = skipped.size() != told;
  if (const auto weight = slice_weight(metadata.get("annotations"))) {
    slice.weight = *weight;
  } else {
    leave_out(called, weight.error().message);
  }
  const auto fields = item.get("endpoints").elements();
  if (!fields) {
    leave_out(called, fields.error().message);
    return;
  }
  slice.endpoints.reserve(fields->size());
  std::string first_reason;
  std::size_t unusable = 0;
  for (const JsonField& field : *fields) {
    if (const auto endpoint = read_endpoint(field, slice.family)) {
      slice.endpoints.push_back(*endpoint);
    } else if (++unusable == 1) {
      first_reason = endpoint.error().message;
    }
  }
  if (unusable != 0) {
    leave_out(called,
              unusable == 1 ? first_reason
                            : fmt::format("{} endpoints, the first: {}", grouped(unusable), first_reason),
              unusable);
  }
  add_slice(name.substr(0, name.find('/') + 1) + *service, std::move(slice));
}

void Objects::take_endpoints(const JsonField& item, const std::string& name) {
  const std::string called = "Endpoints " + name;
  if (const std::string_view other = why_not_ours(item); !other.empty()) {
    leave_out(called, std::string(other));
    return;
  }
  const auto capacity =
      item.get("metadata").get("annotations").get("endpoints.kubernetes.io/over-capacity");
  if (!capacity.absent()) {
    leave_out(called, "it says of itself that it is truncated: endpoints beyond its 1,000 are not in it");
  }
  const auto subsets = item.get("subsets").elements();
  if (!subsets) {
    leave_out(called, subsets.error().message);
    return;
  }
  for (const JsonField& subset : *subsets) {
    const std::vector<SlicePort> ports = read_ports(subset.get("ports"), called);
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      Slice slice;
      slice.name = name;
      slice.family = family;
      slice.ports = ports;
      slice.is_endpoints = true;
      for (const char* list : {"addresses", "notReadyAddresses"}) {
        const auto fields = subset.get(list).elements();
        if (!fields) {
          leave_out(called, fields.error().message);
          continue;
        }
        for (const JsonField& field : *fields) {
          const auto address = usable_address(field.get("ip"));
          const auto node = field.get("nodeName").text();
          if (!address || !node) {
            if (family == Family::ipv4) {  // once, not for each family
              leave_out(called, (address ? node.error() : address.error()).message);
            }
            continue;
          }
          if (address->family == family) {
            SliceEndpoint endpoint;
            endpoint.address = *address;
            endpoint.ready = list == std::string_view("addresses");
            endpoint.here = !options_.node.empty() && *node == options_.node;
            node_is_known_ = node_is_known_ || endpoint.here;
            slice.endpoints.push_back(endpoint);
          }
        }
      }
      if (!slice.endpoints.empty()) {
        add_slice(name, std::move(slice));
      }
    }
  }
}

}  // namespace svcbench::cluster
