// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What this machine can do of what svcbench needs, found out by trying it.
#pragma once

#include <string>
#include <vector>

#include "sys/result.h"

namespace svcbench {

struct Feature {
  std::string name;
  bool available = false;
  std::string detail;  // what it is for, and what was seen
  std::string remedy;  // how to get it; empty when it is available
};

// Tries each in turn, in about a quarter of a second. No rule, link, mount, map or program is left: maps
// and programs are not pinned, and rules are tried in a child with namespaces of its own. (What the kernel
// loads by itself to answer, such as a netfilter module, stays loaded.) Call it before
// enter_private_namespaces(), which hides the JIT's settings.
[[nodiscard]] std::vector<Feature> probe_features();

// Whether BPF_PROG_TEST_RUN sends live frames here, as the wire's packets are sent: kernel 5.18 or newer.
// An Error says why not. Sends one, which is dropped where it starts.
[[nodiscard]] Status probe_live_frames();

// "5.15.0-91-generic" is at least 5.15. False for what is no release. Pure.
[[nodiscard]] bool release_at_least(const std::string& release, int major, int minor);

}  // namespace svcbench
