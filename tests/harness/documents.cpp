// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "documents.h"

#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

namespace svcbench::testing {

namespace {

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

std::string without_comment(const std::string& line) {
  const std::size_t comment = line.starts_with("#") ? 0 : line.find(" #");
  return trimmed(line.substr(0, comment));
}

}  // namespace

std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> commands_in(const std::string& document) {
  static const std::regex code(R"(`((sudo )?\./svcbench [^`]+)`)");
  std::vector<std::string> commands;
  bool in_shell = false;
  std::string begun;  // of a line that goes on
  std::istringstream lines(document);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) {
      in_shell = line == "```sh";
    } else if (in_shell && line.ends_with("\\")) {
      begun += line.substr(0, line.size() - 1);
    } else if (in_shell) {
      if (const std::string command = without_comment(begun + line); !command.empty()) {
        commands.push_back(command);
      }
      begun.clear();
    } else if (line.starts_with("|")) {
      for (auto it = std::sregex_iterator(line.begin(), line.end(), code); it != std::sregex_iterator();
           ++it) {
        commands.push_back((*it)[1]);
      }
    }
  }
  return commands;
}

std::string svcbench_words(const std::string& command) {
  static const std::regex words(R"((?:^|[ (])\./svcbench ([^|>;)]*))");
  std::smatch found;
  return std::regex_search(command, found, words) ? trimmed(found[1]) : "";
}

}  // namespace svcbench::testing
