// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The command line: made of the table of commands, once to be parsed and once to be told, by the manual
// page and to the shells.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.h"

namespace svcbench {

struct CommandLine {
  std::unique_ptr<CLI::App> app;
  std::shared_ptr<Action> chosen;  // set by a parse that succeeds
};

[[nodiscard]] CommandLine make_command_line();

// The sentence for command lines that CLI11 refuses; an option that is unknown is told before one that is
// missing, which it was perhaps meant to be.
[[nodiscard]] std::string refusal(const CLI::App& app, const CLI::ParseError& error);

// What --version prints: the program, and what it is made of.
[[nodiscard]] std::string version_text();

// An option or a positional argument, as a reader or a shell needs it.
struct OptionText {
  std::vector<std::string> flags;    // "-h", "--help"; empty: a positional
  std::string name;                  // of the positional
  std::string summary;               // may have line breaks
  std::string value;                 // "NUMBER", "FILE", ...; empty: takes none
  std::vector<std::string> choices;  // the values that there are; empty: any
  std::string range;                 // "1 to 4,095"; empty: none is told
  std::string usual;                 // the value without the option
  bool is_list = false;              // values with commas between them
  bool is_file = false;
  bool is_repeated = false;  // a positional that takes what is left
  bool is_required = false;
};

struct CommandText {
  std::string name;
  std::string question;
  std::string example;
  std::vector<OptionText> options;
  std::string notes;  // what stands below the options, in lines
};

struct ProgramText {
  std::string summary;
  std::string example;
  std::vector<OptionText> options;  // of the program itself
  std::vector<CommandText> commands;
  std::string notes;
};

[[nodiscard]] ProgramText describe_program();

}  // namespace svcbench
