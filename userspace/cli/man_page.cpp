// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/man_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sstream>
#include <vector>

#include "report/text_table.h"

namespace svcbench {

namespace {

// What must not be set as a typographer would: a hyphen that is a minus, a quote that is ASCII's.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '"':
        out += "\\(dq";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// A line that begins with a full stop would be a request.
std::string line_of(const std::string& escaped_text) {
  return (escaped_text.starts_with(".") ? "\\&" : "") + escaped_text + "\n";
}

// One that is installed is not called by a path.
std::string installed(std::string text) {
  for (std::size_t at = text.find("./svcbench"); at != std::string::npos;
       at = text.find("./svcbench", at)) {
    text.erase(at, 2);
  }
  return text;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(installed(text));
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// Text that is filled, in lines that an editor shows whole.
std::string paragraph(const std::string& text) {
  constexpr std::size_t width = 78;
  std::string out;
  for (const std::string& line : lines_of(text)) {
    for (const std::string& piece : lines_of(wrapped(escaped(line), 0, width))) {
      out += line_of(piece);
    }
  }
  return out;
}

// Lines that stay as they are: tables and examples.
std::string verbatim(const std::string& text) {
  std::string out = ".PP\n.nf\n";
  for (const std::string& line : lines_of(text)) {
    out += line.empty() ? ".sp\n" : line_of(escaped(line));
  }
  return out + ".fi\n";
}

std::string sentence(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text.ends_with(".") || text.ends_with("?") ? text : text + ".";
}

std::string option_entry(const OptionText& option) {
  std::string out = ".TP\n";
  if (option.flags.empty()) {
    out += fmt::format("\\fI{}\\fR\n", escaped(option.name));
  } else {
    std::string flags;
    for (const std::string& flag : option.flags) {
      flags += fmt::format("{}\\fB{}\\fR", flags.empty() ? "" : ", ", escaped(flag));
    }
    const std::string value = option.value.empty() ? "" : fmt::format(" \\fI{}\\fR", escaped(option.value));
    out += fmt::format("{}{}{}\n", flags, value, option.is_list ? ",..." : "");
  }
  out += paragraph(sentence(option.summary));
  if (!option.choices.empty()) {
    out += paragraph(fmt::format("One of {}.", fmt::join(option.choices, ", ")));
  }
  if (!option.range.empty()) {
    out += paragraph(fmt::format("Values: {}.", option.range));
  }
  if (!option.usual.empty()) {
    out += paragraph(fmt::format("Default: {}.", option.usual));
  }
  return out + (option.is_required ? "Required.\n" : "");
}

std::string command_section(const CommandText& command) {
  std::string out = fmt::format(".SS \"svcbench {}\"\n{}{}", escaped(command.name),
                                paragraph(sentence(command.question)), verbatim("  " + command.example));
  for (const OptionText& option : command.options) {
    out += option_entry(option);
  }
  return out + (command.notes.empty() ? "" : verbatim(command.notes));
}

constexpr std::string_view exit_status =
    ".SH \"EXIT STATUS\"\n"
    ".TP\n\\fB0\\fR\nDone, and every claim holds.\n"
    ".TP\n\\fB1\\fR\nFailure: the machine refused something; a sentence says what.\n"
    ".TP\n\\fB2\\fR\nWrong usage or input; nothing was changed.\n"
    ".TP\n\\fB3\\fR\nA claim does not hold.\n"
    ".TP\n\\fB4\\fR\nA claim could not be decided; the verdict says what would settle it.\n"
    ".TP\n\\fB130\\fR, \\fB143\\fR\nInterrupted by SIGINT or SIGTERM; nothing is left behind.\n";

constexpr std::string_view environment =
    ".SH ENVIRONMENT\n"
    ".TP\n\\fBNO_COLOR\\fR\nSet: no colours, on a terminal either.\n"
    ".TP\n\\fBSVCBENCH_LIBBPF_DEBUG\\fR\nSet: what libbpf says goes to standard error.\n"
    ".TP\n\\fBSVCBENCH_EMULATED\\fR\nThe kind of emulated machine that this is; results are marked with "
    "it.\n"
    ".TP\n\\fBSVCBENCH_KERNEL_SOURCE\\fR\nWhere the kernel comes from; told in results.\n";

constexpr std::string_view see_also =
    ".SH \"SEE ALSO\"\n"
    ".BR iptables\\-restore (8),\n.BR nft (8),\n.BR ipvsadm (8),\n.BR bpf (2),\n.BR veth (4)\n";

}  // namespace

std::string man_page(const ProgramText& program, std::string_view version, std::string_view date) {
  std::string out = fmt::format(
      ".\\\" SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"
      ".\\\" Made by `svcbench man` from the program's table of commands: edit that.\n"
      ".TH SVCBENCH 1 {} \"svcbench {}\" \"User Commands\"\n"
      ".SH NAME\nsvcbench \\- measure what a Kubernetes Service costs on this machine\n"
      ".SH SYNOPSIS\n.B svcbench\n.I command\n.RI [ option ...]\n.SH DESCRIPTION\n{}",
      date.empty() ? "\"\"" : date, version, paragraph(sentence(program.summary)));
  out += verbatim("  " + program.example);
  out += ".PP\nCommands that measure need root: their examples say\n.BR sudo (8).\n";
  out += ".SH OPTIONS\n";
  for (const OptionText& option : program.options) {
    out += option_entry(option);
  }
  out += ".SH COMMANDS\n";
  for (const CommandText& command : program.commands) {
    out += command_section(command);
  }
  out += exit_status;
  out += environment;
  out += see_also;
  return out;
}

}  // namespace svcbench
