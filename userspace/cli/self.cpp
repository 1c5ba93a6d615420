// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench man, svcbench completions: the program tells of itself.
#include <map>
#include <memory>

#include "cli/command.h"
#include "cli/completions.h"
#include "cli/man_page.h"
#include "cli/program.h"
#include "revision.h"

namespace svcbench {

namespace {

const std::map<std::string, std::string (*)(const ProgramText&)>& shells() {
  static const std::map<std::string, std::string (*)(const ProgramText&)> all{
      {"bash", bash_completion}, {"zsh", zsh_completion}, {"fish", fish_completion}};
  return all;
}

}  // namespace

Action configure_completions(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "The shell that is to complete svcbench's command lines")
      ->required()
      ->check(one_of({"bash", "zsh", "fish"}));
  app.footer(
      "More examples:\n"
      "  source <(svcbench completions bash)          # in this shell; ~/.bashrc keeps it\n"
      "  svcbench completions zsh > ~/.zfunc/_svcbench   # a folder of $fpath\n"
      "  svcbench completions fish > ~/.config/fish/completions/svcbench.fish");
  return [shell]() -> Result<int> {
    fmt::print("{}", shells().at(*shell)(describe_program()));
    return 0;
  };
}

Action configure_man(CLI::App& app) {
  app.footer("More examples:\n  svcbench man | man -l -");
  return []() -> Result<int> {
    fmt::print("{}", man_page(describe_program(), SVCBENCH_VERSION, SVCBENCH_DATE));
    return 0;
  };
}

}  // namespace svcbench
