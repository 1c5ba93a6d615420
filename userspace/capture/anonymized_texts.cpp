// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <algorithm>
#include <array>
#include <cctype>
#include <nlohmann/json.hpp>

#include "capture/anonymizer.h"
#include "capture/text_pieces.h"

namespace svcbench {

namespace {

using nlohmann::json;

// The next word and the blanks after it; a word in quotes has them, with what is escaped in it.
struct SavedWord {
  std::string_view text;
  std::string_view blanks;

  [[nodiscard]] bool quoted() const {
    return text.size() >= 2 && text.front() == '"' && text.back() == '"';
  }
  [[nodiscard]] std::string_view bare() const { return quoted() ? text.substr(1, text.size() - 2) : text; }
  // `with`, in quotes where the word had them.
  [[nodiscard]] std::string as(const std::string& with) const {
    return quoted() ? "\"" + with + "\"" : with;
  }
};

SavedWord take_word(std::string_view& line) {
  std::size_t end = 0;
  for (bool inside = false; end < line.size() && (inside || line[end] != ' '); ++end) {
    if (line[end] == '\\') {
      end = std::min(end + 1, line.size() - 1);
    } else if (line[end] == '"') {
      inside = !inside;
    }
  }
  const std::size_t next = std::min(line.find_first_not_of(' ', end), line.size());
  const SavedWord word{line.substr(0, end), line.substr(end, next - end)};
  line.remove_prefix(next);
  return word;
}

// Options of iptables whose value is a name of that sort.
constexpr std::array<std::string_view, 6> of_chains{"-A", "-N", "-j", "-g", "--jump", "--goto"};
constexpr std::array<std::string_view, 7> of_devices{
    "-i", "-o", "--physdev-in", "--physdev-out", "--oif", "--in-interface", "--out-interface"};
constexpr std::array<std::string_view, 4> of_sets{"--match-set", "--add-set", "--del-set", "--map-set"};
constexpr std::array<std::string_view, 9> of_names{"--name",         "--hashlimit-name", "--nfacct-name",
                                                   "--uid-owner",    "--gid-owner",      "--path",
                                                   "--rateest-name", "--rateest1",       "--label"};
constexpr std::array<std::string_view, 6> of_sentences{"--comment",     "--log-prefix", "--nflog-prefix",
                                                       "--ulog-prefix", "--string",     "--hex-string"};

std::string anonymized_rule(std::string_view line, Anonymizer& names) {
  std::string out;
  std::string_view before;
  while (!line.empty()) {
    const SavedWord word = take_word(line);
    const std::string_view text = word.bare();
    if (is_one_of(of_chains, before)) {
      // An extension's target is no chain of the table.
      out += names.is_declared(text) ? names.chain(text) : std::string(text);
    } else if (is_one_of(of_devices, before)) {
      out += word.as(names.device(text));
    } else if (is_one_of(of_sets, before)) {
      out += word.as(names.chain(text));
    } else if (is_one_of(of_names, before)) {
      out += word.as(names.word(text));
    } else if (is_one_of(of_sentences, before)) {
      out += word.as(names.sentence(text));
    } else {
      out += text.starts_with('-') ? std::string(word.text) : word.as(names.value(text));
    }
    out += word.blanks;
    before = text == "!" ? before : text;
  }
  return out;
}

// ---- nft ----

constexpr std::string_view nft_marks = " \t{},;()\"";

// What in quotes is no device.
constexpr std::array<std::string_view, 2> nft_sentences{"comment", "prefix"};
// What a block of this word declares has a name.
constexpr std::array<std::string_view, 11> nft_blocks{"chain",   "set",         "map",       "counter",
                                                      "quota",   "limit",       "flowtable", "helper",
                                                      "timeout", "expectation", "secmark"};
constexpr std::array<std::string_view, 6> nft_families{"ip", "ip6", "inet", "arp", "bridge", "netdev"};

class NftText {
 public:
  explicit NftText(Anonymizer& names) : names_(&names) {}

  std::string line(std::string_view text) {
    std::string out;
    before_ = {};
    opens_ = text.ends_with('{');
    while (!text.empty()) {
      const char c = text.front();
      if (c == '"') {
        const std::size_t end = std::min(text.find('"', 1), text.size() - 1);
        out += quoted(text.substr(1, end - 1));
        text.remove_prefix(end + 1);
        continue;
      }
      if (nft_marks.find(c) != std::string_view::npos) {
        out += c;
        text.remove_prefix(1);
        continue;
      }
      const std::size_t end = std::min(text.find_first_of(nft_marks), text.size());
      const std::string_view word = text.substr(0, end);
      if (word.starts_with('#')) {
        return out + "#";  // nft's own remark
      }
      out += plain(word);
      before_before_ = before_;
      before_ = word;
      text.remove_prefix(end);
    }
    return out;
  }

 private:
  std::string quoted(std::string_view text) {
    if (before_ == "name" || before_ == "set") {  // counter name "x", ct helper set "x"
      return "\"" + names_->chain(text) + "\"";
    }
    const std::string inside =
        is_one_of(nft_sentences, before_) ? names_->sentence(text) : names_->device(text);
    return "\"" + inside + "\"";
  }

  std::string plain(std::string_view word) {
    if (word.starts_with('@')) {
      // "@th,16,16" is a place in a packet.
      const bool is_place = word == "@th" || word == "@nh" || word == "@ll" || word == "@ih";
      return is_place ? std::string(word) : "@" + names_->chain(word.substr(1));
    }
    const bool is_table = before_before_ == "table" && is_one_of(nft_families, before_);
    const bool is_declared = opens_ && is_one_of(nft_blocks, before_);
    if (is_table || is_declared || before_ == "jump" || before_ == "goto" || before_ == "meter") {
      return names_->chain(word);
    }
    // A flowtable's devices are not in quotes.
    return names_->is_device(word) ? names_->device(word) : names_->value(word);
  }

  Anonymizer* names_;
  std::string_view before_{};
  std::string_view before_before_{};
  bool opens_ = false;
};

// ---- ipset ----

// "10.0.0.1,tcp:80,eth0" of a set of that type.
std::string anonymized_element(std::string_view element, std::string_view type, Anonymizer& names) {
  std::string out;
  std::size_t part = 0;
  for (std::size_t comma = 0; comma != std::string_view::npos; ++part) {
    comma = element.find(',');
    const std::string_view one = element.substr(0, comma);
    if (type == "list:set") {
      out += names.chain(one);
    } else if (type.ends_with(",iface") && part == 1) {
      const std::size_t colon = one.starts_with("physdev:") ? 8 : 0;
      out += one.substr(0, colon);
      out += names.device(one.substr(colon));
    } else {
      out += names.value(one);
    }
    if (comma != std::string_view::npos) {
      out += ',';
      element.remove_prefix(comma + 1);
    }
  }
  return out;
}

// ---- JSON ----

template <typename Change>
void each_string(json& value, const std::string& key, const Change& change) {
  if (value.is_string()) {
    value = change(key, value.get<std::string>());
  } else if (value.is_array()) {
    for (json& one : value) {
      each_string(one, key, change);
    }
  } else if (value.is_object()) {
    for (auto& [name, one] : value.items()) {
      each_string(one, name, change);
    }
  }
}

constexpr std::array<std::string_view, 7> ip_devices{"ifname", "dev", "link",   "master",
                                                     "iif",    "oif", "iifname"};

constexpr std::array<std::string_view, 15> kubectl_words{"apiVersion",
                                                         "kind",
                                                         "type",
                                                         "protocol",
                                                         "sessionAffinity",
                                                         "ipFamilyPolicy",
                                                         "ipFamilies",
                                                         "addressType",
                                                         "status",
                                                         "internalTrafficPolicy",
                                                         "creationTimestamp",
                                                         "externalTrafficPolicy",
                                                         "trafficDistribution",
                                                         "resourceVersion",
                                                         "ipMode"};

bool is_kubernetes_key(std::string_view key) {
  const std::size_t slash = key.find('/');
  return slash != std::string_view::npos &&
         (key.substr(0, slash).ends_with("kubernetes.io") || key.substr(0, slash).ends_with("k8s.io"));
}

// Keys of labels, annotations and selectors are names of the user's.
json with_names_replaced(const json& value, const std::string& key, bool keys_are_names,
                         Anonymizer& names) {
  if (value.is_string()) {
    const auto text = value.get<std::string>();
    if (!keys_are_names && is_one_of(kubectl_words, key)) {
      return text;
    }
    const std::string form = names.value(text);
    return form != text ? form : names.word(text);
  }
  if (value.is_array()) {
    json out = json::array();
    for (const json& one : value) {
      out.push_back(with_names_replaced(one, key, keys_are_names, names));
    }
    return out;
  }
  if (!value.is_object()) {
    return value;
  }
  json out = json::object();
  for (const auto& [name, one] : value.items()) {
    if (name == "managedFields") {
      continue;  // names of fields, and of what is in them
    }
    const bool inside = keys_are_names || name == "labels" || name == "annotations" || name == "selector" ||
                        name == "matchLabels" || name == "deprecatedTopology";
    out[keys_are_names && !is_kubernetes_key(name) ? names.word(name) : name] =
        with_names_replaced(one, name, inside, names);
  }
  return out;
}

}  // namespace

std::string anonymized_iptables(std::string_view text, Anonymizer& names) {
  // A rule may jump to a chain before it is told of.
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view line = take_line(rest);
    if (line.starts_with(':')) {
      names.declare(line.substr(1, line.find(' ') - 1));
    }
  }
  return changed_lines(text, [&](std::string_view line) -> std::string {
    if (line.starts_with(':')) {
      const std::size_t end = std::min(line.find(' '), line.size());
      return ":" + names.chain(line.substr(1, end - 1)) + std::string(line.substr(end));
    }
    if (line.starts_with('-')) {
      return anonymized_rule(line, names);
    }
    const bool is_remark =
        line.starts_with('#') && !line.starts_with("# Generated") && !line.starts_with("# Completed");
    return is_remark ? "#" : std::string(line);  // *nat, COMMIT
  });
}

std::string anonymized_nft(std::string_view text, Anonymizer& names) {
  NftText nft(names);
  return changed_lines(text, [&](std::string_view line) { return nft.line(line); });
}

std::string anonymized_ipset(std::string_view text, Anonymizer& names) {
  std::map<std::string, std::string, std::less<>> types;
  return changed_lines(text, [&](std::string_view line) {
    std::string out;
    std::string_view command;
    std::string_view set;
    std::string_view before;
    for (std::size_t number = 0; !line.empty(); ++number) {
      const SavedWord word = take_word(line);
      const std::string_view bare = word.bare();
      if (number == 0) {
        command = bare;
        out += word.text;
      } else if (number == 1) {
        set = bare;
        out += names.chain(bare);
      } else if (number == 2 && command == "create") {
        types.emplace(set, bare);
        out += word.text;
      } else if (number == 2 && command == "add") {
        const auto type = types.find(set);
        out += anonymized_element(bare, type == types.end() ? std::string_view{} : type->second, names);
      } else {
        out += before == "comment" && command == "add" ? word.as(names.sentence(bare))
                                                       : word.as(names.value(bare));
      }
      before = bare;
      out += word.blanks;
    }
    return out;
  });
}

std::string anonymized_ipvs(std::string_view text, Anonymizer& names) {
  return changed_lines(text, [&](std::string_view line) {
    std::string out;
    while (!line.empty()) {
      const SavedWord word = take_word(line);
      out += names.value(word.text);
      out += word.blanks;
    }
    return out;
  });
}

std::string anonymized_settings(std::string_view text, Anonymizer& names) {
  return changed_lines(text, [&](std::string_view line) {
    const std::size_t conf = line.find("/conf/");
    const std::size_t begin = conf + 6;
    const std::size_t end = conf == std::string_view::npos ? conf : line.find('/', begin);
    if (end == std::string_view::npos) {
      return std::string(line);
    }
    const std::string_view name = line.substr(begin, end - begin);
    return std::string(line.substr(0, begin)) +
           (name == "all" || name == "default" ? std::string(name) : names.device(name)) +
           std::string(line.substr(end));
  });
}

std::string anonymized_ip_json(std::string_view text, Anonymizer& names) {
  json lists = json::parse(text, nullptr, false);
  each_string(lists, "", [&](const std::string& key, const std::string& one) -> std::string {
    if (is_one_of(ip_devices, key)) {
      return names.device(one);
    }
    if (key == "label") {  // "eth0:1"
      const std::size_t colon = std::min(one.find(':'), one.size());
      return names.device(one.substr(0, colon)) + one.substr(colon);
    }
    if (key == "table") {
      return names.chain(one);
    }
    return names.value(one);
  });
  return lists.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string anonymized_kubectl_json(std::string_view text, Anonymizer& names) {
  const json objects = json::parse(text, nullptr, false);
  return with_names_replaced(objects, "", false, names)
             .dump(1, ' ', false, json::error_handler_t::replace) +
         "\n";
}

namespace {

std::string anonymized(const NodeSource& source, Anonymizer& names) {
  if (source.member == "nftables.rules") {
    return anonymized_nft(source.text, names);
  }
  if (source.member == "ipset.save") {
    return anonymized_ipset(source.text, names);
  }
  if (source.member == "ipvs.save") {
    return anonymized_ipvs(source.text, names);
  }
  if (source.member.ends_with(".save")) {
    return anonymized_iptables(source.text, names);
  }
  if (source.member == "sysctls.txt") {
    return anonymized_settings(source.text, names);
  }
  if (source.member == "services.json") {
    return anonymized_kubectl_json(source.text, names);
  }
  if (source.member == "links.json" || source.member == "addresses.json" ||
      source.member == "routes.json" || source.member == "rules.json") {
    return anonymized_ip_json(source.text, names);
  }
  return source.text;  // numbers, modes, the kernel
}

std::vector<std::string> all_anonymized(const NodeCapture& capture, Anonymizer& names) {
  std::vector<std::string> texts;
  for (const NodeSource& source : capture.sources) {
    texts.push_back(source.reading == Reading::read ? anonymized(source, names) : std::string());
  }
  return texts;
}

}  // namespace

void anonymize(NodeCapture& capture, const AddressMap::Key& key) {
  constexpr std::uint8_t most_tries = 8;
  Anonymizer names(key);
  static_cast<void>(all_anonymized(capture, names));
  std::vector<std::string> texts;
  AddressMap::Key next = key;
  for (std::uint8_t i = 0; i < most_tries; ++i) {
    next[0] = static_cast<std::uint8_t>(key[0] + i);
    names.begin_again(next);
    texts = all_anonymized(capture, names);
    if (names.met() == 0) {
      break;
    }
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    capture.sources[i].text = std::move(texts[i]);
    if (capture.sources[i].reading == Reading::failed) {
      capture.sources[i].reason = "what the tool said may name something, and is left out";
    }
  }
  capture.place.clear();
  capture.anonymized = true;
}

}  // namespace svcbench
