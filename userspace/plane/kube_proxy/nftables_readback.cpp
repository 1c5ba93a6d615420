// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/nftables_readback.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "plane/kube_proxy/names.h"
#include "plane/kube_proxy/nftables_rules.h"
#include "service/json_member.h"

namespace svcbench::kube_proxy {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 4> service_maps{"service-ips", "service-nodeports",
                                                       "no-endpoint-services", "no-endpoint-nodeports"};

// ---- JSON: what is not there, or of another kind, is null or empty ----

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
  return text == "6" ? "tcp" : text == "17" ? "udp" : text == "132" ? "sctp" : text;
}

std::string target_of(const Json& verdict, const char* kind) {
  return text_of(json_member(json_member(verdict, kind), "target"));
}

// "10.0.0.1", or {"prefix": {"addr": "10.0.0.0", "len": 8}} as 10.0.0.0/8.
std::string address_or_prefix(const Json& value) {
  const Json& prefix = json_member(value, "prefix");
  return prefix.is_null() ? text_of(value)
                          : fmt::format("{}/{}", text_of(json_member(prefix, "addr")),
                                        text_of(json_member(prefix, "len")));
}

void read_match(NftRule& rule, const Json& match) {
  const Json& left = json_member(match, "left");
  const Json& right = json_member(match, "right");
  const std::string field = text_of(json_member(json_member(left, "payload"), "field"));
  const bool equal = text_of(json_member(match, "op")) == "==";
  if (equal && field == "daddr") {
    rule.daddr = address_or_prefix(right);
  } else if (equal && field == "saddr") {
    rule.saddr = address_or_prefix(right);
  } else if (equal && field == "dport") {
    rule.dport = number_of(right);
  } else if (field == "saddr") {
    rule.other_saddr = address_or_prefix(right);
  } else if (equal && text_of(json_member(json_member(left, "meta"), "key")) == "l4proto") {
    rule.protocol = protocol_of(right);
  } else if (equal && text_of(json_member(json_member(left, "fib"), "result")) == "type" &&
             json_member(json_member(left, "fib"), "flags") == Json::array({"saddr"}) &&
             text_of(right) == "local") {
    rule.local_saddr = true;
  } else {
    rule.other = true;
  }
}

void read_vmap(NftRule& rule, const Json& vmap) {
  const Json& numgen = json_member(json_member(vmap, "key"), "numgen");
  rule.modulo = number_of(json_member(numgen, "mod"));
  rule.other = rule.other || text_of(json_member(numgen, "mode")) != "random" ||
               number_of(json_member(numgen, "offset")) != 0;
  for (const Json& pair : json_member(json_member(vmap, "data"), "set")) {
    if (!pair.is_array() || pair.size() != 2) {
      rule.other = true;
      continue;
    }
    rule.targets.emplace_back(number_of(pair[0]), target_of(pair[1], "goto"));
  }
  std::sort(rule.targets.begin(), rule.targets.end());
}

void read_choices(NftRule& rule, const Json& map) {
  const Json& numgen = json_member(json_member(map, "key"), "numgen");
  rule.modulo = number_of(json_member(numgen, "mod"));
  rule.other = rule.other || text_of(json_member(numgen, "mode")) != "random" ||
               number_of(json_member(numgen, "offset")) != 0;
  for (const Json& pair : json_member(json_member(map, "data"), "set")) {
    const Json& parts = pair.is_array() && pair.size() == 2 ? json_member(pair[1], "concat") : Json();
    const auto address = parts.is_array() && parts.size() == 2 ? Address::parse(text_of(parts[0]))
                                                               : Result<Address>(failure("no address"));
    if (!address || number_of(parts[1]) > UINT16_MAX) {
      rule.other = true;
      continue;
    }
    rule.choices.push_back(
        {number_of(pair[0]), {*address, static_cast<std::uint16_t>(number_of(parts[1]))}});
  }
  std::sort(rule.choices.begin(), rule.choices.end(),
            [](const auto& one, const auto& other) { return one.first < other.first; });
}

void read_dnat(NftRule& rule, const Json& dnat) {
  if (const Json& map = json_member(json_member(dnat, "addr"), "map"); !map.is_null()) {
    return read_choices(rule, map);
  }
  const auto address = Address::parse(text_of(json_member(dnat, "addr")));
  const std::uint64_t port = number_of(json_member(dnat, "port"));
  if (!address || port > UINT16_MAX) {
    rule.other = true;
    return;
  }
  rule.dnat = Endpoint{*address, static_cast<std::uint16_t>(port)};
}

void read_update(NftRule& rule, const Json& set) {
  const std::string field = text_of(json_member(json_member(json_member(set, "elem"), "payload"), "field"));
  rule.update = text_of(json_member(set, "set"));
  rule.other = rule.other || text_of(json_member(set, "op")) != "update" || field != "saddr";
}

NftRule read_rule(const Json& expressions) {
  NftRule rule;
  for (const Json& expression : expressions) {
    if (const Json& match = json_member(expression, "match"); !match.is_null()) {
      read_match(rule, match);
    } else if (const Json& vmap = json_member(expression, "vmap"); !vmap.is_null()) {
      read_vmap(rule, vmap);
    } else if (const Json& dnat = json_member(expression, "dnat"); !dnat.is_null()) {
      read_dnat(rule, dnat);
    } else if (const Json& mangle = json_member(expression, "mangle"); !mangle.is_null()) {
      const Json& value = json_member(json_member(mangle, "value"), "|");
      const bool marks =
          text_of(json_member(json_member(json_member(mangle, "key"), "meta"), "key")) == "mark" &&
          value.is_array() && value.size() == 2 && number_of(value[1]) == 0x4000;
      (marks ? rule.jump : rule.protocol) = marks ? "mark-for-masquerade" : rule.protocol;
      rule.other = rule.other || !marks;
    } else if (const Json& set = json_member(expression, "set"); !set.is_null()) {
      read_update(rule, set);
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
  const Json& parts = json_member(value, "concat");
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
  const Json& commented = json_member(pair[0], "elem");
  const Json& key = commented.is_null() ? pair[0] : json_member(commented, "val");
  return std::pair{read_key(key),
                   NftElement{target_of(pair[1], "goto"), text_of(json_member(commented, "comment")),
                              pair[1].is_object() && pair[1].contains("drop")}};
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
  if (!rule.choices.empty()) {
    for (std::size_t i = 0; i < rule.choices.size(); ++i) {
      if (rule.choices[i].first != i) {
        return false;
      }
    }
    return !rule.other && rule.targets.empty() && rule.modulo == rule.choices.size();
  }
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

// Of what `nft --json list` printed.
Result<Json> listed_objects(std::string_view json) {
  Json document = Json::parse(json, nullptr, false);
  if (!json_member(document, "nftables").is_array()) {
    return failure("nft --json list printed something else than its JSON");
  }
  return std::move(document["nftables"]);
}

}  // namespace

Status add_nft_names(std::string_view json, NftNames& names) {
  SVCB_TAKE(objects, listed_objects(json));
  for (const Json& object : objects) {
    const Json& chain = json_member(object, "chain");
    const Json& named = chain.is_null() ? json_member(object, "set") : chain;
    if (named.is_null() || text_of(json_member(named, "table")) != nft_table) {
      continue;
    }
    std::string name = text_of(json_member(named, "name"));
    if (!chain.is_null() && name.find('/') != std::string::npos) {
      names.chains.push_back(std::move(name));
    } else if (chain.is_null() && name.starts_with("affinity-")) {
      names.affinity_sets.push_back(std::move(name));
    }
  }
  return {};
}

Status add_nft_elements(std::string_view json, std::unordered_map<std::string, std::string>& elements) {
  SVCB_TAKE(objects, listed_objects(json));
  for (const Json& object : objects) {
    const Json& set = json_member(object, "set");
    const Json& container = set.is_null() ? json_member(object, "map") : set;
    const std::string name = text_of(json_member(container, "name"));
    for (const Json& one : json_member(container, "elem")) {
      if (!set.is_null()) {
        const std::string key = json_member(one, "concat").is_null() ? text_of(one) : read_key(one);
        elements.emplace(fmt::format("{} {}", name, key), "");
        continue;
      }
      const auto element = read_element(one);
      if (!element) {
        return failure("nft --json list map printed an element of {} that svcbench cannot read", name);
      }
      elements.emplace(fmt::format("{} {}", name, element->first),
                       element->second.drop ? "drop" : "goto " + element->second.target);
    }
  }
  return {};
}

Result<NftTable> NftTable::parse(std::string_view json, Family family) {
  const Json document = Json::parse(json, nullptr, false);
  const Json& objects = json_member(document, "nftables");
  if (!objects.is_array()) {
    return failure("nft -j list table printed something else than its JSON (is it nftables 1.0 or later?)");
  }
  NftTable table;
  table.family_ = family;
  for (const Json& object : objects) {
    if (const Json& chain = json_member(object, "chain"); !chain.is_null()) {
      table.chains_[text_of(json_member(chain, "name"))];
    } else if (const Json& rule = json_member(object, "rule"); !rule.is_null()) {
      table.chains_[text_of(json_member(rule, "chain"))].push_back(read_rule(json_member(rule, "expr")));
    } else if (const Json& set = json_member(object, "set"); !set.is_null()) {
      const std::string name = text_of(json_member(set, "name"));
      if (name.starts_with("affinity-")) {
        table.affinity_sets_[name] = static_cast<std::uint32_t>(number_of(json_member(set, "timeout")));
      } else if (name == "cluster-ips") {
        for (const Json& element : json_member(set, "elem")) {
          table.cluster_ips_.insert(text_of(element));
        }
      }
    } else if (const Json& map = json_member(object, "map"); !map.is_null()) {
      auto& elements = table.maps_[text_of(json_member(map, "name"))];
      for (const Json& pair : json_member(map, "elem")) {
        auto element = read_element(pair);
        if (!element) {
          return failure("nft -j list table printed an element of {} that svcbench cannot read",
                         text_of(json_member(map, "name")));
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

bool NftTable::marks_in_services() const {
  const auto found = chains_.find("services");
  if (found == chains_.end() || found->second.empty()) {
    return false;
  }
  const NftRule& first = found->second.front();
  NftRule masquerade = jump_to_mark();
  masquerade.daddr = "@cluster-ips";
  masquerade.other_saddr = first.other_saddr;
  return first == masquerade && !first.other_saddr.empty();
}

Status NftTable::read_external(const std::string& target, Service& service) const {
  SVCB_TAKE(rules, chain(target));
  const std::string service_chain = "service-" + target.substr(std::string_view("external-").size());
  const std::string local_chain = "local-" + target.substr(std::string_view("external-").size());
  NftRule on;
  on.go_to = service_chain;
  if (rules->size() == 2 && rules->front() == jump_to_mark() && rules->back() == on) {
    return read_policy(service_chain, service, service.endpoints);
  }
  // The Local policy: pods' packets and the node's own by the other one; the rest, where there is an
  // endpoint, by this.
  NftRule pods = on;
  NftRule mark = jump_to_mark();
  NftRule own = on;
  mark.local_saddr = own.local_saddr = true;
  const bool leads_on = rules->size() == 4;
  if (leads_on || rules->size() == 3) {
    pods.saddr = (*rules)[0].saddr;
    on.go_to = local_chain;
    if (!pods.saddr.empty() && (*rules)[0] == pods && (*rules)[1] == mark && (*rules)[2] == own &&
        (!leads_on || rules->back() == on)) {
      service.local_only = true;
      SVCB_CHECK(read_policy(service_chain, service, service.cluster_endpoints));
      return leads_on ? read_policy(local_chain, service, service.endpoints) : Status();
    }
  }
  return not_ours(target, "it has to masquerade, and to go to a service's chain or this node's part of it");
}

Status NftTable::read_policy(const std::string& name, Service& service,
                             std::vector<Endpoint>& endpoints) const {
  SVCB_TAKE(all, chain(name));
  std::span<const NftRule> rules(*all);
  if (rules.empty() || !is_balanced(rules.back())) {
    return not_ours(name, "it has to end with one verdict for each number that it draws");
  }
  const auto& targets = rules.back().targets;
  const auto& choices = rules.back().choices;
  if (!choices.empty() && rules.back().protocol != lower_case(service.frontend.protocol)) {
    return not_ours(name, "it has to translate its service's protocol");
  }
  rules = rules.first(rules.size() - 1);
  if (!rules.empty() && !rules.front().jump.empty()) {
    NftRule masquerade = jump_to_mark();
    masquerade.daddr =
        service.kind == FrontendKind::cluster_ip ? service.frontend.address.text() : rules.front().daddr;
    masquerade.other_saddr = rules.front().other_saddr;
    // Of versions that match the port as well, it is the ClusterIP's.
    if (rules.front().dport == service.frontend.port || service.kind != FrontendKind::cluster_ip) {
      masquerade.dport = rules.front().dport;
    }
    if (rules.front() != masquerade || masquerade.other_saddr.empty() || masquerade.daddr.empty()) {
      return not_ours(name, "it has to mark what comes from outside the cluster");
    }
    rules = rules.subspan(1);
  } else if (service.kind == FrontendKind::cluster_ip && !marks_in_services()) {
    return not_ours(name, "it has to mark what comes from outside the cluster");
  }
  if (!rules.empty() && targets.empty()) {
    return not_ours(name, "it has to do no more than to translate");
  }
  if (!rules.empty()) {
    const auto timeout = affinity_sets_.find(nft_affinity_set(targets.front().second));
    service.affinity_seconds = timeout == affinity_sets_.end() ? 0 : timeout->second;
    for (std::size_t i = 0; i < rules.size(); ++i) {
      NftRule seen;
      seen.go_to = i < targets.size() ? targets[i].second : "";
      seen.saddr = seen.go_to.empty() ? "" : "@" + nft_affinity_set(seen.go_to);
      if (rules.size() != targets.size() || rules[i] != seen || service.affinity_seconds == 0) {
        return not_ours(name, "it has to send a client back to the endpoint that it was sent to before");
      }
    }
  }
  for (const auto& [number, choice] : choices) {
    endpoints.push_back(choice);
  }
  for (const auto& [number, target] : targets) {
    SVCB_TAKE(next, endpoint(target, service));
    endpoints.push_back(next);
  }
  return {};
}

Result<Endpoint> NftTable::endpoint(const std::string& chain_name, const Service& service) const {
  SVCB_TAKE(rules, chain(chain_name));
  const bool remembers = service.affinity_seconds != 0;
  const std::size_t marks = marks_in_services() ? 0 : 1;
  if (rules->size() != marks + (remembers ? 2 : 1) || !rules->back().dnat) {
    return not_ours(chain_name, "it has to mark what the endpoint sends to itself, and to translate");
  }
  const Endpoint endpoint = *rules->back().dnat;
  NftRule hairpin = jump_to_mark();
  hairpin.saddr = endpoint.address.text();
  NftRule dnat;
  dnat.protocol = lower_case(service.frontend.protocol);
  dnat.dnat = endpoint;
  if ((marks == 1 && rules->front() != hairpin) || rules->back() != dnat) {
    return not_ours(chain_name,
                    fmt::format("it translates to {}, which its other match is not for", endpoint.text()));
  }
  if (remembers) {
    const std::string set = nft_affinity_set(chain_name);
    const auto timeout = affinity_sets_.find(set);
    NftRule update;
    update.update = "@" + set;
    if ((*rules)[marks] != update || timeout == affinity_sets_.end() ||
        timeout->second != service.affinity_seconds) {
      return not_ours(chain_name,
                      fmt::format("it has to remember its clients for {} s", service.affinity_seconds));
    }
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
  Service service;
  service.frontend = frontend;
  const bool is_external = dispatch != nullptr ? dispatch->target.starts_with("external-")
                                               : !cluster_ips_.contains(frontend.address.text());
  service.kind = frontend.address.is_unspecified() ? FrontendKind::node_port
                 : is_external                     ? FrontendKind::external_ip
                                                   : FrontendKind::cluster_ip;
  if (refusal != nullptr && !refusal->drop && refusal->target != "reject-chain") {
    return failure("the kernel does not reject {}, which has no endpoints", frontend.text());
  }
  if (dispatch == nullptr) {
    service.name = refusal->comment;
    service.local_only = refusal->drop;
    return service;
  }
  service.name = service_name_of_nft_chain(dispatch->target);
  if (is_external) {
    SVCB_CHECK(read_external(dispatch->target, service));
  } else {
    service.local_only = dispatch->target.starts_with("local-");
    SVCB_CHECK(read_policy(dispatch->target, service, service.endpoints));
  }
  // Refused as well: with the Local policy, what comes from outside to a node without endpoints.
  const bool dropped = is_external && service.local_only && service.endpoints.empty();
  if (dropped != (refusal != nullptr) || (dropped && !refusal->drop)) {
    return failure("the kernel both dispatches and refuses {}, or should", frontend.text());
  }
  return service;
}

Result<std::size_t> NftTable::services(std::span<const std::string> leftover) const {
  using Names = std::unordered_set<std::string>;
  // What the maps lead to.
  std::size_t services = 0;
  Names policies;
  Names externals;
  Names endpoints;
  Names sets;
  for (const std::string_view map : service_maps) {
    const auto elements = maps_.find(std::string(map));
    if (elements == maps_.end()) {
      return failure("the kernel's {} table has no map {}", to_string(family_), map);
    }
    const bool refuses = map.starts_with("no-");
    for (const auto& [key, element] : elements->second) {
      // One that is dispatched and refused is one service.
      const auto* const other =
          refuses ? this->element(map == "no-endpoint-services" ? "service-ips" : "service-nodeports", key)
                  : nullptr;
      services += other == nullptr ? 1 : 0;
      if (!refuses) {
        (element.target.starts_with("external-") ? externals : policies).insert(element.target);
      }
    }
  }
  const auto rules_of = [this](const std::string& name) -> const std::vector<NftRule>& {
    static const std::vector<NftRule> none;
    const auto found = chains_.find(name);
    return found == chains_.end() ? none : found->second;
  };
  for (const std::string& chain : externals) {
    for (const NftRule& rule : rules_of(chain)) {
      if (!rule.go_to.empty()) {
        policies.insert(rule.go_to);
      }
    }
  }
  for (const std::string& chain : policies) {
    for (const NftRule& rule : rules_of(chain)) {
      for (const auto& [number, target] : rule.targets) {
        endpoints.insert(target);
      }
      if (rule.saddr.starts_with("@")) {
        sets.insert(rule.saddr.substr(1));
      }
    }
  }

  // What there is.
  const Names known(leftover.begin(), leftover.end());
  std::array<std::size_t, 4> held{};
  for (const auto& [name, rules] : chains_) {
    if (name.find('/') != std::string::npos && !(known.contains(name) && rules.empty())) {
      held[0] += name.starts_with("service-") || name.starts_with("local-") ? 1 : 0;
      held[1] += name.starts_with("endpoint-") ? 1 : 0;
      held[2] += name.starts_with("external-") ? 1 : 0;
    }
  }
  held[3] = affinity_sets_.size();
  Names firewalls;
  if (const auto elements = maps_.find("firewall-ips"); elements != maps_.end()) {
    for (const auto& [key, element] : elements->second) {
      firewalls.insert(element.target);
    }
  }
  const auto is_firewall = [&](const auto& chain) {
    return chain.first.starts_with("firewall-") && chain.first.find('/') != std::string::npos &&
           !(known.contains(chain.first) && chain.second.empty());
  };
  if (const auto count =
          static_cast<std::size_t>(std::count_if(chains_.begin(), chains_.end(), is_firewall));
      count != firewalls.size()) {
    return failure("the kernel's {} table leads to {} firewall chains, and has {}", to_string(family_),
                   firewalls.size(), count);
  }
  const std::array led_to{policies.size(), endpoints.size(), externals.size(), sets.size()};
  if (held != led_to) {
    return failure(
        "the kernel's {} table leads {} services to {} service chains, {} endpoint chains, {} external "
        "chains and {} affinity sets, and has {}, {}, {} and {}",
        to_string(family_), services, led_to[0], led_to[1], led_to[2], led_to[3], held[0], held[1], held[2],
        held[3]);
  }
  return services;
}

}  // namespace svcbench::kube_proxy
