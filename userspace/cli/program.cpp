// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/program.h"

#include <bpf/libbpf.h>
#include <netlink/version.h>
#include <nettle/version.h>
#include <tsl/robin_map.h>
#include <yaml.h>

#include <algorithm>
#include <boost/version.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <tl/expected.hpp>

#include "cli/nearest.h"
#include "revision.h"
#include "service/text.h"

namespace svcbench {

namespace {

#ifdef __clang__
constexpr const char* compiler = "clang";
#else
constexpr const char* compiler = "g++";
#endif

// "{a,b,c}" is what CLI11 tells of a list of choices.
std::vector<std::string> choices_of(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) {
    return choices;
  }
  std::istringstream names(type.substr(open + 1, close - open - 1));
  for (std::string name; std::getline(names, name, ',');) {
    choices.push_back(name);
  }
  return choices;
}

// A word for a person in place of CLI11's name of a C++ type.
std::string value_word(const std::string& type, bool has_choices) {
  if (has_choices) {
    return "NAME";
  }
  if (type == "UINT" || type == "INT" || type == "FLOAT") {
    return "NUMBER";
  }
  return type.empty() ? "TEXT" : type;
}

OptionText describe(const CLI::Option& option) {
  OptionText text;
  for (const std::string& name : option.get_snames()) {
    text.flags.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    text.flags.push_back("--" + name);
  }
  if (text.flags.empty()) {
    text.name = option.get_name();
  }
  text.summary = option.get_description();
  if (option.get_items_expected_max() != 0) {
    const std::string type = option.get_type_name();  // "UINT:1 to 4,095", "TEXT:{tcp,udp,mixed}"
    const std::size_t colon = std::min(type.find(':'), type.size());
    text.choices = choices_of(type);
    text.value = value_word(type.substr(0, colon), !text.choices.empty());
    if (text.choices.empty() && colon < type.size()) {
      text.range = type.substr(colon + 1);
    }
    text.is_file = text.value == file_value;
    text.is_list = option.get_delimiter() != '\0';
    text.usual = option.get_default_str();
    text.is_repeated = text.flags.empty() && option.get_items_expected_max() > 1;
  }
  text.is_required = option.get_required();
  return text;
}

std::vector<OptionText> describe_options(const CLI::App& app) {
  std::vector<OptionText> texts;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_group().empty()) {  // without one it is hidden
      texts.push_back(describe(*option));
    }
  }
  return texts;
}

}  // namespace

std::string version_text() {
  std::string out = fmt::format("svcbench {} ({}), libbpf {}\n", SVCBENCH_VERSION, SVCBENCH_REVISION,
                                libbpf_version_string());
  const auto line = [&](std::string_view what, const std::string& version) {
    out += fmt::format("  {:<19}{}\n", what, version);
  };
  line("compiled by", fmt::format("{} {}", compiler, __VERSION__));
  line("BPF compiled by", SVCBENCH_BPF_COMPILER);
  line("libbpf", fmt::format("headers {}.{}, running {}", LIBBPF_MAJOR_VERSION, LIBBPF_MINOR_VERSION,
                             libbpf_version_string()));
  line("libnl", fmt::format("headers {}, running {}.{}.{}", std::string_view(LIBNL_STRING).substr(6),
                            nl_ver_maj, nl_ver_min, nl_ver_mic));
  line("nettle", fmt::format("headers {}.{}, running {}.{}", NETTLE_VERSION_MAJOR, NETTLE_VERSION_MINOR,
                             nettle_version_major(), nettle_version_minor()));
  line("libyaml", yaml_get_version_string());
  line("CLI11", CLI11_VERSION);
  line("{fmt}", fmt::format("{}.{}.{}", FMT_VERSION / 10'000, FMT_VERSION / 100 % 100, FMT_VERSION % 100));
  line("nlohmann-json", fmt::format("{}.{}.{}", NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                                    NLOHMANN_JSON_VERSION_PATCH));
  line("Boost",
       fmt::format("{}.{}.{}", BOOST_VERSION / 100'000, BOOST_VERSION / 100 % 1'000, BOOST_VERSION % 100));
  line("tl::expected", fmt::format("{}.{}.{}", TL_EXPECTED_VERSION_MAJOR, TL_EXPECTED_VERSION_MINOR,
                                   TL_EXPECTED_VERSION_PATCH));
  out += "Licence: GPL-2.0-only OR BSD-2-Clause";
  return out;
}

namespace {

// The example that a command's help, or the program's own, starts with.
std::string_view example_of(const CLI::App& app) {
  const Command* command = find_command(app.get_name());
  return command == nullptr ? commands().front().example : command->example;
}

// Help starts with the question that is answered, and an example: how to type it comes after that.
class QuestionFirst : public CLI::Formatter {
 public:
  std::string make_description(const CLI::App* app) const override {
    return fmt::format("{}\n\n  {}\n\n", app->get_description(), example_of(*app));
  }
};

void add_commands(CLI::App& app, const std::shared_ptr<Action>& chosen) {
  app.formatter(std::make_shared<QuestionFirst>());
  app.name("svcbench");
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.footer(
      "`svcbench COMMAND --help` tells what a command does, and gives more examples.\n"
      "\n"
      "Exit codes: 0 done, and every claim holds; 1 failure; 2 wrong usage or input; 3 a claim does not "
      "hold;\n"
      "4 a claim could not be decided; 130, 143 interrupted.");
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.question));
    sub->callback([chosen, action = command.configure(*sub)] { *chosen = action; });
  }
}

}  // namespace

CommandLine make_command_line() {
  auto app = std::make_unique<CLI::App>(
      "What does a Kubernetes Service cost on this machine under iptables, nftables, IPVS and eBPF, and\n"
      "how does the cost grow with the number of Services? svcbench measures it in network namespaces of\n"
      "its own, and leaves the machine as it was.");
  auto chosen = std::make_shared<Action>();
  add_commands(*app, chosen);
  return {.app = std::move(app), .chosen = std::move(chosen)};
}

std::string refusal(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();  // those on the command line
  const CLI::App& place = chosen.empty() ? app : *chosen.front();
  const std::string help =
      chosen.empty() ? "svcbench --help" : fmt::format("svcbench {} --help", place.get_name());
  const auto unknown = place.remaining();
  if (unknown.empty()) {
    return fmt::format("{} ({} shows how)", error.what(), help);
  }
  const auto option =
      std::find_if(unknown.begin(), unknown.end(), [](const auto& word) { return word.starts_with("-"); });
  if (option == unknown.end()) {
    return fmt::format("'{}' is one word too many ({} shows how)", printable(unknown.front()), help);
  }
  std::vector<std::string> known;
  for (const OptionText& text : describe_options(place)) {
    known.insert(known.end(), text.flags.begin(), text.flags.end());
  }
  const std::string word = option->substr(0, option->find('='));
  return fmt::format("there is no option {}{} ({} shows all)", printable(word), did_you_mean(word, known),
                     help);
}

ProgramText describe_program() {
  const CommandLine line = make_command_line();
  const CLI::App& app = *line.app;
  ProgramText text{.summary = app.get_description(),
                   .example = std::string(example_of(app)),
                   .options = describe_options(app),
                   .commands = {},
                   .notes = app.get_footer()};
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    text.commands.push_back({.name = sub->get_name(),
                             .question = sub->get_description(),
                             .example = std::string(example_of(*sub)),
                             .options = describe_options(*sub),
                             .notes = sub->get_footer()});
  }
  return text;
}

}  // namespace svcbench
