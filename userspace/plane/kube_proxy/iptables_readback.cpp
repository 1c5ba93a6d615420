// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/iptables_readback.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "plane/iptables_text.h"
#include "plane/kube_proxy/names.h"
#include "service/text.h"

namespace svcbench::kube_proxy {
namespace {

constexpr std::string_view mark_chain = "KUBE-MARK-MASQ";

// One -A line. What it points into is the text that it was parsed from.
struct Rule {
  std::string_view chain, source, destination, protocol, port, local, local_source, comment, probability;
  std::string_view target, to, recent, seconds;
  bool checks_recent = false;
  bool sets_recent = false;
  bool counts = false;
  bool not_source = false;
  bool not_destination = false;
};

using Option = std::pair<std::string_view, std::string_view Rule::*>;

// Null: an option that kube-proxy does not use.
const Option* find_option(std::string_view word) {
  static constexpr std::array<Option, 13> options{{
      {"-A", &Rule::chain},
      {"-s", &Rule::source},
      {"-d", &Rule::destination},
      {"-p", &Rule::protocol},
      {"-j", &Rule::target},
      {"--comment", &Rule::comment},
      {"--dport", &Rule::port},
      {"--probability", &Rule::probability},
      {"--to-destination", &Rule::to},
      {"--dst-type", &Rule::local},
      {"--src-type", &Rule::local_source},
      {"--name", &Rule::recent},
      {"--seconds", &Rule::seconds},
  }};
  const auto* const found = std::find_if(options.begin(), options.end(),
                                         [&](const Option& option) { return option.first == word; });
  return found == options.end() ? nullptr : found;
}

// Options of the base rules and of modules, whose values need no look.
bool has_ignored_value(std::string_view word) {
  static constexpr std::array<std::string_view, 9> ignored{"-m",        "--mode",        "--mark",
                                                           "--ctstate", "--set-xmark",   "--xor-mark",
                                                           "--or-mark", "--reject-with", "--mask"};
  return std::find(ignored.begin(), ignored.end(), word) != ignored.end();
}

tl::unexpected<Error> not_ours(std::string_view line) {
  return failure("the kernel holds a rule that kube-proxy's iptables mode does not have: {}",
                 printable(line));
}

Result<Rule> parse_rule(std::string_view line) {
  Rule rule;
  bool negated = false;
  for (std::string_view rest = line; !rest.empty();) {
    const std::string_view word = take_saved_word(rest);
    if (word == "!") {
      negated = true;
      continue;
    }
    if (const Option* option = find_option(word)) {
      rule.*option->second = take_saved_word(rest);
      rule.not_source = rule.not_source || (negated && word == "-s");
      rule.not_destination = rule.not_destination || (negated && word == "-d");
    } else if (has_ignored_value(word)) {
      take_saved_word(rest);
    } else if (word == "--rcheck") {
      rule.checks_recent = true;
    } else if (word == "--nfacct-name") {
      rule.counts = true;
      take_saved_word(rest);
    } else if (word == "--set") {
      rule.sets_recent = true;
    } else if (word != "--random-fully" && word != "--reap" && word != "--rsource") {
      return not_ours(line);
    }
    negated = false;
  }
  return rule;
}

// A table's rules by chain, in their order.
struct SavedTable {
  std::size_t rules = 0;
  std::unordered_map<std::string_view, std::vector<Rule>> chains;

  [[nodiscard]] const std::vector<Rule>& of(std::string_view chain) const {
    static const std::vector<Rule> none;
    const auto found = chains.find(chain);
    return found == chains.end() ? none : found->second;
  }
};

Result<SavedTable> parse_table(std::string_view text) {
  SavedTable table;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.starts_with("-A ")) {
      SVCB_TAKE(rule, parse_rule(line));
      ++table.rules;
      table.chains[rule.chain].push_back(rule);
    }
  }
  return table;
}

Result<Protocol> parse_protocol(std::string_view text) {
  for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
    if (text == lower_case(protocol)) {
      return protocol;
    }
  }
  return failure("the kernel holds a rule for the protocol '{}', which svcbench did not write",
                 printable(text));
}

std::string_view without_prefix_length(std::string_view address) {
  return address.substr(0, address.find('/'));
}

// The frontend that a portal's rule matches; without a destination it is a NodePort. The comment is the
// service's name and one of `tails`, each with the kind of frontend that it stands for.
using CommentTail = std::pair<std::string_view, FrontendKind>;
Result<Service> portal_service(const Rule& rule, std::span<const CommentTail> tails, Family family) {
  Service service;
  SVCB_TAKE(protocol, parse_protocol(rule.protocol));
  SVCB_TAKE(port, parse_port(rule.port));
  service.frontend = {{.bytes = {}, .family = family}, port, protocol};
  if (!rule.destination.empty()) {
    SVCB_TAKE(address, Address::parse(without_prefix_length(rule.destination)));
    service.frontend.address = address;
  }
  const auto tail = std::find_if(tails.begin(), tails.end(),
                                 [&](const auto& one) { return rule.comment.ends_with(one.first); });
  if (tail == tails.end() || rule.not_destination || !rule.source.empty() || !rule.probability.empty() ||
      !rule.local_source.empty() || !rule.recent.empty()) {
    return failure("{}'s rule for {} is not as kube-proxy writes it", rule.chain, service.frontend.text());
  }
  service.kind = rule.destination.empty() ? FrontendKind::node_port : tail->second;
  service.name = rule.comment.substr(0, rule.comment.size() - tail->first.size());
  return service;
}

class Reader {
 public:
  Reader(const SavedTable& nat, const SavedTable& filter, Family family)
      : nat_(&nat), filter_(&filter), family_(family) {}

  Result<std::vector<Service>> services() {
    SVCB_CHECK(addresses());
    SVCB_CHECK(node_ports());
    SVCB_CHECK(refused("KUBE-SERVICES", FrontendKind::cluster_ip));
    SVCB_CHECK(refused("KUBE-EXTERNAL-SERVICES", FrontendKind::external_ip));
    for (const Service& service : services_) {
      if (service.kind != FrontendKind::cluster_ip && service.local_only && service.endpoints.empty() &&
          !dropped_.contains(service.frontend)) {
        return failure("{} has no endpoint on this node, and what comes for it is not dropped",
                       service.frontend.text());
      }
    }
    return std::move(services_);
  }

 private:
  Status addresses() {
    static constexpr std::array<CommentTail, 3> tails{{{" cluster IP", FrontendKind::cluster_ip},
                                                       {" external IP", FrontendKind::external_ip},
                                                       {" loadbalancer IP", FrontendKind::load_balancer}}};
    const auto& rules = nat_->of("KUBE-SERVICES");
    for (const Rule& rule : rules) {
      if (rule.target == "KUBE-NODEPORTS") {  // one for all local addresses, or one for each
        return only_node_ports_from(rules, rule);
      }
      SVCB_TAKE(service, portal_service(rule, tails, family_));
      if (rule.destination.empty()) {
        return failure("KUBE-SERVICES has a rule for {} without an address", service.frontend.text());
      }
      SVCB_CHECK(service.kind == FrontendKind::cluster_ip ? internal(rule, service)
                                                          : external(rule, service));
      services_.push_back(std::move(service));
    }
    return failure("KUBE-SERVICES does not end with the jump to KUBE-NODEPORTS");
  }

  static Status only_node_ports_from(const std::vector<Rule>& rules, const Rule& first) {
    for (const Rule* rule = &first; rule != rules.data() + rules.size(); ++rule) {
      if (rule->target != "KUBE-NODEPORTS" || (rule->local != "LOCAL" && rule->destination.empty())) {
        return failure("KUBE-SERVICES does not end with the jumps to KUBE-NODEPORTS");
      }
    }
    return {};
  }

  Status node_ports() {
    static constexpr std::array<CommentTail, 1> tails{{{"", FrontendKind::node_port}}};
    for (const Rule& rule : nat_->of("KUBE-NODEPORTS")) {
      if (rule.counts && rule.destination == "127.0.0.0/8") {
        continue;  // of the same NodePort as the next rule
      }
      SVCB_TAKE(service, portal_service(rule, tails, family_));
      if (!rule.destination.empty()) {
        return failure("KUBE-NODEPORTS has a rule for an address, {}", service.frontend.text());
      }
      SVCB_CHECK(external(rule, service));
      services_.push_back(std::move(service));
    }
    return {};
  }

  // A ClusterIP: to the chain of its policy.
  Status internal(const Rule& rule, Service& service) const {
    service.local_only = rule.target == service_chain("KUBE-SVL-", service);
    if (!service.local_only && rule.target != service_chain("KUBE-SVC-", service)) {
      return not_its_chain(rule, service);
    }
    return read_policy(rule.target, service, service.endpoints);
  }

  // All other frontends: KUBE-EXT-x; a load balancer's maybe by way of KUBE-FW-x, of whose sources nothing
  // is read.
  Status external(const Rule& rule, Service& service) const {
    const std::string external_chain = service_chain("KUBE-EXT-", service);
    if (service.kind == FrontendKind::load_balancer && rule.target == service_chain("KUBE-FW-", service)) {
      const auto& sources = nat_->of(rule.target);
      const auto leads_on = [&](const Rule& one) {
        return one.target == external_chain && !one.source.empty();
      };
      if (sources.size() < 2 || !std::all_of(sources.begin(), sources.end() - 1, leads_on) ||
          !sources.back().target.empty()) {
        return failure("{} does not lead sources to {} as kube-proxy has it", rule.target, external_chain);
      }
    } else if (rule.target != external_chain) {
      return not_its_chain(rule, service);
    }
    const std::string cluster_chain = service_chain("KUBE-SVC-", service);
    const std::string local_chain = service_chain("KUBE-SVL-", service);
    const auto& rules = nat_->of(external_chain);
    if (rules.size() == 2 && rules[0].target == mark_chain && rules[1].target == cluster_chain &&
        matches_all(rules[0]) && matches_all(rules[1])) {
      return read_policy(cluster_chain, service, service.endpoints);
    }
    // Pods' packets and the node's own by the Cluster policy; the rest by Local, where there is an
    // endpoint.
    const bool leads_on = rules.size() == 4;
    const bool is_local = (leads_on || rules.size() == 3) && rules[0].target == cluster_chain &&
                          !rules[0].source.empty() && !rules[0].not_source &&
                          rules[1].target == mark_chain && rules[1].local_source == "LOCAL" &&
                          rules[2].target == cluster_chain && rules[2].local_source == "LOCAL" &&
                          (!leads_on || (rules[3].target == local_chain && matches_all(rules[3])));
    if (!is_local) {
      return failure("{} does not lead to {} or {} as kube-proxy has it", external_chain, cluster_chain,
                     local_chain);
    }
    service.local_only = true;
    SVCB_CHECK(read_policy(cluster_chain, service, service.cluster_endpoints));
    return leads_on ? read_policy(local_chain, service, service.endpoints) : Status();
  }

  static tl::unexpected<Error> not_its_chain(const Rule& rule, const Service& service) {
    return failure("{} sends {} ({}) to {}, which is not its chain", rule.chain, service.frontend.text(),
                   printable(service.name), rule.target);
  }

  // The filter table's: of frontends that lead nowhere, or for a Local policy nowhere on this node.
  Status refused(std::string_view chain, FrontendKind kind) {
    static constexpr std::string_view no_local = " has no local endpoints";
    const std::array<CommentTail, 2> tails{{{" has no endpoints", kind}, {no_local, kind}}};
    for (const Rule& rule : filter_->of(chain)) {
      SVCB_TAKE(service, portal_service(rule, tails, family_));
      const bool is_node_port = service.kind == FrontendKind::node_port;
      service.local_only = rule.comment.ends_with(no_local);
      if (rule.target != (service.local_only ? "DROP" : "REJECT") ||
          (rule.local == "LOCAL") != is_node_port || (is_node_port && kind == FrontendKind::cluster_ip)) {
        return failure("the filter table's {} does not refuse {} as kube-proxy does", chain,
                       service.frontend.text());
      }
      if (service.local_only && kind != FrontendKind::cluster_ip) {
        dropped_.insert(service.frontend);  // it is in the nat table too
      } else {
        services_.push_back(std::move(service));
      }
    }
    return {};
  }

  static bool matches_all(const Rule& rule) {
    return rule.source.empty() && rule.destination.empty() && rule.protocol.empty() && rule.local.empty() &&
           rule.local_source.empty() && rule.probability.empty() && rule.recent.empty();
  }

  // KUBE-SVC-x or KUBE-SVL-x: the mark, where a ClusterIP leads here; with affinity a jump for each
  // endpoint that a client was seen at; and a jump for each endpoint.
  Status read_policy(std::string_view chain, Service& service, std::vector<Endpoint>& endpoints) const {
    std::span<const Rule> rules = nat_->of(chain);
    const bool marks = !rules.empty() && rules.front().target == mark_chain;
    if (service.kind == FrontendKind::cluster_ip &&
        !(marks && rules.front().not_source && matches(rules.front(), service.frontend))) {
      return failure("{} does not mark what comes to {} from outside the cluster for masquerade", chain,
                     service.frontend.text());
    }
    rules = rules.subspan(marks ? 1 : 0);
    const auto checks = static_cast<std::size_t>(
        std::count_if(rules.begin(), rules.end(), [](const Rule& rule) { return rule.checks_recent; }));
    const auto jumps = rules.subspan(checks);
    if (jumps.empty() || (checks != 0 && checks != jumps.size())) {
      return failure("{} of {} has {} jumps to endpoints and {} for clients that were seen", chain,
                     service.frontend.text(), jumps.size(), checks);
    }
    if (checks != 0) {
      SVCB_CHECK(read_affinity(chain, rules.first(checks), jumps, service));
    }
    for (std::size_t i = 0; i < jumps.size(); ++i) {
      SVCB_CHECK(check_probability(jumps[i], jumps.size() - i));
      SVCB_TAKE(endpoint, read_endpoint(jumps[i].target, service));
      endpoints.push_back(endpoint);
    }
    return {};
  }

  static Status read_affinity(std::string_view chain, std::span<const Rule> checks,
                              std::span<const Rule> jumps, Service& service) {
    const std::string_view seconds = checks.front().seconds;
    std::from_chars(seconds.data(), seconds.data() + seconds.size(), service.affinity_seconds);
    for (std::size_t i = 0; i < checks.size(); ++i) {
      const Rule& check = checks[i];
      if (!check.checks_recent || check.target != jumps[i].target || check.recent != check.target ||
          check.seconds != std::to_string(service.affinity_seconds) || !check.probability.empty()) {
        return failure("{} of {} does not send clients back to {} as kube-proxy does", chain,
                       service.frontend.text(), jumps[i].target);
      }
    }
    return {};
  }

  [[nodiscard]] static bool matches(const Rule& rule, const Frontend& frontend) {
    const auto address = Address::parse(without_prefix_length(rule.destination));
    return address && *address == frontend.address && !rule.not_destination &&
           rule.protocol == lower_case(frontend.protocol) && rule.port == std::to_string(frontend.port);
  }

  static Status check_probability(const Rule& rule, std::size_t left) {
    if (left == 1 && rule.probability.empty()) {
      return {};
    }
    // The kernel keeps 31 bits, rounded, of a text of ten decimals; iptables-save prints eleven.
    constexpr double tolerance = 1.0 / 2147483648.0;
    double value = 0;
    const auto* const end = rule.probability.data() + rule.probability.size();
    const auto parsed = std::from_chars(rule.probability.data(), end, value);
    const double wanted = 1.0 / static_cast<double>(left);
    if (left == 1 || parsed.ec != std::errc{} || parsed.ptr != end ||
        std::abs(value - wanted) > tolerance) {
      return failure("{} takes {} with the probability '{}', where 1/{} = {:.10f} is right", rule.chain,
                     rule.target, printable(rule.probability), left, wanted);
    }
    return {};
  }

  // KUBE-SEP-y: the mark for what comes from the endpoint itself, and the DNAT, which with affinity
  // remembers the client.
  Result<Endpoint> read_endpoint(std::string_view chain, const Service& service) const {
    const auto& rules = nat_->of(chain);
    if (rules.size() != 2 || rules[0].target != mark_chain || rules[0].not_source ||
        rules[1].target != "DNAT" || rules[1].protocol != lower_case(service.frontend.protocol)) {
      return failure("{} of {} is not a mark for masquerade and a DNAT", chain, service.frontend.text());
    }
    const bool remembers = rules[1].sets_recent && rules[1].recent == chain;
    if (remembers != (service.affinity_seconds != 0) || (rules[1].recent.empty() == remembers)) {
      return failure("{} of {} and the chain that leads there differ in session affinity", chain,
                     service.frontend.text());
    }
    SVCB_TAKE(endpoint, parse_destination(rules[1].to));
    const auto source = Address::parse(without_prefix_length(rules[0].source));
    if (!source || *source != endpoint.address || endpoint_chain(service, endpoint) != chain) {
      return failure("{} of {} ({}) translates to {}, which it does not stand for", chain,
                     service.frontend.text(), printable(service.name), endpoint.text());
    }
    return endpoint;
  }

  const SavedTable* nat_;
  const SavedTable* filter_;
  Family family_;
  std::vector<Service> services_;
  std::set<Frontend> dropped_;  // with a Local policy and no endpoint on this node
};

}  // namespace

std::string_view take_saved_word(std::string_view& line) {
  const bool quoted = line.starts_with('"');
  if (quoted) {
    line.remove_prefix(1);
  }
  const std::size_t end = std::min(line.find(quoted ? '"' : ' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + (quoted ? 2 : 1), line.size()));
  return word;
}

Result<SavedRules> parse_saved(std::string_view nat, std::string_view filter, Family family) {
  SVCB_TAKE(nat_table, parse_table(nat));
  SVCB_TAKE(filter_table, parse_table(filter));
  SVCB_TAKE(services, Reader(nat_table, filter_table, family).services());
  return SavedRules{nat_table.rules, filter_table.rules, std::move(services)};
}

}  // namespace svcbench::kube_proxy
