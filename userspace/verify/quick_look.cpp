// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/quick_look.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace svcbench::verify {

std::vector<const Case*> quick_cases(bool affinity) {
  static constexpr std::array<std::string_view, 4> names{"right-backend", "spread", "reply-source",
                                                         "keeps-backend"};
  std::vector<const Case*> chosen;
  for (const Case* one : cases()) {
    if (std::find(names.begin(), names.end(), one->name) != names.end() &&
        !(affinity && one->name == "spread")) {
      chosen.push_back(one);
    }
  }
  return chosen;
}

namespace {

// By plane and case.
std::vector<FailedBehaviour> failures_of(std::span<const PlaneResult> planes) {
  std::vector<FailedBehaviour> failed;
  for (const PlaneResult& plane : planes) {
    for (const CaseResult& one : plane.cases) {
      if (one.outcome != Outcome::failed) {
        continue;
      }
      if (!failed.empty() && failed.back().plane == plane.plane &&
          failed.back().behaviour == one.which->title) {
        failed.back().variants += ", " + one.variant.text();
      } else {
        failed.push_back({plane.plane, std::string(one.which->title), one.variant.text(), one.evidence});
      }
    }
  }
  return failed;
}

}  // namespace

Result<BehaviourCheck> look_at(std::span<const ProbedPlane> planes, std::uint64_t seed,
                               const EbpfChoice& ebpf, const KubeProxyOptions& kube_proxy,
                               Progress& progress) {
  const VerifyOptions options{
      .cases = quick_cases(ebpf.affinity), .seed = seed, .ebpf = ebpf, .kube_proxy = kube_proxy};
  BehaviourCheck check;
  for (const Case* one : options.cases) {
    check.behaviours.emplace_back(one->title);
  }
  const auto seen = verify_planes(planes, options, progress);
  if (!seen) {
    if (seen.error().kind == Error::Kind::interrupted) {
      return tl::unexpected(seen.error());
    }
    check.not_done = seen.error().message;
  } else {
    for (const PlaneResult& plane : *seen) {
      if (!plane.cases.empty()) {
        check.planes.push_back(plane.plane);
      }
    }
    check.failed = failures_of(*seen);
  }
  return check;
}

}  // namespace svcbench::verify
