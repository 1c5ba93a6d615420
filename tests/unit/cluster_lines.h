// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What was read of a cluster, as a test compares it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "service/cluster.h"

namespace svcbench {

// One line a frontend: "ClusterIP default/web:http 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080".
inline std::vector<std::string> lines(const Result<ClusterServices>& cluster) {
  if (!cluster) {
    return {cluster.error().message};
  }
  std::vector<std::string> result;
  for (const Service& frontend : cluster->services) {
    std::string line =
        fmt::format("{} {} {} ->", to_string(frontend.kind), frontend.name, frontend.frontend.text());
    for (const Endpoint& endpoint : frontend.endpoints) {
      line += " " + endpoint.text();
    }
    result.push_back(line);
  }
  return result;
}

}  // namespace svcbench
