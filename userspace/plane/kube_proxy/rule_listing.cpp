// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/rule_listing.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "plane/kube_proxy/iptables_readback.h"
#include "service/text.h"

namespace svcbench::kube_proxy {

namespace {

using Lines = std::vector<std::string>;

// Calls `sort(first, last)` with each longest run of lines, after the head, that `belongs`.
template <typename Belongs, typename Sort>
void for_each_run(Lines& lines, Belongs belongs, Sort sort) {
  for (auto first = lines.begin() + 1; first < lines.end();) {
    const auto last = std::find_if_not(first, lines.end(), belongs);
    sort(first, last);
    first = last == lines.end() ? last : last + 1;
  }
}

// ---- iptables-save ----

// What follows the option in a saved rule; "": it is not there.
std::string value_of(std::string_view rule, std::string_view option) {
  while (!rule.empty()) {
    if (take_saved_word(rule) == option) {
      return rule.empty() ? "" : std::string(take_saved_word(rule));
    }
  }
  return "";
}

// Chains that a rule a frontend stands in.
bool is_shared(std::string_view chain) {
  constexpr std::array<std::string_view, 4> shared{"KUBE-SERVICES", "KUBE-NODEPORTS",
                                                   "KUBE-EXTERNAL-SERVICES", "KUBE-PROXY-FIREWALL"};
  return std::find(shared.begin(), shared.end(), chain) != shared.end();
}

// Rules of one frontend keep their order. A NodePort's rules may differ in what address they match.
void sort_frontends(std::string_view chain, Lines& lines) {
  const auto is_frontends = [](const std::string& line) { return !value_of(line, "--dport").empty(); };
  const auto key_of = [&](const std::string& line) {
    return std::array{chain == "KUBE-NODEPORTS" ? "" : value_of(line, "-d"), value_of(line, "-p"),
                      value_of(line, "--dport")};
  };
  for_each_run(lines, is_frontends, [&](auto first, auto last) {
    std::stable_sort(first, last,
                     [&](const std::string& a, const std::string& b) { return key_of(a) < key_of(b); });
  });
}

// Takes the probability, with the match that it belongs to, out of a rule; "": it has none.
std::string take_probability(std::string& rule) {
  constexpr std::string_view match = "-m statistic --mode random --probability ";
  const std::size_t begin = rule.find(match);
  if (begin == std::string::npos) {
    return "";
  }
  const std::size_t end = std::min(rule.find(' ', begin + match.size()), rule.size());
  std::string taken = rule.substr(begin, end - begin);
  rule.erase(begin, std::min(end + 1, rule.size()) - begin);
  return taken;
}

// Endpoints in order of their rules' texts; each place in the run keeps its probability.
void sort_endpoints(Lines& lines) {
  for (const bool recent : {true, false}) {
    const auto leads_to_one = [&](const std::string& line) {
      return line.find("-j KUBE-SEP-") != std::string::npos &&
             (line.find("-m recent") != std::string::npos) == recent;
    };
    for_each_run(lines, leads_to_one, [&](auto first, auto last) {
      Lines probabilities;
      std::transform(first, last, std::back_inserter(probabilities), take_probability);
      std::sort(first, last);
      for (auto probability = probabilities.begin(); first != last; ++first, ++probability) {
        *first += probability->empty() ? "" : "  [" + *probability + "]";
      }
    });
  }
}

// ---- nft ----

// "a, b { c, d }, "e, f"" at the commas that stand in neither braces nor quotes.
Lines split_elements(std::string_view text) {
  Lines elements;
  std::size_t begin = 0;
  int depth = 0;
  bool quoted = false;
  const auto take = [&](std::size_t end) {
    const std::string_view element = trimmed(text.substr(begin, end - begin));
    if (!element.empty()) {
      elements.emplace_back(element);
    }
    begin = end + 1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    quoted = quoted != (text[i] == '"');
    depth += quoted ? 0 : static_cast<int>(text[i] == '{') - static_cast<int>(text[i] == '}');
    if (text[i] == ',' && !quoted && depth == 0) {
      take(i);
    }
  }
  take(text.size());
  return elements;
}

// "numgen random mod 2 vmap { 0 : goto a, 1 : goto b }", and what is like it: numbers in place, choices in
// order of their texts.
void sort_choices(std::string& rule) {
  const std::size_t begin = rule.find("numgen random mod ");
  const std::size_t open = begin == std::string::npos ? begin : rule.find('{', begin);
  const std::size_t close = open == std::string::npos ? open : rule.find('}', open);
  if (close == std::string::npos) {
    return;
  }
  Lines numbers;
  Lines choices;
  for (const std::string& pair :
       split_elements(std::string_view(rule).substr(open + 1, close - open - 1))) {
    const std::size_t colon = pair.find(" : ");
    if (colon == std::string::npos) {
      return;
    }
    numbers.push_back(pair.substr(0, colon));
    choices.push_back(pair.substr(colon + 3));
  }
  std::sort(choices.begin(), choices.end());
  for (std::size_t i = 0; i < choices.size(); ++i) {
    numbers[i] += " : " + choices[i];
  }
  rule.replace(open, close - open + 1, fmt::format("{{ {} }}", fmt::join(numbers, ", ")));
}

void sort_chain(Lines& lines) {
  std::for_each(lines.begin() + 1, lines.end(), sort_choices);
  const auto remembers = [](const std::string& line) {
    return line.find(" saddr @affinity-") != std::string::npos;
  };
  for_each_run(lines, remembers, [](auto first, auto last) { std::sort(first, last); });
}

// The elements of a map or set whose first line is `line`; the lines that they go on in are taken.
Lines take_elements(std::string_view line, std::string_view& text) {
  std::string all(line.substr(line.find('{') + 1));
  const auto is_whole = [&] {
    return std::count(all.begin(), all.end(), '}') > std::count(all.begin(), all.end(), '{');
  };
  while (!is_whole() && !text.empty()) {
    all += take_line(text);
  }
  all.resize(std::min(all.rfind('}'), all.size()));
  Lines elements = split_elements(all);
  std::sort(elements.begin(), elements.end());
  return elements;
}

// ---- both ----

// Of `lines`, those that `other` has not (each as often as it has too few); the rest stays.
Lines take_what_lacks(Lines& lines, const Lines& other) {
  std::map<std::string_view, std::size_t> there;
  for (const std::string& line : other) {
    ++there[line];
  }
  Lines kept;
  Lines taken;
  for (std::string& line : lines) {
    const auto found = there.find(line);
    const bool both = found != there.end() && found->second != 0;
    if (both) {
      --found->second;
    }
    (both ? kept : taken).push_back(std::move(line));
  }
  lines = std::move(kept);
  return taken;
}

}  // namespace

RuleListing listing_of_iptables(std::string_view saved) {
  RuleListing listing;
  std::string table;
  while (!saved.empty()) {
    std::string_view line = take_line(saved);
    if (line.starts_with('*')) {
      table = line.substr(1);
    } else if (line.starts_with(':') && line.find(" - ") != std::string_view::npos) {
      line = line.substr(0, line.find(' '));
      listing[fmt::format("{} {}", table, line.substr(1))] = {std::string(line)};
    } else if (line.starts_with("-A ")) {
      line.remove_prefix(3);
      const std::string_view chain = take_saved_word(line);
      Lines& lines = listing[fmt::format("{} {}", table, chain)];
      if (lines.empty()) {
        lines.push_back(fmt::format(":{}", chain));
      }
      lines.emplace_back(trimmed(line));
    }
  }
  for (auto& [place, lines] : listing) {
    const std::string_view chain = std::string_view(place).substr(place.find(' ') + 1);
    if (is_shared(chain)) {
      sort_frontends(chain, lines);
    } else {
      sort_endpoints(lines);
    }
  }
  std::erase_if(listing, [](const auto& one) {
    return one.first.ends_with(" KUBE-PROXY-CANARY") && one.second.size() == 1;
  });
  return listing;
}

RuleListing listing_of_nftables(std::string_view listed) {
  RuleListing listing;
  Lines* block = nullptr;
  while (!listed.empty()) {
    const std::string_view line = trimmed(take_line(listed));
    if (line.empty() || line.starts_with("table ")) {
      continue;
    }
    if (block == nullptr && line.ends_with('{')) {
      const std::string place(trimmed(line.substr(0, line.size() - 1)));
      block = &(listing[place] = {place});
    } else if (block == nullptr) {
      if (line != "}") {
        Lines& own = listing.try_emplace("table", Lines{"table"}).first->second;
        own.emplace_back(line);
      }
    } else if (line == "}") {
      block = nullptr;
    } else if (line.starts_with("elements = {")) {
      Lines elements = take_elements(line, listed);
      block->insert(block->end(), std::make_move_iterator(elements.begin()),
                    std::make_move_iterator(elements.end()));
    } else {
      block->emplace_back(line);
    }
  }
  for (auto& [place, lines] : listing) {
    if (place.starts_with("chain ")) {
      sort_chain(lines);
    }
  }
  return listing;
}

RuleComparison compare_rules(const RuleListing& ours, const RuleListing& theirs) {
  RuleListing all = ours;
  all.insert(theirs.begin(), theirs.end());
  RuleComparison result;
  for (const auto& [place, either] : all) {
    const auto own = ours.find(place);
    const auto other = theirs.find(place);
    Lines own_lines = own == ours.end() ? Lines{} : own->second;
    Lines other_lines = other == theirs.end() ? Lines{} : other->second;
    Lines only_ours = take_what_lacks(own_lines, other == theirs.end() ? Lines{} : other->second);
    Lines only_theirs = take_what_lacks(other_lines, own == ours.end() ? Lines{} : own->second);
    const auto tell = [&, &where = place](RuleSide side, std::string rule, bool order) {
      result.differences.push_back({side, where, std::move(rule), order});
    };
    for (std::string& rule : only_ours) {
      tell(RuleSide::ours, std::move(rule), false);
    }
    for (std::string& rule : only_theirs) {
      tell(RuleSide::theirs, std::move(rule), false);
    }
    result.equal += own_lines.empty() ? 0 : own_lines.size() - 1;  // without the head
    const auto [one, another] =
        std::mismatch(own_lines.begin(), own_lines.end(), other_lines.begin(), other_lines.end());
    if (one != own_lines.end()) {
      tell(RuleSide::ours, *one, true);
      tell(RuleSide::theirs, *another, true);
    }
  }
  return result;
}

}  // namespace svcbench::kube_proxy
