// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/again.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>

#include "sys/child_process.h"

namespace svcbench {

namespace {

// Where a run's results went, which is not where another's go.
constexpr std::array<std::string_view, 5> outputs{"--json", "--csv", "--markdown", "--prometheus",
                                                  "--resume"};
constexpr std::array<std::string_view, 3> appearance{"--quiet", "--full", "--ascii"};

bool is_one_of(std::string_view word, std::span<const std::string_view> names) {
  return std::find(names.begin(), names.end(), word) != names.end();
}

}  // namespace

Result<std::vector<std::string>> words_to_repeat(const std::vector<std::string>& arguments,
                                                 std::span<const std::string_view> besides) {
  std::vector<std::string> words;
  for (auto word = arguments.begin(); word != arguments.end(); ++word) {
    const std::string name = word->substr(0, word->find('='));
    if (is_one_of(name, outputs) || is_one_of(name, besides)) {
      word += word->find('=') == std::string::npos && std::next(word) != arguments.end() ? 1 : 0;
    } else if (*word == "-") {
      return usage_error("its services come from standard input, which can be read once: give a file");
    } else if (!is_one_of(*word, appearance)) {
      words.push_back(*word);
    }
  }
  return words;
}

Result<AnotherRun> run_again(std::vector<std::string> words, bool quiet) {
  words.insert(words.begin(), std::filesystem::read_symlink("/proc/self/exe").string());
  words.insert(words.end(), {"--json", "-"});
  if (quiet) {
    words.emplace_back("--quiet");
  }
  ChildOptions options;
  options.stderr_fd = STDERR_FILENO;
  options.ended_by = SIGTERM;  // it takes its planes down
  SVCB_TAKE(child, run_child(words, options));
  AnotherRun run{.exit_status = child.exit_status};
  if (run.ended_with_verdict()) {
    run.json = std::move(child.out);
  }
  return run;
}

}  // namespace svcbench
