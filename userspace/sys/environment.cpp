// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/environment.h"

#include <bpf/libbpf.h>
#include <sys/utsname.h>

#include <charconv>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "service/text.h"
#include "sys/iptables_backend.h"

namespace svcbench {
namespace {

using nlohmann::json;
using Path = std::filesystem::path;

// A file's text without the white space at its end; nothing if it cannot be read.
std::optional<std::string> read_text(const Path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return std::nullopt;
  }
  auto result = text.str();
  result.erase(result.find_last_not_of(" \t\r\n") + 1);
  return result;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} ? std::optional<T>(value) : std::nullopt;
}

json text_or_null(const std::optional<std::string>& text) { return text ? json(*text) : json(); }

json number_in(const Path& path) {
  const auto text = read_text(path);
  const auto value = text ? number<long>(*text) : std::nullopt;
  return value ? json(*value) : json();
}

json flag_in(const Path& path, const char* set, const char* unset) {
  const auto text = read_text(path);
  if (text == set) {
    return true;
  }
  return text == unset ? json(false) : json();
}

// The value of "name   : value" in /proc/cpuinfo, of the first processor. ARM kernels give no model name.
std::optional<std::string> cpuinfo_field(const std::string& cpuinfo, std::string_view name) {
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(':');
    if (colon != std::string::npos && line.starts_with(name) &&
        line.find_first_not_of(" \t", name.size()) == colon) {
      const std::size_t value = line.find_first_not_of(' ', colon + 1);
      return value == std::string::npos ? "" : line.substr(value);
    }
  }
  return std::nullopt;
}

json logical_cpus(const std::string& cpuinfo) {
  std::istringstream lines(cpuinfo);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    count += line.starts_with("processor") ? 1 : 0;
  }
  return count > 0 ? json(count) : json();
}

json hypervisor_flag(const std::string& cpuinfo) {
  const auto flags = cpuinfo_field(cpuinfo, "flags");
  if (!flags) {
    return {};
  }
  std::istringstream words(*flags);
  for (std::string word; words >> word;) {
    if (word == "hypervisor") {
      return true;
    }
  }
  return false;
}

std::vector<Path> entries_of(const Path& folder) {
  std::vector<Path> paths;
  std::error_code error;
  for (std::filesystem::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    paths.push_back(it->path());
  }
  return paths;
}

json vulnerabilities(const Path& root) {
  json result;
  for (const auto& file : entries_of(root / "sys/devices/system/cpu/vulnerabilities")) {
    result[file.filename().string()] = text_or_null(read_text(file));
  }
  return result;
}

// One name, or all that are in use: "performance, powersave".
void add_frequency_policy(json& cpu, const Path& root) {
  std::set<std::string> governors;
  for (const auto& policy : entries_of(root / "sys/devices/system/cpu/cpufreq")) {
    if (const auto governor = read_text(policy / "scaling_governor")) {
      governors.insert(*governor);
    }
  }
  std::string names;
  for (const auto& governor : governors) {
    names += (names.empty() ? "" : ", ") + governor;
  }
  cpu["governor"] = governors.empty() ? json() : json(names);
  if (governors.empty()) {
    cpu["governor_reason"] = "no cpufreq";
  }
  // Intel's driver says when turbo is off, the others when boost is on.
  const json no_turbo = flag_in(root / "sys/devices/system/cpu/intel_pstate/no_turbo", "1", "0");
  cpu["boost"] = no_turbo.is_boolean() ? json(!no_turbo.get<bool>())
                                       : flag_in(root / "sys/devices/system/cpu/cpufreq/boost", "1", "0");
}

// What waking from the deepest idle state that is not switched off takes, us. null: no cpuidle, as in many
// virtual machines.
json idle_latency_us(const Path& root) {
  json deepest;
  for (const auto& state : entries_of(root / "sys/devices/system/cpu/cpu0/cpuidle")) {
    const json latency = number_in(state / "latency");
    if (latency.is_number() && read_text(state / "disable").value_or("0") == "0" &&
        (deepest.is_null() || latency.get<double>() > deepest.get<double>())) {
      deepest = latency;
    }
  }
  return deepest;
}

json describe_cpu(const Path& root) {
  const auto cpuinfo = read_text(root / "proc/cpuinfo").value_or("");
  json cpu;
  cpu["model"] = text_or_null(cpuinfo_field(cpuinfo, "model name"));
  cpu["logical"] = logical_cpus(cpuinfo);
  cpu["hypervisor"] = hypervisor_flag(cpuinfo);
  cpu["smt_active"] = flag_in(root / "sys/devices/system/cpu/smt/active", "1", "0");
  cpu["idle_latency_us"] = idle_latency_us(root);
  cpu["vulnerabilities"] = vulnerabilities(root);
  add_frequency_policy(cpu, root);
  return cpu;
}

json describe_kernel(const Path& root) {
  utsname name{};
  json kernel;
  kernel["release"] = text_or_null(read_text(root / "proc/sys/kernel/osrelease"));
  kernel["version"] = text_or_null(read_text(root / "proc/sys/kernel/version"));
  kernel["machine"] = uname(&name) == 0 ? json(name.machine) : json();
  return kernel;
}

json distribution(const Path& root) {
  auto text = read_text(root / "etc/os-release");
  if (!text) {
    text = read_text(root / "usr/lib/os-release");
  }
  std::istringstream lines(text.value_or(""));
  constexpr std::string_view key = "PRETTY_NAME=";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) {
      line.erase(0, key.size());
      std::erase(line, '"');
      return line;
    }
  }
  return {};
}

json load_average(const Path& root) {
  std::istringstream words(read_text(root / "proc/loadavg").value_or(""));
  double one = 0;
  double five = 0;
  double fifteen = 0;
  if (!(words >> one >> five >> fifteen)) {
    return {};
  }
  return {one, five, fifteen};
}

json memory_total_kib(const Path& root) {
  std::istringstream words(read_text(root / "proc/meminfo").value_or(""));
  std::string key;
  long kib = 0;
  return words >> key >> kib && key == "MemTotal:" ? json(kib) : json();
}

json uptime_seconds(const Path& root) {
  std::istringstream words(read_text(root / "proc/uptime").value_or(""));
  double seconds = 0;
  return words >> seconds ? json(seconds) : json();
}

// What tests/vm/run says of its guest; any text is passed on, as it may be printed.
json variable(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? json() : json(printable(text));
}

json describe_versions() {
  const auto iptables = find_iptables(std::nullopt);
  json versions;
  versions["libbpf"] = libbpf_version_string();
  versions["compiler"] = __VERSION__;
  versions["iptables"] = iptables ? json(iptables->label) : json();
  return versions;
}

}  // namespace

json describe_environment(const Path& root) {
  json result;
  result["kernel"] = describe_kernel(root);
  result["distribution"] = distribution(root);
  result["cpu"] = describe_cpu(root);
  result["bpf"]["jit_enable"] = number_in(root / "proc/sys/net/core/bpf_jit_enable");
  result["bpf"]["jit_harden"] = number_in(root / "proc/sys/net/core/bpf_jit_harden");
  // Grace periods, and with them what waits for one: 1 and they are hurried, at the cost of all CPUs;
  // normal outweighs expedited.
  result["rcu"]["expedited"] = number_in(root / "sys/kernel/rcu_expedited");
  result["rcu"]["normal"] = number_in(root / "sys/kernel/rcu_normal");
  result["emulated"] = variable("SVCBENCH_EMULATED");
  result["kernel_source"] = variable("SVCBENCH_KERNEL_SOURCE");
  result["clocksource"] =
      text_or_null(read_text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"));
  result["load_average"] = load_average(root);
  result["memory_total_kib"] = memory_total_kib(root);
  result["uptime_seconds"] = uptime_seconds(root);
  result["versions"] = describe_versions();
  return result;
}

}  // namespace svcbench
