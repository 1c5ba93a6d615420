// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include "service/address_range.h"
#include "service/input_file.h"
#include "service/json_field.h"
#include "service/text.h"
#include "svcbench/abi.h"

namespace svcbench {
namespace {

using nlohmann::json;

constexpr std::string_view remedy = "write it with `kubectl get services,endpointslices -A -o json`";

// ---- the text ----

// What kubectl -o yaml begins with; JSON begins with none of it.
bool looks_like_yaml(std::string_view text) {
  constexpr std::array<std::string_view, 7> openings{
      "---", "apiVersion:", "items:", "kind:", "spec:", "metadata:", "#"};
  return std::any_of(openings.begin(), openings.end(),
                     [&](std::string_view opening) { return text.starts_with(opening); });
}

tl::unexpected<Error> not_json_in_line(std::string_view text, std::size_t byte, std::string_view source,
                                       std::string_view what_to_do) {
  // The parser counts the end of the text as one more byte.
  if (byte > text.size()) {
    return usage_error("{}: the JSON breaks off at byte {}, its last; {}", source, grouped(text.size()),
                       what_to_do);
  }
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(byte), '\n');
  return usage_error("{}: not JSON at byte {}, in line {}; {}", source, grouped(byte),
                     grouped(static_cast<std::uint64_t>(line)), what_to_do);
}

Result<json> parse_text(std::string_view text, std::string_view source) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) {
    return usage_error("{}: empty; {}", source, remedy);
  }
  if (looks_like_yaml(text.substr(begin))) {
    return usage_error("{}: YAML, and only JSON is read; {}", source, remedy);
  }
  // The parser would take a NUL for the end, and not see what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return not_json_in_line(text, nul + 1, source, remedy);
  }
  return parse_json(text, source, remedy, not_json_in_line);
}

// ---- names and addresses ----

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
Result<std::string> port_name(const JsonField& field) {
  SVCB_TAKE(name, field.text());
  return name.empty() ? Result<std::string>(name) : dns_name(field);
}

Result<std::string> namespaced_name(const JsonField& item) {
  const JsonField metadata = item.get("metadata");
  SVCB_TAKE(name, dns_name(metadata.get("name")));
  SVCB_TAKE(space, dns_name(metadata.get("namespace")));
  return space + "/" + name;
}

Result<Address> usable_address(const JsonField& field) {
  SVCB_TAKE(text, field.required_text());
  auto address = Address::parse(text);
  if (!address) {
    return usage_error("{}: {}", field.where(), address.error().message);
  }
  if (address->is_unspecified()) {
    return usage_error("{}: {} is the address of nothing", field.where(), text);
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

// ---- EndpointSlices ----

struct SlicePort {
  std::string name;
  Protocol protocol;
  std::uint16_t number;
};

// What an endpoint's topology hints say, of nodes or of zones.
struct Hint {
  bool given = false;
  bool here = false;  // this node, or its zone, is among them
};

struct SliceEndpoint {
  Address address;
  std::string node;
  bool ready;
  bool serving;
  bool terminating;
  Hint node_hint{};
  Hint zone_hint{};
};

// Where kube-proxy runs; empty: not known.
struct Here {
  std::string node;
  std::string zone;
};

struct Slice {
  Family family;
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
  std::optional<std::uint16_t> weight;  // of each of them
};

// No value for a slice of names (FQDN), which no ClusterIP leads to.
Result<std::optional<Family>> address_type(const JsonField& field) {
  SVCB_TAKE(text, field.required_text());
  if (text == "IPv4") {
    return Family::ipv4;
  }
  if (text == "IPv6") {
    return Family::ipv6;
  }
  if (text == "FQDN") {
    return std::nullopt;
  }
  return usage_error("{}: \"{}\" is not IPv4, IPv6 or FQDN", field.where(), printable(text));
}

Result<std::vector<SlicePort>> slice_ports(const JsonField& list) {
  std::vector<SlicePort> ports;
  SVCB_TAKE(fields, list.elements());
  for (const JsonField& field : fields) {
    SVCB_TAKE(name, port_name(field.get("name")));
    SVCB_TAKE(transport, protocol(field.get("protocol")));
    const JsonField number = field.get("port");
    if (number.absent()) {  // "all ports", which no Service's port means
      continue;
    }
    SVCB_TAKE(value, number.port());
    ports.push_back({std::move(name), transport, value});
  }
  return ports;
}

// `list`: forNodes or forZones.
Result<Hint> hint_of(const JsonField& list, const std::string& here) {
  SVCB_TAKE(fields, list.elements());
  Hint hint;
  for (const JsonField& field : fields) {
    SVCB_TAKE(name, field.get("name").text());
    hint.given = true;
    hint.here = hint.here || (!here.empty() && name == here);
  }
  return hint;
}

Result<std::vector<SliceEndpoint>> slice_endpoints(const JsonField& list, Family family, const Here& here) {
  std::vector<SliceEndpoint> endpoints;
  SVCB_TAKE(fields, list.elements());
  for (const JsonField& field : fields) {
    const JsonField conditions = field.get("conditions");
    SVCB_TAKE(ready, conditions.get("ready").boolean(true));
    SVCB_TAKE(serving, conditions.get("serving").boolean(true));
    SVCB_TAKE(terminating, conditions.get("terminating").boolean(false));
    SVCB_TAKE(own, field.get("addresses").elements());
    if (own.empty()) {
      return usage_error("{}: an endpoint without an address", field.where());
    }
    SVCB_TAKE(address, usable_address(own.front()));
    if (address.family != family) {
      return usage_error("{}: {} stands in a slice of {} addresses", own.front().where(), address.text(),
                         to_string(family));
    }
    SVCB_TAKE(node, field.get("nodeName").text());
    SVCB_TAKE(node_hint, hint_of(field.get("hints").get("forNodes"), here.node));
    SVCB_TAKE(zone_hint, hint_of(field.get("hints").get("forZones"), here.zone));
    endpoints.push_back({address, std::move(node), ready, serving, terminating, node_hint, zone_hint});
  }
  return endpoints;
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

// A port of a Service in one family: what a slice must offer to have endpoints for it.
struct PortKey {
  std::string name;
  Protocol protocol;
  Family family;
};

struct PortEndpoint {
  Endpoint endpoint;
  const SliceEndpoint* source;
  std::optional<std::uint16_t> weight;
};

// Each once, in the order of the slices: while a controller moves endpoints, they may stand in two.
std::vector<PortEndpoint> endpoints_in(const std::vector<Slice>& slices, const PortKey& key) {
  std::vector<PortEndpoint> endpoints;
  std::set<Endpoint> seen;
  for (const Slice& slice : slices) {
    for (const SlicePort& port : slice.ports) {
      if (slice.family != key.family || port.name != key.name || port.protocol != key.protocol) {
        continue;
      }
      for (const SliceEndpoint& one : slice.endpoints) {
        if (const Endpoint endpoint{one.address, port.number}; seen.insert(endpoint).second) {
          endpoints.push_back({endpoint, &one, slice.weight});
        }
      }
    }
  }
  return endpoints;
}

// By which hints of theirs ready endpoints are chosen; null: by none. Those of nodes come first; hints
// count where every ready endpoint has some and at least one is for here.
using HintsOf = Hint SliceEndpoint::*;

HintsOf hints_that_count(const std::vector<PortEndpoint>& all) {
  for (const HintsOf hints : {&SliceEndpoint::node_hint, &SliceEndpoint::zone_hint}) {
    bool here = false;
    const bool given = std::all_of(all.begin(), all.end(), [&](const PortEndpoint& one) {
      here = here || (one.source->ready && (one.source->*hints).here);
      return !one.source->ready || (one.source->*hints).given;
    });
    if (given && here) {
      return hints;
    }
  }
  return nullptr;
}

// What new flows may go to: the ready ones, or where there are none those that serve while they terminate.
// With `node` that node's, whatever their hints.
std::vector<const PortEndpoint*> usable(const std::vector<PortEndpoint>& all,
                                        const std::optional<std::string>& node) {
  const HintsOf hints = node ? nullptr : hints_that_count(all);
  std::vector<const PortEndpoint*> ready;
  std::vector<const PortEndpoint*> last;
  for (const PortEndpoint& one : all) {
    const SliceEndpoint& source = *one.source;
    if (node && source.node != *node) {
      continue;
    }
    if (source.ready) {
      if (hints == nullptr || (source.*hints).here) {
        ready.push_back(&one);
      }
    } else if (source.serving && source.terminating) {
      last.push_back(&one);
    }
  }
  return ready.empty() ? last : ready;
}

// What all frontends of a Service have in common.
struct Policies {
  bool internal_local = false;
  bool external_local = false;
  std::uint32_t affinity_seconds = 0;
  std::uint16_t health_check_port = 0;
};

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

Result<Policies> policies_of(const JsonField& spec) {
  Policies policies;
  SVCB_TAKE(internal, is_local(spec.get("internalTrafficPolicy")));
  SVCB_TAKE(external, is_local(spec.get("externalTrafficPolicy")));
  SVCB_TAKE(affinity, affinity_seconds(spec));
  policies.internal_local = internal;
  policies.external_local = external;
  policies.affinity_seconds = affinity;
  return policies;
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

// An address outside of the cluster that leads to the Service.
struct External {
  FrontendKind kind;
  Address address;
};

// No value where there is none: Kubernetes writes 0 for it, or nothing.
Result<std::optional<std::uint16_t>> node_port_number(const JsonField& field) {
  if (field.absent() || field.is_zero()) {
    return std::nullopt;
  }
  SVCB_TAKE(number, field.port());
  return number;
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
Result<std::string_view> why_skipped(const JsonField& spec, const std::vector<JsonField>& ips) {
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

class Parser {
 public:
  Parser(std::string_view source, const ClusterOptions& options)
      : source_(source), options_(options), here_{options.node, options.zone} {}

  Result<ClusterServices> parse(const json& document) {
    SVCB_TAKE(items, list_items(document));
    // Nodes may stand behind slices, and slices behind the Services that they belong to.
    for (const JsonField& item : items) {
      SVCB_CHECK(read_if_surroundings(item));
    }
    for (const JsonField& item : items) {
      SVCB_CHECK(add_if_slice(item));
    }
    for (const JsonField& item : items) {
      SVCB_CHECK(add_if_service(item));
    }
    SVCB_CHECK(require_cluster_ip());
    write_notes();
    return std::move(result_);
  }

 private:
  [[nodiscard]] Result<std::vector<JsonField>> list_items(const json& document) const {
    const JsonField root(document, source_);
    SVCB_TAKE(kind, root.get("kind").text());
    if (kind != "List") {
      return usage_error("{}: its kind is \"{}\", not List; {}", source_, printable(kind), remedy);
    }
    const JsonField items = root.get("items");
    return items.absent() ? items.expected("an array") : items.elements();
  }

  // Whether an item is of that kind and of one of the API's versions that are read. Other APIs have kinds
  // of the same name: serving.knative.dev/v1 Service.
  static Result<bool> is_a(const JsonField& item, std::string_view wanted, std::string_view api) {
    SVCB_TAKE(kind, item.get("kind").required_text());
    SVCB_TAKE(version, item.get("apiVersion").text());
    return kind == wanted && (version == api || version == fmt::format("{}beta1", api));
  }

  // What the cluster has besides Services: this node's zone, and the ranges of ClusterIPs.
  Status read_if_surroundings(const JsonField& item) {
    SVCB_TAKE(is_node, is_a(item, "Node", "v1"));
    const JsonField metadata = item.get("metadata");
    if (is_node && !here_.node.empty() && here_.zone.empty()) {
      SVCB_TAKE(name, metadata.get("name").text());
      SVCB_TAKE(zone, metadata.get("labels").get("topology.kubernetes.io/zone").text());
      if (name == here_.node) {
        here_.zone = zone;
      }
    }
    SVCB_TAKE(is_cidr, is_a(item, "ServiceCIDR", "networking.k8s.io/v1"));
    if (is_cidr) {
      SVCB_TAKE(cidrs, item.get("spec").get("cidrs").elements());
      for (const JsonField& field : cidrs) {
        SVCB_TAKE(text, field.text());
        const auto range = AddressRange::parse(text);
        if (!range) {
          return usage_error("{}: {}", field.where(), range.error().message);
        }
        result_.service_cidrs.push_back(range->text());
      }
    }
    return {};
  }

  Status add_if_slice(const JsonField& unnamed) {
    SVCB_TAKE(is_slice, is_a(unnamed, "EndpointSlice", "discovery.k8s.io/v1"));
    if (!is_slice) {
      return {};
    }
    SVCB_TAKE(name, namespaced_name(unnamed));
    const JsonField item = unnamed.in(fmt::format("{}: EndpointSlice {}", source_, name));
    const JsonField metadata = item.get("metadata");
    SVCB_TAKE(service, metadata.get("labels").get("kubernetes.io/service-name").text());
    SVCB_TAKE(family, address_type(item.get("addressType")));
    if (service.empty() || !family || !why_not_ours(item).empty()) {
      return {};
    }
    SVCB_TAKE(ports, slice_ports(item.get("ports")));
    SVCB_TAKE(endpoints, slice_endpoints(item.get("endpoints"), *family, here_));
    for (const SliceEndpoint& one : endpoints) {
      hints_lost_ +=
          (one.node_hint.given && here_.node.empty()) || (one.zone_hint.given && here_.zone.empty()) ? 1U
                                                                                                     : 0U;
    }
    SVCB_TAKE(weight, slice_weight(metadata.get("annotations")));
    SVCB_TAKE(space, metadata.get("namespace").text());
    node_is_known_ =
        node_is_known_ || std::any_of(endpoints.begin(), endpoints.end(),
                                      [&](const auto& one) { return one.node == options_.node; });
    slices_[space + "/" + service].push_back({*family, std::move(ports), std::move(endpoints), weight});
    return {};
  }

  Status add_if_service(const JsonField& unnamed) {
    SVCB_TAKE(is_service, is_a(unnamed, "Service", "v1"));
    if (!is_service) {
      return {};
    }
    SVCB_TAKE(name, namespaced_name(unnamed));
    const JsonField item = unnamed.in(fmt::format("{}: Service {}", source_, name));
    const JsonField spec = item.get("spec");
    SVCB_TAKE(ips, cluster_ip_fields(spec));
    SVCB_TAKE(unusable, why_skipped(spec, ips));
    const std::string_view other = why_not_ours(item);
    const std::string_view reason = other.empty() ? unusable : other;
    if (!reason.empty()) {
      result_.skipped.push_back({name, std::string(reason)});
      return {};
    }
    ServiceItem service;
    service.name = name;
    for (const JsonField& ip : ips) {
      SVCB_TAKE(address, usable_address(ip));
      service.addresses.push_back(address);
    }
    SVCB_TAKE(policies, policies_of(spec));
    service.policies = policies;
    SVCB_CHECK(read_health_check(service, spec));
    SVCB_CHECK(read_externals(service, item));
    SVCB_TAKE(ports, spec.get("ports").elements());
    for (const JsonField& port : ports) {
      SVCB_CHECK(add_port(service, port));
    }
    return {};
  }

  struct ServiceItem {
    std::string name;  // namespace/service
    std::vector<Address> addresses;
    std::vector<External> externals;
    Policies policies;
    std::vector<AddressRange> source_ranges;
  };

  // Of load balancers that ask each node for its own endpoints.
  static Status read_health_check(ServiceItem& service, const JsonField& spec) {
    SVCB_TAKE(type, spec.get("type").text());
    SVCB_TAKE(port, node_port_number(spec.get("healthCheckNodePort")));
    if (type == "LoadBalancer" && service.policies.external_local) {
      service.policies.health_check_port = port.value_or(0);
    }
    return {};
  }

  Status read_externals(ServiceItem& service, const JsonField& item) {
    SVCB_TAKE(external_ips, item.get("spec").get("externalIPs").elements());
    for (const JsonField& field : external_ips) {
      SVCB_TAKE(address, usable_address(field));
      add_external(service, {FrontendKind::external_ip, address});
    }
    SVCB_TAKE(ingresses, item.get("status").get("loadBalancer").get("ingress").elements());
    for (const JsonField& ingress : ingresses) {
      const JsonField ip = ingress.get("ip");
      SVCB_TAKE(text, ip.text());
      SVCB_TAKE(mode, ingress.get("ipMode").text());
      if (text.empty()) {
        result_.skipped.push_back({service.name, "load balancer without an address: it has a host name"});
      } else if (mode == "Proxy") {
        result_.skipped.push_back(
            {service.name, "load balancer with ipMode Proxy: packets come by way of it"});
      } else {
        SVCB_TAKE(address, usable_address(ip));
        add_external(service, {FrontendKind::load_balancer, address});
      }
    }
    SVCB_TAKE(ranges, item.get("spec").get("loadBalancerSourceRanges").elements());
    for (const JsonField& field : ranges) {
      SVCB_TAKE(text, field.text());
      if (const auto range = AddressRange::parse(text)) {
        service.source_ranges.push_back(*range);
      } else {
        result_.skipped.push_back({service.name, "loadBalancerSourceRanges: " + range.error().message});
      }
    }
    return {};
  }

  void add_external(ServiceItem& service, const External& external) {
    const auto& addresses = service.addresses;
    const bool has_family = std::any_of(addresses.begin(), addresses.end(), [&](const Address& address) {
      return address.family == external.address.family;
    });
    const bool is_there =
        std::any_of(service.externals.begin(), service.externals.end(),
                    [&](const External& other) { return other.address == external.address; });
    if (!has_family) {
      result_.skipped.push_back({service.name, fmt::format("{} of a family that it has no cluster IP of",
                                                           to_string(external.kind))});
    } else if (!is_there) {  // one that is an external IP and the load balancer's is one frontend
      service.externals.push_back(external);
    }
  }

  Status add_port(const ServiceItem& service, const JsonField& field) {
    SVCB_TAKE(port_label, port_name(field.get("name")));
    const std::string name = port_label.empty() ? service.name : service.name + ":" + port_label;
    SVCB_TAKE(transport, protocol(field.get("protocol")));
    if (transport == Protocol::sctp && !options_.sctp) {
      result_.skipped.push_back({name, "SCTP: only TCP and UDP are measured"});
      return {};
    }
    SVCB_TAKE(number, field.get("port").port());
    SVCB_TAKE(node_port, node_port_number(field.get("nodePort")));

    std::vector<External> frontends;
    for (const Address& address : service.addresses) {
      frontends.push_back({FrontendKind::cluster_ip, address});
    }
    if (node_port) {
      for (const Address& address : service.addresses) {
        frontends.push_back({FrontendKind::node_port, {.bytes = {}, .family = address.family}});
      }
    }
    frontends.insert(frontends.end(), service.externals.begin(), service.externals.end());
    for (const auto& [kind, address] : frontends) {
      const PortKey key{port_label, transport, address.family};
      Service frontend;
      frontend.name = name;
      frontend.kind = kind;
      frontend.frontend = {address, kind == FrontendKind::node_port ? *node_port : number, transport};
      frontend.affinity_seconds = service.policies.affinity_seconds;
      frontend.health_check_port = service.policies.health_check_port;
      if (kind == FrontendKind::load_balancer) {
        for (const AddressRange& range : service.source_ranges) {
          if (range.first.family == address.family) {
            frontend.source_ranges.push_back(range.text());
          }
        }
      }
      const bool local = kind == FrontendKind::cluster_ip ? service.policies.internal_local
                                                          : service.policies.external_local;
      SVCB_CHECK(fill_endpoints(frontend, service.name, key, local));
      SVCB_CHECK(add(std::move(frontend)));
    }
    return {};
  }

  // `local`: the frontend's traffic policy is Local.
  Status fill_endpoints(Service& frontend, const std::string& service, const PortKey& key, bool local) {
    std::vector<PortEndpoint> all;
    if (const auto slices = slices_.find(service); slices != slices_.end()) {
      all = endpoints_in(slices->second, key);
    }
    const auto serve = std::count_if(all.begin(), all.end(), [](const PortEndpoint& one) {
      return one.source->ready || one.source->terminating;
    });
    if (static_cast<std::size_t>(serve) > options_.max_endpoints) {
      return too_many(frontend.name, static_cast<std::size_t>(serve));
    }
    frontend.counted_endpoints = static_cast<std::uint32_t>(all.size());
    for (const PortEndpoint& one : all) {
      if (!options_.node.empty() && one.source->node == options_.node) {
        frontend.own_endpoints.push_back(one.endpoint);
      }
    }
    frontend.local_only = local && !options_.node.empty();
    local_ += static_cast<std::size_t>(local);
    std::optional<std::string> node;
    if (frontend.local_only) {
      node = options_.node;
      for (const PortEndpoint* one : usable(all, std::nullopt)) {
        frontend.cluster_endpoints.push_back(one->endpoint);
      }
    }
    const auto used = usable(all, node);
    const bool weighted = std::any_of(used.begin(), used.end(),
                                      [](const PortEndpoint* one) { return one->weight.has_value(); });
    for (const PortEndpoint* one : used) {
      frontend.endpoints.push_back(one->endpoint);
      if (weighted) {
        frontend.weights.push_back(one->weight.value_or(1));
      }
    }
    for (const PortEndpoint& one : all) {
      const bool is_used = std::find(used.begin(), used.end(), &one) != used.end();
      if (one.source->terminating && !is_used && (!node || one.source->node == *node)) {
        frontend.terminating.push_back(one.endpoint);
      }
    }
    return {};
  }

  [[nodiscard]] tl::unexpected<Error> too_many(const std::string& name, std::size_t count) const {
    const bool can_raise = options_.max_endpoints < SVCB_MAX_ENDPOINTS;
    return usage_error("{}: {}: {} endpoints, more than the {} that --max-endpoints allows{}", source_,
                       name, grouped(count), grouped(options_.max_endpoints),
                       can_raise ? fmt::format("; raise it, up to {}", grouped(SVCB_MAX_ENDPOINTS))
                                 : ", which is the most there can be");
  }

  Status add(Service service) {
    const auto [other, is_new] = owners_.emplace(service.frontend, service.name);
    if (!is_new) {
      return usage_error("{}: {} and {} have the same {} {}", source_, other->second, service.name,
                         to_string(service.kind), service.frontend.text());
    }
    result_.services.push_back(std::move(service));
    return {};
  }

  void write_notes() {
    if (local_ != 0 && options_.node.empty()) {
      result_.notes.push_back(fmt::format(
          "{} frontends with a Local traffic policy are taken as Cluster: --node NAME says which "
          "node this is",
          grouped(local_)));
    }
    if (hints_lost_ != 0) {
      result_.notes.push_back(
          fmt::format("topology hints of {} endpoints are not looked at: --node NAME, and --zone NAME or "
                      "that Node in the "
                      "file, say where this is",
                      grouped(hints_lost_)));
    }
    if (!options_.node.empty() && !node_is_known_) {
      result_.notes.push_back(
          fmt::format("no endpoint of {} is on a node called {}", source_, printable(options_.node)));
    }
  }

  [[nodiscard]] Status require_cluster_ip() const {
    if (options_.may_be_empty) {
      return {};
    }
    const bool any =
        std::any_of(result_.services.begin(), result_.services.end(),
                    [](const Service& service) { return service.kind == FrontendKind::cluster_ip; });
    if (any) {
      return {};
    }
    if (result_.skipped.empty()) {
      return usage_error("{}: no Service in it, and 0 skipped; {}", source_, remedy);
    }
    const Skipped& first = result_.skipped.front();
    return usage_error("{}: no ClusterIP frontend in it; {} skipped, the first {} ({})", source_,
                       grouped(result_.skipped.size()), first.name, first.reason);
  }

  std::string source_;
  ClusterOptions options_;
  Here here_;
  std::unordered_map<std::string, std::vector<Slice>> slices_;  // by namespace/service
  std::unordered_map<Frontend, std::string> owners_;            // the service's name
  std::size_t local_ = 0;                                       // frontends with a Local traffic policy
  std::size_t hints_lost_ = 0;  // endpoints with hints of a kind that says nothing here
  bool node_is_known_ = false;
  ClusterServices result_;
};

}  // namespace

Result<ClusterServices> parse_cluster(std::string_view json, std::string_view source_name,
                                      const ClusterOptions& options) {
  SVCB_TAKE(document, parse_text(json, source_name));
  return Parser(source_name, options).parse(document);
}

Result<ClusterServices> read_cluster(const std::string& path, const ClusterOptions& options) {
  const std::string name = path == "-" ? "standard input" : path;
  SVCB_TAKE(text, read_whole(path, "cannot read " + name));
  return parse_cluster(text, name, options);
}

}  // namespace svcbench
