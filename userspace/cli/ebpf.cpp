// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench ebpf: the main job.

#include <array>
#include <memory>

#include "cli/budget.h"
#include "cli/command.h"
#include "cli/export_input.h"
#include "cli/input.h"
#include "cli/resumable_output.h"
#include "cli/run_info.h"
#include "cli/second_opinion.h"
#include "cli/several_runs.h"
#include "measure/selection.h"
#include "plane/probed.h"
#include "report/progress_line.h"
#include "run/as_run.h"
#include "sys/capabilities.h"
#include "sys/iptables_backend.h"
#include "sys/sandbox.h"

namespace svcbench {

namespace {

// A volley costs some 30 ms to set up; a dozen a cell give an interval.
constexpr std::size_t path_rounds = 12;

struct EbpfInput {
  WorkloadInput workload{};
  CapacityInput capacity{};
  RunInput run{.rounds = 40, .budget_seconds = 60};
  std::string resume{};  // path, or empty
  ExportInput exports{};
  TableInput tables{};
  SeveralRunsInput several{};
  std::string iptables{};
};

// Packets through these planes, beside plain forwarding and the instrument's own cost.
std::vector<PathKind> kinds_of(const EbpfInput& input) {
  const Protocol protocol = input.workload.protocol != "tcp" ? Protocol::udp : Protocol::tcp;
  std::vector<PathKind> kinds;
  for (const Position position : {Position::last, Position::random}) {
    for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
      kinds.push_back({flow, position, protocol});
    }
  }
  return kinds;
}

Result<int> run(const EbpfInput& input) {
  if (input.several.wanted()) {
    return run_several(input.several, input.run, input.exports, input.tables);
  }
  SVCB_TAKE(output, ResumableOutput::open(input.run.json, input.resume));
  SVCB_TAKE(exports, input.exports.open());
  SVCB_TAKE(made, input.workload.make());
  SVCB_TAKE(sweep, input.workload.sweep(made.workload.services().size()));
  SVCB_CHECK(require_privileges());
  SVCB_TAKE(iptables, find_iptables(input.iptables.empty() ? std::nullopt : std::optional(input.iptables)));

  MonotonicClock clock;
  const std::int64_t begin = clock.now_ns();
  Surroundings surroundings;
  nlohmann::json about =
      describe_run("ebpf", input.workload, sweep, made, input.run.rounds, input.run.budget_seconds);
  about["iptables"] = {
      {"label", iptables.label}, {"backend", iptables.backend}, {"program", iptables.restore}};
  nlohmann::json identity = identity_of(about, surroundings.environment());
  identity["iptables"] = iptables.label;
  SVCB_CHECK(output.keep(std::move(identity)));
  SVCB_CHECK(enter_private_namespaces());
  const auto progress = make_progress(input.run.quiet, surroundings.warnings());
  SVCB_TAKE(planes, probe_planes(std::array{find_plane("ebpf-xdp"), find_plane("ebpf-tc")}));
  const Selection selection{.scenarios = chosen_scenarios({"path"}),
                            .planes = std::move(planes),
                            .sweep = sweep,
                            .kinds = kinds_of(input),
                            .family = family_of_word(input.workload.family),
                            .seed = input.workload.seed,
                            .rounds = input.run.rounds,
                            .path_rounds = path_rounds,
                            .budget_seconds = input.run.budget_seconds,
                            .spent_seconds = seconds_between(begin, clock.now_ns()),
                            .services_capacity = input.capacity.services,
                            .backends_capacity = input.capacity.backends,
                            .journal = output.journal(),
                            .visits = surroundings.visits()};
  auto measured = run_main_job(made.workload, selection, iptables, clock, *progress);
  if (!measured) {
    return tl::unexpected(output.with_way_to_resume(std::move(measured).error()));
  }
  Results results = std::move(measured->maps);
  const CompareResults paths = std::move(measured->paths);
  results.environment = surroundings.finished();
  output.note_restored(about["notes"]);
  results.run = std::move(about);
  Run run = as_run(results, paths);
  add_second_opinion(run);
  SVCB_CHECK(output.write(run));
  SVCB_CHECK(exports.write(run));
  if (!output.is_standard_output() && !exports.use_standard_output()) {
    fmt::print("{}", printed(run, input.tables));
  }
  return exit_code(run.verdicts);
}

}  // namespace

Action configure_ebpf(CLI::App& app) {
  auto input = std::make_shared<EbpfInput>();
  input->workload.add_options(app);
  input->capacity.add_options(app);
  input->run.add_options(app);
  input->several.add_options(app);
  input->tables.add_options(app);
  add_resume_option(app, input->resume);
  input->exports.add_options(app);
  add_budget_option(app, input->run.budget_seconds);
  app.add_option("--iptables", input->iptables,
                 "The iptables-restore to compare with, e.g. /usr/sbin/iptables-legacy-restore\n"
                 "(default: iptables-restore)")
      ->type_name(file_value);
  app.footer(
      "What it does, at each size N of the sweep:\n"
      "  fills the maps with N services; changes, adds and removes one service, by map update and by\n"
      "  iptables-restore of the whole table (three rules a service, 3N + 7); times the XDP and tc "
      "programs\n"
      "  with BPF_PROG_TEST_RUN; sends packets from wire to wire through a node with them. Ends with\n"
      "  verdicts: do updates stay flat in N, is the path, and is a lookup 2-5 us, as program and as "
      "path.\n"
      "\n"
      "More examples:\n"
      "  sudo ./svcbench ebpf --services 100000 --sweep 1000,10000 --json run.json\n"
      "  kubectl get services,endpointslices -A -o json | sudo ./svcbench ebpf --cluster - --services "
      "5000");
  return [input] { return run(*input); };
}

}  // namespace svcbench
