// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The example of CONTRIBUTING.md holds what it promises: by its own account, to real sockets, on the wire.
#include "first_endpoint_plane.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "measure/path.h"
#include "plane_checks.h"
#include "private_place.h"
#include "report/progress_line.h"
#include "service/workload.h"
#include "sys/child_process.h"
#include "sys/pinned.h"
#include "verify/verify.h"

namespace svcbench {
namespace {

using test::must;

const PlaneRow& row = example::first_endpoint_row();

void where_it_runs(const std::function<void()>& body) {
  if (!test::may_program_the_kernel()) {
    return;
  }
  if (!find_program("nft")) {
    MESSAGE("skipped: nft is not installed");
    return;
  }
  test::in_private_namespaces(body);
}

Workload services_of(Family family) {
  return must(Workload::generate(20, 2, {family}, 1, {Protocol::tcp, Protocol::udp}));
}

}  // namespace

TEST_CASE("example plane: the kernel holds what it was given, and is as before afterwards") {
  where_it_runs([] {
    must(row.probe());
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      std::vector<Service> services = services_of(family).services();
      {
        const auto plane = must(row.make({}));
        must(plane->install(services));
        CHECK(plane->sync_cost().tools == 1);
        test::check_holds(*plane, services);
        std::swap(services[3].endpoints[0], services[3].endpoints[1]);
        test::change(*plane, Operation::change_endpoints, services[3]);
        test::check_holds(*plane, services);
        const Service gone = services.back();
        services.pop_back();
        test::change(*plane, Operation::remove_service, gone);
        test::check_holds(*plane, services);
        CHECK(!must(plane->find(gone.frontend)));
        services.push_back(gone);
        test::change(*plane, Operation::add_service, gone);
        test::check_holds(*plane, services);
      }
      CHECK(must(run_child({"nft", "list", "ruleset"})).out.empty());
    }
  });
}

TEST_CASE("example plane: real sockets find a Service as far as it offers one") {
  where_it_runs([] {
    constexpr std::array<std::string_view, 7> wanted{
        "right-backend", "spread", "reply-source", "unknown-port", "source-kept", "masquerade", "change"};
    verify::VerifyOptions options;
    for (const verify::Case* one : verify::cases()) {
      if (std::find(wanted.begin(), wanted.end(), one->name) != wanted.end()) {
        options.cases.push_back(one);
      }
    }
    REQUIRE(options.cases.size() == wanted.size());
    const auto progress = make_progress(true);
    std::size_t passed = 0;
    for (const verify::CaseResult& result : must(verify::verify_plane(row, options, *progress))) {
      CAPTURE(result.which->name);
      CAPTURE(result.evidence);
      const bool lacks = std::any_of(row.lacks.begin(), row.lacks.end(), [&](const Lack& lack) {
        return lack.behaviour == result.which->name;
      });
      CHECK(result.outcome == (lacks ? verify::Outcome::not_offered : verify::Outcome::passed));
      passed += result.outcome == verify::Outcome::passed ? 1 : 0;
    }
    CHECK(passed >= 5 * 2);
  });
}

TEST_CASE("example plane: on the wire every packet comes out right") {
  where_it_runs([] {
    for (const Family family : {Family::ipv4, Family::ipv6}) {
      const Workload workload = services_of(family);
      const auto wire = must(Wire::create(PathTargets::needs(workload.services())));
      const auto targets = must(PathTargets::add(*wire, workload.services(), workload, family, 1));
      const auto rig = must(PathRig::with_plane(*wire, row.make, {}, workload.services()));
      const auto pin = must(Pinned::to_last_cpu());
      for (const FlowKind flow : {FlowKind::fresh, FlowKind::established}) {
        for (const Protocol protocol : {Protocol::tcp, Protocol::udp}) {
          constexpr std::uint32_t packets = 200;
          const auto arrivals = must(rig->measure(targets, {flow, Position::last, protocol},
                                                  packets));  // an Error: one was wrong
          CHECK(arrivals.latency.count() == packets);
        }
      }
    }
  });
}

}  // namespace svcbench
