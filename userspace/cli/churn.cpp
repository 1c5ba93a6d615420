// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench churn: changes under traffic.
#include <memory>

#include "cli/command.h"
#include "cli/input.h"
#include "cli/kube_proxy_input.h"
#include "cli/plane_choice.h"
#include "cli/run_info.h"
#include "measure/churn/churn_run.h"
#include "report/churn_table.h"
#include "report/progress_line.h"
#include "run/as_run.h"
#include "run/run_json.h"
#include "sys/capabilities.h"
#include "sys/sandbox.h"

namespace svcbench {

namespace {

constexpr double quiet_share = 0.1;  // of the duration, before and after
constexpr double least_quiet_seconds = 1;
constexpr double most_quiet_seconds = 5;

struct ChurnInput {
  WorkloadInput workload{};
  CapacityInput capacity{};
  BalancerInput balancer{};
  std::string plane{};
  KubeProxyInput kube_proxy{};
  double rate = 0;
  double seconds = 30;
  std::uint64_t packets = 50'000;
  bool find_rate = false;
  std::string json{};
  TableInput tables{};
  bool quiet = false;
};

bool translates_packets(const PlaneRow& row) {
  return row.off_wire.empty() && row.delivery == Delivery::translated && !row.runs_binary;
}

Result<int> run(const ChurnInput& input) {
  SVCB_TAKE(json, open_output(input.json));
  SVCB_TAKE(ebpf, input.balancer.choice());
  SVCB_TAKE(kube_proxy, input.kube_proxy.chosen({input.plane}));
  SVCB_TAKE(made, input.workload.make());
  SVCB_CHECK(require_churnable(made.workload));
  SVCB_CHECK(require_privileges());
  const Surroundings surroundings;
  SVCB_CHECK(enter_private_namespaces());
  const PlaneRow& row = *find_plane(input.plane);
  SVCB_CHECK(row.probe());
  const auto progress = make_progress(input.quiet, surroundings.warnings());
  const ChurnOptions options{
      .plane = input.plane,
      .make = row.make,
      .rate = input.rate,
      .seconds = input.seconds,
      .quiet_seconds = std::clamp(quiet_share * input.seconds, least_quiet_seconds, most_quiet_seconds),
      .packets_per_second = static_cast<double>(input.packets),
      .find_rate = input.find_rate,
      .seed = input.workload.seed,
      .configuration = {.services_capacity = input.capacity.services,
                        .backends_capacity = input.capacity.backends,
                        .ebpf = ebpf,
                        .kube_proxy = kube_proxy}};
  SVCB_TAKE(results, run_churn(made.workload, options, *progress));
  results.environment = surroundings.finished();
  const std::size_t size = made.workload.services().size();
  results.run = describe_run("churn", input.workload, {size}, made, 1, input.seconds);
  results.run["kube_proxy"] = describe_kube_proxy(kube_proxy);
  const Verdict verdict = judge_churn(results);
  const Run run = as_run(results, verdict);
  if (json) {
    SVCB_CHECK(json->write(run_json(run).dump(1) + "\n"));
  }
  if (!json || !json->is_standard_output()) {
    fmt::print("{}", printed(run, input.tables, render_churn(results, verdict, wants_colour())));
  }
  return exit_code(std::span(&verdict, 1));
}

}  // namespace

Action configure_churn(CLI::App& app) {
  auto input = std::make_shared<ChurnInput>();
  input->workload.protocol = "mixed";
  app.add_option("--plane", input->plane,
                 "The plane: " + fmt::format("{}", fmt::join(plane_names(translates_packets), ", ")))
      ->required()
      ->check(one_of(plane_names(translates_packets)));
  app.add_option("--rate", input->rate, "Changes a second, e.g. 1000 or 0.5")
      ->required()
      ->check(CLI::Range(0.001, 1e6));
  app.add_option("--duration", input->seconds, "For how long changes are made")
      ->transform(duration())
      ->capture_default_str();
  app.add_option("--packets", input->packets,
                 "Packets a second (fewer where each flow is tracked, so that the table does not fill)")
      ->check(whole_number(100, 1'000'000))
      ->capture_default_str();
  app.add_flag("--find-rate", input->find_rate,
               "Then look for the highest rate that the plane sustains, 3 s at each that is tried");
  input->workload.add_options(app);
  app.remove_option(app.get_option("--sweep"));
  input->capacity.add_options(app);
  input->balancer.add_options(app, false);
  input->kube_proxy.add_options(app);
  app.add_option("--json", input->json,
                 "Write every change, the latencies and the environment here (- is standard output)")
      ->type_name(file_value);
  input->tables.add_full_option(app);
  app.add_flag("--quiet", input->quiet, "No progress on standard error");
  app.footer(
      "Endpoints and services are added, changed and removed by the plane's own way of updating, while\n"
      "packets go through the wire to services that change and to others. Each packet is held against "
      "what\n"
      "its service was to be while the packet was on its way:\n"
      "  wrong         at a backend of another service, or at one that its own no longer, or not yet, has\n"
      "  half-changed  at an address that is nobody's backend, or untranslated\n"
      "  lost, reset   though its service had endpoints all the time\n"
      "  delayed       beyond ten times the median before the changes\n"
      "A packet that is sent after a change's commit has returned must not see the old version. Packets "
      "of\n"
      "open flows may stay with a backend that they may have had, as Kubernetes allows.\n"
      "\n"
      "Exit codes: 0 no packet was wrong or half-changed; 3 one was; 4 too little was seen to tell.\n"
      "\n"
      "More examples:\n"
      "  sudo ./svcbench churn --plane nftables --rate 2 --services 1000 --find-rate");
  return [input] { return run(*input); };
}

}  // namespace svcbench
