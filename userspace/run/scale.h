// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Planes that this kernel lacks, from a run under another one, by way of planes that both measured.
//
// No time of the other run is ever shown. For each of the plane's figures at a size that both runs
// measured:
//   ratio   the plane's cost over a shared plane's, in pairs of rounds of the other run
//   scaled  that ratio times the shared plane's cost in this run; its interval is the product of both
//           intervals' ends
//   value   the median of the scaled costs over all shared planes; its interval reaches from the lowest of
//           their lower ends to the highest of their upper ends, and is missing where one of them is
// Shared planes are those of the same nature (netfilter: iptables, nftables, IPVS; or eBPF), the others
// only where there is none; never plain forwarding, which has no service to look up. That several shared
// planes agree is the evidence that a ratio carries over from kernel to kernel; where they do not, the
// interval is wide. Growth exponents are ratios inside one machine and carry over as they are, and so do
// counts.
//
// User-mode Linux has no BPF JIT and slow crossings from user space: of such a run only the paths of
// netfilter planes are taken.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "measure/compare_results.h"
#include "measure/scaled.h"
#include "run/run.h"
#include "sys/result.h"

namespace svcbench {

// Whether `other` can be the reference of a run of `planes` over `sweep` with `shape` (of describe_run()),
// before anything is measured. `file` is its name. Error: usage, one sentence.
[[nodiscard]] Status check_reference(const Run& other, std::string_view file, const nlohmann::json& shape,
                                     std::span<const std::string> planes,
                                     std::span<const std::size_t> sweep);

// The figures of those planes that are missing in `ours` and that `other` measured. Pure.
[[nodiscard]] ScaledColumns scale(const Run& other, std::string_view file, const CompareResults& ours);

// What a reader must know of the scaled figures; or why there are none.
[[nodiscard]] std::string describe_scaled(const ScaledColumns& scaled);

}  // namespace svcbench
