// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the command line says before anything is measured: wrong words, and help.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "cli/input.h"
#include "cli/nearest.h"
#include "cli/program.h"

namespace svcbench {
namespace {

using Words = std::vector<std::string>;

// What main() prints of a command line that is wrong; empty for one that is right.
std::string refused(const std::string& words) {
  const CommandLine line = make_command_line();
  try {
    line.app->parse(words);
  } catch (const CLI::ParseError& error) {
    return refusal(*line.app, error);
  }
  return "";
}

std::string help_of(const std::string& command) {
  return make_command_line().app->get_subcommand(command)->help();
}

}  // namespace

TEST_CASE("--wrap-sources: a range of each family, and no more") {
  const auto choice = [](const Words& ranges) {
    BalancerInput input;
    input.wrap_sources = ranges;
    return input.choice();
  };
  const auto both = choice({"198.51.100.0/24", "2001:db8:7::/112"});
  REQUIRE(both);
  CHECK(both->wrap_sources == Words{"198.51.100.0/24", "2001:db8:7::/112"});
  for (const char* wrong :
       {"198.51.100.0", "198.51.100.0/33", "198.51.100.0/7", "2001:db8::/129", "x/24", "/24"}) {
    const auto refused = choice({wrong});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(wrong) != std::string::npos);
    CHECK(refused.error().message.find("198.51.100.0/24") != std::string::npos);
  }
  const auto twice = choice({"198.51.100.0/24", "203.0.113.0/24"});
  REQUIRE_FALSE(twice);
  CHECK(twice.error().message.find("second range") != std::string::npos);
}

TEST_CASE("edit distance: worked by hand") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("abc", "") == 3);
  CHECK(edit_distance("path", "path") == 0);
  CHECK(edit_distance("path", "patch") == 1);            // one more
  CHECK(edit_distance("--services", "--servces") == 1);  // one less
  CHECK(edit_distance("ebpf-xdp", "ebpf-tdp") == 1);     // another
  CHECK(edit_distance("compare", "comapre") == 1);       // two swapped
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("ca", "abc") == 3);  // no letter twice: not ca - ac - abc
}

TEST_CASE("the nearest word: few wrong letters, or a beginning; the first of equals; none that is far") {
  const Words planes{"iptables-legacy", "iptables-nft", "nftables", "ipvs", "ebpf-xdp", "ebpf-tc"};
  CHECK(nearest("ebpf-xpd", planes) == "ebpf-xdp");
  CHECK(nearest("nft", planes) == "nftables");
  CHECK(nearest("iptables", planes) == "iptables-legacy");
  CHECK(nearest("ipv", planes) == "ipvs");
  CHECK(nearest("ebpf", planes) == "ebpf-xdp");
  CHECK_FALSE(nearest("cilium", planes));
  CHECK_FALSE(nearest("", planes));
  CHECK_FALSE(nearest("e", planes));  // everything begins with something
  CHECK(nearest("ab", Words{"ax", "bb"}) == "ax");
  CHECK_FALSE(nearest("--", Words{"--services"}));
}

TEST_CASE("an unknown option is told with the one that was meant, before one that is missing") {
  CHECK(refused("ebpf --services 5").empty());
  CHECK(refused("ebpf --servces 5") ==
        "there is no option --servces; did you mean --services? (svcbench ebpf --help shows all)");
  CHECK(refused("churn --plan=ebpf-xdp").starts_with("there is no option --plan; did you mean --plane?"));
  CHECK(refused("ebpf --colour") == "there is no option --colour (svcbench ebpf --help shows all)");
  CHECK(refused("churn --rate 1").find("--plane is required") != std::string::npos);
  CHECK(refused("verify --cases spred").find("; did you mean spread?") != std::string::npos);
  CHECK(refused("list \x1b[2J").find('\x1b') == std::string::npos);
}

TEST_CASE("each command's help starts with its question and its example, and says neither twice") {
  std::set<std::string_view> questions;
  for (const Command& command : commands()) {
    const std::string help = help_of(std::string(command.name));
    CAPTURE(help);
    const std::string example(command.example);
    CHECK(help.starts_with(std::string(command.question) + "\n\n  " + example + "\n\nUsage:"));
    CHECK(help.find("  " + example + "\n", command.question.size() + example.size() + 4) ==
          std::string::npos);
    CHECK(command.question.ends_with("?"));
    CHECK(command.question.size() <= 70);  // a line of svcbench --help
    CHECK(questions.insert(command.question).second);
  }
}

TEST_CASE("each command's example is one that the command line takes") {
  for (const Command& command : commands()) {
    const std::string example(command.example);
    const std::size_t words = example.find("svcbench ") + 9;
    CAPTURE(example);
    CHECK(example.substr(words).starts_with(std::string(command.name)));
    CHECK(refused(example.substr(words)).empty());
  }
}

}  // namespace svcbench
