// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A comparison on a kernel that cannot send packets: the probe is a fake. Needs root.
#include <doctest/doctest.h>
#include <sys/utsname.h>

#include <array>
#include <vector>

#include "measure/compare_analysis.h"
#include "measure/selection.h"
#include "private_place.h"
#include "report/progress_line.h"
#include "run/as_run.h"
#include "shown.h"

namespace svcbench {
namespace {

using test::must;

CompareResults without_live_frames(const std::vector<std::string>& scenarios) {
  const std::vector<Family> families{Family::ipv4};
  const std::vector<Protocol> protocols{Protocol::tcp, Protocol::udp};
  const Workload workload = must(Workload::generate(20, 2, families, 1, protocols));
  const Selection options{.scenarios = chosen_scenarios(scenarios),
                          .planes = must(probe_planes(std::array{
                              find_plane("null"), find_plane("iptables-nft"), find_plane("ebpf-tc")})),
                          .sweep = {10, 20},
                          .kinds = usual_kinds(),
                          .rounds = 1,
                          .budget_seconds = 30,
                          .live_frames = [] { return Status(failure("no live frames here")); }};
  MonotonicClock clock;
  const auto progress = make_progress(true);
  CompareResults results = must(run_compare(workload, options, clock, *progress));
  results.environment = nlohmann::json::object();
  return results;
}

bool inconclusive(const CompareResults& results, const std::string& id) {
  for (const Verdict& verdict : as_run(results).verdicts) {
    if (verdict.id == id) {
      return verdict.outcome == Outcome::inconclusive &&
             verdict.summary.find("no live frames here") != std::string::npos &&
             verdict.would_settle.find("live frames") != std::string::npos;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("compare: without live frames all but what needs packets is measured, and it is said") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  test::in_private_namespaces([] {
    const CompareResults results = without_live_frames({});
    CHECK(results.paths.empty());
    CHECK(results.agreements.empty());
    CHECK_FALSE(results.syncs.empty());
    CHECK_FALSE(results.updates.empty());
    REQUIRE(results.states.size() == 2 * results.planes.size());
    for (const StateCell& state : results.states) {
      CHECK_FALSE(state.conntrack_per_1000_flows);
      CHECK(state.user_peak.has_value() == (state.plane != "null"));
      if (state.plane == "ebpf-tc") {
        CHECK(state.kernel_bytes.value_or(0) > 0);
      }
    }
    REQUIRE_FALSE(results.notes.empty());
    CHECK(results.notes.front() ==
          "No packets are sent, so that the path and connection tracking are not measured: no live frames "
          "here");
    CHECK(inconclusive(results, "ebpf-constant"));
    CHECK(inconclusive(results, "lookup-2-5us"));
    CHECK(test::full_text(as_run(results)).find(results.notes.front().substr(0, 60)) != std::string::npos);
  });
}

TEST_CASE("compare: without live frames nothing is installed for the path alone") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  test::in_private_namespaces([] {
    const CompareResults results = without_live_frames({"path"});
    CHECK(results.paths.empty());
    CHECK(results.updates.empty());
    CHECK(results.states.empty());
    CHECK(results.path_missing == "no live frames here");
    CHECK(inconclusive(results, "ebpf-constant"));
    CHECK(test::full_text(as_run(results), "path")
              .find("No packets are sent, so that the path is not measured: no live frames here\n") !=
          std::string::npos);
    const CompareResults others = without_live_frames({"update"});
    CHECK(others.path_missing.empty());
    CHECK(others.notes.empty());
  });
}

TEST_CASE("live frames: sent by this kernel if it is 5.18 or newer") {
  if (!test::may_program_the_kernel()) {
    return;
  }
  utsname name{};
  REQUIRE(uname(&name) == 0);
  const Status sends = probe_live_frames();
  CHECK(sends.has_value() == release_at_least(name.release, 5, 18));
}

}  // namespace svcbench
