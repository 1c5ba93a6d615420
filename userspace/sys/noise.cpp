// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/noise.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace svcbench {

namespace {

using nlohmann::json;
using Path = std::filesystem::path;

// Waking up from deeper idle than this shows in a path's tail.
constexpr double deep_idle_us = 20;
constexpr double busy_share = 0.25;  // of the CPUs
constexpr double much_steal = 0.01;
constexpr double much_drift = 0.05;

// Null where an object on the way is missing.
json at(const json& environment, std::string_view pointer) {
  const json::json_pointer place{std::string(pointer)};
  return environment.contains(place) ? environment.at(place) : json();
}

// "cpu  user nice system idle iowait irq softirq steal guest guest_nice": the guests' are in user and nice.
void read_ticks(const Path& root, CpuLook& look) {
  std::ifstream in(root / "proc/stat");
  std::string name;
  if (!(in >> name) || name != "cpu") {
    return;
  }
  constexpr int kinds = 8;
  double sum = 0;
  double ticks = 0;
  for (int kind = 0; kind < kinds && in >> ticks; ++kind) {
    sum += ticks;
    if (kind + 1 == kinds) {
      look.ticks = sum;
      look.steal = ticks;
    }
  }
}

void read_speed(const Path& root, CpuLook& look) {
  std::ifstream in(root / "proc/cpuinfo");
  double sum = 0;
  int cpus = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("cpu MHz")) {
      continue;
    }
    std::istringstream value(line.substr(std::min(line.find(':'), line.size() - 1) + 1));
    if (double mhz = 0; value >> mhz && mhz > 0) {
      sum += mhz;
      ++cpus;
    }
  }
  if (cpus > 0) {
    look.mhz = sum / cpus;
  }
}

void count_switches(CpuLook& look) {
  for (const int whose : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    getrusage(whose, &used);
    look.switches += static_cast<double>(used.ru_nivcsw);
  }
}

// In kHz, as cpufreq has it.
void read_own_speed(CpuLook& look) {
  std::ifstream in(fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", sched_getcpu()));
  if (double khz = 0; in >> khz && khz > 0) {
    look.mhz = khz / 1e3;
  }
}

}  // namespace

std::vector<std::string> noise_warnings(const json& environment) {
  std::vector<std::string> warnings;
  if (const json governor = at(environment, "/cpu/governor");
      governor.is_string() && governor != "performance") {
    warnings.push_back(
        fmt::format("The CPUs' frequency governor is {}, so their speed follows the load: cpupower "
                    "frequency-set -g performance",
                    governor.get<std::string>()));
  }
  if (at(environment, "/cpu/boost") == true) {
    warnings.emplace_back(
        "Turbo is on, so the CPUs' speed follows their heat: echo 0 > "
        "/sys/devices/system/cpu/cpufreq/boost (Intel: echo 1 > .../intel_pstate/no_turbo)");
  }
  if (at(environment, "/cpu/smt_active") == true) {
    warnings.emplace_back(
        "SMT is on, so another program may share the measured core: echo off > "
        "/sys/devices/system/cpu/smt/control");
  }
  const json load = at(environment, "/load_average/0");
  const json cpus = at(environment, "/cpu/logical");
  if (load.is_number() && cpus.is_number() && load.get<double>() > busy_share * cpus.get<double>()) {
    warnings.push_back(
        fmt::format("Other work is running (load average {:.1f} on {} CPUs): stop it, or wait",
                    load.get<double>(), cpus.get<int>()));
  }
  if (const json clock = at(environment, "/clocksource"); clock == "hpet" || clock == "acpi_pm") {
    warnings.push_back(
        fmt::format("The kernel's clock is {}, a reading of which takes about a microsecond: boot with "
                    "clocksource=tsc if the processor allows it",
                    clock.get<std::string>()));
  }
  if (const json idle = at(environment, "/cpu/idle_latency_us");
      idle.is_number() && idle.get<double>() > deep_idle_us) {
    warnings.push_back(
        fmt::format("Idle CPUs may sleep so deep that waking takes {:.0f} us: cpupower idle-set -D 10",
                    idle.get<double>()));
  }
  return warnings;
}

CpuLook CpuLook::now(const Path& root) {
  CpuLook look;
  read_ticks(root, look);
  read_speed(root, look);
  count_switches(look);
  return look;
}

CpuLook CpuLook::brief() {
  CpuLook look;
  read_ticks("/", look);
  read_own_speed(look);
  count_switches(look);
  return look;
}

Meanwhile between(const CpuLook& before, const CpuLook& after) {
  Meanwhile meanwhile;
  if (before.ticks && after.ticks && *after.ticks > *before.ticks) {
    meanwhile.steal_share = (*after.steal - *before.steal) / (*after.ticks - *before.ticks);
  }
  if (before.steal && after.steal) {
    meanwhile.stolen_ms = (*after.steal - *before.steal) * 1e3 / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
  meanwhile.mhz = after.mhz;
  if (before.mhz && after.mhz) {
    meanwhile.mhz_ratio = *after.mhz / *before.mhz;
  }
  meanwhile.switches = after.switches - before.switches;
  return meanwhile;
}

std::vector<std::string> noise_meanwhile(const Meanwhile& meanwhile) {
  std::vector<std::string> told;
  if (meanwhile.steal_share.value_or(0) > much_steal) {
    told.push_back(
        fmt::format("The host took {:.1f} % of the CPUs' time away during the run (steal): tails are its "
                    "doing as well; run it again, or on a quieter host",
                    100 * *meanwhile.steal_share));
  }
  if (std::abs(meanwhile.mhz_ratio.value_or(1) - 1) > much_drift) {
    told.push_back(fmt::format(
        "The CPUs' speed at the end was {:.2f} times that at the beginning: ratios within the run "
        "count, for its cells are interleaved; absolute times less",
        *meanwhile.mhz_ratio));
  }
  return told;
}

}  // namespace svcbench
