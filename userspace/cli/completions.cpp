// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/completions.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace svcbench {

namespace {

constexpr std::string_view spdx = "# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n";
constexpr std::string_view made_by =
    "# Made by `svcbench completions {}` from the program's table of commands.\n";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// A summary, cut where it is too long for a menu.
std::string on_one_line(const std::string& text) {
  constexpr std::size_t widest = 80;
  std::string line = replaced(text, "\n", " ");
  if (line.size() > widest) {
    line.resize(line.rfind(' ', widest));
    line += " ...";
  }
  return line;
}

std::string all_flags(const std::vector<OptionText>& options) {
  std::string flags;
  for (const OptionText& option : options) {
    for (const std::string& flag : option.flags) {
      flags += (flags.empty() ? "" : " ") + flag;
    }
  }
  return flags;
}

// ---- bash ----

// "kind='list' values='a b'": what a value may be; of an option that takes one, or a positional.
std::string bash_kind(const OptionText& option) {
  if (option.is_file) {
    return "kind='file'";
  }
  if (option.choices.empty()) {
    return "kind='any'";
  }
  return fmt::format("kind='{}' values='{}'", option.is_list ? "list" : "one",
                     fmt::join(option.choices, " "));
}

std::string bash_values(const ProgramText& program) {
  std::string out;
  for (const CommandText& command : program.commands) {
    for (const OptionText& option : command.options) {
      if (option.value.empty()) {
        continue;
      }
      std::string patterns = option.flags.empty() ? fmt::format("'{} '", command.name) : "";
      for (const std::string& flag : option.flags) {
        patterns += fmt::format("{}'{} {}'", patterns.empty() ? "" : " | ", command.name, flag);
      }
      out += fmt::format("    {}) {} ;;\n", patterns, bash_kind(option));
    }
  }
  return out;
}

std::string bash_flags(const ProgramText& program) {
  std::string out;
  for (const CommandText& command : program.commands) {
    out += fmt::format("    {}) flags='{}' ;;\n", command.name, all_flags(command.options));
  }
  return out;
}

constexpr std::string_view bash_body = R"(
_svcbench() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local command='' word flags='' kind='' values='' head=''
  COMPREPLY=()
  # bash makes three words of --option=value
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $previous == '=' ]]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $word != -* ]]; then
      command=$word
      break
    fi
  done
  if [[ -z $command ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$_svcbench_words" -- "$current")
    return
  fi
  if [[ $previous == -* ]]; then
    _svcbench_value "$command" "$previous"
  fi
  if [[ -z $kind && $current == -* ]]; then
    _svcbench_flags "$command"
    mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current")
    return
  fi
  if [[ -z $kind ]]; then
    _svcbench_value "$command" ''
  fi
  case $kind in
    one) mapfile -t COMPREPLY < <(compgen -W "$values" -- "$current") ;;
    list)
      [[ $current != *,* ]] || head=${current%,*},
      mapfile -t COMPREPLY < <(compgen -P "$head" -W "$values" -- "${current##*,}")
      compopt -o nospace 2>/dev/null || :
      ;;
    file)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames 2>/dev/null || :
      ;;
  esac
}

complete -F _svcbench svcbench
)";

// ---- zsh ----

std::string zsh_quoted(const std::string& text) { return "'" + replaced(text, "'", "'\\''") + "'"; }

// Brackets end an explanation, colons a part of a specification.
std::string zsh_explanation(const std::string& summary) {
  return replaced(replaced(replaced(on_one_line(summary), "[", "("), "]", ")"), ":", "\\:");
}

// ":NAME:(a b)", the part of a specification that is about a value.
std::string zsh_value(const OptionText& option) {
  if (option.is_file) {
    return fmt::format(":{}:_files", option.value);
  }
  if (option.choices.empty()) {
    return fmt::format(":{}: ", option.value);
  }
  return option.is_list
             ? fmt::format(":{0}:_values -s , {0} {1}", option.value, fmt::join(option.choices, " "))
             : fmt::format(":{}:({})", option.value, fmt::join(option.choices, " "));
}

// `positionals`: those before it.
std::string zsh_option(const OptionText& option, std::size_t positionals) {
  if (option.flags.empty()) {
    return zsh_quoted((option.is_repeated ? "*" : std::to_string(positionals + 1)) + zsh_value(option));
  }
  std::string out;
  for (const std::string& flag : option.flags) {
    const std::string others =
        option.flags.size() > 1 ? fmt::format("({})", fmt::join(option.flags, " ")) : "";
    out +=
        (out.empty() ? "" : " ") + zsh_quoted(fmt::format("{}{}{}[{}]{}", others, flag,
                                                          option.value.empty()     ? ""
                                                          : flag.starts_with("--") ? "="
                                                                                   : "+",
                                                          zsh_explanation(option.summary),
                                                          option.value.empty() ? "" : zsh_value(option)));
  }
  return out;
}

std::string zsh_commands(const ProgramText& program) {
  std::string out;
  for (const CommandText& command : program.commands) {
    out += fmt::format("        {}\n", zsh_quoted(command.name + ":" + zsh_explanation(command.question)));
  }
  return out;
}

std::string zsh_arguments(const std::vector<OptionText>& options, std::string_view indent) {
  std::string out;
  std::size_t positionals = 0;
  for (const OptionText& option : options) {
    out += fmt::format(" \\\n{}{}", indent, zsh_option(option, positionals));
    positionals += option.flags.empty() ? 1 : 0;
  }
  return out;
}

// ---- fish ----

std::string fish_quoted(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

// " -x -a '...'": that it takes a value, and which there are.
std::string fish_value(const OptionText& option) {
  if (option.value.empty()) {
    return "";
  }
  if (option.is_file) {
    return " -r -F";
  }
  if (option.choices.empty()) {
    return " -x";
  }
  const std::string names = fmt::format("{}", fmt::join(option.choices, " "));
  return fmt::format(" -x -a {}",
                     fish_quoted(option.is_list ? fmt::format("(__svcbench_list {})", names) : names));
}

std::string fish_option(const OptionText& option, const std::string& condition) {
  std::string out = fmt::format("complete -c svcbench -n {}", fish_quoted(condition));
  for (const std::string& flag : option.flags) {
    out += flag.starts_with("--") ? " -l " + flag.substr(2) : " -s " + flag.substr(1);
  }
  return out + fish_value(option) + " -d " + fish_quoted(on_one_line(option.summary)) + "\n";
}

constexpr std::string_view fish_functions = R"(
function __svcbench_command --description 'The command on the line, if there is one'
    for word in (commandline -opc)[2..-1]
        if not string match -q -- '-*' $word
            echo $word
            return 0
        end
    end
    return 1
end

function __svcbench_in --description 'Whether that is the command' --argument-names name
    test (__svcbench_command; or echo '-') = $name
end

function __svcbench_list --description 'Names with commas between them'
    set -l given (commandline -ct | string replace -r '^--[^=]*=' '')
    set -l head (string match -r '.*,' -- $given)
    for name in $argv
        echo "$head$name"
    end
end

complete -c svcbench -f
)";

}  // namespace

std::string bash_completion(const ProgramText& program) {
  std::string words = all_flags(program.options);
  for (const CommandText& command : program.commands) {
    words += " " + command.name;
  }
  return fmt::format(
             "{}{}\n_svcbench_words='{}'\n\n"
             "# Sets `kind` and `values` of what may follow: an option of a command, or the command's own "
             "argument.\n"
             "_svcbench_value() {{\n  case \"$1 $2\" in\n{}  esac\n}}\n\n"
             "_svcbench_flags() {{\n  case $1 in\n{}  esac\n}}\n",
             spdx, fmt::format(fmt::runtime(made_by), "bash"), words, bash_values(program),
             bash_flags(program)) +
         std::string(bash_body);
}

std::string zsh_completion(const ProgramText& program) {
  std::string cases;
  for (const CommandText& command : program.commands) {
    cases += fmt::format("        ({})\n          _arguments{}\n          ;;\n", command.name,
                         zsh_arguments(command.options, "            "));
  }
  return fmt::format(
      "#compdef svcbench\n{}{}\n"
      "_svcbench() {{\n"
      "  local curcontext=\"$curcontext\" state line\n"
      "  typeset -A opt_args\n"
      "  _arguments -C{} \\\n    '1:command:->command' \\\n    '*::argument:->argument' && return\n"
      "  case $state in\n"
      "    (command)\n"
      "      local -a commands\n"
      "      commands=(\n{}      )\n"
      "      _describe -t commands command commands\n"
      "      ;;\n"
      "    (argument)\n"
      "      curcontext=\"${{curcontext%:*:*}}:svcbench-$words[1]:\"\n"
      "      case $words[1] in\n{}      esac\n"
      "      ;;\n"
      "  esac\n"
      "}}\n\n"
      "if [[ $funcstack[1] == _svcbench ]]; then\n  _svcbench \"$@\"\nelse\n  compdef _svcbench "
      "svcbench\nfi\n",
      spdx, fmt::format(fmt::runtime(made_by), "zsh"), zsh_arguments(program.options, "    "),
      zsh_commands(program), cases);
}

std::string fish_completion(const ProgramText& program) {
  const std::string no_command = "not __svcbench_command >/dev/null";
  std::string out =
      std::string(spdx) + fmt::format(fmt::runtime(made_by), "fish") + std::string(fish_functions);
  for (const OptionText& option : program.options) {
    out += fish_option(option, no_command);
  }
  for (const CommandText& command : program.commands) {
    out += fmt::format("complete -c svcbench -n {} -a {} -d {}\n", fish_quoted(no_command), command.name,
                       fish_quoted(on_one_line(command.question)));
  }
  for (const CommandText& command : program.commands) {
    for (const OptionText& option : command.options) {
      out += fish_option(option, "__svcbench_in " + command.name);
    }
  }
  return out;
}

}  // namespace svcbench
