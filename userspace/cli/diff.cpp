// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench diff: what changed from one run to another.
#include <charconv>
#include <memory>

#include "cli/command.h"
#include "cli/diff_input.h"
#include "cli/input.h"
#include "report/diff_report.h"
#include "run/run_file.h"
#include "service/text.h"

namespace svcbench {

namespace {

constexpr int exit_slower = 3;
constexpr double most_percent = 10'000;

struct DiffInput {
  std::string before{};
  std::string after{};
  DiffOptions options{};
  std::string json{};
  bool markdown = false;
  bool all = false;
};

// "5%", "2.5": rewritten to a share.
CLI::Validator percentage() {
  return {[](std::string& text) {
            std::string_view digits = text;
            if (digits.ends_with('%')) {
              digits.remove_suffix(1);
            }
            double value = 0;
            const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
            if (error != std::errc() || end != digits.data() + digits.size() ||
                !(value >= 0 && value <= most_percent)) {
              return fmt::format("'{}' is not a percentage such as 5%", printable(text));
            }
            text = fmt::format("{}", value / 100);
            return std::string();
          },
          "PERCENT"};
}

Result<int> run(const DiffInput& input) {
  if (input.before == "-" && input.after == "-") {
    return usage_error("diff: only one of the two runs can be on standard input");
  }
  SVCB_TAKE(json, open_output(input.json));
  SVCB_TAKE(before, read_run(input.before));
  SVCB_TAKE(after, read_run(input.after));
  for (const Run* file : {&before, &after}) {
    if (file->cells.empty()) {
      return usage_error("{}: a run of `{}` has no figures to compare", printable(file->path),
                         file->command);
    }
  }
  SVCB_TAKE(diff, diff_runs(std::move(before), std::move(after), input.options));
  if (json) {
    SVCB_CHECK(json->write(diff_json(diff).dump(1) + "\n"));
  }
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", input.markdown ? diff_markdown(diff) : render_diff(diff, input.all));
  }
  return diff.beyond_limit() > 0 ? exit_slower : 0;
}

}  // namespace

Action configure_diff(CLI::App& app) {
  auto input = std::make_shared<DiffInput>();
  app.add_option("OLD", input->before, "The --json of the earlier run (- reads standard input)")
      ->type_name(file_value)
      ->required();
  app.add_option("NEW", input->after, "The --json of the later run")->type_name(file_value)->required();
  app.add_option("--fail-if-slower", input->options.limit,
                 "Exit with 3 where a figure is slower by more than this, with its whole interval")
      ->transform(percentage());
  app.add_flag("--all", input->all, "Also print the figures without a difference");
  add_diff_options(app, input->options,
                   "Compare runs that differ in kernel, CPU, seed, shape or emulation");
  app.add_flag("--markdown", input->markdown, "For a pull request");
  app.add_option("--json", input->json, "Write every figure and ratio here (- is standard output)")
      ->type_name(file_value);
  app.footer(
      "Holds two runs of one machine side by side, figure by figure: the ratio of the medians, with its\n"
      "interval, each a multiple of what known work took in its own run (plain forwarding, a bare map\n"
      "lookup or call, a program or system call that does nothing), so that a machine that was faster\n"
      "in one of them is no difference. What is held against nothing is compared only where known work\n"
      "took the same within 3 %. A difference is told only where it is more than scatter, also given\n"
      "that there are hundreds of figures. Measures nothing, and needs no rights.\n"
      "\n"
      "Runs that differ in command, kernel, CPU, seed, shape of the services or emulation are refused:\n"
      "their ratios would tell of these. With --force every table says so.\n"
      "\n"
      "Exit codes: 0 nothing is slower beyond the limit (or none was given), 2 the runs cannot be\n"
      "compared, 3 something is slower beyond it.\n"
      "\n"
      "More examples:\n"
      "  svcbench diff old.json new.json --fail-if-slower 5% --markdown > comment.md");
  return [input] { return run(*input); };
}

}  // namespace svcbench
