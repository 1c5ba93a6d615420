// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench connect: what a client waits for before it may speak.
#include <memory>

#include "cli/budget.h"
#include "cli/command.h"
#include "cli/input.h"
#include "cli/kube_proxy_input.h"
#include "cli/plane_choice.h"
#include "cli/run_info.h"
#include "cli/several_runs.h"
#include "measure/selection.h"
#include "report/output_file.h"
#include "report/progress_line.h"
#include "run/as_run.h"
#include "run/run_json.h"
#include "sys/capabilities.h"
#include "sys/sandbox.h"

namespace svcbench {

namespace {

struct ConnectInput {
  WorkloadInput workload{};
  CapacityInput capacity{};
  KubeProxyInput kube_proxy{};
  std::vector<std::string> planes{};
  RunInput run{.rounds = 20, .budget_seconds = 120};
  TableInput tables{};
  SeveralRunsInput several{};
};

// A reply by another way is no answer to the socket that asked.
bool answers(const PlaneRow& row) { return row.delivery == Delivery::translated && !row.runs_binary; }

Result<int> run(const ConnectInput& input) {
  if (input.several.wanted()) {
    return run_several(input.several, input.run, ExportInput{}, input.tables);
  }
  SVCB_TAKE(json, open_output(input.run.json));
  SVCB_TAKE(kube_proxy, input.kube_proxy.chosen(input.planes));
  SVCB_TAKE(made, input.workload.make());
  SVCB_CHECK(require_privileges());
  MonotonicClock clock;
  const std::int64_t begin = clock.now_ns();
  Surroundings surroundings;
  SVCB_CHECK(enter_private_namespaces());
  const auto progress = make_progress(input.run.quiet, surroundings.warnings());
  SVCB_TAKE(planes, probe_planes(chosen_planes(input.planes, answers)));
  leave_out_unknown(planes, kube_proxy.version);
  const Selection selection{.planes = std::move(planes),
                            .sweep = {made.workload.services().size()},
                            .family = family_of_word(input.workload.family),
                            .seed = input.workload.seed,
                            .rounds = input.run.rounds,
                            .budget_seconds = input.run.budget_seconds,
                            .spent_seconds = seconds_between(begin, clock.now_ns()),
                            .services_capacity = input.capacity.services,
                            .backends_capacity = input.capacity.backends,
                            .kube_proxy = kube_proxy,
                            .visits = surroundings.visits()};
  SVCB_TAKE(results, run_connect(made.workload, selection, ConnectCounts{}.connects, clock, *progress));
  results.environment = surroundings.finished();
  results.run = describe_run("connect", input.workload, {results.services}, made, input.run.rounds,
                             input.run.budget_seconds);
  results.run["kube_proxy"] = describe_kube_proxy(kube_proxy);
  add_notes(results.run, results.notes);
  const Run run = as_run(results);
  if (json) {
    SVCB_CHECK(json->write(run_json(run).dump(1) + "\n"));
  }
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", printed(run, input.tables));
  }
  return 0;
}

}  // namespace

Action configure_connect(CLI::App& app) {
  auto input = std::make_shared<ConnectInput>();
  input->workload.protocol = "mixed";
  input->workload.add_options(app);
  input->capacity.add_options(app);
  input->kube_proxy.add_options(app);
  app.add_option("--planes", input->planes,
                 "Only these, e.g. iptables-nft,ebpf-sock (default: all that can run here)")
      ->delimiter(',')
      ->check(one_of(plane_names(answers)));
  input->run.add_options(app);
  input->several.add_options(app);
  add_budget_option(app, input->run.budget_seconds);
  input->tables.add_full_option(app);
  app.footer(
      "A plane at the socket translates inside connect(), the others the first packet of a flow. Both are\n"
      "timed here with real sockets, one after the other and in turn, beside a plain connect() to a\n"
      "backend's own address. Clients dial the last service; every connection is checked at the backend.\n"
      "\n"
      "More examples:\n"
      "  sudo ./svcbench connect --services 1000 --planes iptables-nft,nftables,ebpf-sock");
  return [input] { return run(*input); };
}

}  // namespace svcbench
