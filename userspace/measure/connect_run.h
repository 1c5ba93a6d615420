// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The planes' connect() beside each other, each with all services installed.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "measure/compare_results.h"
#include "measure/connect.h"
#include "measure/schedule.h"
#include "plane/probed.h"

namespace svcbench {

struct ConnectOptions {
  std::vector<ProbedPlane> planes{};
  Family family = Family::ipv4;
  ConnectCounts counts{};
  std::optional<std::uint32_t> services_capacity{};
  std::optional<std::uint32_t> backends_capacity{};
};

struct ConnectResults {
  nlohmann::json environment;
  nlohmann::json run;
  std::size_t services = 0;
  // The first is plain: a backend dialled by its own address, on a node without a plane. After a plane at
  // the socket stands what it costs those who dial no service.
  std::vector<ConnectSamples> samples{};
  std::vector<MissingPlane> missing{};
  double seconds = 0;
};

inline constexpr std::string_view connect_plain = "plain";

// Clients dial the last service of each protocol. Runs in namespaces and cgroups of its own: call
// enter_private_namespaces() before. Fills all but environment and run.
Result<ConnectResults> run_connect(std::span<const Service> services, const ConnectOptions& options,
                                   Clock& clock, Progress& progress);

}  // namespace svcbench
