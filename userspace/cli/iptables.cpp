// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench iptables: the chapter's Table 4.1, on this machine.
#include <algorithm>
#include <memory>

#include "cli/budget.h"
#include "cli/command.h"
#include "cli/export_input.h"
#include "cli/input.h"
#include "cli/resumable_output.h"
#include "cli/ruleset.h"
#include "cli/run_info.h"
#include "cli/several_runs.h"
#include "measure/selection.h"
#include "report/progress_line.h"
#include "report/text_table.h"
#include "run/as_run.h"
#include "service/text.h"
#include "sys/capabilities.h"
#include "sys/child_process.h"
#include "sys/iptables_backend.h"
#include "sys/sandbox.h"

namespace svcbench {

namespace {

constexpr std::uint64_t chapter_largest = 10'000;

struct IptablesInput {
  std::string shape = "chapter";
  RulesetInput ruleset{};
  WorkloadInput workload{};
  RunInput run{.rounds = 20, .budget_seconds = 60};
  std::string resume{};  // path, or empty
  ExportInput exports{};
  TableInput tables{};
  SeveralRunsInput several{};
};

// The programs of one back end: by their own name, or plain iptables-restore where that is this back end
// (before 1.8 there was only the legacy one, and no name for it).
Result<IptablesBackend> find_backend(const std::string& name) {
  const std::string program = "iptables-" + name + "-restore";
  if (find_program(program)) {
    return find_iptables(program);
  }
  auto plain = find_iptables(std::nullopt);
  if (plain && plain->backend == name) {
    return plain;
  }
  return failure(
      "{} is neither on PATH nor in /usr/sbin (Debian, Ubuntu: apt-get install iptables; Fedora: dnf "
      "install iptables-{})",
      program, name);
}

// Of what is there, whether it works or not: "iptables-legacy 1.8.9".
std::vector<std::string> installed_labels() {
  std::vector<std::string> labels;
  for (const std::string name : {"legacy", "nft"}) {
    if (const auto programs = find_backend(name)) {
      labels.push_back(programs->label);
    }
  }
  return labels;
}

struct Found {
  std::vector<ChapterBackend> backends{};
  std::vector<ChapterSubject> subjects{};
};

// Inside private namespaces: each program is tried once. Error: none works.
Result<Found> find_backends() {
  const auto plain = find_iptables(std::nullopt);
  Found found;
  std::string reasons;
  for (const std::string name : {"legacy", "nft"}) {
    ChapterBackend& described = found.backends.emplace_back();
    described.name = name;
    described.is_default = plain && plain->backend == name;
    const auto programs = find_backend(name);
    auto subject = programs ? chapter_subject(*programs) : tl::unexpected(programs.error());
    if (!subject && subject.error().kind == Error::Kind::interrupted) {
      return tl::unexpected(std::move(subject).error());
    }
    if (!subject) {
      described.missing = subject.error().message;
      reasons += (reasons.empty() ? "" : "; ") + subject.error().message;
      continue;
    }
    described.label = programs->label;
    described.program = programs->restore;
    found.subjects.push_back(std::move(*subject));
  }
  if (found.subjects.empty()) {
    return failure("no iptables-restore works here: {}", reasons);
  }
  return found;
}

Status check_shape(const std::string& shape) {
  if (shape == "kube-proxy") {
    return usage_error(
        "--shape {} is measured by: svcbench compare --planes iptables-legacy,iptables-nft; here the shape "
        "is the chapter's",
        shape);
  }
  return {};
}

Result<int> run(IptablesInput input) {
  if (input.several.wanted()) {
    return run_several(input.several, input.run, input.exports, input.tables);
  }
  SVCB_TAKE(exports, input.exports.open());
  if (!input.ruleset.file.empty()) {
    return time_ruleset(input.ruleset, input.run, input.resume, exports, input.tables);
  }
  SVCB_CHECK(check_shape(input.shape));
  SVCB_TAKE(output, ResumableOutput::open(input.run.json, input.resume));
  if (!input.workload.services && input.workload.sweep_texts.empty()) {
    input.workload.services = chapter_largest;
  }
  input.workload.endpoints = 1;  // the chapter's shape has a rule for one
  SVCB_TAKE(made, input.workload.make());
  SVCB_TAKE(sweep, input.workload.sweep(made.workload.services().size()));
  SVCB_CHECK(require_privileges());

  MonotonicClock clock;
  const std::int64_t begin = clock.now_ns();
  Surroundings surroundings;
  nlohmann::json about =
      describe_run("iptables", input.workload, sweep, made, input.run.rounds, input.run.budget_seconds);
  about["shape"] = input.shape;
  nlohmann::json identity = identity_of(about, surroundings.environment());
  identity["iptables"] = installed_labels();
  SVCB_CHECK(output.keep(std::move(identity)));
  SVCB_CHECK(enter_private_namespaces());
  SVCB_TAKE(found, find_backends());
  const auto progress = make_progress(input.run.quiet, surroundings.warnings());
  const Selection selection{.sweep = sweep,
                            .seed = input.workload.seed,
                            .rounds = input.run.rounds,
                            .budget_seconds = input.run.budget_seconds,
                            .spent_seconds = seconds_between(begin, clock.now_ns()),
                            .journal = output.journal(),
                            .visits = surroundings.visits()};
  auto measured = run_chapter(made.workload, std::move(found.backends), found.subjects, run_nothing,
                              selection, clock, *progress);
  if (!measured) {
    return tl::unexpected(output.with_way_to_resume(std::move(measured).error()));
  }
  ChapterResults results = std::move(*measured);
  results.environment = surroundings.finished();
  output.note_restored(about["notes"]);
  add_notes(about, results.notes);
  results.run = std::move(about);
  const Run run = as_run(results);
  SVCB_CHECK(output.write(run));
  SVCB_CHECK(exports.write(run));
  if (!output.is_standard_output() && !exports.use_standard_output()) {
    fmt::print("{}", printed(run, input.tables));
  }
  return exit_code(run.verdicts);
}

}  // namespace

Action configure_iptables(CLI::App& app) {
  auto input = std::make_shared<IptablesInput>();
  app.add_option("--shape", input->shape, "What the table looks like: the chapter's three rules a service")
      ->check(one_of({"chapter", "kube-proxy"}))
      ->capture_default_str();
  input->ruleset.add_options(app);
  app.add_option("--services", input->workload.services, "Largest number of services (default: 10,000)")
      ->check(whole_number(1, Generator::max_services));
  app.add_option("--sweep", input->workload.sweep_texts,
                 "Sizes to measure, e.g. 100,1000,5000 (default: the chapter's, up to --services)")
      ->delimiter(',')
      ->check(whole_number(1, Generator::max_services));
  app.add_option("--seed", input->workload.seed, "The same seed gives the same services and order")
      ->check(whole_number(0, UINT64_MAX))
      ->capture_default_str();
  input->run.add_options(app);
  input->several.add_options(app);
  input->tables.add_options(app);
  add_resume_option(app, input->resume);
  input->exports.add_options(app);
  add_budget_option(app, input->run.budget_seconds);
  app.footer(
      "What it does, at each size N of the sweep, with the legacy and the nft back end in turn:\n"
      "  loads the chapter's nat table (3N + 7 rules) with iptables-restore into a new network namespace,\n"
      "  and reloads one that is in place after a change of one service; reads the rules back; sets the\n"
      "  time beside the chapter's Table 4.1. Ends with a verdict: does sync grow linearly with the "
      "rules.\n"
      "\n"
      "More examples:\n"
      "  sudo iptables-save | sudo ./svcbench iptables --ruleset -\n"
      "  sudo ./svcbench iptables --shape chapter --services 30000 --budget 300 --json table41.json");
  return [input] { return run(*input); };
}

}  // namespace svcbench
