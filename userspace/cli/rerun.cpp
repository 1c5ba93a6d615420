// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench rerun: a run's command again, and whether it finds the same.
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "cli/again.h"
#include "cli/command.h"
#include "cli/diff_input.h"
#include "cli/input.h"
#include "report/confirmation_text.h"
#include "run/run_file.h"
#include "service/text.h"
#include "sys/capabilities.h"
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
  auto repeated = words_to_repeat(recorded.get<std::vector<std::string>>());
  if (!repeated) {
    return usage_error("{}: {}", printable(run.path), repeated.error().message);
  }
  std::vector<std::string> words = std::move(*repeated);
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
  SVCB_TAKE(again, run_again(std::move(words), input.quiet));
  if (!again.ended_with_verdict()) {
    return failure("the rerun gave no result: it ended with exit code {}", again.exit_status);
  }
  if (json) {
    SVCB_CHECK(json->write(again.json));
  }
  SVCB_TAKE(after, parse_run(again.json, json ? json->path() : "the rerun"));
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
