// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which planes this machine can run. Asked once: probing loads rules and programs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plane/registry.h"

namespace svcbench {

struct ProbedPlane {
  const PlaneRow* row = nullptr;
  std::string not_here{};  // why this machine cannot run it, and what to do; empty: it can
};

// In the order of `rows`, each in a network namespace that is thrown away: call enter_private_namespaces()
// before. Error: interrupted.
[[nodiscard]] Result<std::vector<ProbedPlane>> probe_planes(std::span<const PlaneRow* const> rows);

}  // namespace svcbench
