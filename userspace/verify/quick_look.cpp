// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/quick_look.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace svcbench::verify {

std::vector<const Case*> quick_cases() {
  static constexpr std::array<std::string_view, 4> names{"right-backend", "spread", "reply-source",
                                                         "keeps-backend"};
  std::vector<const Case*> chosen;
  for (const Case* one : cases()) {
    if (std::find(names.begin(), names.end(), one->name) != names.end()) {
      chosen.push_back(one);
    }
  }
  return chosen;
}

BehaviourCheck describe_check(std::span<const PlaneResult> planes) {
  BehaviourCheck check;
  for (const Case* one : quick_cases()) {
    check.behaviours.emplace_back(one->title);
  }
  for (const PlaneResult& plane : planes) {
    for (const CaseResult& one : plane.cases) {
      if (one.outcome != Outcome::failed) {
        continue;
      }
      auto& failed = check.failed;
      if (!failed.empty() && failed.back().plane == plane.plane &&
          failed.back().behaviour == one.which->title) {
        failed.back().variants += ", " + one.variant.text();
      } else {
        failed.push_back({plane.plane, std::string(one.which->title), one.variant.text(), one.evidence});
      }
    }
  }
  return check;
}

Result<BehaviourCheck> look_at(std::span<const PlaneRow* const> rows, std::uint64_t seed,
                               Progress& progress) {
  const VerifyOptions options{.cases = quick_cases(), .seed = seed};
  const auto planes = verify_planes(rows, options, progress);
  if (!planes) {
    if (planes.error().kind == Error::Kind::interrupted) {
      return tl::unexpected(planes.error());
    }
    BehaviourCheck check = describe_check({});
    check.not_done = planes.error().message;
    return check;
  }
  return describe_check(*planes);
}

}  // namespace svcbench::verify
