// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/iptables_readback.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
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
  std::string_view chain, source, destination, protocol, port, local, comment, probability, target, to;
  bool not_source = false;
  bool not_destination = false;
};

// The next word, without its quotes. kube-proxy's words hold no escaped characters.
std::string_view take_word(std::string_view& line) {
  const bool quoted = line.starts_with('"');
  if (quoted) {
    line.remove_prefix(1);
  }
  const std::size_t end = std::min(line.find(quoted ? '"' : ' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + (quoted ? 2 : 1), line.size()));
  return word;
}

using Option = std::pair<std::string_view, std::string_view Rule::*>;

// Null: an option that kube-proxy does not use.
const Option* find_option(std::string_view word) {
  static constexpr std::array<Option, 10> options{{
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
  }};
  const auto* const found = std::find_if(options.begin(), options.end(),
                                         [&](const Option& option) { return option.first == word; });
  return found == options.end() ? nullptr : found;
}

// Options of the base rules and of modules, whose values need no look.
bool has_ignored_value(std::string_view word) {
  static constexpr std::array<std::string_view, 8> ignored{
      "-m", "--mode", "--mark", "--ctstate", "--set-xmark", "--xor-mark", "--or-mark", "--reject-with"};
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
    const std::string_view word = take_word(rest);
    if (word == "!") {
      negated = true;
      continue;
    }
    if (const Option* option = find_option(word)) {
      rule.*option->second = take_word(rest);
      rule.not_source = rule.not_source || (negated && word == "-s");
      rule.not_destination = rule.not_destination || (negated && word == "-d");
    } else if (has_ignored_value(word)) {
      take_word(rest);
    } else if (word != "--random-fully") {
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
  if (text == "tcp" || text == "udp") {
    return text == "tcp" ? Protocol::tcp : Protocol::udp;
  }
  return failure("the kernel holds a rule for the protocol '{}', which svcbench did not write",
                 printable(text));
}

std::string_view without_prefix_length(std::string_view address) {
  return address.substr(0, address.find('/'));
}

// The frontend that a portal's rule matches; without a destination it is a NodePort.
Result<Service> portal_service(const Rule& rule, std::string_view comment_tail, Family family) {
  Service service;
  SVCB_TAKE(protocol, parse_protocol(rule.protocol));
  SVCB_TAKE(port, parse_port(rule.port));
  service.frontend = {{.bytes = {}, .family = family}, port, protocol};
  if (rule.destination.empty()) {
    service.kind = FrontendKind::node_port;
  } else {
    SVCB_TAKE(address, Address::parse(without_prefix_length(rule.destination)));
    service.frontend.address = address;
  }
  if (!rule.comment.ends_with(comment_tail) || rule.not_destination || !rule.source.empty() ||
      !rule.probability.empty()) {
    return failure("{}'s rule for {} is not as kube-proxy writes it", rule.chain, service.frontend.text());
  }
  service.name = rule.comment.substr(0, rule.comment.size() - comment_tail.size());
  return service;
}

class Reader {
 public:
  Reader(const SavedTable& nat, const SavedTable& filter, Family family)
      : nat_(&nat), filter_(&filter), family_(family) {}

  Result<std::vector<Service>> services() {
    SVCB_CHECK(cluster_ips());
    SVCB_CHECK(node_ports());
    SVCB_CHECK(rejected("KUBE-SERVICES", false));
    SVCB_CHECK(rejected("KUBE-EXTERNAL-SERVICES", true));
    return std::move(services_);
  }

 private:
  Status cluster_ips() {
    const auto& rules = nat_->of("KUBE-SERVICES");
    for (const Rule& rule : rules) {
      const bool is_last = &rule == &rules.back();
      if (is_last && rule.local == "LOCAL" && rule.target == "KUBE-NODEPORTS") {
        return {};
      }
      SVCB_TAKE(service, portal_service(rule, " cluster IP", family_));
      if (rule.destination.empty() || rule.target != service_chain("KUBE-SVC-", service)) {
        return failure("KUBE-SERVICES sends {} ({}) to {}, which is not its chain", service.frontend.text(),
                       printable(service.name), rule.target);
      }
      SVCB_CHECK(read_endpoints(rule.target, service));
      services_.push_back(std::move(service));
    }
    return failure("KUBE-SERVICES does not end with the jump to KUBE-NODEPORTS");
  }

  Status node_ports() {
    for (const Rule& rule : nat_->of("KUBE-NODEPORTS")) {
      SVCB_TAKE(service, portal_service(rule, "", family_));
      if (!rule.destination.empty() || rule.target != service_chain("KUBE-EXT-", service)) {
        return failure("KUBE-NODEPORTS sends {} ({}) to {}, which is not its chain",
                       service.frontend.text(), printable(service.name), rule.target);
      }
      const std::string chain = service_chain("KUBE-SVC-", service);
      const auto& external = nat_->of(rule.target);
      if (external.size() != 2 || external[0].target != mark_chain || external[1].target != chain ||
          !matches_all(external[0]) || !matches_all(external[1])) {
        return failure("{} does not mark every packet and then jump to {}", rule.target, chain);
      }
      SVCB_CHECK(read_endpoints(chain, service));
      services_.push_back(std::move(service));
    }
    return {};
  }

  Status rejected(std::string_view chain, bool is_node_port) {
    for (const Rule& rule : filter_->of(chain)) {
      SVCB_TAKE(service, portal_service(rule, " has no endpoints", family_));
      if (rule.target != "REJECT" || rule.destination.empty() != is_node_port ||
          (rule.local == "LOCAL") != is_node_port) {
        return failure("the filter table's {} does not reject {} as kube-proxy does", chain,
                       service.frontend.text());
      }
      services_.push_back(std::move(service));
    }
    return {};
  }

  static bool matches_all(const Rule& rule) {
    return rule.source.empty() && rule.destination.empty() && rule.protocol.empty() && rule.local.empty() &&
           rule.probability.empty();
  }

  // KUBE-SVC-x: the mark, where a ClusterIP leads here, and a jump for each endpoint.
  Status read_endpoints(std::string_view chain, Service& service) const {
    std::span<const Rule> jumps = nat_->of(chain);
    const bool marks = !jumps.empty() && jumps.front().target == mark_chain;
    if (service.kind == FrontendKind::cluster_ip &&
        !(marks && jumps.front().not_source && matches(jumps.front(), service.frontend))) {
      return failure("{} does not mark what comes to {} from outside the cluster for masquerade", chain,
                     service.frontend.text());
    }
    jumps = jumps.subspan(marks ? 1 : 0);
    if (jumps.empty()) {
      return failure("{} of {} leads to no endpoint", chain, service.frontend.text());
    }
    for (std::size_t i = 0; i < jumps.size(); ++i) {
      SVCB_CHECK(check_probability(jumps[i], jumps.size() - i));
      SVCB_TAKE(endpoint, read_endpoint(jumps[i].target, service));
      service.endpoints.push_back(endpoint);
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

  // KUBE-SEP-y: the mark for what comes from the endpoint itself, and the DNAT.
  Result<Endpoint> read_endpoint(std::string_view chain, const Service& service) const {
    const auto& rules = nat_->of(chain);
    if (rules.size() != 2 || rules[0].target != mark_chain || rules[0].not_source ||
        rules[1].target != "DNAT" || rules[1].protocol != lower_case(service.frontend.protocol)) {
      return failure("{} of {} is not a mark for masquerade and a DNAT", chain, service.frontend.text());
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
};

}  // namespace

Result<SavedRules> parse_saved(std::string_view nat, std::string_view filter, Family family) {
  SVCB_TAKE(nat_table, parse_table(nat));
  SVCB_TAKE(filter_table, parse_table(filter));
  SVCB_TAKE(services, Reader(nat_table, filter_table, family).services());
  return SavedRules{nat_table.rules, filter_table.rules, std::move(services)};
}

}  // namespace svcbench::kube_proxy
