// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run in a guest says of itself: the environment, the header, the unit, the verdicts.
#include <doctest/doctest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "measure/compare_analysis.h"
#include "measure/emulation.h"
#include "report/full.h"
#include "run/as_run.h"
#include "shown.h"
#include "sys/environment.h"

namespace svcbench {
namespace {

// A variable for as long as this lives; null: not set.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    const char* before = std::getenv(name);
    had_ = before != nullptr;
    before_ = had_ ? before : "";
    set(value);
  }
  ~Variable() { set(had_ ? before_.c_str() : nullptr); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  void set(const char* value) const {
    if (value == nullptr) {
      unsetenv(name_);
    } else {
      setenv(name_, value, 1);
    }
  }
  const char* name_;
  bool had_ = false;
  std::string before_;
};

std::string header_of(const char* emulated) {
  nlohmann::json environment{{"kernel", {{"release", "6.12.1"}}}, {"cpu", {{"model", "Test"}}}};
  environment["emulated"] = emulated == nullptr ? nlohmann::json() : nlohmann::json(emulated);
  return full_heading(test::run_of_command(run_of(environment, {{"seed", 1}}, 2), "compare"));
}

// One size and eBPF alone, at 8 us.
CompareResults ebpf_at_8_us(const char* emulated) {
  CompareResults results;
  results.environment["emulated"] = emulated;
  results.planes = {"null", "ebpf-tc"};
  for (const std::string& plane : results.planes) {
    PathCell cell{.plane = plane, .services = 100};
    cell.latency.add_bucket(1000, 200);
    cell.p50_ns = {8000, 8000, 8000, 8000, 8000, 8000};
    results.paths.push_back(cell);
  }
  return results;
}

Outcome path_verdict(const CompareResults& results) {
  for (const Verdict& verdict : as_run(results).verdicts) {
    if (verdict.id == "lookup-2-5us") {
      return verdict.outcome;
    }
  }
  FAIL("no such verdict");
  return Outcome::holds;
}

}  // namespace

TEST_CASE("environment: what the guest's runner says is told, and null outside") {
  const Variable emulated("SVCBENCH_EMULATED", "tcg");
  const Variable source("SVCBENCH_KERNEL_SOURCE", "linux-image-6.12 6.12.41-1");
  CHECK(describe_environment("/nowhere")["emulated"] == "tcg");
  CHECK(describe_environment("/nowhere")["kernel_source"] == "linux-image-6.12 6.12.41-1");
  {
    // It goes to terminals and into JSON.
    const Variable hostile("SVCBENCH_EMULATED", "\x1b[31m\xff");
    CHECK(describe_environment("/nowhere")["emulated"] == "\\x1b[31m\\xff");
    CHECK_NOTHROW((void)describe_environment("/nowhere").dump());
  }
  const Variable none("SVCBENCH_EMULATED", nullptr);
  const Variable empty("SVCBENCH_KERNEL_SOURCE", "");
  CHECK(describe_environment("/nowhere").at("emulated").is_null());
  CHECK(describe_environment("/nowhere").at("kernel_source").is_null());
}

TEST_CASE("a header begins with what of an emulated run counts") {
  CHECK(header_of(nullptr).starts_with("svcbench "));
  CHECK(
      header_of("tcg").starts_with("EMULATED (qemu TCG): ratios inside this run count, absolute times do "
                                   "not\nsvcbench "));
  CHECK(header_of("uml").starts_with("EMULATED (user-mode Linux): no BPF JIT"));
  CHECK(header_of("icount").find("1 ns is half a guest instruction") != std::string::npos);
  CHECK(header_of("kvm").starts_with("VIRTUAL (qemu KVM)"));
  CHECK(header_of("bochs").starts_with("EMULATED (bochs): ratios"));
}

TEST_CASE("path figures are instructions where the clock counts those") {
  const std::string text = test::full_text(as_run(ebpf_at_8_us("icount")));
  CHECK(text.find("p50") != std::string::npos);
  CHECK(text.find("4,000 instr [4,000, 4,000]") != std::string::npos);
  CHECK(text.find("8 us") == std::string::npos);
  CHECK(test::full_text(as_run(ebpf_at_8_us("tcg"))).find("8 us [8, 8]") != std::string::npos);
}

TEST_CASE("where the clock counts instructions nothing of the path is told in time") {
  CompareResults results;
  results.planes = {"null", "iptables-nft", "ebpf-tc"};
  for (const std::string& plane : results.planes) {
    for (const std::size_t services : {100, 1000}) {
      PathCell cell{.plane = plane, .services = services};
      cell.latency.add_bucket(1000, 200);
      cell.p50_ns = std::vector<double>(
          6, plane == "iptables-nft" ? 2000.0 + 10 * static_cast<double>(services) : 3000);
      results.paths.push_back(cell);
    }
  }
  results.clock_ns = 46;
  const std::vector<double> more{14'000, 14'000, 14'000, 14'000, 14'000, 14'000};
  const std::vector<double> less{4000, 4000, 4000, 4000, 4000, 4000};
  results.agreements.push_back(
      {"iptables-nft", 1000, 100, compare_instruments({more, less}, {more, less})});
  const auto rendered = [&](const char* emulated) {
    results.environment["emulated"] = emulated;
    const std::string text = test::full_text(as_run(results));
    return text.substr(text.find("Path, wire to wire"));  // without the heading, which tells of both
  };
  const std::string instructions = rendered("icount");
  for (const char* part :
       {"5 instr [5, 5]", "clock takes 23 instr;", "the wire says 5000 instr [5000, 5000]",
        "new flow, last UDP: 5.0 instr a further service [5.0, 5.0]", "1500.0 instr [1500.0, 1500.0]",
        "these are path instr"}) {
    CHECK_MESSAGE(instructions.find(part) != std::string::npos, part);
  }
  for (const char* part : {" ns ", " ns;", " ns [", " us ["}) {
    CHECK_MESSAGE(instructions.find(part) == std::string::npos, part);
  }
  const std::string time = rendered("tcg");
  for (const char* part :
       {"10 ns [10, 10]", "clock takes 46 ns;", "the wire says 10.00 us [10.00, 10.00]",
        "10.0 ns a further service [10.0, 10.0]", "3000.0 ns [3000.0, 3000.0]", "these are path us"}) {
    CHECK_MESSAGE(time.find(part) != std::string::npos, part);
  }
}

TEST_CASE("a claim in microseconds is not decided by a guest that has no time of its own") {
  CHECK(path_verdict(ebpf_at_8_us("")) == Outcome::does_not_hold);
  CHECK(path_verdict(ebpf_at_8_us("kvm")) == Outcome::does_not_hold);
  CHECK(path_verdict(ebpf_at_8_us("tcg")) == Outcome::inconclusive);
  CHECK(path_verdict(ebpf_at_8_us("icount")) == Outcome::inconclusive);
  CHECK(path_verdict(ebpf_at_8_us("uml")) == Outcome::inconclusive);
}

}  // namespace svcbench
