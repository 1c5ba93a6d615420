// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --kube-proxy-version, of every command that has kube-proxy's planes.
#pragma once

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plane/kube_proxy/versions.h"
#include "plane/probed.h"
#include "sys/result.h"

namespace svcbench {

struct KubeProxyInput {
  std::string version = kube_proxy::Version().text();

  void add_options(CLI::App& app);
  // Usage error: no such version, or one whose rules are not known in the mode of a plane that is named.
  [[nodiscard]] Result<kube_proxy::Version> chosen(const std::vector<std::string>& named_planes) const;
};

// Of a run's "run": {"version": "1.35"}.
[[nodiscard]] nlohmann::json describe_kube_proxy(const kube_proxy::Version& version);

// Of planes that nobody named, those whose mode this version's rules are not known in cannot run.
void leave_out_unknown(std::vector<ProbedPlane>& planes, const kube_proxy::Version& version);

}  // namespace svcbench
