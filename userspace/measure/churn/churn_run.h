// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Changes under traffic: a plane's services change at a rate, while packets go to those that change and to
// others, and each packet is held against what its service was to be when it was on its way.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "measure/churn/churn_results.h"
#include "measure/schedule.h"
#include "plane/configuration.h"
#include "plane/plane.h"
#include "service/workload.h"
#include "sys/result.h"

namespace svcbench {

struct ChurnOptions {
  std::string plane;
  std::function<Result<std::unique_ptr<DataPlane>>(const PlaneConfiguration&)> make;
  double rate = 100;         // changes a second
  double seconds = 30;       // of changes
  double quiet_seconds = 3;  // before, and after
  double packets_per_second = 50'000;
  bool find_rate = false;
  std::uint64_t seed = 1;
  PlaneConfiguration configuration{};  // capacities
};

// How many services take part at most: so many that change, and as many that do not.
inline constexpr std::size_t most_churned = 256;

// Refuses a workload that has not two services with endpoints: a usage error, before anything is done.
Status require_churnable(const Workload& workload);

// In private namespaces (sys/sandbox.h), which need not be those of this thread alone: it enters others.
// The changes are made by a second thread, on the other CPUs.
//
// Three packets in four begin a flow; every second one of those goes to the service that is being changed
// at that moment, or was last. The rest belong to flows that were opened at the beginning.
Result<ChurnResults> run_churn(const Workload& workload, const ChurnOptions& options, Progress& progress);

}  // namespace svcbench
