// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

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

tl::unexpected<Error> not_json(std::string_view text, std::size_t byte, std::string_view source) {
  // The parser counts the end of the text as one more byte.
  if (byte > text.size()) {
    return usage_error("{}: the JSON breaks off at byte {}, its last; {}", source, grouped(text.size()),
                       remedy);
  }
  const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(byte), '\n');
  return usage_error("{}: not JSON at byte {}, in line {}; {}", source, grouped(byte),
                     grouped(static_cast<std::uint64_t>(line)), remedy);
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
    return not_json(text, nul + 1, source);
  }
  try {
    return json::parse(text);
  } catch (const json::parse_error& error) {
    return not_json(text, error.byte, source);
  } catch (const json::exception&) {
    // The one other exception of parse(): a number that no double holds, 1e999.
    return usage_error("{}: a number in it is out of range; {}", source, remedy);
  }
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

// No value is SCTP, the one protocol of Services that is not measured.
Result<std::optional<Protocol>> protocol(const JsonField& field) {
  SVCB_TAKE(text, field.text());
  if (text.empty() || text == "TCP") {
    return Protocol::tcp;
  }
  if (text == "UDP") {
    return Protocol::udp;
  }
  if (text == "SCTP") {
    return std::nullopt;
  }
  return usage_error("{}: \"{}\" is not TCP, UDP or SCTP", field.where(), printable(text));
}

// ---- EndpointSlices ----

struct SlicePort {
  std::string name;
  Protocol protocol;
  std::uint16_t number;
};

struct Slice {
  Family family;
  std::vector<SlicePort> ports;
  std::vector<Address> ready;
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
    if (!transport ||
        number.absent()) {  // without a number it is "all ports", which no Service's port means
      continue;
    }
    SVCB_TAKE(value, number.port());
    ports.push_back({std::move(name), *transport, value});
  }
  return ports;
}

Result<std::vector<Address>> ready_addresses(const JsonField& list, Family family) {
  std::vector<Address> addresses;
  SVCB_TAKE(endpoints, list.elements());
  for (const JsonField& endpoint : endpoints) {
    SVCB_TAKE(ready, endpoint.get("conditions").get("ready").boolean(true));
    if (!ready) {
      continue;
    }
    SVCB_TAKE(own, endpoint.get("addresses").elements());
    if (own.empty()) {
      return usage_error("{}: an endpoint without an address", endpoint.where());
    }
    SVCB_TAKE(address, usable_address(own.front()));
    if (address.family != family) {
      return usage_error("{}: {} stands in a slice of {} addresses", own.front().where(), address.text(),
                         to_string(family));
    }
    addresses.push_back(address);
  }
  return addresses;
}

// ---- Services ----

// A port of a Service in one family: what a slice must offer to have endpoints for it.
struct PortKey {
  std::string name;
  Protocol protocol;
  Family family;
};

std::vector<Endpoint> endpoints_in(const Slice& slice, const PortKey& key) {
  std::vector<Endpoint> endpoints;
  if (slice.family != key.family) {
    return endpoints;
  }
  for (const SlicePort& port : slice.ports) {
    if (port.name == key.name && port.protocol == key.protocol) {
      for (const Address& address : slice.ready) {
        endpoints.push_back({address, port.number});
      }
    }
  }
  return endpoints;
}

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
  Parser(std::string_view source, const ClusterOptions& options) : source_(source), options_(options) {}

  Result<ClusterServices> parse(const json& document) {
    SVCB_TAKE(items, list_items(document));
    // Slices may stand behind the Services that they belong to.
    for (const JsonField& item : items) {
      SVCB_CHECK(add_if_slice(item));
    }
    for (const JsonField& item : items) {
      SVCB_CHECK(add_if_service(item));
    }
    SVCB_CHECK(require_cluster_ip());
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
    if (service.empty() || !family) {
      return {};
    }
    SVCB_TAKE(ports, slice_ports(item.get("ports")));
    SVCB_TAKE(ready, ready_addresses(item.get("endpoints"), *family));
    SVCB_TAKE(space, metadata.get("namespace").text());
    slices_[space + "/" + service].push_back({*family, std::move(ports), std::move(ready)});
    return {};
  }

  Status add_if_service(const JsonField& unnamed) {
    SVCB_TAKE(is_service, is_a(unnamed, "Service", "v1"));
    if (!is_service) {
      return {};
    }
    SVCB_TAKE(name, namespaced_name(unnamed));
    const JsonField spec = unnamed.in(fmt::format("{}: Service {}", source_, name)).get("spec");
    SVCB_TAKE(ips, cluster_ip_fields(spec));
    SVCB_TAKE(reason, why_skipped(spec, ips));
    if (!reason.empty()) {
      result_.skipped.push_back({name, std::string(reason)});
      return {};
    }
    std::vector<Address> addresses;
    for (const JsonField& ip : ips) {
      SVCB_TAKE(address, usable_address(ip));
      addresses.push_back(address);
    }
    SVCB_TAKE(ports, spec.get("ports").elements());
    for (const JsonField& port : ports) {
      SVCB_CHECK(add_port(name, addresses, port));
    }
    return {};
  }

  Status add_port(const std::string& service, const std::vector<Address>& addresses,
                  const JsonField& field) {
    SVCB_TAKE(port_label, port_name(field.get("name")));
    const std::string name = port_label.empty() ? service : service + ":" + port_label;
    SVCB_TAKE(transport, protocol(field.get("protocol")));
    if (!transport) {
      result_.skipped.push_back({name, "SCTP: only TCP and UDP are measured"});
      return {};
    }
    SVCB_TAKE(number, field.get("port").port());
    SVCB_TAKE(node_port, node_port_number(field.get("nodePort")));

    std::vector<Service> node_ports;
    for (const Address& address : addresses) {
      const PortKey key{port_label, *transport, address.family};
      SVCB_TAKE(endpoints, endpoints_of(service, key, name));
      const Address any{.bytes = {}, .family = address.family};
      if (node_port) {
        node_ports.push_back({name, FrontendKind::node_port, {any, *node_port, *transport}, endpoints});
      }
      SVCB_CHECK(
          add({name, FrontendKind::cluster_ip, {address, number, *transport}, std::move(endpoints)}));
    }
    for (Service& frontend : node_ports) {
      SVCB_CHECK(add(std::move(frontend)));
    }
    return {};
  }

  Result<std::vector<Endpoint>> endpoints_of(const std::string& service, const PortKey& key,
                                             const std::string& name) const {
    std::vector<Endpoint> endpoints;
    std::set<Endpoint> seen;  // while a controller moves endpoints, they may stand in two slices
    const auto slices = slices_.find(service);
    if (slices != slices_.end()) {
      for (const Slice& slice : slices->second) {
        for (const Endpoint& endpoint : endpoints_in(slice, key)) {
          if (seen.insert(endpoint).second) {
            endpoints.push_back(endpoint);
          }
        }
      }
    }
    if (endpoints.size() > options_.max_endpoints) {
      return too_many(name, endpoints.size());
    }
    return endpoints;
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

  [[nodiscard]] Status require_cluster_ip() const {
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
  std::unordered_map<std::string, std::vector<Slice>> slices_;  // by namespace/service
  std::unordered_map<Frontend, std::string> owners_;            // the service's name
  ClusterServices result_;
};

Result<std::string> read_all(std::FILE* file, const std::string& name) {
  std::string text;
  std::array<char, 1 << 16> buffer;
  std::size_t count = 0;
  while ((count = std::fread(buffer.data(), 1, buffer.size(), file)) > 0) {
    text.append(buffer.data(), count);
  }
  if (std::ferror(file) != 0) {
    const int error = errno;
    return usage_error("{}", with_errno("cannot read " + name, error));
  }
  return text;
}

}  // namespace

Result<ClusterServices> parse_cluster(std::string_view json, std::string_view source_name,
                                      const ClusterOptions& options) {
  SVCB_TAKE(document, parse_text(json, source_name));
  return Parser(source_name, options).parse(document);
}

Result<ClusterServices> read_cluster(const std::string& path, const ClusterOptions& options) {
  if (path == "-") {
    SVCB_TAKE(input, read_all(stdin, "standard input"));
    return parse_cluster(input, "standard input", options);
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (!file) {
    const int error = errno;
    return usage_error("{}", with_errno("cannot read " + path, error));
  }
  SVCB_TAKE(text, read_all(file.get(), path));
  return parse_cluster(text, path, options);
}

}  // namespace svcbench
