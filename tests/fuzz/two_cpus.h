// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The same flow opened on two CPUs at once, while its service is changed under both.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sys/result.h"

namespace svcbench::fuzz {

struct TwoCpus {
  std::uint64_t packets = 0;
  std::uint64_t flows = 0;
  std::uint64_t changes = 0;
  std::vector<std::string> wrong{};  // packets to a wrong backend, flows that differ from themselves
};

// About so many packets, or so long, on each hook. Error: there are no two CPUs, or the kernel refuses
// something.
Result<TwoCpus> run_on_two_cpus(std::uint64_t packets, double seconds);

}  // namespace svcbench::fuzz
