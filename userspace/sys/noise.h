// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What of a machine makes timings noisy: settings that can be seen before a run, and what its host and its
// processor did meanwhile.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace svcbench {

// A sentence each, with the remedy, from what describe_environment() found. None: nothing is known to
// disturb.
[[nodiscard]] std::vector<std::string> noise_warnings(const nlohmann::json& environment);

// One look at what all CPUs did since boot, and at their speed now. Absent: cannot be read here.
struct CpuLook {
  std::optional<double> ticks{};  // of all kinds, idle included
  std::optional<double> steal{};  // of these, taken by the host
  std::optional<double> mhz{};    // mean over the CPUs
  double switches = 0;            // that svcbench and the tools it waited for were put off a CPU

  static CpuLook now(const std::filesystem::path& root = "/");
  // The same in some tens of microseconds, whatever the number of CPUs: for beside each visit. The speed is
  // that of the CPU that asks, where cpufreq tells it.
  static CpuLook brief();
};

struct Meanwhile {
  std::optional<double> steal_share{};  // of the CPUs' time, 0 to 1
  std::optional<double> stolen_ms{};    // the same as time of one CPU; known to a clock tick, 10 ms mostly
  std::optional<double> mhz{};          // at the end
  std::optional<double> mhz_ratio{};    // speed at the end over that at the beginning
  double switches = 0;                  // involuntary ones, of svcbench and its tools (getrusage(2))
};
[[nodiscard]] Meanwhile between(const CpuLook& before, const CpuLook& after);
// A sentence each for what is beyond 1 % of steal and 5 % of drift.
[[nodiscard]] std::vector<std::string> noise_meanwhile(const Meanwhile& meanwhile);

}  // namespace svcbench
