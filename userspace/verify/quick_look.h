// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A few behaviours, looked at before planes are compared: figures of one that does less are marked.
#pragma once

#include <span>
#include <vector>

#include "measure/compare_results.h"
#include "verify/verify.h"

namespace svcbench::verify {

// Those that a plane's figures make no sense without: who answers, how flows are spread, where replies come
// from, that an established flow stays. A second or two a plane.
// Every service has affinity: then flows of one client are not spread.
[[nodiscard]] std::vector<const Case*> quick_cases(bool affinity);

// Runs them over `planes`, in namespaces of their own. A machine where that cannot be done is no error: the
// check says why. Error: interrupted.
[[nodiscard]] Result<BehaviourCheck> look_at(std::span<const ProbedPlane> planes, std::uint64_t seed,
                                             const EbpfChoice& ebpf, const KubeProxyOptions& kube_proxy,
                                             Progress& progress);

}  // namespace svcbench::verify
