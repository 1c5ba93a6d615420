// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/anonymizer.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <vector>

#include "capture/text_pieces.h"
#include "plane/kube_proxy/names.h"
#include "service/address_range.h"

namespace svcbench {

namespace {

// Of kube-proxy's comments and of Kubernetes' API: they tell nothing of a cluster.
constexpr auto common_words = std::to_array<std::string_view>(
    {"cluster",      "IP",          "has",      "no",         "endpoints",  "external",     "loadbalancer",
     "local",        "service",     "services", "traffic",    "requiring",  "SNAT",         "kubernetes",
     "portals",      "nodeports",   "NOTE:",    "this",       "must",       "be",           "the",
     "last",         "rule",        "in",       "chain",      "forwarding", "rules",        "conntrack",
     "pod",          "source",      "and",      "of",         "for",        "to",           "masquerade",
     "pods",         "trying",      "reach",    "route",      "LB",         "from",         "Redirect",
     "if",           "marked",      "drop",     "firewall",   "load",       "balancer",     "accept",
     "packets",      "with",        "mark",     "Kubernetes", "localhost",  "handle",       "block",
     "incoming",     "connections", "helper",   "or",         "reject",     "Active",       "vmap",
     "that",         "are",         "subject",  "ClusterIP",  "ExternalIP", "LoadBalancer", "NodePort",
     "ClusterIPs",   "invalid",     "ports",    "nodeport",   "virtual",    "node",         "tcp",
     "udp",          "sctp",        "proxy",    "None",       "address",    "kube-proxy",   "Reject",
     "destinations", "localnet"});

// Names of chains, tables and sets that every such node has.
constexpr auto common_chains = std::to_array<std::string_view>({"filter",
                                                                "mangle",
                                                                "nat",
                                                                "raw",
                                                                "security",
                                                                "PREROUTING",
                                                                "INPUT",
                                                                "FORWARD",
                                                                "OUTPUT",
                                                                "POSTROUTING",
                                                                "input",
                                                                "forward",
                                                                "output",
                                                                "prerouting",
                                                                "postrouting",
                                                                "ingress",
                                                                "egress",
                                                                "kube-proxy",
                                                                "DOCKER",
                                                                "DOCKER-USER",
                                                                "DOCKER-FORWARD",
                                                                "DOCKER-BRIDGE",
                                                                "DOCKER-CT",
                                                                "DOCKER-INTERNAL",
                                                                "DOCKER-ISOLATION-STAGE-1",
                                                                "DOCKER-ISOLATION-STAGE-2",
                                                                "filter-prerouting-pre-dnat",
                                                                "filter-output-pre-dnat",
                                                                "filter-prerouting",
                                                                "filter-input",
                                                                "filter-forward",
                                                                "filter-output",
                                                                "filter-output-post-dnat",
                                                                "nat-prerouting",
                                                                "nat-output",
                                                                "nat-postrouting",
                                                                "nodeport-endpoints-check",
                                                                "service-endpoints-check",
                                                                "firewall-check",
                                                                "services",
                                                                "masquerading",
                                                                "cluster-ips-check",
                                                                "mark-for-masquerade",
                                                                "reject-chain",
                                                                "hairpin-connections",
                                                                "cluster-ips",
                                                                "nodeport-ips",
                                                                "no-endpoint-services",
                                                                "no-endpoint-nodeports",
                                                                "firewall-ips",
                                                                "service-ips",
                                                                "service-nodeports",
                                                                "firewall-allow",
                                                                "nat-output-post",
                                                                "fw",
                                                                "local",
                                                                "main",
                                                                "default"});

// What devices' names begin with by their kind.
constexpr auto kinds = std::to_array<std::string_view>(
    {"cilium_", "flannel.", "vxlan", "docker", "ipvlan", "macvlan", "macvtap", "virbr", "veth", "cali",
     "bond",    "wlan",     "dummy", "vlan",   "kube-",  "tunl",    "tun",     "tap",   "gre",  "ifb",
     "lxc",     "cni",      "eth",   "sit",    "vti",    "ip6tnl",  "erspan",  "wg",    "en",   "br"});

bool is_number(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos ||
         (text.starts_with("0x") &&
          text.substr(2).find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos);
}

std::optional<Address> parsed(std::string_view text) {
  if (text.size() < 2 || text.find_first_of(".:") == std::string_view::npos) {
    return std::nullopt;
  }
  auto address = Address::parse(text);
  return address ? std::optional(*address) : std::nullopt;
}

bool is_mac(std::string_view text) {
  if (text.size() != 17) {
    return false;
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % 3 == 2 ? text[i] != ':' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Anonymizer::begin_again(const AddressMap::Key& key) {
  key_ = key;
  addresses_ = AddressMap(key);
  after_.clear();
  words_.clear();
  devices_.clear();
  word_count_ = device_count_ = 0;
}

std::string Anonymizer::fresh(std::string_view prefix, std::size_t& count) {
  std::string made;
  do {
    made = fmt::format("{}{}", prefix, ++count);
  } while (originals_.contains(made));
  return made;
}

std::string Anonymizer::word(std::string_view text) {
  if (text.empty() || is_number(text) || is_one_of(common_words, text)) {
    return std::string(text);
  }
  const auto found = words_.find(text);
  if (found != words_.end()) {
    return found->second;
  }
  originals_.emplace(text);
  return words_.emplace(text, fresh("n", word_count_)).first->second;
}

std::string Anonymizer::device(std::string_view name) {
  if (name.empty() || name == "lo" || name == "kube-ipvs0" || name == "+" || name == "*") {
    return std::string(name);
  }
  const bool is_pattern = name.ends_with('+') || name.ends_with('*');
  if (is_pattern) {
    const std::string_view begins = name.substr(0, name.size() - 1);
    if (is_one_of(kinds, begins)) {
      return std::string(name);
    }
    patterns_.emplace(begins);
    return word(begins) + "x" + name.back();
  }
  const auto found = devices_.find(name);
  if (found != devices_.end()) {
    return found->second;
  }
  originals_.emplace(name);
  std::string kind;
  std::size_t longest = 0;
  for (const std::string& pattern : patterns_) {
    if (name.starts_with(pattern) && pattern.size() >= longest) {
      longest = pattern.size();
      kind = word(pattern) + "x";
    }
  }
  for (const std::string_view one : kinds) {
    if (name.starts_with(one) && one.size() > longest) {
      longest = one.size();
      kind = one;
    }
  }
  return devices_.emplace(name, fresh(kind + "if", device_count_)).first->second;
}

std::string Anonymizer::hash(std::string_view text) const {
  return kube_proxy::hashed(std::string(key_.begin(), key_.end()) + std::string(text), text.size());
}

// "shop/cart/tcp/http", "shop/cart/tcp/http__10.0.0.1/80".
std::string Anonymizer::endpoint_path(std::string_view text) {
  std::string out;
  const std::size_t end = text.find("__");
  std::string_view path = text.substr(0, end);
  for (std::size_t slash = 0; slash != std::string_view::npos;) {
    slash = path.find('/');
    out += word(path.substr(0, slash));
    if (slash != std::string_view::npos) {
      out += '/';
      path.remove_prefix(slash + 1);
    }
  }
  if (end == std::string_view::npos) {
    return out;
  }
  const std::string_view rest = text.substr(end + 2);
  const std::size_t slash = rest.find('/');
  std::string where(rest.substr(0, slash));
  const auto ipv4 = parsed(where);
  if (!ipv4) {  // names have no colons
    std::replace(where.begin(), where.end(), '.', ':');
  }
  const auto original = parsed(where);
  std::string mapped = original ? address(*original) : word(where);
  std::replace(mapped.begin(), mapped.end(), ':', '.');
  return out + "__" + mapped + (slash == std::string_view::npos ? "" : std::string(rest.substr(slash)));
}

std::string Anonymizer::chain(std::string_view name) {
  declare(name);
  if (is_one_of(common_chains, name)) {
    return std::string(name);
  }
  for (const std::string_view prefix :
       {"KUBE-SVC-", "KUBE-SEP-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-FW-", "KUBE-XLB-"}) {
    if (name.starts_with(prefix)) {
      originals_.emplace(name);
      return std::string(prefix) + hash(name.substr(prefix.size()).substr(0, 51));
    }
  }
  if (name.starts_with("KUBE-")) {
    return std::string(name);
  }
  for (const std::string_view prefix :
       {"service-", "endpoint-", "external-", "firewall-", "local-", "affinity-"}) {
    if (name.starts_with(prefix) && name.size() > prefix.size() + 9 && name[prefix.size() + 8] == '-') {
      originals_.emplace(name);
      return std::string(prefix) + hash(name.substr(prefix.size(), 8)) + "-" +
             endpoint_path(name.substr(prefix.size() + 9));
    }
  }
  for (const std::string_view prefix :
       {"cali-", "CNI-", "CILIUM_", "FLANNEL-", "LIBVIRT_", "ufw-", "f2b-"}) {
    if (name.starts_with(prefix)) {
      return std::string(prefix) + word(name);
    }
  }
  return word(name);
}

std::string Anonymizer::mac(std::string_view text) {
  if (text == "00:00:00:00:00:00" || text == "ff:ff:ff:ff:ff:ff") {
    return std::string(text);
  }
  std::string folded(text);
  std::transform(folded.begin(), folded.end(), folded.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::string letters = kube_proxy::hashed(std::string(key_.begin(), key_.end()) + folded, 10);
  std::string out = "02";  // locally administered
  for (std::size_t i = 0; i < 5; ++i) {
    const auto five_bits = [&](std::size_t at) {
      return letters[at] <= '7' ? letters[at] - '2' + 26 : letters[at] - 'A';
    };
    out += fmt::format(":{:02x}", (five_bits(2 * i) << 4 ^ five_bits(2 * i + 1)) & 0xff);
  }
  return out;
}

std::string Anonymizer::address(const Address& original) {
  const Address mapped = addresses_.of(original);
  if (!stays_as_it_is(original)) {
    before_.insert(original.text());
    after_.insert(mapped.text());
  }
  return mapped.text();
}

// What both ends have in common is replaced, what tells them apart stays: so it is a range as long, and its
// ends are in order.
std::string Anonymizer::range(const Address& first, const Address& last) {
  const unsigned common = common_prefix(first, last);
  const auto moved = [&](const Address& original) {
    Address mapped = addresses_.of_network(network_of(original, common), common);
    const Address network = network_of(original, common);
    for (std::size_t i = 0; i < mapped.bytes.size(); ++i) {
      mapped.bytes[i] ^= static_cast<std::uint8_t>(original.bytes[i] ^ network.bytes[i]);
    }
    before_.insert(original.text());
    after_.insert(mapped.text());
    return mapped.text();
  };
  const std::string begin = moved(first);
  return begin + "-" + moved(last);
}

std::string Anonymizer::address_form(std::string_view text) {
  if (is_mac(text)) {
    return mac(text);
  }
  if (const auto whole = parsed(text)) {
    return address(*whole);
  }
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    const auto network = parsed(text.substr(0, slash));
    const std::string_view after = text.substr(slash + 1);
    if (!network || after.empty()) {
      return "";
    }
    unsigned length = bits_of(network->family);
    if (is_number(after)) {
      std::from_chars(after.data(), after.data() + after.size(), length);
    } else if (!parsed(after)) {
      return "";
    }
    if (*network == network_of(*network, length)) {
      const Address mapped = addresses_.of_network(*network, length);
      if (mapped != *network) {
        before_.insert(network->text());
        after_.insert(mapped.text());
      }
      return mapped.text() + std::string(text.substr(slash));
    }
    return address(*network) + std::string(text.substr(slash));
  }
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto first = parsed(text.substr(0, dash));
    std::string_view rest = text.substr(dash + 1);
    const std::size_t colon = rest.find('.') == std::string_view::npos ? rest.size() : rest.find(':');
    const auto last = parsed(rest.substr(0, colon));
    if (first && last && first->family == last->family) {
      return range(*first, *last) + (colon < rest.size() ? std::string(rest.substr(colon)) : std::string());
    }
  }
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    const auto inside = end == std::string_view::npos ? std::nullopt : parsed(text.substr(1, end - 1));
    return inside ? "[" + address(*inside) + "]" + std::string(text.substr(end + 1)) : "";
  }
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    if (const auto before = parsed(text.substr(0, colon))) {
      return address(*before) + std::string(text.substr(colon));
    }
  }
  return "";
}

std::string Anonymizer::value(std::string_view text) {
  if (text.empty()) {
    return "";
  }
  if (const std::size_t comma = text.find(','); comma != std::string_view::npos) {
    return value(text.substr(0, comma)) + "," + value(text.substr(comma + 1));
  }
  std::string form = address_form(text);
  return form.empty() ? std::string(text) : form;
}

std::string Anonymizer::sentence(std::string_view text) {
  constexpr std::string_view blanks = " \t/,;()\"'@=<>|";
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find_first_not_of(blanks), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(blanks), text.size());
    // A network, with the slash that would end a word.
    const std::size_t blank = std::min(text.find_first_of(" ,;()\"'"), text.size());
    if (std::string form = address_form(text.substr(0, blank)); !form.empty()) {
      out += form;
      text.remove_prefix(blank);
      continue;
    }
    std::string_view one = text.substr(0, end);
    text.remove_prefix(end);
    if (std::string form = address_form(one); !form.empty()) {
      out += form;
      continue;
    }
    if (one == "->" || is_one_of(common_words, one)) {
      out += one;
      continue;
    }
    for (std::size_t colon = 0; colon != std::string_view::npos;) {  // "cart:http"
      colon = one.find(':');
      const std::string_view part = one.substr(0, colon);
      out += part.find_first_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") ==
                         std::string_view::npos &&
                     part.find_first_not_of("-_.!?#*+%&~[]{}0123456789") == std::string_view::npos
                 ? std::string(part)
                 : word(part);
      if (colon != std::string_view::npos) {
        out += ':';
        one.remove_prefix(colon + 1);
      }
    }
  }
  return out;
}

std::size_t Anonymizer::met() const {
  return static_cast<std::size_t>(std::count_if(
      after_.begin(), after_.end(), [&](const std::string& text) { return before_.contains(text); }));
}

}  // namespace svcbench
