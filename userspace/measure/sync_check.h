// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A second instrument for what a sync's tools take: the kernel's records of the same processes
// (sys/child_watch.h) beside our stopwatch and rusage.
//
// Each instrument has costs of its own in every figure (the stopwatch holds clone() and our waking up). So
// both are asked for the same difference: an installation over the exec of a no-op child, which is the
// floor of any plane that runs tools, and is told.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "measure/wire/agreement.h"
#include "sys/result.h"

namespace svcbench {

// One plane at one size. ns, one of each vector a round.
struct SyncCheck {
  struct Reading {
    std::vector<double> wall{};  // of all tools together, launch to exit
    std::vector<double> cpu{};   // of all of them, user and system
  };
  struct Instrument {
    Reading sync{};
    Reading no_op{};
  };

  std::string plane;
  std::size_t services = 0;
  Instrument ours{};          // CLOCK_MONOTONIC around the child, and wait4()'s rusage
  Instrument kernels{};       // perf's records of its fork and exit, and its task clock
  std::string not_offered{};  // why there are no rounds, or no more; empty where there are

  // How far a sync's own spread lets the two be apart.
  [[nodiscard]] Comparison wall() const;
  [[nodiscard]] Comparison cpu() const;
  // perf's figure over ours, of the same processes, so without that spread: how far apart they are.
  [[nodiscard]] std::optional<stats::Estimate> wall_ratio() const;
  [[nodiscard]] std::optional<stats::Estimate> cpu_ratio() const;
};

// One round: `install`, and then a no-op child, each under both instruments. Error: the installation's.
// That the second instrument fails is told in `not_offered`.
Status add_sync_round(SyncCheck& check, const std::function<Status()>& install);

}  // namespace svcbench
