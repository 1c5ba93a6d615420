// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench compare, and the commands that look at one plane of it: path, nftables, ipvs.
#include <algorithm>
#include <memory>

#include "cli/budget.h"
#include "cli/command.h"
#include "cli/export_input.h"
#include "cli/input.h"
#include "cli/kube_proxy_input.h"
#include "cli/plane_choice.h"
#include "cli/resumable_output.h"
#include "cli/run_info.h"
#include "cli/second_opinion.h"
#include "cli/several_runs.h"
#include "measure/emulation.h"
#include "measure/selection.h"
#include "report/progress_line.h"
#include "run/as_run.h"
#include "run/run_file.h"
#include "run/scale.h"
#include "service/text.h"
#include "sys/capabilities.h"
#include "sys/sandbox.h"
#include "verify/quick_look.h"

namespace svcbench {

namespace {

struct CompareInput {
  std::string command{};
  WorkloadInput workload{};
  CapacityInput capacity{};
  BalancerInput balancer{};
  KubeProxyInput kube_proxy{};
  std::vector<std::string> endpoints_sweep{};
  std::vector<std::string> flows_sweep{};
  std::vector<std::string> planes{};
  std::vector<std::string> scenarios{};
  bool every_kind = false;
  std::uint32_t packets = Selection{}.packets;
  RunInput run{.rounds = Selection{}.rounds, .budget_seconds = Selection{}.budget_seconds};
  std::string with{};    // path, or empty
  std::string resume{};  // the same
  ExportInput exports{};
  TableInput tables{};
  SeveralRunsInput several{};
};

constexpr std::uint64_t most_of_a_sweep = 10'000'000;  // endpoints, flows

bool any(const PlaneRow& /*row*/) { return true; }

// Plain forwarding is always there: the floor.
std::vector<const PlaneRow*> planes_beside_the_floor(std::vector<std::string> names) {
  if (!names.empty()) {
    names.emplace_back("null");
  }
  return chosen_planes(names, any);
}

// Those that the user names, of which nothing could be measured.
Status check_on_wire(const CompareInput& input) {
  if (input.scenarios != std::vector<std::string>{"path"}) {
    return {};
  }
  for (const std::string& name : input.planes) {
    if (const PlaneRow& row = *find_plane(name); !row.off_wire.empty()) {
      return usage_error("the path of {} cannot be measured from wire to wire: {} (see svcbench connect)",
                         name, row.off_wire);
    }
  }
  return {};
}

// The run that --with names, once it is known to fit this one.
Result<std::optional<Run>> reference(const CompareInput& input, const std::vector<std::size_t>& sweep) {
  if (input.with.empty()) {
    return std::nullopt;
  }
  auto read = read_run(input.with);
  if (!read) {
    return tl::unexpected(Error{read.error().kind, "--with " + read.error().message});
  }
  Run other = std::move(*read);
  std::vector<std::string> names;
  for (const PlaneRow* row : planes_beside_the_floor(input.planes)) {
    names.emplace_back(row->name);
  }
  SVCB_CHECK(check_reference(other, input.with, describe_shape(input.workload), names, sweep));
  return other;
}

// A plane that is looked at by itself is looked at in every part; so are the sweeps of whole syncs.
std::vector<const ScenarioRow*> scenarios_of(const CompareInput& input) {
  const bool in_every_part =
      input.command != "compare" || !input.endpoints_sweep.empty() || !input.flows_sweep.empty();
  return chosen_scenarios(input.scenarios.empty() && in_every_part ? scenario_names() : input.scenarios);
}

Result<int> run(const CompareInput& input) {
  if (input.several.wanted()) {
    return run_several(input.several, input.run, input.exports, input.tables);
  }
  SVCB_TAKE(output, ResumableOutput::open(input.run.json, input.resume));
  SVCB_TAKE(exports, input.exports.open());
  SVCB_CHECK(check_on_wire(input));
  SVCB_TAKE(ebpf, input.balancer.choice());
  SVCB_TAKE(kube_proxy, input.kube_proxy.chosen(input.planes));
  SVCB_TAKE(made, input.workload.make());
  SVCB_TAKE(sweep, input.workload.sweep(made.workload.services().size()));
  const std::vector<std::size_t> endpoints_sweep = ascending(input.endpoints_sweep);
  const std::vector<std::size_t> flows_sweep = ascending(input.flows_sweep);
  SVCB_TAKE(other, reference(input, sweep));
  SVCB_CHECK(require_privileges());

  MonotonicClock clock;
  const std::int64_t begin = clock.now_ns();
  Surroundings surroundings;
  nlohmann::json about =
      describe_run(input.command, input.workload, sweep, made, input.run.rounds, input.run.budget_seconds);
  about["packets"] = input.packets;
  about["ebpf"] = input.balancer.describe();
  about["kube_proxy"] = describe_kube_proxy(kube_proxy);
  if (!endpoints_sweep.empty()) {
    about["endpoints_sweep"] = endpoints_sweep;
  }
  if (!flows_sweep.empty()) {
    about["flows_sweep"] = flows_sweep;
  }
  nlohmann::json identity = identity_of(about, surroundings.environment());
  identity.update({{"packets", input.packets},
                   {"planes", input.planes},
                   {"scenarios", input.scenarios},
                   {"ebpf", about["ebpf"]},
                   {"kube_proxy", about["kube_proxy"]},
                   {"endpoints_sweep", endpoints_sweep},
                   {"flows_sweep", flows_sweep}});
  SVCB_CHECK(output.keep(std::move(identity)));
  SVCB_CHECK(enter_private_namespaces());
  const auto progress = make_progress(input.run.quiet, surroundings.warnings());
  progress->phase("which planes can run here");
  SVCB_TAKE(planes, probe_planes(planes_beside_the_floor(input.planes)));
  leave_out_unknown(planes, kube_proxy.version);
  Selection selection{.scenarios = scenarios_of(input),
                      .planes = std::move(planes),
                      .sweep = sweep,
                      .endpoints_sweep = endpoints_sweep,
                      .flows_sweep = flows_sweep,
                      .kinds = input.every_kind ? all_kinds() : usual_kinds(),
                      .family = family_of_word(input.workload.family),
                      .seed = input.workload.seed,
                      .rounds = input.run.rounds,
                      .packets = input.packets,
                      .budget_seconds = input.run.budget_seconds,
                      .repeats_wide = true,
                      .services_capacity = input.capacity.services,
                      .backends_capacity = input.capacity.backends,
                      .ebpf = ebpf,
                      .kube_proxy = kube_proxy,
                      .display_unit = display_unit(emulation_of(surroundings.environment())),
                      .journal = output.journal(),
                      .visits = surroundings.visits()};
  // In an emulator it would take as long as the run: svcbench verify is for that.
  const std::string emulation = emulation_of(surroundings.environment());
  std::optional<BehaviourCheck> behaviours;
  if (input.command == "compare" && (emulation.empty() || emulation == "kvm")) {
    SVCB_TAKE(check, verify::look_at(selection.planes, selection.seed, ebpf, kube_proxy, *progress));
    behaviours = std::move(check);
  }
  selection.spent_seconds = seconds_between(begin, clock.now_ns());
  auto measured = run_compare(made.workload, selection, clock, *progress);
  if (!measured) {
    return tl::unexpected(output.with_way_to_resume(std::move(measured).error()));
  }
  CompareResults results = std::move(*measured);
  results.behaviours = std::move(behaviours);
  results.environment = surroundings.finished();
  output.note_restored(about["notes"]);
  results.run = std::move(about);
  if (other) {
    results.scaled = scale(*other, input.with, results);
    results.notes.push_back(describe_scaled(*results.scaled));
  }
  Run run = as_run(results);
  add_second_opinion(run, other ? &*other : nullptr);
  SVCB_CHECK(output.write(run));
  SVCB_CHECK(exports.write(run));
  if (!output.is_standard_output() && !exports.use_standard_output()) {
    fmt::print("{}", printed(run, input.tables));
  }
  return exit_code(run.verdicts);
}

std::shared_ptr<CompareInput> common_options(CLI::App& app, std::string command) {
  auto input = std::make_shared<CompareInput>();
  input->command = std::move(command);
  input->workload.protocol = "mixed";
  input->workload.add_options(app);
  input->capacity.add_options(app);
  input->balancer.add_options(app, true);
  input->kube_proxy.add_binary_option(app);
  input->kube_proxy.add_options(app);
  if (input->command != "path") {
    app.add_option("--endpoints-sweep", input->endpoints_sweep,
                   "Also sync one service of so many endpoints, e.g. 3,100,1000,10000 (kube-proxy's "
                   "planes,\nat the first size of the sweep)")
        ->delimiter(',')
        ->check(whole_number(1, most_of_a_sweep));
    app.add_option("--flows-sweep", input->flows_sweep,
                   "Also sync a change of a UDP service while so many flows are tracked, e.g.\n"
                   "1000,100000,1000000")
        ->delimiter(',')
        ->check(whole_number(1, most_of_a_sweep));
  }
  input->run.add_options(app);
  input->several.add_options(app);
  input->tables.add_options(app);
  add_resume_option(app, input->resume);
  input->exports.add_options(app);
  app.add_option("--packets", input->packets, "Packets of one visit to a cell of the path")
      ->check(whole_number(100, 100'000))
      ->capture_default_str();
  add_budget_option(app, input->run.budget_seconds);
  return input;
}

Action one_plane(CLI::App& app, const std::string& plane) {
  auto input = common_options(app, plane);
  input->planes = {plane};
  app.footer(
      fmt::format("Measures sync, update, path and state of {} in depth, beside plain forwarding.", plane));
  return [input] { return run(*input); };
}

}  // namespace

Action configure_compare(CLI::App& app) {
  auto input = common_options(app, "compare");
  app.add_option("--planes", input->planes,
                 "Only these, e.g. iptables-nft,ebpf-tc (default: all that can run here, without the\n"
                 "variants -maglev and -dsr of the eBPF planes)")
      ->delimiter(',')
      ->check(one_of(plane_names(any)));
  app.add_option("--scenarios", input->scenarios,
                 fmt::format("Only these of {}", fmt::join(scenario_names(), ", ")))
      ->delimiter(',')
      ->check(one_of(scenario_names()));
  app.add_option("--with", input->with,
                 "The --json of a comparison under another kernel, which has the planes that this kernel "
                 "lacks:\nscaled by way of the planes that both runs measure, and marked")
      ->type_name(file_value);
  app.footer(
      "Programs every plane as its real controller does, in network namespaces of their own, and measures\n"
      "side by side, interleaved:\n"
      "  sync    N services from nothing\n"
      "  update  one service changes, is added, is removed, where N exist\n"
      "  whole-sync  all that kube-proxy does at a sync, in parts: lists, generates, commits, cleans up\n"
      "              (of compare only by --scenarios: it takes as long as all others)\n"
      "  path    a packet from wire to wire through the node: new and established flows, to the first, "
      "last,\n"
      "          a random and a missing service; every packet is checked at the other end\n"
      "  state   connection tracking entries, kernel memory\n"
      "Before that a few behaviours are looked at: a plane that fails one is marked (verify tries all).\n"
      "Ends with the chapter's Table 4.2, measured, and verdicts on its claims.\n"
      "\n"
      "More examples:\n"
      "  sudo ./svcbench compare --services 5000 --planes iptables-nft,nftables,ebpf-tc --budget 10m");
  return [input] { return run(*input); };
}

Action configure_path(CLI::App& app) {
  auto input = common_options(app, "path");
  input->scenarios = {"path"};
  input->every_kind = true;
  app.add_option("--plane", input->planes,
                 "The plane: " + fmt::format("{}", fmt::join(plane_names(any), ", ")))
      ->delimiter(',')
      ->required()
      ->check(one_of(plane_names(any)));
  app.footer(
      "The instrument alone: every kind of packet through one plane, beside plain forwarding and the\n"
      "instrument's own cost (its clock, an empty sink, programs that only redirect or route).\n"
      "\n"
      "More examples:\n"
      "  sudo ./svcbench path --plane ebpf-xdp,ebpf-xdp-maglev,ebpf-xdp-dsr --services 1000");
  return [input] { return run(*input); };
}

Action configure_nftables(CLI::App& app) { return one_plane(app, "nftables"); }
Action configure_ipvs(CLI::App& app) { return one_plane(app, "ipvs"); }

}  // namespace svcbench
