// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the planes' connect() took beside each other.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "measure/compare_results.h"
#include "measure/connect.h"

namespace svcbench {

struct ConnectResults {
  nlohmann::json environment;
  nlohmann::json run;
  std::size_t services = 0;
  // The first is plain: a backend dialled by its own address, on a node without a plane. After a plane at
  // the socket stands what it costs those who dial no service.
  std::vector<ConnectSamples> samples{};
  std::vector<Cell> calibration{};  // known work that no plane is part of
  std::vector<MissingPlane> missing{};
  std::vector<std::string> notes{};
  double seconds = 0;
};

inline constexpr std::string_view connect_plain = "plain";

}  // namespace svcbench
