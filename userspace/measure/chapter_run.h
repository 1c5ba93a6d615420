// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Table 4.1: what iptables-restore of the whole nat table costs over a sweep of N, on every back end, in
// rounds that take them in turn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "measure/chapter_results.h"
#include "measure/schedule.h"
#include "service/workload.h"
#include "svcbench/plane.h"
#include "sys/iptables_backend.h"

namespace svcbench {

// A back end as the run needs it; a test gives one without a kernel.
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

struct ChapterRunOptions {
  std::vector<std::size_t> sweep;  // ascending, each at most the workload's size
  std::uint64_t seed = 1;
  std::size_t rounds = 20;
  double budget_seconds = 60;
  // Gets every visit; a resumed one gives back what was measured. None: nothing is kept.
  Journal* journal = nullptr;
};

// Needs enter_private_namespaces() before, for the subjects that are the kernel's. Fills every part of the
// results but environment, run and backends, from which the figures and verdicts are made: `backends` are
// taken over.
Result<ChapterResults> run_chapter(const Workload& workload, std::vector<ChapterBackend> backends,
                                   const std::vector<ChapterSubject>& subjects,
                                   const std::function<Result<SyncCost>()>& exec_floor,
                                   const ChapterRunOptions& options, Clock& clock, Progress& progress);

}  // namespace svcbench
