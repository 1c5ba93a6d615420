// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --kube-proxy-version, of every command that has kube-proxy's planes, and --kube-proxy, of those that can
// run a binary of the user's.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "plane/configuration.h"
#include "plane/kube_proxy/versions.h"
#include "plane/probed.h"
#include "sys/result.h"

namespace svcbench {

// What a binary is for: planes that run it; or besides, whatever planes there are, its rules are compared
// with svcbench's.
enum class BinaryUse : std::uint8_t { by_planes, rules_too };

struct KubeProxyInput {
  std::string version = kube_proxy::Version().text();
  std::string binary{};

  void add_options(CLI::App& app);
  CLI::Option* add_binary_option(CLI::App& app);
  // Version and binary. Usage error: no such version, or one whose rules are not known in the mode of a
  // plane that is named; a plane that is named needs a binary; it is no program, or no kube-proxy by what
  // it says of its version; or nothing has a use for it.
  [[nodiscard]] Result<KubeProxyOptions> chosen(const std::vector<std::string>& named_planes,
                                                BinaryUse use = BinaryUse::by_planes) const;
};

// Of a run's "run": {"version": "1.35", "binary": "./kube-proxy"}; the latter where one is run.
[[nodiscard]] nlohmann::json describe_kube_proxy(const KubeProxyOptions& options);

// Of kube-proxy's modes that run_here, those of these planes; of none: both.
[[nodiscard]] std::vector<kube_proxy::Mode> modes_of_rules(const std::vector<std::string>& planes);

// Of planes that nobody named, those whose mode this version's rules are not known in cannot run.
void leave_out_unknown(std::vector<ProbedPlane>& planes, const kube_proxy::Version& version);

}  // namespace svcbench
