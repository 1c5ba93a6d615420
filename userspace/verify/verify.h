// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether planes behave as Kubernetes Services do: every case (cases.h) on every plane, with real sockets.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "measure/schedule.h"
#include "plane/probed.h"
#include "service/service.h"
#include "sys/result.h"
#include "verify/cases.h"
#include "verify/kube_proxy_rules.h"

namespace svcbench::verify {

struct VerifyOptions {
  std::vector<const Case*> cases{};    // those to run
  std::span<const Service> cluster{};  // of the user's, always installed beside a case's own
  std::uint64_t seed = 1;
  EbpfChoice ebpf{};              // how the eBPF planes work
  KubeProxyOptions kube_proxy{};  // version and binary; the rest is the world's
};

// What of it a plane that remembers flows by itself must be told in a world of brief lives: their length,
// and a table that is easily filled.
[[nodiscard]] EbpfChoice with_brief_lives(EbpfChoice choice);

// The world that a plane is tried in, and the plane in its node, empty, with room for the cases' services
// and the user's.
[[nodiscard]] Works works_of(const PlaneRow& row);
[[nodiscard]] Result<std::unique_ptr<DataPlane>> make_in_node(const PlaneRow& row, const World& world,
                                                              const VerifyOptions& options);

// One case in one family and protocol.
struct CaseResult {
  const Case* which = nullptr;
  Variant variant{};
  Outcome outcome = Outcome::failed;
  std::string evidence{};  // passed: a few words on what was seen; else why not, in a sentence
  double seconds = 0;
};

// In namespaces of its own, with a thread of its own for the servers; the plane is made anew, and gets
// other services for each case. Error: this machine could not do it, whatever the plane; interrupted.
// `progress` is told each case.
[[nodiscard]] Result<std::vector<CaseResult>> verify_plane(const PlaneRow& row,
                                                           const VerifyOptions& options,
                                                           Progress& progress);

struct PlaneResult {
  std::string plane;
  std::string not_here{};  // why this machine cannot run it; then there are no cases
  std::vector<CaseResult> cases{};
};

struct VerifyResults {
  nlohmann::json environment{};
  nlohmann::json run{};
  double seconds = 0;
  std::vector<PlaneResult> planes{};
  std::optional<KubeProxyRules> rules{};  // none: no binary was given
};

// Those of `planes` that have frontends, in their order. A plane that cannot run here is a result too.
[[nodiscard]] Result<std::vector<PlaneResult>> verify_planes(std::span<const ProbedPlane> planes,
                                                             const VerifyOptions& options,
                                                             Progress& progress);

// 0: no case failed; 3: one did.
[[nodiscard]] int exit_code(std::span<const PlaneResult> planes);

// The user's services must not be mistaken for those of the test. Error: usage.
[[nodiscard]] Status check_cluster(std::span<const Service> cluster);

}  // namespace svcbench::verify
