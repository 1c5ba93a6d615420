// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/iptables_chapter.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "plane/iptables_restore.h"
#include "plane/iptables_text.h"
#include "sys/memfd.h"
#include "sys/stopwatch.h"

namespace svcbench {
namespace {

constexpr std::array families{Family::ipv4, Family::ipv6};

constexpr std::string_view empty_table = "*nat\nCOMMIT\n";

// The chains, and the seven rules. The mark and its use are kube-proxy's.
constexpr std::string_view table_head =
    "*nat\n"
    ":PREROUTING ACCEPT [0:0]\n"
    ":INPUT ACCEPT [0:0]\n"
    ":OUTPUT ACCEPT [0:0]\n"
    ":POSTROUTING ACCEPT [0:0]\n"
    ":KUBE-SERVICES - [0:0]\n"
    ":KUBE-POSTROUTING - [0:0]\n"
    ":KUBE-MARK-MASQ - [0:0]\n";
constexpr std::string_view base_rules =
    "-A PREROUTING -j KUBE-SERVICES\n"
    "-A OUTPUT -j KUBE-SERVICES\n"
    "-A POSTROUTING -j KUBE-POSTROUTING\n"
    "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000\n"
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN\n"
    "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000\n"
    "-A KUBE-POSTROUTING -j MASQUERADE --random-fully\n";

constexpr std::string_view services_chain = "KUBE-SERVICES";
constexpr std::string_view service_prefix = "KUBE-SVC-";
constexpr std::string_view endpoint_prefix = "KUBE-SEP-";

// Bytes of text that a service takes at most: 2 chain lines and 3 rules; generous.
constexpr std::size_t service_text_size = 448;

// SplitMix64's finalizer (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// A chain's id is a mix of our own, not kube-proxy's sha256 of names: as long, as evenly spread, and
// stable. Two 64-bit hashes side by side, of which 80 bits are used: among a million chains two are equal
// with a probability of 4e-13.
class ChainHash {
 public:
  void add(std::uint64_t word) {
    a_ = mix(a_ ^ word) + 0x9E3779B97F4A7C15ULL;
    b_ = mix(b_ + word) ^ 0xD1B54A32D192ED03ULL;
  }
  void add(const Address& address) {
    std::array<std::uint64_t, 2> words{};
    std::memcpy(words.data(), address.bytes.data(), sizeof words);
    add(words[0]);
    add(words[1]);
  }
  void add(const Frontend& frontend) {
    add(frontend.address);
    add(std::uint64_t{frontend.port} << 16 | static_cast<std::uint64_t>(frontend.protocol) << 8 |
        static_cast<std::uint64_t>(frontend.address.family));
  }
  [[nodiscard]] ChainId id() const {
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    ChainId text{};
    for (std::size_t i = 0; i < text.size(); ++i) {
      const std::uint64_t half = i < 8 ? mix(a_) : mix(b_);
      text[i] = alphabet[half >> (5 * (i % 8)) & 31];
    }
    return text;
  }

 private:
  std::uint64_t a_ = 0x243F6A8885A308D3ULL;  // digits of pi
  std::uint64_t b_ = 0x13198A2E03707344ULL;
};

struct ChainIds {
  ChainId service;
  ChainId endpoint;  // of the service and the endpoint: it changes with the endpoint, as kube-proxy's does
};

ChainIds chain_ids(const Service& service) {
  ChainHash hash;
  hash.add(service.frontend);
  ChainIds ids{hash.id(), {}};
  hash.add(std::uint64_t{1});  // so that a chain without endpoint has a name of its own
  if (!service.endpoints.empty()) {
    hash.add(service.endpoints.front().address);
    hash.add(service.endpoints.front().port);
  }
  ids.endpoint = hash.id();
  return ids;
}

std::string_view protocol_match(Protocol protocol) {
  return protocol == Protocol::tcp ? "-p tcp -m tcp" : "-p udp -m udp";
}

void write_match(RuleText& text, const Frontend& frontend) {
  if (frontend.address.is_unspecified()) {
    text << "-m addrtype --dst-type LOCAL ";
  } else {
    text << "-d " << frontend.address << (frontend.address.family == Family::ipv4 ? "/32 " : "/128 ");
  }
  text << protocol_match(frontend.protocol) << " --dport " << unsigned{frontend.port};
}

void write_rules(RuleText& text, const Service& service, const ChainIds& ids) {
  text << "-A KUBE-SERVICES ";
  write_match(text, service.frontend);
  text << " -j KUBE-SVC-" << ids.service << "\n-A KUBE-SVC-" << ids.service << " -j KUBE-SEP-"
       << ids.endpoint << "\n-A KUBE-SEP-" << ids.endpoint << " "
       << protocol_match(service.frontend.protocol);
  if (service.endpoints.empty()) {
    text << " -j RETURN\n";
  } else {
    text << " -j DNAT --to-destination " << service.endpoints.front() << "\n";
  }
}

std::size_t count_of(std::span<const Service> services, Family family) {
  return static_cast<std::size_t>(std::count_if(services.begin(), services.end(), [family](const auto& s) {
    return s.frontend.address.family == family;
  }));
}

// ---- reading back ----

// One -A line, as far as the chapter's rules need it.
struct Rule {
  std::string_view chain, destination, protocol, port, target, to;
};

Rule parse_rule(std::string_view line) {
  Rule rule;
  const std::array<std::pair<std::string_view, std::string_view*>, 6> options{{
      {"-A", &rule.chain},
      {"-d", &rule.destination},
      {"-p", &rule.protocol},
      {"--dport", &rule.port},
      {"-j", &rule.target},
      {"--to-destination", &rule.to},
  }};
  std::string_view* wanted = nullptr;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (wanted != nullptr) {
      *wanted = word;
      wanted = nullptr;
      continue;
    }
    for (const auto& [name, value] : options) {
      wanted = word == name ? value : wanted;
    }
  }
  return rule;
}

Result<Frontend> parse_match(const Rule& rule, Family family) {
  Frontend frontend;
  frontend.protocol = rule.protocol == "udp" ? Protocol::udp : Protocol::tcp;
  frontend.address.family = family;
  SVCB_TAKE(port, parse_port(rule.port));
  frontend.port = port;
  if (!rule.destination.empty()) {
    SVCB_TAKE(address, Address::parse(rule.destination.substr(0, rule.destination.find('/'))));
    frontend.address = address;
  }
  return frontend;
}

Status add_rule(ChapterTable& table, const Rule& rule, Family family) {
  ++table.rules;
  if (rule.chain == services_chain) {
    SVCB_TAKE(frontend, parse_match(rule, family));
    table.services.emplace_back(frontend, rule.target);
  } else if (rule.chain.starts_with(service_prefix)) {
    table.service_chains.emplace(rule.chain, rule.target);
  } else if (rule.chain.starts_with(endpoint_prefix) && rule.target == "DNAT") {
    SVCB_TAKE(endpoint, parse_destination(rule.to));
    table.endpoint_chains.emplace(rule.chain, endpoint);
  }
  return {};
}

}  // namespace

std::string chapter_nat_table(std::span<const Service> services, Family family) {
  RuleText text(table_head.size() + base_rules.size() + services.size() * service_text_size);
  std::vector<std::pair<const Service*, ChainIds>> programmed;
  programmed.reserve(services.size());
  text << table_head;
  for (const auto& service : services) {
    if (service.frontend.address.family == family) {
      const auto& ids = programmed.emplace_back(&service, chain_ids(service)).second;
      text << ":KUBE-SVC-" << ids.service << " - [0:0]\n:KUBE-SEP-" << ids.endpoint << " - [0:0]\n";
    }
  }
  text << base_rules;
  for (const auto& [service, ids] : programmed) {
    write_rules(text, *service, ids);
  }
  text << "COMMIT\n";
  return text.take();
}

Result<ChapterTable> parse_chapter_table(std::string_view save, Family family) {
  ChapterTable table;
  while (!save.empty()) {
    const std::string_view line = take_line(save);
    if (line.starts_with("-A ")) {
      SVCB_CHECK(add_rule(table, parse_rule(line), family));
    }
  }
  return table;
}

IptablesChapter::~IptablesChapter() {
  const auto empty = memfd_of("empty-nat", empty_table);
  for (const Family family : families) {
    if (empty && table(family).touched) {
      // Nobody to tell of a failure: the namespace, and all in it, ends with the process anyway.
      const auto& program = family == Family::ipv4 ? backend_.restore : backend_.restore6;
      (void)run_restore(program, *empty, {.interruptible = false});
    }
  }
}

Status IptablesChapter::install(std::span<const Service> services) {
  const Stopwatch generating;
  SVCB_CHECK(replace_services(services));
  for (const Family family : families) {
    // A table that was programmed before is reloaded even if nothing is left for it to hold.
    const bool only_table = family == Family::ipv4 && services.empty();
    if (only_table || table(family).rules != 0 || count_of(services, family) != 0) {
      SVCB_CHECK(stage_table(family));
    }
  }
  generate_ns_ = generating.ns();
  return commit();
}

Status IptablesChapter::stage(const Change& change) {
  const Stopwatch generating;
  SVCB_CHECK(apply(change));
  SVCB_CHECK(stage_table(change.service.frontend.address.family));
  generate_ns_ = generating.ns();
  return {};
}

Status IptablesChapter::commit() {
  cost_ = {};
  input_bytes_ = 0;
  for (const Family family : families) {
    if (table(family).staged.valid()) {
      SVCB_CHECK(load(family));
    }
  }
  return {};
}

SyncCost IptablesChapter::sync_cost() const {
  return {.generate_ns = generate_ns_,
          .commit_ns = cost_.wall_ns,
          .user_us = cost_.user_us,
          .system_us = cost_.system_us,
          .tools = cost_.tools,
          .input_bytes = input_bytes_};
}

Result<std::size_t> IptablesChapter::entries() const {
  std::size_t services = 0;
  for (const Family family : families) {
    if (table(family).rules == 0) {
      continue;
    }
    SVCB_TAKE(saved, read_back(family));
    const std::size_t expected = chapter_rules_per_service * saved.services.size() + chapter_base_rules;
    if (saved.rules != expected) {
      return failure("the {} nat table of {} has {} services and {} rules, not 3 x {} + 7 = {}",
                     to_string(family), backend_.label, saved.services.size(), saved.rules,
                     saved.services.size(), expected);
    }
    services += saved.services.size();
  }
  return services;
}

Result<std::optional<Service>> IptablesChapter::find(const Frontend& frontend) const {
  if (table(frontend.address.family).rules == 0) {
    return std::nullopt;
  }
  SVCB_TAKE(saved, read_back(frontend.address.family));
  const auto match = std::find_if(saved.services.begin(), saved.services.end(),
                                  [&](const auto& entry) { return entry.first == frontend; });
  if (match == saved.services.end()) {
    return std::nullopt;
  }
  const auto jump = saved.service_chains.find(match->second);
  if (jump == saved.service_chains.end()) {
    return failure("the nat table of {} sends {} to {}, which has no rule", backend_.label, frontend.text(),
                   match->second);
  }
  Service service;
  service.frontend = frontend;
  service.kind = frontend.address.is_unspecified() ? FrontendKind::node_port : FrontendKind::cluster_ip;
  if (const auto end = saved.endpoint_chains.find(jump->second); end != saved.endpoint_chains.end()) {
    service.endpoints.push_back(end->second);
  }
  return service;
}

Service IptablesChapter::programmed(const Service& service) const {
  Service result = service;
  result.name.clear();
  result.endpoints.resize(std::min<std::size_t>(result.endpoints.size(), 1));
  return result;
}

std::size_t IptablesChapter::rules() const { return tables_[0].rules + tables_[1].rules; }

std::size_t IptablesChapter::input_bytes() const { return input_bytes_; }

Status IptablesChapter::replace_services(std::span<const Service> services) {
  services_.assign(services.begin(), services.end());
  position_.clear();
  position_.reserve(services.size());
  for (std::size_t i = 0; i < services_.size(); ++i) {
    const auto& frontend = services_[i].frontend;
    if (!position_.emplace(frontend, i).second) {
      return failure("two services have the frontend {}: which of them packets meet is not defined",
                     frontend.text());
    }
  }
  return {};
}

Status IptablesChapter::apply(const Change& change) {
  const auto& frontend = change.service.frontend;
  const auto entry = position_.find(frontend);
  const bool known = entry != position_.end();
  if (known == (change.operation == Operation::add_service)) {
    return failure("cannot {} {}: it {}", to_string(change.operation), frontend.text(),
                   known ? "is there already" : "is not there");
  }
  switch (change.operation) {
    case Operation::change_endpoints:
      services_[entry->second] = change.service;
      return {};
    case Operation::add_service:
      position_.emplace(frontend, services_.size());
      services_.push_back(change.service);
      return {};
    case Operation::remove_service:
      break;
  }
  // The others keep their order: where a service stands in KUBE-SERVICES decides what its packets cost.
  const std::size_t removed = entry->second;
  position_.erase(entry);
  services_.erase(services_.begin() + static_cast<std::ptrdiff_t>(removed));
  for (std::size_t i = removed; i < services_.size(); ++i) {
    position_[services_[i].frontend] = i;
  }
  return {};
}

Status IptablesChapter::stage_table(Family family) {
  const std::string text = chapter_nat_table(services_, family);
  SVCB_TAKE(input, memfd_of("nat-table", text));
  auto& staged = table(family);
  staged.staged = std::move(input);
  staged.staged_bytes = text.size();
  staged.staged_rules = chapter_rules_per_service * count_of(services_, family) + chapter_base_rules;
  return {};
}

Status IptablesChapter::load(Family family) {
  SVCB_TAKE(program, restore_program(backend_, family));
  auto& loaded = table(family);
  const Fd input = std::move(loaded.staged);
  loaded.touched = true;
  SVCB_TAKE(result, run_restore(program, input));
  loaded.rules = loaded.staged_rules;
  input_bytes_ += loaded.staged_bytes;
  cost_.wall_ns += result.wall_ns;
  cost_.user_us += result.user_us;
  cost_.system_us += result.system_us;
  ++cost_.tools;
  return {};
}

Result<ChapterTable> IptablesChapter::read_back(Family family) const {
  SVCB_TAKE(saved, saved_table(backend_, family, "nat"));
  return parse_chapter_table(saved, family);
}

}  // namespace svcbench
