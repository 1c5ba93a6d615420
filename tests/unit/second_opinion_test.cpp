// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What counted instructions say beside a claim.
#include "cli/second_opinion.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "run/cells.h"
#include "run/judge.h"

namespace svcbench {
namespace {

// A first packet at two sizes, and how it grows.
Run run_of(const std::string& plane, double ns, double exponent) {
  Run run;
  run.command = "compare";
  run.run = {{"command", "compare"}};
  for (const std::size_t services : {100, 1000}) {
    Cell cell = path_cell(plane, services, "new flow", "last", "UDP", "IPv4", "ns");
    cell.value = ns;
    add(run, cell);
  }
  Cell growth = growth_cell(plane, "new flow, last UDP",
                            growing(path_cell(plane, 0, "new flow", "last", "UDP", "IPv4", "ns")));
  growth.value = exponent;
  growth.interval = stats::Interval{exponent - 0.01, exponent + 0.01};
  growth.samples = 6;
  add(run, growth);
  run.verdicts = judge(run);
  return run;
}

std::string evidence_of(const Run& run, const std::string& id) {
  for (const Verdict& verdict : run.verdicts) {
    if (verdict.id == id) {
      REQUIRE_FALSE(verdict.evidence.empty());
      return verdict.evidence.back();
    }
  }
  return "no such verdict";
}

TEST_CASE("second opinion: the run inside the program, beside the claim that it is about") {
  Run run = run_of("ebpf-tc", 1000, 0.01);
  add_second_opinion(run);
  const std::string said = evidence_of(run, "ebpf-constant");
  INFO(said);
  CHECK(said.starts_with("in instructions (Linux 6."));
  CHECK(said.find("counted by an emulator, svcbench ") != std::string::npos);
  CHECK(said.find("): holds: every exponent lies below 0.1") != std::string::npos);
  // A time is none of its subjects, and of what was not asked nothing is said.
  CHECK(evidence_of(run, "lookup-2-5us").find("in instructions") == std::string::npos);
  CHECK_FALSE(run.details["counted"]["verdicts"].contains("iptables-scan"));
  // By its file alone the same is judged.
  CHECK(judge(run).size() == run.verdicts.size());
  CHECK(judge(run).front().evidence == run.verdicts.front().evidence);
}

TEST_CASE("second opinion: another counted run in its place; none of a run that counts itself") {
  Run counted = run_of("ebpf-tc", 1000, 0.3);
  counted.environment = {{"emulated", "icount"}, {"kernel", {{"release", "6.99"}}}};
  Run run = run_of("ebpf-tc", 1000, 0.01);
  add_second_opinion(run, &counted);
  CHECK(evidence_of(run, "ebpf-constant").starts_with("in instructions (Linux 6.99,"));
  CHECK(evidence_of(run, "ebpf-constant").find("does not hold") != std::string::npos);
  CHECK(run.verdicts.front().outcome == Outcome::holds);  // what was measured decides
  add_second_opinion(counted);
  CHECK_FALSE(counted.details.contains("counted"));
}

}  // namespace
}  // namespace svcbench
