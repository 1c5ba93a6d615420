// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/iptables_chapter.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <iterator>

#include "sys/child_process.h"
#include "sys/memfd.h"

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

// Characters after the prefix, as kube-proxy has them: base32 of a hash, 5 bits each. The hash is a mix of
// our own, not kube-proxy's sha256 of names: as long, as evenly spread, and stable.
constexpr std::size_t private_chain_id_size = 16;
using ChainId = std::array<char, private_chain_id_size>;

// Bytes of text that a service takes at most: 2 chain lines and 3 rules; generous.
constexpr std::size_t service_text_size = 448;

// SplitMix64's finalizer (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

// Two 64-bit hashes side by side, of which 80 bits are used: among a million chains two are equal with a
// probability of 4e-13.
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

// Text is appended to one string: a controller's generation step is part of what is timed, and must not be
// made slow here.
class TableText {
 public:
  explicit TableText(std::size_t services) {
    text_.reserve(table_head.size() + base_rules.size() + services * service_text_size);
  }

  TableText& operator<<(std::string_view text) {
    text_.append(text);
    return *this;
  }
  TableText& operator<<(const ChainId& id) {
    text_.append(id.data(), id.size());
    return *this;
  }
  TableText& operator<<(unsigned value) {
    std::array<char, 10> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    text_.append(digits.data(), end);
    return *this;
  }
  TableText& operator<<(const Address& address) {
    if (address.family == Family::ipv6) {
      return *this << std::string_view(address.text());
    }
    for (std::size_t i = 0; i < 4; ++i) {
      *this << std::string_view(i == 0 ? "" : ".") << unsigned{address.bytes[i]};
    }
    return *this;
  }
  TableText& operator<<(const Endpoint& endpoint) {
    const bool brackets = endpoint.address.family == Family::ipv6;
    return *this << (brackets ? "[" : "") << endpoint.address << (brackets ? "]:" : ":")
                 << unsigned{endpoint.port};
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string_view protocol_match(Protocol protocol) {
  return protocol == Protocol::tcp ? "-p tcp -m tcp" : "-p udp -m udp";
}

void write_match(TableText& text, const Frontend& frontend) {
  if (frontend.address.is_unspecified()) {
    text << "-m addrtype --dst-type LOCAL ";
  } else {
    text << "-d " << frontend.address << (frontend.address.family == Family::ipv4 ? "/32 " : "/128 ");
  }
  text << protocol_match(frontend.protocol) << " --dport " << unsigned{frontend.port};
}

void write_rules(TableText& text, const Service& service, const ChainIds& ids) {
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

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return failure("the kernel's nat table has a rule with the port '{}', which svcbench did not write",
                   text);
  }
  return port;
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

// "10.0.0.1:80" or "[fd00::1]:80".
Result<Endpoint> parse_destination(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return failure("the kernel's nat table translates to '{}', which svcbench did not write", text);
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  SVCB_TAKE(address, Address::parse(host));
  SVCB_TAKE(port, parse_port(text.substr(colon + 1)));
  return Endpoint{address, port};
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

// ---- running the programs ----

class Stopwatch {
 public:
  [[nodiscard]] std::int64_t ns() const {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();  // CLOCK_MONOTONIC
};

Result<ChildResult> run_restore(const std::string& program, const Fd& input, bool interruptible) {
  ChildOptions options;
  options.stdin_fd = input.get();
  options.interruptible = interruptible;
  SVCB_TAKE(result, run_child({program}, options));
  // A warning is a failure too: what it warns of may be that the rules are not what was asked for.
  if (result.exit_status != 0 || !result.err.empty()) {
    return failure("{} did not take the nat table: exit status {}, {}", program, result.exit_status,
                   result.first_error_line());
  }
  return result;
}

}  // namespace

std::string chapter_nat_table(std::span<const Service> services, Family family) {
  TableText text(services.size());
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
    const std::size_t end = std::min(save.find('\n'), save.size());
    const std::string_view line = save.substr(0, end);
    save.remove_prefix(std::min(end + 1, save.size()));
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
      lseek(empty->get(), 0, SEEK_SET);
      (void)run_restore(restore_program(family), *empty, false);
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
  const auto& program = restore_program(family);
  if (program.empty()) {
    return failure(
        "there are IPv6 services, but no ip6tables-restore beside {} (install the iptables package "
        "whole)",
        backend_.restore);
  }
  auto& loaded = table(family);
  const Fd input = std::move(loaded.staged);
  loaded.touched = true;
  SVCB_TAKE(result, run_restore(program, input, true));
  loaded.rules = loaded.staged_rules;
  input_bytes_ += loaded.staged_bytes;
  cost_.wall_ns += result.wall_ns;
  cost_.user_us += result.user_us;
  cost_.system_us += result.system_us;
  ++cost_.tools;
  return {};
}

Result<ChapterTable> IptablesChapter::read_back(Family family) const {
  const auto& program = family == Family::ipv4 ? backend_.save : backend_.save6;
  SVCB_TAKE(saved, run_child({program, "-t", "nat"}));
  // Not so strict about stderr: iptables-nft-save warns of legacy tables that exist, even empty ones.
  if (saved.exit_status != 0) {
    return failure("{} -t nat did not read the table back: exit status {}, {}", program, saved.exit_status,
                   saved.first_error_line());
  }
  return parse_chapter_table(saved.out, family);
}

const std::string& IptablesChapter::restore_program(Family family) const {
  return family == Family::ipv4 ? backend_.restore : backend_.restore6;
}

}  // namespace svcbench
