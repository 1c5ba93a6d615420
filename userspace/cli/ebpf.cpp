// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench ebpf: the main job.

#include <array>
#include <memory>

#include "cli/command.h"
#include "cli/export_input.h"
#include "cli/input.h"
#include "cli/resumable_output.h"
#include "cli/run_info.h"
#include "measure/compare_analysis.h"
#include "measure/compare_run.h"
#include "measure/ebpf_run.h"
#include "measure/emulation.h"
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
  RunInput run{.rounds = EbpfRunOptions{}.rounds, .budget_seconds = 60};
  std::string resume{};  // path, or empty
  ExportInput exports{};
  TableInput tables{};
  std::string iptables{};
};

// What the path takes with this data plane in it, beside plain forwarding and the instrument's own cost.
Result<CompareResults> measure_paths(const EbpfInput& input, const WorkloadInput::Made& made,
                                     const std::vector<std::size_t>& sweep, Journal* journal, Clock& clock,
                                     Progress& progress) {
  const bool udp = input.workload.protocol != "tcp";
  std::vector<PathKind> kinds;
  for (const Position position : {Position::last, Position::random}) {
    for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
      kinds.push_back({flow, position, udp ? Protocol::udp : Protocol::tcp});
    }
  }
  SVCB_TAKE(planes, probe_planes(std::array{find_plane("ebpf-xdp"), find_plane("ebpf-tc")}));
  const CompareOptions options{.planes = std::move(planes),
                               .scenarios = {.sync = false, .update = false, .path = true, .state = false},
                               .sweep = sweep,
                               .kinds = std::move(kinds),
                               .family = input.workload.family == "ipv6" ? Family::ipv6 : Family::ipv4,
                               .seed = input.workload.seed,
                               .rounds = std::min(input.run.rounds, path_rounds),
                               .budget_seconds = input.run.budget_seconds / 2,
                               .services_capacity = input.capacity.services,
                               .backends_capacity = input.capacity.backends,
                               .journal = journal};
  return run_compare(made.workload, options, clock, progress);
}

Result<int> run(const EbpfInput& input) {
  SVCB_TAKE(output, ResumableOutput::open(input.run.json, input.resume));
  SVCB_TAKE(exports, input.exports.open());
  SVCB_TAKE(made, input.workload.make());
  SVCB_TAKE(sweep, input.workload.sweep(made.workload.services().size()));
  SVCB_CHECK(require_privileges());
  SVCB_TAKE(iptables, find_iptables(input.iptables.empty() ? std::nullopt : std::optional(input.iptables)));

  const Surroundings surroundings;
  nlohmann::json about =
      describe_run("ebpf", input.workload, sweep, made, input.run.rounds, input.run.budget_seconds);
  about["iptables"] = {
      {"label", iptables.label}, {"backend", iptables.backend}, {"program", iptables.restore}};
  nlohmann::json identity = identity_of(about, surroundings.environment());
  identity["iptables"] = iptables.label;
  SVCB_CHECK(output.keep(std::move(identity)));
  SVCB_CHECK(enter_private_namespaces());
  const auto progress = make_progress(input.run.quiet, surroundings.warnings());
  const EbpfRunOptions options{.sweep = sweep,
                               .seed = input.workload.seed,
                               .rounds = input.run.rounds,
                               .budget_seconds = input.run.budget_seconds,
                               .services_capacity = input.capacity.services,
                               .backends_capacity = input.capacity.backends,
                               .iptables = iptables,
                               .journal = output.journal()};
  MonotonicClock clock;
  auto measured = run_ebpf(made.workload, options, clock, *progress);
  if (!measured) {
    return tl::unexpected(output.told(std::move(measured).error()));
  }
  auto on_wire = measure_paths(input, made, sweep, output.journal(), clock, *progress);
  if (!on_wire) {
    return tl::unexpected(output.told(std::move(on_wire).error()));
  }
  Results results = std::move(*measured);
  const CompareResults paths = std::move(*on_wire);
  results.environment = surroundings.finished();
  output.note_restored(about["notes"]);
  results.run = std::move(about);
  for (Verdict& verdict : judge(paths)) {
    results.verdicts.push_back(std::move(verdict));
  }
  withhold_absolute(results.verdicts, emulation_of(surroundings.environment()));
  results.seconds += paths.seconds;
  const Run told = as_run(results, paths);
  SVCB_CHECK(output.write(told));
  SVCB_CHECK(exports.write(told));
  if (!output.is_standard_output() && !exports.use_standard_output()) {
    fmt::print("{}", printed(told, input.tables));
  }
  return exit_code(results.verdicts);
}

}  // namespace

Action configure_ebpf(CLI::App& app) {
  auto input = std::make_shared<EbpfInput>();
  input->workload.add_options(app);
  input->capacity.add_options(app);
  input->run.add_options(app);
  input->tables.add_options(app);
  add_resume_option(app, input->resume);
  input->exports.add_options(app);
  app.add_option("--budget", input->run.budget_seconds,
                 "Seconds to aim at: dear cells get fewer repeats, or are skipped")
      ->check(whole_number(1, 1'000'000))
      ->capture_default_str();
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
