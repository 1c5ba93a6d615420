// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/several_runs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "cli/again.h"
#include "cli/command.h"
#include "cli/run_info.h"
#include "measure/clock.h"
#include "report/progress_line.h"
#include "run/merged_run.h"
#include "run/run_file.h"
#include "run/run_json.h"
#include "stats/over_runs.h"
#include "sys/capabilities.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

constexpr std::size_t usual_runs = 5;
constexpr std::size_t most_runs = 100;
constexpr std::array<std::string_view, 2> own_options{"--runs", "--across"};

// One that goes on, or that has another run's figures, is no run that could be made twice.
Result<std::vector<std::string>> words_of(const std::vector<std::string>& arguments) {
  for (const char* option : {"--resume", "--with"}) {
    if (std::any_of(arguments.begin(), arguments.end(),
                    [&](const std::string& word) { return word.substr(0, word.find('=')) == option; })) {
      return usage_error("{} is about one run: leave out --runs and --across", option);
    }
  }
  return words_to_repeat(arguments, own_options);
}

Status wait_until(std::int64_t when) {
  while (true) {
    SVCB_CHECK(check_interrupted());
    const std::int64_t left = when - monotonic_ns();
    if (left <= 0) {
      return {};
    }
    constexpr std::int64_t second = 1'000'000'000;
    const std::int64_t nap = std::min(left, second);
    const timespec time{.tv_sec = nap / second, .tv_nsec = nap % second};
    nanosleep(&time, nullptr);  // a signal ends it
  }
}

// When they begin, so that they end together with the time that they are spread over; the first one tells
// how long each takes. ns after the first's begin.
std::int64_t start_of(std::size_t k, std::size_t runs, double across_seconds, double one_seconds) {
  const double room = std::max(0.0, across_seconds - one_seconds);
  return static_cast<std::int64_t>(1e9 * static_cast<double>(k) * room / static_cast<double>(runs - 1));
}

void tell(const std::string& line) { fmt::print(stderr, "{}\n", line); }

}  // namespace

void SeveralRunsInput::add_options(CLI::App& app) {
  app.add_option(
         "--runs", runs,
         fmt::format("Make so many runs of it and take them together: intervals then hold what runs "
                     "differ\nby, as those of one run cannot; at least {} give intervals",
                     stats::fewest_runs))
      ->check(whole_number(1, most_runs));
  app.add_option(
         "--across", across_seconds,
         fmt::format("Spread the runs over so long, e.g. 2h ({} runs unless --runs says otherwise): for "
                     "figures\nthat hold tomorrow; runs that follow each other share the machine's state",
                     usual_runs))
      ->transform(duration());
}

Result<int> run_several(const SeveralRunsInput& several, const RunInput& input,
                        const ExportInput& exporting, const TableInput& tables) {
  const std::size_t wanted = several.runs.value_or(usual_runs);
  if (wanted < 2) {
    return usage_error("--across spreads several runs over time: give --runs 2 or more");
  }
  const nlohmann::json here = describe_command("", 0);
  SVCB_TAKE(words, words_of(here["arguments"].get<std::vector<std::string>>()));
  SVCB_TAKE(output, open_output(input.json));
  SVCB_TAKE(exports, exporting.open());
  SVCB_CHECK(require_privileges());
  const std::int64_t begin = monotonic_ns();
  std::vector<Run> runs;
  double one_seconds = 0;
  for (std::size_t k = 0; k < wanted; ++k) {
    const double left = std::max(several.across_seconds - seconds_between(begin, monotonic_ns()),
                                 one_seconds * static_cast<double>(wanted - k));
    if (!input.quiet) {
      tell(fmt::format("run {} of {}{}", k + 1, wanted,
                       k == 0 ? "" : fmt::format(", about {} left", duration_text(left))));
    }
    if (k > 0) {
      SVCB_CHECK(wait_until(begin + start_of(k, wanted, several.across_seconds, one_seconds)));
    }
    const std::int64_t began = monotonic_ns();
    SVCB_TAKE(one, run_again(words, input.quiet));
    one_seconds = seconds_between(began, monotonic_ns());
    if (!one.ended_with_verdict()) {
      if (k == 0) {
        return one.exit_status;  // it has said why
      }
      return failure("run {} of {} gave no result: it ended with exit code {}", k + 1, wanted,
                     one.exit_status);
    }
    SVCB_TAKE(run, parse_run(one.json, fmt::format("run {} of {}", k + 1, wanted)));
    runs.push_back(std::move(run));
  }
  SVCB_TAKE(whole, merged(std::move(runs)));
  for (const char* name : {"arguments", "command_line"}) {
    whole.run[name] = here[name];
  }
  whole.seconds = seconds_between(begin, monotonic_ns());
  if (output) {
    SVCB_CHECK(output->write(run_json(whole).dump(1) + "\n"));
  }
  SVCB_CHECK(exports.write(whole));
  if (!(output && output->is_standard_output()) && !exports.use_standard_output()) {
    fmt::print("{}", printed(whole, tables));
  }
  return exit_code(whole.verdicts);
}

}  // namespace svcbench
