// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a command measures: scenarios, planes and sizes. `compare`, `path`, `nftables` and `ipvs` are
// selections of planes and rows of the registry; `ebpf` adds what its maps and programs are measured by,
// and `iptables` and `connect` have one scenario each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "measure/chapter_results.h"
#include "measure/compare_results.h"
#include "measure/connect_results.h"
#include "measure/journal.h"
#include "measure/results.h"
#include "measure/scenario/registry.h"
#include "measure/schedule.h"
#include "measure/visit_log.h"
#include "plane/plane.h"
#include "plane/probed.h"
#include "service/workload.h"
#include "stats/verdict.h"
#include "sys/features.h"
#include "sys/iptables_backend.h"

namespace svcbench {

struct Selection {
  std::vector<const ScenarioRow*> scenarios{};
  std::vector<ProbedPlane> planes{};  // each once, in the registry's order; those that cannot run are named
  std::vector<std::size_t> sweep{};   // ascending, each at most the workload's size
  // Of the service that grows, and flows that are tracked, at the sweep's first size: of whole syncs.
  std::vector<std::size_t> endpoints_sweep{};
  std::vector<std::size_t> flows_sweep{};
  std::vector<PathKind> kinds{};  // of packets, for the path
  Family family = Family::ipv4;   // of the path's packets
  std::uint64_t seed = 1;
  std::size_t rounds = 20;
  std::size_t path_rounds = SIZE_MAX;  // at most, of the path
  std::uint32_t packets = 1000;        // of a volley
  double budget_seconds = 300;
  double spent_seconds = 0;  // of the budget, before the run
  // Whether cells whose intervals are wide are visited again while there is time.
  bool repeats_wide = false;
  std::optional<std::uint32_t> services_capacity{};
  std::optional<std::uint32_t> backends_capacity{};
  EbpfChoice ebpf{};  // of the eBPF planes whose name does not say it already
  KubeProxyOptions kube_proxy{};
  DisplayUnit display_unit{};  // for the progress line
  // Gets every visit; a resumed one gives back what was measured. None: nothing is kept.
  Journal* journal = nullptr;
  // Takes down every visit, and outlives the run; null: nobody asks.
  VisitLog* visits = nullptr;
  // Whether this kernel can send the path's packets. Where it cannot, the path is left out, with a note.
  std::function<Status()> live_frames = probe_live_frames;

  [[nodiscard]] PlaneConfiguration configuration() const {
    PlaneConfiguration configuration;
    configuration.services_capacity = services_capacity;
    configuration.backends_capacity = backends_capacity;
    configuration.ebpf = ebpf;
    configuration.kube_proxy = kube_proxy;
    return configuration;
  }
  [[nodiscard]] bool has(std::string_view scenario) const;
};

// What `svcbench compare` sends: UDP to every position, TCP to a random service; new and established flows.
[[nodiscard]] std::vector<PathKind> usual_kinds();
// Every combination.
[[nodiscard]] std::vector<PathKind> all_kinds();

// All of these run in namespaces of their own: call enter_private_namespaces() before. They fill every part
// of the results but environment and run (of a comparison). Error: no plane can run, or a check
// fails.
Result<CompareResults> run_compare(const Workload& workload, const Selection& selection, Clock& clock,
                                   Progress& progress);

// The main job: maps and programs by themselves beside `iptables`' whole table; and the selection's planes.
struct MainJobResults {
  Results maps{};
  CompareResults paths{};
};
Result<MainJobResults> run_main_job(const Workload& workload, const Selection& selection,
                                    const IptablesBackend& iptables, Clock& clock, Progress& progress);

// A back end of Table 4.1 as the run needs it; a test gives one without a kernel.
struct ChapterSubject {
  std::string backend;  // "legacy", "nft"
  // A plane without services, in a network namespace of its own. What its sync_cost() says is what is
  // reported.
  std::function<Result<std::unique_ptr<DataPlane>>()> make;
  // Has the same program commit nothing, where there are no rules, once.
  std::function<Result<SyncCost>()> empty_transaction;
};

// The kernel's. Error: this back end does not work here (its program runs once, in a namespace that is
// thrown away).
[[nodiscard]] Result<ChapterSubject> chapter_subject(const IptablesBackend& backend);
// Runs `true`: launch and exit.
[[nodiscard]] Result<SyncCost> run_nothing();

// Table 4.1: the selection's sizes, on every back end in turn. `backends` are taken over.
Result<ChapterResults> run_chapter(const Workload& workload, std::vector<ChapterBackend> backends,
                                   const std::vector<ChapterSubject>& subjects,
                                   const std::function<Result<SyncCost>()>& exec_floor,
                                   const Selection& selection, Clock& clock, Progress& progress);

// The planes' connect() beside each other, each with all services in place; a block of `connects` of each
// kind is a round. Clients dial the last service of each protocol.
Result<ConnectResults> run_connect(const Workload& workload, const Selection& selection,
                                   std::size_t connects, Clock& clock, Progress& progress);

}  // namespace svcbench
