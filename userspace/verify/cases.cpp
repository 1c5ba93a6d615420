// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/cases.h"

namespace svcbench::verify {

std::vector<const Case*> cases() {
  std::vector<const Case*> all;
  for (const std::span<const Case> part : {reach_cases(), flow_cases(), life_cases(), change_cases()}) {
    for (const Case& one : part) {
      all.push_back(&one);
    }
  }
  return all;
}

}  // namespace svcbench::verify
