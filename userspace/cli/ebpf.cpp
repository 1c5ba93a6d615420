// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench ebpf: the main job.

#include <memory>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/run_info.h"
#include "measure/ebpf_run.h"
#include "report/output_file.h"
#include "report/progress_line.h"
#include "report/results_json.h"
#include "report/results_table.h"
#include "sys/capabilities.h"
#include "sys/environment.h"
#include "sys/iptables_backend.h"
#include "sys/sandbox.h"

namespace svcbench {

namespace {

struct EbpfInput {
  WorkloadInput workload{};
  CapacityInput capacity{};
  std::size_t rounds = EbpfRunOptions{}.rounds;
  double budget_seconds = 60;
  std::string iptables{};
  std::string json{};
  bool quiet = false;
};

Result<int> run(const EbpfInput& input) {
  std::optional<OutputFile> json;
  if (!input.json.empty()) {
    SVCB_TAKE(file, OutputFile::at(input.json));
    json.emplace(std::move(file));
  }
  SVCB_TAKE(made, input.workload.make());
  SVCB_TAKE(sweep, input.workload.sweep(made.workload.services().size()));
  SVCB_CHECK(require_privileges());
  SVCB_TAKE(iptables, find_iptables(input.iptables.empty() ? std::nullopt : std::optional(input.iptables)));

  const nlohmann::json environment = describe_environment();
  SVCB_CHECK(enter_private_namespaces());
  const auto progress = make_progress(input.quiet);
  const EbpfRunOptions options{.sweep = sweep,
                               .seed = input.workload.seed,
                               .rounds = input.rounds,
                               .budget_seconds = input.budget_seconds,
                               .services_capacity = input.capacity.services,
                               .backends_capacity = input.capacity.backends,
                               .iptables = iptables};
  MonotonicClock clock;
  SVCB_TAKE(results, run_ebpf(made.workload, options, clock, *progress));
  results.environment = environment;
  results.run = describe_run("ebpf", input.workload, sweep, made, input.rounds, input.budget_seconds);
  results.run["iptables"] = {
      {"label", iptables.label}, {"backend", iptables.backend}, {"program", iptables.restore}};
  if (json) {
    SVCB_CHECK(json->write(to_json(results).dump(1) + "\n"));
  }
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", run_header(results.environment, results.run, results.seconds,
                                fmt::format("{}; beside them {} with the chapter's three rules a service",
                                            made.description, iptables.label),
                                made.notes));
    fmt::print("{}", render_results(results, wants_colour()));
  }
  return exit_code(results.verdicts);
}

}  // namespace

Action configure_ebpf(CLI::App& app) {
  auto input = std::make_shared<EbpfInput>();
  input->workload.add_options(app);
  input->capacity.add_options(app);
  app.add_option("--rounds", input->rounds, "Times that every cell is visited, in a shuffled order")
      ->check(whole_number(1, 10'000))
      ->capture_default_str();
  app.add_option("--budget", input->budget_seconds,
                 "Seconds to aim at: dear cells get fewer repeats, or are skipped")
      ->check(whole_number(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--iptables", input->iptables,
                 "The iptables-restore to compare with, e.g. /usr/sbin/iptables-legacy-restore\n"
                 "(default: iptables-restore)");
  app.add_option("--json", input->json,
                 "Write every raw sample and the environment here (- is standard output)");
  app.add_flag("--quiet", input->quiet, "No progress on standard error");
  app.footer(
      "What it does, at each size N of the sweep:\n"
      "  fills the maps with N services; changes, adds and removes one service, by map update and by\n"
      "  iptables-restore of the whole table (three rules a service, 3N + 7); times the XDP and tc "
      "programs\n"
      "  with BPF_PROG_TEST_RUN. Ends with two verdicts: do updates stay flat in N, and is a lookup 2-5 "
      "us.\n"
      "\n"
      "Examples:\n"
      "  sudo ./svcbench ebpf --services 5000\n"
      "  sudo ./svcbench ebpf --services 100000 --sweep 1000,10000 --json run.json\n"
      "  kubectl get services,endpointslices -A -o json | sudo ./svcbench ebpf --cluster - --services "
      "5000");
  return [input] { return run(*input); };
}

}  // namespace svcbench
