// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// For tests that program a kernel: namespaces of their own to do it in.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <utility>

#include "sys/result.h"

namespace svcbench::test {

// Where it may not, a message says so: the test case is to return.
[[nodiscard]] bool may_program_the_kernel();

// Namespaces are a thread's: these end with the one that `body` runs in, and the other tests stay where
// they are.
void in_private_namespaces(const std::function<void()>& body);

// Whether the kernel has the match physdev (xt_physdev), which kube-proxy's IPVS mode has in its rules for
// external IPs. Inside private namespaces.
[[nodiscard]] bool kernel_has_physdev();

// The value, or the end of the test case with the Error's sentence.
template <typename T>
T must(Result<T> result) {
  REQUIRE_MESSAGE(result, result.error().message);
  return std::move(*result);
}
inline void must(const Status& status) { REQUIRE_MESSAGE(status, status.error().message); }

}  // namespace svcbench::test
