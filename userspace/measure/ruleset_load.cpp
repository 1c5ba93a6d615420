// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/ruleset_load.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "plane/iptables_restore.h"
#include "service/text.h"
#include "sys/memfd.h"
#include "sys/net_namespace.h"

namespace svcbench {
namespace {

// A load replaces what is there: iptables-restore does that by itself. In front of the first line, so that
// lines keep their numbers.
std::string_view what_clears(RulesetKind kind) {
  return kind == RulesetKind::nftables ? "flush ruleset; " : kind == RulesetKind::ipvs ? "-C\n" : "";
}

// printable(), and not cut: the reason may be at the end.
std::string all_printable(std::string_view text) {
  constexpr std::size_t part = 80;
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(part, text.size()))) {
    out += printable(text.substr(0, part));
  }
  return out;
}

// All that a tool said, line by line, without the advice to ask it for help and marks under a word.
std::vector<std::string> said_by(const ChildResult& answer) {
  std::vector<std::string> said;
  std::string_view rest = answer.err;
  while (!rest.empty()) {
    const std::string_view line = trimmed(take_line(rest));
    const bool is_advice =
        line.starts_with("Try `") || line.find_first_not_of("^~ ") == std::string_view::npos;
    if (!is_advice) {
      said.push_back(all_printable(line));
    }
  }
  return said;
}

std::string in_one_line(const std::vector<std::string>& said) {
  std::string out;
  for (const std::string& line : said) {
    out += out.empty() ? "" : out.ends_with(':') ? " " : "; ";
    out += line;
  }
  return out;
}

// "line 7: RULE_APPEND failed", "Error occurred at line: 9", "/dev/stdin:4:2-7: Error"; 0: none is named.
std::size_t line_named_in(std::string_view said) {
  const auto number_at = [&](std::size_t at) {
    std::size_t number = 0;
    const std::string_view digits = said.substr(std::min(at, said.size()));
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return read.ec == std::errc() ? number : 0;
  };
  for (const std::string_view opening : {"at line: ", "line ", "/dev/stdin:", "-:"}) {
    if (const std::size_t at = said.find(opening); at != std::string_view::npos) {
      if (const std::size_t number = number_at(at + opening.size()); number != 0) {
        return number;
      }
    }
  }
  return 0;
}

}  // namespace

Result<RulesetLoader> RulesetLoader::make(const Ruleset& ruleset, const RulesetTool& tool) {
  SVCB_TAKE(input, memfd_of("ruleset", std::string(what_clears(ruleset.kind)) + ruleset.text));
  return RulesetLoader(ruleset, tool, std::move(input));
}

Status RulesetLoader::make_sets() const {
  if (ruleset_->ipset_text.empty()) {
    return {};
  }
  SVCB_TAKE(sets, memfd_of("sets", ruleset_->ipset_text));
  SVCB_TAKE(answer, run_child({"ipset", "restore"}, {.stdin_fd = sets.get(), .environment = {}}));
  if (answer.exit_status != 0) {
    return failure("ipset did not make the sets of {}: {}", ruleset_->source, in_one_line(said_by(answer)));
  }
  return {};
}

Result<std::vector<std::string>> RulesetLoader::command() const {
  if (ruleset_->kind == RulesetKind::nftables) {
    return std::vector<std::string>{tool_->program, "-f", "/dev/stdin"};
  }
  if (ruleset_->kind == RulesetKind::ipvs) {
    return std::vector<std::string>{tool_->program, "-R"};
  }
  SVCB_TAKE(program, restore_program(tool_->iptables, ruleset_->family));
  return std::vector<std::string>{program, "-w", "5"};
}

Result<RulesetLoad> RulesetLoader::load() const {
  if (lseek(input_.get(), 0, SEEK_SET) < 0) {
    return failure("{}", with_errno("cannot read the ruleset from its start", errno));
  }
  SVCB_TAKE(argv, command());
  SVCB_TAKE(answer, run_child(argv, {.stdin_fd = input_.get(), .environment = {}}));
  // ipvsadm -R goes on after a line that the kernel refused, and ends with 0.
  const bool refused =
      answer.exit_status != 0 || (ruleset_->kind == RulesetKind::ipvs && !answer.err.empty());
  if (refused) {
    return tl::unexpected(why_not_taken(answer));
  }
  return RulesetLoad{.cost = {.commit_ns = answer.wall_ns,
                              .user_us = answer.user_us,
                              .system_us = answer.system_us,
                              .tools = 1,
                              .input_bytes = ruleset_->text.size()},
                     .said = said_by(answer)};
}

Status RulesetLoader::check_holds() const {
  const auto compare = [&](std::string_view saved, std::size_t wanted, const std::string& where) -> Status {
    if (const std::size_t held = rules_in_saved(ruleset_->kind, saved); held != wanted) {
      return failure("{} took {}, and {} then has {} rules, not the file's {}: no figure is given",
                     tool_->label, ruleset_->source, where, grouped(held), grouped(wanted));
    }
    return {};
  };
  if (ruleset_->kind != RulesetKind::iptables) {
    const bool is_nft = ruleset_->kind == RulesetKind::nftables;
    SVCB_TAKE(saved, run_child(is_nft ? std::vector<std::string>{tool_->program, "list", "ruleset"}
                                      : std::vector<std::string>{tool_->program, "-Sn"}));
    if (saved.exit_status != 0) {
      return failure("{} did not read the ruleset back: {}", tool_->label, in_one_line(said_by(saved)));
    }
    return compare(saved.out, ruleset_->rules(), "the kernel");
  }
  for (const RulesetTable& table : ruleset_->tables) {
    SVCB_TAKE(saved, saved_table(tool_->iptables, ruleset_->family, table.name));
    SVCB_CHECK(compare(saved, table.rules, "the table " + table.name));
  }
  return {};
}

// Tried in a network namespace that is thrown away.
Result<bool> RulesetLoader::takes(const std::string& text) const {
  SVCB_TAKE(input, memfd_of("rules", text));
  SVCB_TAKE(place, NetNamespace::create());
  SVCB_TAKE(inside, place.enter());
  SVCB_CHECK(make_sets());
  SVCB_TAKE(argv, command());
  SVCB_TAKE(answer, run_child(argv, {.stdin_fd = input.get(), .environment = {}}));
  return answer.exit_status == 0;
}

namespace {

// The lines of the table that ends in `commit_line`, up to and with `last_line`, and COMMIT.
std::string part_of_table(const Ruleset& ruleset, std::size_t commit_line, std::size_t last_line) {
  std::string out;
  std::string_view rest = ruleset.text;
  for (std::size_t number = 1; number < commit_line && !rest.empty(); ++number) {
    const std::string_view line = take_line(rest);
    if (line.starts_with('*')) {
      out.clear();
    }
    if (number <= last_line) {
      out += std::string(line) + '\n';
    }
  }
  return out + "COMMIT\n";
}

}  // namespace

std::optional<std::size_t> RulesetLoader::refused_rule(std::size_t commit_line) const {
  std::vector<std::size_t> rules;  // lines
  std::string_view rest = ruleset_->text;
  for (std::size_t number = 1; number < commit_line && !rest.empty(); ++number) {
    const std::string_view line = take_line(rest);
    if (line.starts_with('*')) {
      rules.clear();
    } else if (line.starts_with("-A ") || line.starts_with("-I ") || line.starts_with('[')) {
      rules.push_back(number);
    }
  }
  std::size_t low = 0;
  std::size_t high = rules.size();  // the first refused one is in [low, high)
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const auto taken = takes(part_of_table(*ruleset_, commit_line, rules[middle]));
    if (!taken) {
      return std::nullopt;
    }
    (*taken ? low : high) = *taken ? middle + 1 : middle;
  }
  return low < rules.size() ? std::optional(rules[low]) : std::nullopt;
}

std::string RulesetLoader::words_on_rule(std::size_t commit_line, std::size_t rule_line) const {
  const auto said = [&]() -> Result<std::string> {
    SVCB_TAKE(input, memfd_of("rules", part_of_table(*ruleset_, commit_line, rule_line - 1)));
    SVCB_TAKE(place, NetNamespace::create());
    SVCB_TAKE(inside, place.enter());
    SVCB_CHECK(make_sets());
    SVCB_TAKE(argv, command());
    SVCB_TAKE(before, run_child(argv, {.stdin_fd = input.get(), .environment = {}}));
    std::string table;
    for (std::size_t number = 1; number < commit_line; ++number) {
      if (const std::string_view line = ruleset_->line(number); line.starts_with('*')) {
        table = line.substr(1);
      }
    }
    constexpr std::string_view suffix = "-restore";
    std::string program = argv.front();
    program.resize(program.size() - suffix.size());
    std::vector<std::string> one{program, "-t", table};
    std::string_view rule = ruleset_->line(rule_line);
    rule.remove_prefix(std::min(rule.find('-'), rule.size()));  // its counters
    for (std::string& word : words_of_rule(rule)) {
      one.push_back(std::move(word));
    }
    SVCB_TAKE(answer, run_child(one));
    return in_one_line(said_by(answer));
  }();
  return said.value_or("");
}

Error RulesetLoader::why_not_taken(const ChildResult& answer) const {
  const std::string said = in_one_line(said_by(answer));
  std::string reason = said;
  std::size_t number = line_named_in(said);
  if (ruleset_->kind == RulesetKind::ipvs && number > 1) {
    --number;  // -C is a line of ours
  }
  std::string_view rule = ruleset_->line(number);
  // iptables-legacy gives a whole table to the kernel, which says of no rule that it is the wrong one.
  if (rule == "COMMIT") {
    if (const auto refused = refused_rule(number)) {
      const std::string words = words_on_rule(number, *refused);
      reason += words.empty() ? "" : "; of that rule alone: " + words;
      number = *refused;
      rule = ruleset_->line(number);
    }
  }
  const std::string where = trimmed(rule).empty() ? ""
                                                  : fmt::format(", line {}, \"{}\"", grouped(number),
                                                                all_printable(trimmed(rule)));
  return {Error::Kind::failure,
          fmt::format("{} did not take {}{}: {} (exit status {})", tool_->label, ruleset_->source, where,
                      reason.empty() ? "it did not say why" : reason, answer.exit_status)};
}

}  // namespace svcbench
