// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/nftables_readback.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "plane/kube_proxy/names.h"
#include "plane/kube_proxy/nftables_rules.h"

namespace svcbench::kube_proxy {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 4> service_maps{"service-ips", "service-nodeports",
                                                       "no-endpoint-services", "no-endpoint-nodeports"};

// ---- JSON: what is not there, or of another kind, is null or empty ----

const Json& member(const Json& object, const char* name) {
  static const Json null;
  const auto found = object.find(name);
  return found == object.end() ? null : *found;
}

// A string, or a number as nft prints those it has no name for.
std::string text_of(const Json& value) {
  if (const auto* text = value.get_ptr<const std::string*>()) {
    return *text;
  }
  return value.is_number_unsigned() ? std::to_string(value.get<std::uint64_t>()) : std::string();
}

std::uint64_t number_of(const Json& value) {
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

std::string protocol_of(const Json& value) {
  const std::string text = text_of(value);
  return text == "6" ? "tcp" : text == "17" ? "udp" : text;
}

std::string target_of(const Json& verdict, const char* kind) {
  return text_of(member(member(verdict, kind), "target"));
}

// "10.0.0.1", or {"prefix": {"addr": "10.0.0.0", "len": 8}} as 10.0.0.0/8.
std::string address_or_prefix(const Json& value) {
  const Json& prefix = member(value, "prefix");
  return prefix.is_null()
             ? text_of(value)
             : fmt::format("{}/{}", text_of(member(prefix, "addr")), text_of(member(prefix, "len")));
}

void read_match(NftRule& rule, const Json& match) {
  const Json& left = member(match, "left");
  const Json& right = member(match, "right");
  const std::string field = text_of(member(member(left, "payload"), "field"));
  const bool equal = text_of(member(match, "op")) == "==";
  if (equal && field == "daddr") {
    rule.daddr = address_or_prefix(right);
  } else if (equal && field == "saddr") {
    rule.saddr = address_or_prefix(right);
  } else if (field == "saddr") {
    rule.other_saddr = address_or_prefix(right);
  } else if (equal && text_of(member(member(left, "meta"), "key")) == "l4proto") {
    rule.protocol = protocol_of(right);
  } else {
    rule.other = true;
  }
}

void read_vmap(NftRule& rule, const Json& vmap) {
  const Json& numgen = member(member(vmap, "key"), "numgen");
  rule.modulo = number_of(member(numgen, "mod"));
  rule.other =
      rule.other || text_of(member(numgen, "mode")) != "random" || number_of(member(numgen, "offset")) != 0;
  for (const Json& pair : member(member(vmap, "data"), "set")) {
    if (!pair.is_array() || pair.size() != 2) {
      rule.other = true;
      continue;
    }
    rule.targets.emplace_back(number_of(pair[0]), target_of(pair[1], "goto"));
  }
  std::sort(rule.targets.begin(), rule.targets.end());
}

void read_dnat(NftRule& rule, const Json& dnat) {
  const auto address = Address::parse(text_of(member(dnat, "addr")));
  const std::uint64_t port = number_of(member(dnat, "port"));
  if (!address || port > UINT16_MAX) {
    rule.other = true;
    return;
  }
  rule.dnat = Endpoint{*address, static_cast<std::uint16_t>(port)};
}

NftRule read_rule(const Json& expressions) {
  NftRule rule;
  for (const Json& expression : expressions) {
    if (const Json& match = member(expression, "match"); !match.is_null()) {
      read_match(rule, match);
    } else if (const Json& vmap = member(expression, "vmap"); !vmap.is_null()) {
      read_vmap(rule, vmap);
    } else if (const Json& dnat = member(expression, "dnat"); !dnat.is_null()) {
      read_dnat(rule, dnat);
    } else if (std::string jump = target_of(expression, "jump"); !jump.empty()) {
      rule.jump = std::move(jump);
    } else if (std::string go_to = target_of(expression, "goto"); !go_to.empty()) {
      rule.go_to = std::move(go_to);
    } else {
      rule.other = true;
    }
  }
  return rule;
}

// {"concat": ["10.96.0.1", "tcp", 80]} as "10.96.0.1 . tcp . 80".
std::string read_key(const Json& value) {
  const Json& parts = member(value, "concat");
  std::string key;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool is_protocol = i + 2 == parts.size();
    key += (i == 0 ? "" : " . ") + (is_protocol ? protocol_of(parts[i]) : text_of(parts[i]));
  }
  return key;
}

// [key, verdict]; a key with a comment is in {"elem": {"val": key, "comment": ...}}.
std::optional<std::pair<std::string, NftElement>> read_element(const Json& pair) {
  if (!pair.is_array() || pair.size() != 2) {
    return std::nullopt;
  }
  const Json& commented = member(pair[0], "elem");
  const Json& key = commented.is_null() ? pair[0] : member(commented, "val");
  return std::pair{read_key(key),
                   NftElement{target_of(pair[1], "goto"), text_of(member(commented, "comment"))}};
}

tl::unexpected<Error> not_ours(std::string_view chain, std::string_view what) {
  return failure("the kernel's chain {} is not as kube-proxy writes it: {}", chain, what);
}

NftRule jump_to_mark() {
  NftRule rule;
  rule.jump = "mark-for-masquerade";
  return rule;
}

bool is_balanced(const NftRule& rule) {
  if (rule.other || rule.targets.empty() || rule.modulo != rule.targets.size()) {
    return false;
  }
  for (std::size_t i = 0; i < rule.targets.size(); ++i) {
    if (rule.targets[i].first != i || rule.targets[i].second.empty()) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<NftTable> NftTable::parse(std::string_view json, Family family) {
  const Json document = Json::parse(json, nullptr, false);
  const Json& objects = member(document, "nftables");
  if (!objects.is_array()) {
    return failure("nft -j list table printed something else than its JSON (is it nftables 1.0 or later?)");
  }
  NftTable table;
  table.family_ = family;
  for (const Json& object : objects) {
    if (const Json& chain = member(object, "chain"); !chain.is_null()) {
      table.chains_[text_of(member(chain, "name"))];
    } else if (const Json& rule = member(object, "rule"); !rule.is_null()) {
      table.chains_[text_of(member(rule, "chain"))].push_back(read_rule(member(rule, "expr")));
    } else if (const Json& map = member(object, "map"); !map.is_null()) {
      auto& elements = table.maps_[text_of(member(map, "name"))];
      for (const Json& pair : member(map, "elem")) {
        auto element = read_element(pair);
        if (!element) {
          return failure("nft -j list table printed an element of {} that svcbench cannot read",
                         text_of(member(map, "name")));
        }
        elements.insert(std::move(*element));
      }
    }
  }
  return table;
}

const NftElement* NftTable::element(std::string_view map, const std::string& key) const {
  const auto elements = maps_.find(std::string(map));
  if (elements == maps_.end()) {
    return nullptr;
  }
  const auto found = elements->second.find(key);
  return found == elements->second.end() ? nullptr : &found->second;
}

Result<const std::vector<NftRule>*> NftTable::chain(const std::string& name) const {
  const auto found = chains_.find(name);
  if (found == chains_.end()) {
    return not_ours(name, "it is not there");
  }
  return &found->second;
}

Result<std::string> NftTable::service_chain(const Frontend& frontend, const std::string& target) const {
  if (!frontend.address.is_unspecified()) {
    return target;
  }
  SVCB_TAKE(rules, chain(target));
  if (rules->size() != 2 || (*rules)[0] != jump_to_mark() || !(*rules)[1].go_to.starts_with("service-")) {
    return not_ours(target, "it has to mark for masquerading, and to go to a service's chain");
  }
  return (*rules)[1].go_to;
}

Result<Endpoint> NftTable::endpoint(const std::string& chain_name, Protocol protocol) const {
  SVCB_TAKE(rules, chain(chain_name));
  if (rules->size() != 2 || !rules->back().dnat) {
    return not_ours(chain_name, "it has to mark what the endpoint sends to itself, and to translate");
  }
  const Endpoint endpoint = *rules->back().dnat;
  NftRule hairpin = jump_to_mark();
  hairpin.saddr = endpoint.address.text();
  NftRule dnat;
  dnat.protocol = lower_case(protocol);
  dnat.dnat = endpoint;
  if (rules->front() != hairpin || rules->back() != dnat) {
    return not_ours(chain_name,
                    fmt::format("it translates to {}, which its other match is not for", endpoint.text()));
  }
  return endpoint;
}

Result<std::optional<Service>> NftTable::find(const Frontend& frontend) const {
  const std::string key = nft_key(frontend);
  const NftElement* dispatch = element(nft_dispatch_map(frontend), key);
  const NftElement* refusal = element(nft_refusal_map(frontend), key);
  if (dispatch == nullptr && refusal == nullptr) {
    return std::nullopt;
  }
  if (dispatch != nullptr && refusal != nullptr) {
    return failure("the kernel both dispatches and refuses {}", frontend.text());
  }
  Service service;
  service.frontend = frontend;
  service.kind = frontend.address.is_unspecified() ? FrontendKind::node_port : FrontendKind::cluster_ip;
  if (refusal != nullptr) {
    if (refusal->target != "reject-chain") {
      return failure("the kernel does not reject {}, which has no endpoints", frontend.text());
    }
    service.name = refusal->comment;
    return service;
  }

  SVCB_TAKE(name, service_chain(frontend, dispatch->target));
  service.name = service_name_of_nft_chain(name);
  SVCB_TAKE(rules, chain(name));
  if (rules->empty() || !is_balanced(rules->back())) {
    return not_ours(name, "it has to end with one verdict for each number that it draws");
  }
  if (!frontend.address.is_unspecified()) {
    NftRule masquerade = jump_to_mark();
    masquerade.daddr = frontend.address.text();
    masquerade.other_saddr = rules->front().other_saddr;
    if (rules->size() != 2 || rules->front() != masquerade || masquerade.other_saddr.empty()) {
      return not_ours(name, "it has to mark what comes from outside the cluster");
    }
  }
  for (const auto& [number, target] : rules->back().targets) {
    SVCB_TAKE(next, endpoint(target, frontend.protocol));
    service.endpoints.push_back(next);
  }
  return service;
}

Result<std::size_t> NftTable::services(std::span<const std::string> leftover) const {
  using Names = std::unordered_set<std::string>;
  const auto last_rule = [this](const std::string& name) -> NftRule {
    const auto found = chains_.find(name);
    return found == chains_.end() || found->second.empty() ? NftRule{} : found->second.back();
  };

  // What the maps lead to.
  std::size_t services = 0;
  Names service_chains;
  Names external_chains;
  Names endpoint_chains;
  for (const std::string_view map : service_maps) {
    const auto elements = maps_.find(std::string(map));
    if (elements == maps_.end()) {
      return failure("the kernel's {} table has no map {}", to_string(family_), map);
    }
    services += elements->second.size();
    for (const auto& [key, element] : elements->second) {
      if (map == "service-ips") {
        service_chains.insert(element.target);
      } else if (map == "service-nodeports") {
        external_chains.insert(element.target);
        service_chains.insert(last_rule(element.target).go_to);
      }
    }
  }
  for (const std::string& chain : service_chains) {
    for (const auto& [number, target] : last_rule(chain).targets) {
      endpoint_chains.insert(target);
    }
  }

  // What there is.
  const Names known(leftover.begin(), leftover.end());
  std::array<std::size_t, 3> held{};
  for (const auto& [name, rules] : chains_) {
    if (name.find('/') != std::string::npos && !(known.contains(name) && rules.empty())) {
      held[0] += name.starts_with("service-") ? 1 : 0;
      held[1] += name.starts_with("endpoint-") ? 1 : 0;
      held[2] += name.starts_with("external-") ? 1 : 0;
    }
  }
  const std::array led_to{service_chains.size(), endpoint_chains.size(), external_chains.size()};
  if (held != led_to) {
    return failure(
        "the kernel's {} table leads {} services to {} service chains, {} endpoint chains and {} external "
        "chains, and has {}, {} and {}",
        to_string(family_), services, led_to[0], led_to[1], led_to[2], held[0], held[1], held[2]);
  }
  return services;
}

}  // namespace svcbench::kube_proxy
