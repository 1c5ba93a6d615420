// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --kube-proxy PATH: a binary of the user's, for the planes that run one.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "sys/result.h"

namespace svcbench {

struct KubeProxyBinaryInput {
  std::string given{};

  void add_options(CLI::App& app);
  // Its path, for a run of these planes; "": none was given, and none of them needs one. Error, usage: a
  // plane needs one; it is no program, or no kube-proxy by what it says of its version; or no plane runs
  // it.
  [[nodiscard]] Result<std::string> path(const std::vector<std::string>& planes) const;
};

// "v1.30.5" of what `kube-proxy --version` prints; "": it is none. Pure.
[[nodiscard]] std::string kube_proxy_version_of(std::string_view text);

}  // namespace svcbench
