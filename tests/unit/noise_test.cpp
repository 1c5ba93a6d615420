// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is told of a noisy machine, and what is not told of a quiet one.
#include "sys/noise.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace svcbench {
namespace {

nlohmann::json quiet_machine() {
  return {{"cpu",
           {{"governor", "performance"},
            {"boost", false},
            {"smt_active", false},
            {"logical", 4},
            {"idle_latency_us", 2}}},
          {"load_average", {0.1, 0.1, 0.1}},
          {"clocksource", "tsc"}};
}

void check_one(const nlohmann::json& environment, const std::string& word) {
  const auto warnings = noise_warnings(environment);
  REQUIRE(warnings.size() == 1);
  CHECK_MESSAGE(warnings[0].find(word) != std::string::npos, warnings[0]);
}

// Below it, /proc as the kernel would have it.
class Root {
 public:
  Root(const std::string& stat, const std::string& cpuinfo) {
    std::string name = (std::filesystem::temp_directory_path() / "svcb-noise-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
    std::filesystem::create_directory(path_ / "proc");
    std::ofstream(path_ / "proc/stat") << stat;
    std::ofstream(path_ / "proc/cpuinfo") << cpuinfo;
  }
  ~Root() { std::filesystem::remove_all(path_); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  [[nodiscard]] CpuLook look() const { return CpuLook::now(path_); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("noise: a quiet machine, and one of which nothing is known, get no warning") {
  CHECK(noise_warnings(quiet_machine()).empty());
  CHECK(noise_warnings(nlohmann::json::object()).empty());
}

TEST_CASE("noise: each cause is named with its remedy") {
  const auto with = [](const char* pointer, const nlohmann::json& value) {
    auto machine = quiet_machine();
    machine[nlohmann::json::json_pointer(pointer)] = value;
    return machine;
  };
  check_one(with("/cpu/governor", "powersave"), "powersave");
  check_one(with("/cpu/boost", true), "Turbo is on");
  check_one(with("/cpu/smt_active", true), "smt/control");
  check_one(with("/load_average/0", 3.5), "load average 3.5 on 4 CPUs");
  check_one(with("/clocksource", "hpet"), "clocksource=tsc");
  check_one(with("/cpu/idle_latency_us", 350), "350 us");
}

TEST_CASE("noise: steal and drift between two looks") {
  // user nice system idle iowait irq softirq steal guest guest_nice
  const Root first("cpu  100 0 100 800 0 0 0 0 50 0\ncpu0 1 2 3\n", "cpu MHz : 2000.0\ncpu MHz : 2200.0\n");
  const Root second("cpu  150 0 150 1680 0 0 0 20 90 0\n", "cpu MHz : 2400.0\ncpu MHz : 2640.0\n");
  const Meanwhile meanwhile = between(first.look(), second.look());
  REQUIRE(meanwhile.steal_share);
  CHECK(*meanwhile.steal_share == doctest::Approx(0.02));
  REQUIRE(meanwhile.mhz_ratio);
  CHECK(*meanwhile.mhz_ratio == doctest::Approx(1.2));
  CHECK(noise_meanwhile(meanwhile).size() == 2);
  CHECK(noise_meanwhile(between(first.look(), first.look())).empty());
  const Root none("", "");
  CHECK(noise_meanwhile(between(none.look(), none.look())).empty());
}

}  // namespace svcbench
