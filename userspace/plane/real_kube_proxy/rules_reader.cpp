// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/real_kube_proxy/rules_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "plane/kube_proxy/iptables_readback.h"
#include "plane/kube_proxy/names.h"
#include "service/text.h"

namespace svcbench::kubernetes {

namespace {

using nlohmann::json;
using namespace nlohmann::literals;

Result<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) {
    return failure("kube-proxy's rules have a port that is none: {}", printable(text));
  }
  return port;
}

std::optional<Protocol> protocol_of(std::string_view text) {
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (kube_proxy::lower_case(protocol) == text) {
      return protocol;
    }
  }
  return std::nullopt;
}

// "10.0.0.1:80", "[fd00::1]:80".
Result<Endpoint> endpoint_of(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return failure("kube-proxy's rules translate to {}, which has no port", printable(text));
  }
  std::string_view address = text.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  SVCB_TAKE(parsed, Address::parse(address));
  SVCB_TAKE(port, port_of(text.substr(colon + 1)));
  return Endpoint{parsed, port};
}

// Frontends and the chains that their packets go to.
using Entries = std::vector<std::pair<Frontend, std::string>>;

// Chains of a table, each with where its rules lead: other chains and endpoints.
class Chains {
 public:
  struct Chain {
    std::vector<std::string> targets{};
    std::vector<Endpoint> endpoints{};
  };

  Chain& at(const std::string& name) { return chains_[name]; }

  // Every endpoint that a packet in that chain may be translated to; ascending, each once.
  [[nodiscard]] Result<std::vector<Endpoint>> ends_of(const std::string& name) const {
    std::set<Endpoint> ends;
    std::set<std::string> seen;
    std::vector<std::string> waiting{name};
    while (!waiting.empty()) {
      const std::string next = std::move(waiting.back());
      waiting.pop_back();
      if (!seen.insert(next).second) {
        continue;
      }
      const auto found = chains_.find(next);
      if (found == chains_.end()) {
        return failure("kube-proxy's rules lead to the chain {}, which is not there", printable(next));
      }
      ends.insert(found->second.endpoints.begin(), found->second.endpoints.end());
      waiting.insert(waiting.end(), found->second.targets.begin(), found->second.targets.end());
    }
    return std::vector<Endpoint>(ends.begin(), ends.end());
  }

  // `refused`, and each of the entries with where its chain leads.
  [[nodiscard]] Result<Programmed> followed(const Entries& entries, Programmed refused) const {
    for (const auto& [frontend, chain] : entries) {
      SVCB_TAKE(ends, ends_of(chain));
      refused[frontend] = std::move(ends);
    }
    return refused;
  }

 private:
  std::unordered_map<std::string, Chain> chains_{};
};

// ---- iptables-save ----

// "-A CHAIN -d 10.96.0.1/32 -p tcp -m comment --comment "a b" -m tcp --dport 80 -j TARGET", as words.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    words.push_back(kube_proxy::take_saved_word(line));
  }
  return words;
}

// What follows the option; "": it is not there.
std::string_view after(const std::vector<std::string_view>& words, std::string_view option) {
  const auto found = std::find(words.begin(), words.end(), option);
  return found == words.end() || found + 1 == words.end() ? std::string_view{} : *(found + 1);
}

// The frontend that a rule of KUBE-SERVICES, KUBE-NODEPORTS or KUBE-EXTERNAL-SERVICES is about.
Result<std::optional<Frontend>> frontend_of(const std::vector<std::string_view>& words, Family family) {
  const auto protocol = protocol_of(after(words, "-p"));
  const std::string_view port = after(words, "--dport");
  if (!protocol || port.empty()) {
    return std::optional<Frontend>{};
  }
  Frontend frontend;
  frontend.protocol = *protocol;
  SVCB_TAKE(number, port_of(port));
  frontend.port = number;
  frontend.address.family = family;
  if (const std::string_view address = after(words, "-d"); !address.empty()) {
    SVCB_TAKE(parsed, Address::parse(address.substr(0, address.find('/'))));
    frontend.address = parsed;
  }
  return std::optional(frontend);
}

// ---- nft -j ----

// A number, or text that is one.
Result<std::uint16_t> port_in(const json& value) {
  return port_of(value.is_string() ? value.get<std::string>() : value.dump());
}

// "dnat to 10.0.0.1:8080"; or, as from 1.36 on, "dnat to numgen random mod 2 map { 0 : 10.0.0.1 . 8080, ...
// }".
Status collect_dnat(const json& dnat, Chains::Chain& chain) {
  const auto add = [&](const json& address, const json& port) -> Status {
    SVCB_TAKE(parsed, Address::parse(address.is_string() ? address.get<std::string>() : address.dump()));
    SVCB_TAKE(number, port_in(port));
    chain.endpoints.push_back({parsed, number});
    return {};
  };
  const json& to = dnat["addr"];
  if (to.is_string()) {
    return dnat.contains("port") ? add(to, dnat["port"]) : Status();
  }
  const json choices = to.value("/map/data/set"_json_pointer, json::array());
  for (const json& choice : choices) {
    const bool is_pair = choice.is_array() && choice.size() == 2 && choice[1].is_object();
    const json parts = is_pair ? choice[1].value("concat", json()) : json();
    if (!parts.is_array() || parts.size() != 2) {
      return failure("kube-proxy's rules translate to {}, which is no address and port",
                     printable(choice.dump()));
    }
    SVCB_CHECK(add(parts[0], parts[1]));
  }
  return {};
}

// Everything that an expression of a rule leads to, however deep it stands.
Status collect(const json& value, Chains::Chain& chain) {
  if (value.is_object()) {
    for (const char* verdict : {"goto", "jump"}) {
      if (value.contains(verdict) && value[verdict].is_object()) {
        chain.targets.push_back(value[verdict].value("target", ""));
      }
    }
    if (value.contains("dnat") && value["dnat"].is_object() && value["dnat"].contains("addr")) {
      SVCB_CHECK(collect_dnat(value["dnat"], chain));
    }
  }
  if (value.is_structured()) {
    for (const auto& one : value) {
      SVCB_CHECK(collect(one, chain));
    }
  }
  return {};
}

// A key of service-ips (address . protocol . port) or of service-nodeports (protocol . port).
Result<std::optional<Frontend>> frontend_of_key(const json& key, Family family) {
  const json* parts = key.is_object() && key.contains("concat") ? &key["concat"] : nullptr;
  if (parts == nullptr || !parts->is_array() || parts->size() < 2 || parts->size() > 3) {
    return std::optional<Frontend>{};
  }
  const std::size_t at = parts->size() - 2;
  const auto protocol =
      (*parts)[at].is_string() ? protocol_of((*parts)[at].get<std::string>()) : std::nullopt;
  if (!protocol) {
    return std::optional<Frontend>{};
  }
  Frontend frontend;
  frontend.protocol = *protocol;
  frontend.address.family = family;
  SVCB_TAKE(port, port_in((*parts)[at + 1]));
  frontend.port = port;
  if (at == 1 && (*parts)[0].is_string()) {
    SVCB_TAKE(address, Address::parse((*parts)[0].get<std::string>()));
    frontend.address = address;
  }
  return std::optional(frontend);
}

}  // namespace

Result<Programmed> programmed_by_iptables(std::string_view nat, std::string_view filter, Family family) {
  Chains chains;
  Entries entries;
  Programmed programmed;
  for (auto [text, is_filter] : {std::pair{nat, false}, std::pair{filter, true}}) {
    while (!text.empty()) {
      const std::string_view line = take_line(text);
      if (line.starts_with(':')) {
        chains.at(std::string(line.substr(1, line.find(' ') - 1)));
        continue;
      }
      if (!line.starts_with("-A KUBE-")) {
        continue;
      }
      const auto words = words_of(line);
      const std::string name(words[1]);
      const std::string target(after(words, "-j"));
      if (name == "KUBE-SERVICES" || name == "KUBE-NODEPORTS" || name == "KUBE-EXTERNAL-SERVICES") {
        SVCB_TAKE(frontend, frontend_of(words, family));
        if (frontend && is_filter) {
          programmed.try_emplace(*frontend);  // refused
        } else if (frontend && (target.starts_with("KUBE-SVC-") || target.starts_with("KUBE-SVL-") ||
                                target.starts_with("KUBE-EXT-") || target.starts_with("KUBE-FW-"))) {
          entries.emplace_back(*frontend, target);
        }
      } else if (!is_filter && target == "DNAT") {
        SVCB_TAKE(endpoint, endpoint_of(after(words, "--to-destination")));
        chains.at(name).endpoints.push_back(endpoint);
      } else if (!is_filter && (target.starts_with("KUBE-S") || target.starts_with("KUBE-EXT-"))) {
        chains.at(name).targets.push_back(target);
      }
    }
  }
  return chains.followed(entries, std::move(programmed));
}

Result<Programmed> programmed_by_nftables(std::string_view text, Family family) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object() || !document.contains("nftables")) {
    return failure("nft did not list kube-proxy's table as JSON");
  }
  Chains chains;
  Entries entries;
  Programmed programmed;
  for (const json& one : document["nftables"]) {
    if (one.contains("chain")) {
      chains.at(one["chain"].value("name", ""));
    } else if (one.contains("rule")) {
      SVCB_CHECK(
          collect(one["rule"].value("expr", json::array()), chains.at(one["rule"].value("chain", ""))));
    } else if (one.contains("map")) {
      const json& map = one["map"];
      const std::string name = map.value("name", "");
      if (name != "service-ips" && name != "service-nodeports" && !name.starts_with("no-endpoint-")) {
        continue;
      }
      for (const json& element : map.value("elem", json::array())) {
        if (!element.is_array() || element.size() != 2) {
          continue;
        }
        // With a comment the key stands deeper.
        const json key = element[0].contains("elem") ? element[0]["elem"].value("val", json()) : element[0];
        SVCB_TAKE(frontend, frontend_of_key(key, family));
        if (!frontend) {
          continue;
        }
        if (name.starts_with("no-endpoint-")) {
          programmed.try_emplace(*frontend);
        } else if (element[1].contains("goto")) {
          entries.emplace_back(*frontend, element[1]["goto"].value("target", ""));
        }
      }
    }
  }
  return chains.followed(entries, std::move(programmed));
}

}  // namespace svcbench::kubernetes
