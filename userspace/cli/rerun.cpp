// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench rerun: a run's command again, and whether it finds the same.
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/diff_input.h"
#include "cli/input.h"
#include "report/confirmation_text.h"
#include "run/run_file.h"
#include "service/text.h"
#include "sys/capabilities.h"
#include "sys/child_process.h"
#include "sys/environment.h"

namespace svcbench {

namespace {

constexpr int exit_not_confirmed = 3;

struct RerunInput {
  std::string run{};
  DiffOptions options{};
  std::string json{};
  bool all = false;
  bool quiet = false;
};

// Where a run's results went, which is not where the rerun's go.
constexpr std::array<std::string_view, 5> outputs{"--json", "--csv", "--markdown", "--prometheus",
                                                  "--resume"};
constexpr std::array<std::string_view, 3> appearance{"--quiet", "--full", "--ascii"};

template <std::size_t count>
bool is_one_of(std::string_view word, const std::array<std::string_view, count>& names) {
  return std::find(names.begin(), names.end(), word) != names.end();
}

// The words that make the run what it is.
Result<std::vector<std::string>> arguments_of(const Run& run) {
  const nlohmann::json recorded = value_at(run, "/run/arguments");
  if (!recorded.is_array() || recorded.empty() ||
      !std::all_of(recorded.begin(), recorded.end(), [](const auto& word) { return word.is_string(); })) {
    return usage_error(
        "{}: it does not hold its command's arguments word by word (an older svcbench wrote it): repeat "
        "its "
        "command by hand, and use svcbench diff",
        printable(run.path));
  }
  std::vector<std::string> words;
  for (auto word = recorded.begin(); word != recorded.end(); ++word) {
    const std::string text = word->get<std::string>();
    if (text == "-" && (words.empty() || !is_one_of(words.back(), outputs))) {
      return usage_error("{}: its services came from standard input, which is gone: repeat it with a file",
                         printable(run.path));
    }
    if (is_one_of(text.substr(0, text.find('=')), outputs)) {
      word += text.find('=') == std::string::npos && std::next(word) != recorded.end() ? 1 : 0;
    } else if (!is_one_of(text, appearance)) {
      words.push_back(text);
    }
  }
  if (words.empty() || words.front() != run.command) {
    return usage_error("{}: its arguments do not begin with its command, {}", printable(run.path),
                       printable(run.command));
  }
  return words;
}

// Whether this machine can confirm it, before minutes are spent.
Status check_machine(const Run& run) {
  Run here;
  here.environment = describe_environment();
  here.run = run.run;
  here.details = run.details;
  const std::vector<std::string> differences = differences_between(run, here);
  return differences.empty()
             ? Status()
             : usage_error("{}: this is another machine, it differs in {}; --force reruns it all the same",
                           printable(run.path), fmt::join(differences, ", "));
}

Result<std::string> result_of(std::vector<std::string> words, bool quiet) {
  words.insert(words.begin(), std::filesystem::read_symlink("/proc/self/exe").string());
  words.insert(words.end(), {"--json", "-"});
  if (quiet) {
    words.emplace_back("--quiet");
  }
  ChildOptions options;
  options.stderr_fd = STDERR_FILENO;  // its progress
  options.ended_by = SIGTERM;         // it takes its planes down
  SVCB_TAKE(child, run_child(words, options));
  constexpr std::array verdicts{0, 3, 4};
  if (std::find(verdicts.begin(), verdicts.end(), child.exit_status) == verdicts.end()) {
    return failure("the rerun gave no result: it ended with exit code {}", child.exit_status);
  }
  return std::move(child.out);
}

Result<int> run(const RerunInput& input) {
  SVCB_TAKE(json, open_output(input.json));
  SVCB_TAKE(before, read_run(input.run));
  if (before.cells.empty()) {
    return usage_error("{}: a run of `{}` has no figures to confirm", printable(before.path),
                       before.command);
  }
  SVCB_TAKE(words, arguments_of(before));
  if (!input.options.force) {
    SVCB_CHECK(check_machine(before));
  }
  SVCB_CHECK(require_privileges());
  SVCB_TAKE(text, result_of(std::move(words), input.quiet));
  if (json) {
    SVCB_CHECK(json->write(text));
  }
  SVCB_TAKE(after, parse_run(text, json ? json->path() : "the rerun"));
  SVCB_TAKE(diff, diff_runs(std::move(before), std::move(after), input.options));
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", render_confirmation(diff, input.all));
  }
  return confirmation_of(diff).holds() ? 0 : exit_not_confirmed;
}

}  // namespace

Action configure_rerun(CLI::App& app) {
  auto input = std::make_shared<RerunInput>();
  app.add_option("RUN", input->run, "The --json of the run that is to be confirmed")
      ->type_name(file_value)
      ->required();
  add_diff_options(app, input->options, "Rerun on a machine that differs in kernel, CPU or emulation");
  app.add_flag("--all", input->all, "Print every figure that is not confirmed, not the first twenty");
  app.add_flag("--quiet", input->quiet, "No progress on standard error");
  app.add_option("--json", input->json, "Write the rerun's own result here (- is standard output)")
      ->type_name(file_value);
  app.footer(
      "Repeats the command that a run was made by, with the same seed, and holds its figures against the\n"
      "run's: each as a multiple of what known work took in its own run (plain forwarding, a bare map\n"
      "lookup or call, a program or system call that does nothing). A figure is confirmed where the 95 %\n"
      "interval of the ratio holds 1.\n"
      "\n"
      "Exit codes: 0 at least 95 of 100 figures are confirmed, 1 failure, 2 the run cannot be repeated,\n"
      "3 fewer are.\n"
      "\n"
      "More examples:\n"
      "  sudo ./svcbench compare --services 1000 --json run.json; sudo ./svcbench rerun run.json");
  return [input] { return run(*input); };
}

}  // namespace svcbench
