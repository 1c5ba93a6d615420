// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// For figures that the rest of the machine has a part in: its memory, its time.
#pragma once

#include <functional>

namespace svcbench::test {

// Whether `measured_right` says so once in as many tries. An instrument that is wrong is wrong every time;
// one that is right is disturbed now and then.
inline bool in_one_of(int tries, const std::function<bool()>& measured_right) {
  for (int i = 0; i < tries; ++i) {
    if (measured_right()) {
      return true;
    }
  }
  return false;
}

}  // namespace svcbench::test
