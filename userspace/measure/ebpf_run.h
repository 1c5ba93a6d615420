// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The main job: eBPF map fills, updates beside iptables-restore, and program cost, over a sweep of N.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "measure/results.h"
#include "measure/schedule.h"
#include "service/workload.h"
#include "sys/iptables_backend.h"

namespace svcbench {

struct EbpfRunOptions {
  std::vector<std::size_t> sweep;  // ascending, each at most the workload's size
  std::uint64_t seed = 1;
  std::size_t rounds = 40;
  std::size_t update_samples = 2000;  // at least so many for each operation and size
  double budget_seconds = 60;
  std::optional<std::uint32_t> services_capacity{};
  std::optional<std::uint32_t> backends_capacity{};
  IptablesBackend iptables{};
  // Gets every visit; a resumed one gives back what was measured. None: nothing is kept.
  Journal* journal = nullptr;
};

// Runs in the calling process's network namespace and in new ones: call enter_private_namespaces() before.
// Fills every part of the results but environment and run.
Result<Results> run_ebpf(const Workload& workload, const EbpfRunOptions& options, Clock& clock,
                         Progress& progress);

}  // namespace svcbench
