// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the program tells of itself: the manual page and the shells' completions, held against the commands
// as CLI11 has them, and tried by the tools and shells that read them, where they are installed.
#include <doctest/doctest.h>
#include <fmt/ranges.h>

#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/completions.h"
#include "cli/man_page.h"
#include "cli/program.h"
#include "sys/child_process.h"
#include "sys/memfd.h"

namespace svcbench {
namespace {

using Words = std::vector<std::string>;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The lines of `text` that hold `part`.
std::string lines_with(const std::string& text, const std::string& part) {
  std::string found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    found += has(line, part) ? line + "\n" : "";
  }
  return found;
}

// From `begin` to the next `end`.
std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin);
  return from == std::string::npos ? "" : text.substr(from, text.find(end, from + 1) - from);
}

// Each command, with its options as they are configured: not by way of describe_program().
void for_each_option(const std::function<void(const std::string&, const CLI::Option&)>& body) {
  for (const Command& command : commands()) {
    CLI::App app;
    (void)command.configure(app);
    for (const CLI::Option* option : app.get_options()) {
      body(std::string(command.name), *option);
    }
  }
}

std::string man_name(const std::string& flag) {
  std::string name;
  for (const char c : flag) {
    name += c == '-' ? "\\-" : std::string(1, c);
  }
  return name;
}

// Runs `argv` with `input`, where its program is installed; nothing otherwise.
std::optional<ChildResult> tried(const Words& argv, const std::string& input) {
  if (!find_program(argv.front())) {
    MESSAGE("not tried: " << argv.front() << " is not installed");
    return std::nullopt;
  }
  const auto file = memfd_of("text", input);
  REQUIRE(file);
  ChildOptions options;
  options.stdin_fd = file->get();
  auto ran = run_child(argv, options);
  REQUIRE_MESSAGE(ran, ran.error().message);
  return *std::move(ran);
}

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> all;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    all.insert(line);
  }
  return all;
}

// What bash offers for these words, of which the last is being typed.
std::set<std::string> bash_offers(const Words& words) {
  std::string script = bash_completion(describe_program()) + "COMP_WORDS=(";
  for (const std::string& word : words) {
    script += fmt::format(" '{}'", word);
  }
  script +=
      fmt::format(")\nCOMP_CWORD={}\n_svcbench\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n", words.size() - 1);
  const auto ran = tried({"bash", "--norc", "-eu", "-s"}, script);
  REQUIRE(ran);
  CHECK_MESSAGE(ran->err.empty(), ran->err);
  CHECK(ran->exit_status == 0);
  return lines_of(ran->out);
}

using Offers = std::set<std::string>;

}  // namespace

TEST_CASE("the manual page and each completion have every command and every flag of --help") {
  const ProgramText program = describe_program();
  const std::string man = man_page(program, "1", "2026-01-01");
  const std::string bash = bash_completion(program);
  const std::string zsh = zsh_completion(program);
  const std::string fish = fish_completion(program);
  std::size_t flags = 0;
  for_each_option([&](const std::string& command, const CLI::Option& option) {
    CAPTURE(command);
    const std::string man_part = between(man, ".SS \"svcbench " + man_name(command) + "\"", "\n.S");
    const std::string zsh_part = between(zsh, "(" + command + ")\n", ";;");
    const std::string fish_part = lines_with(fish, "'__svcbench_in " + command + "'");
    const std::string bash_flags = " " + between(bash, "  " + command + ") flags='", "' ;;") + " ";
    for (const std::string& name : option.get_lnames()) {
      CAPTURE(name);
      CHECK(has(man_part, "\\fB" + man_name("--" + name) + "\\fR"));
      CHECK((has(bash_flags, " --" + name + " ") || has(bash_flags, "'--" + name + " ")));
      CHECK((has(zsh_part, "--" + name + "=[") || has(zsh_part, "--" + name + "[")));
      CHECK(has(fish_part, " -l " + name + " "));
      ++flags;
    }
    if (option.get_lnames().empty() && option.get_snames().empty()) {
      CHECK(has(man_part, "\\fI" + man_name(option.get_name()) + "\\fR"));
    }
  });
  CHECK(flags > 100);
  for (const Command& command : commands()) {
    const std::string name(command.name);
    CAPTURE(name);
    CHECK(has(man, ".SS \"svcbench " + man_name(name) + "\""));
    CHECK(bash_offers({"svcbench", name.substr(0, 2)}).contains(name));
    CHECK(has(zsh, "        '" + name + ":"));
    CHECK(has(fish, " -a " + name + " -d "));
  }
}

TEST_CASE("an option whose value is a file says so, so that shells complete it") {
  for_each_option([&](const std::string& command, const CLI::Option& option) {
    CAPTURE(command);
    CAPTURE(option.get_name());
    const std::string& text = option.get_description();
    if (has(text, "(- is standard output)") || has(text, "(- reads standard input)") ||
        has(text, "The --json of")) {
      CHECK_MESSAGE(option.get_type_name() == file_value, "give it ->type_name(file_value)");
    }
  });
}

TEST_CASE("bash completes commands, flags, names, lists and files") {
  CHECK(bash_offers({"svcbench", "com"}) == Offers{"compare", "completions"});
  CHECK(bash_offers({"svcbench", "--v"}) == Offers{"--version"});
  CHECK(bash_offers({"svcbench", "compare", "--pl"}) == Offers{"--planes"});
  CHECK(bash_offers({"svcbench", "ebpf", "--pl"}) == Offers{""});
  CHECK(bash_offers({"svcbench", "compare", "--planes", "ip"}) ==
        Offers{"iptables-legacy", "iptables-nft", "ipvs"});
  CHECK(bash_offers({"svcbench", "compare", "--planes", "ipvs,iptables-n"}) == Offers{"ipvs,iptables-nft"});
  CHECK(bash_offers({"svcbench", "compare", "--planes", "=", "nft"}) == Offers{"nftables"});
  CHECK(bash_offers({"svcbench", "compare", "--scenarios", "="}) ==
        Offers{"path", "state", "sync", "update", "whole-sync"});
  CHECK(bash_offers({"svcbench", "verify", "--plane", "null"}) == Offers{""});  // it has nothing to verify
  CHECK(bash_offers({"svcbench", "render", "ebpf"}) == Offers{"ebpf-tc", "ebpf-xdp"});
  CHECK(bash_offers({"svcbench", "completions", ""}) == Offers{"bash", "fish", "zsh"});
  CHECK(bash_offers({"svcbench", "ebpf", "--services", ""}) == Offers{""});
  CHECK(bash_offers({"svcbench", "ebpf", "--json", "/etc/host"}).contains("/etc/hosts"));
  CHECK(bash_offers({"svcbench", "ebpf", "--family", "ipv6", "--js"}) == Offers{"--json"});
}

TEST_CASE("fish completes commands, flags, names, lists and files") {
  const std::string script = fish_completion(describe_program());
  const auto offers = [&](const std::string& line) -> std::optional<Offers> {
    // Each line is a word, a tab and its description.
    const auto ran = tried(
        {"fish", "--no-config", "-c", "source; complete -C " + std::string("'") + line + "'"}, script);
    if (!ran) {
      return std::nullopt;
    }
    CHECK_MESSAGE(ran->err.empty(), ran->err);
    Offers words;
    for (const std::string& offer : lines_of(ran->out)) {
      words.insert(offer.substr(0, offer.find('\t')));
    }
    return words;
  };
  if (!offers("svcbench com")) {
    return;
  }
  CHECK(*offers("svcbench com") == Offers{"compare", "completions"});
  CHECK(*offers("svcbench compare --pl") == Offers{"--planes"});
  CHECK(offers("svcbench compare --planes ip")->contains("iptables-nft"));
  CHECK(*offers("svcbench compare --planes ipvs,iptables-n") == Offers{"ipvs,iptables-nft"});
  CHECK(*offers("svcbench compare --scenarios pa") == Offers{"path"});
  CHECK(*offers("svcbench render ebpf-t") == Offers{"ebpf-tc"});
  CHECK(offers("svcbench ebpf --json /etc/hos")->contains("/etc/hosts"));
}

TEST_CASE("zsh takes the script, and completes svcbench with it") {
  const std::string script = zsh_completion(describe_program());
  const auto ran = tried({"zsh", "-f", "-c",
                          "autoload -U compinit && compinit -u -D && source /dev/stdin && "
                          "print -r -- $_comps[svcbench] && whence -w _svcbench"},
                         script);
  if (ran) {
    CHECK_MESSAGE(ran->err.empty(), ran->err);
    CHECK(ran->out == "_svcbench\n_svcbench: function\n");
  }
}

TEST_CASE("the manual page is one that groff and mandoc have nothing to say about") {
  const std::string man = man_page(describe_program(), "1", "2026-01-01");
  for (const Words& argv :
       {Words{"groff", "-ww", "-man", "-Tutf8", "-z"}, Words{"mandoc", "-T", "lint", "-W", "warning"}}) {
    if (const auto ran = tried(argv, man)) {
      CAPTURE(argv.front());
      CHECK_MESSAGE(ran->exit_status == 0, ran->out);
      CHECK_MESSAGE(ran->err.empty(), ran->err);
    }
  }
}

TEST_CASE("hostile text stays text in the manual page and in shells") {
  ProgramText program;
  program.summary = ".so /etc/passwd\n'br\nback\\slash";
  program.commands = {{.name = "do",
                       .question = "it's `x` $(x) \\",
                       .example = ".so /etc/passwd",
                       .options = {{.flags = {"--it"},
                                    .name = "",
                                    .summary = "[a]: it's $(touch x)",
                                    .value = "NAME",
                                    .choices = {"a", "b"},
                                    .range = "",
                                    .usual = "",
                                    .is_list = true}},
                       .notes = ".so /etc/passwd"}};
  const std::string man = man_page(program, "1", "");
  CHECK(!has(man, "\n.so"));
  CHECK(!has(man, "\n'br"));
  CHECK(has(man, "back\\eslash"));
  for (const auto& [shell, script] :
       {std::pair{"bash", bash_completion(program)}, std::pair{"zsh", zsh_completion(program)},
        std::pair{"fish", fish_completion(program)}}) {
    if (const auto ran = tried({shell, "-n", "/dev/stdin"}, script)) {
      CAPTURE(shell);
      CHECK(ran->exit_status == 0);
      CHECK_MESSAGE(ran->err.empty(), ran->err);
    }
  }
  CHECK(has(zsh_completion(program), "[(a)\\: it'\\''s $(touch x)]"));
  CHECK(has(fish_completion(program), "-d 'it\\'s `x` $(x) \\\\'"));
}

TEST_CASE("--version names what the program is made of") {
  const std::string text = version_text();
  for (const std::string part :
       {"svcbench ", "compiled by", "BPF compiled by", "clang", "libbpf  ", "libnl", "nettle", "libyaml",
        "CLI11", "{fmt}", "nlohmann-json", "Boost", "tl::expected", "GPL-2.0-only OR"}) {
    CAPTURE(part);
    CHECK(has(text, part));
  }
}

}  // namespace svcbench
