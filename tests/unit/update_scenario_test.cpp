// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The update scenario and its verdict, over a plane whose cost is known.
#include <doctest/doctest.h>

#include <boost/random/mersenne_twister.hpp>
#include <boost/random/uniform_real_distribution.hpp>
#include <memory>

#include "fake_plane.h"
#include "measure/analysis.h"
#include "measure/update.h"
#include "run/as_run.h"
#include "shown.h"

namespace svcbench::test {
namespace {

constexpr std::size_t rounds = 20;
constexpr std::size_t samples = 10;

// What `svcbench ebpf` does with a plane, in small: every size, every operation, twenty rounds.
Results measure(const FakePlane::Cost& cost, std::vector<std::size_t> sizes = {100, 1000, 5000}) {
  const Workload workload = Workload::generate(sizes.back(), 3, {Family::ipv4}, 1).value();
  FakeClock clock;
  Results results;
  for (const std::size_t size : sizes) {
    FakePlane plane(clock, cost);
    REQUIRE(plane.install(workload.first(size)));
    UpdateSubject subject("ebpf", plane, workload.first(size), workload, 7);
    UpdateCell change{"ebpf", size, Operation::change_endpoints};
    UpdateCell add{"ebpf", size, Operation::add_service};
    UpdateCell remove{"ebpf", size, Operation::remove_service};
    for (std::size_t round = 0; round < rounds; ++round) {
      REQUIRE(subject.change_block(samples, true, clock, change));
      REQUIRE(subject.add_remove_block(samples, true, clock, add, remove));
    }
    REQUIRE(subject.verify_whole());
    for (UpdateCell* cell : {&change, &add, &remove}) {
      results.updates.push_back(std::move(*cell));
    }
  }
  results.run = {{"command", "ebpf"}};
  return results;
}

Verdict flat_verdict(const Results& results) {
  const Run run = as_run(results, {});
  test::check_judged_again(test::run_of_command(run, "ebpf"));
  return run.verdicts.front();
}

TEST_CASE("a plane of constant cost is measured as it is, and the claim holds") {
  const Results results = measure([](std::size_t) { return 5000.0; });
  const auto p50 =
      stats::median_of_blocks(find_update(results, "ebpf", 1000, Operation::change_endpoints)->commit_ns);
  CHECK(p50->value == 5000);
  CHECK(p50->samples == rounds * samples);
  CHECK(flat_verdict(results).outcome == Outcome::holds);
  CHECK(growth_of(results, "ebpf", Operation::add_service).growth->exponent == doctest::Approx(0));
}

TEST_CASE("a plane of linear cost does not hold, with its slope") {
  const Results results =
      measure([](std::size_t services) { return 20.0 * static_cast<double>(services); });
  CHECK(flat_verdict(results).outcome == Outcome::does_not_hold);
  const GrowthFigure figure = growth_of(results, "ebpf", Operation::change_endpoints);
  CHECK(figure.growth->exponent == doctest::Approx(1).epsilon(0.001));
  CHECK(figure.line->slope == doctest::Approx(20).epsilon(0.001));
  CHECK(classify(*figure.growth) == Trend::linear);
}

TEST_CASE("a cost that creeps is found out: N^0.15") {
  const Results results =
      measure([](std::size_t services) { return 1e6 * std::pow(static_cast<double>(services), 0.15); });
  CHECK(flat_verdict(results).outcome == Outcome::does_not_hold);
}

TEST_CASE("noise too large to tell is inconclusive, and says what would settle it") {
  boost::random::mt19937_64 random(3);
  // Each block of its own level, over three decades: no growth, and no way to see that there is none.
  int calls = 0;
  double level = 0;
  const Results results = measure([&](std::size_t) {
    if (calls++ % static_cast<int>(samples) == 0) {
      level = std::pow(10.0, boost::random::uniform_real_distribution<double>(3, 6)(random));
    }
    return level;
  });
  CHECK(flat_verdict(results).outcome == Outcome::inconclusive);
  CHECK(flat_verdict(results).would_settle.find("--rounds") != std::string::npos);
}

TEST_CASE("one size cannot show growth") {
  const Results results = measure([](std::size_t) { return 5000.0; }, {1000});
  CHECK(flat_verdict(results).outcome == Outcome::inconclusive);
  CHECK(flat_verdict(results).would_settle.find("--sweep") != std::string::npos);
}

TEST_CASE("a plane that forgets a change gives an error, not a figure") {
  const Workload workload = Workload::generate(10, 3, {Family::ipv4}, 1).value();
  FakeClock clock;
  FakePlane plane(clock, [](std::size_t) { return 10.0; });
  REQUIRE(plane.install(workload.services()));
  UpdateSubject subject("fake", plane, workload.services(), workload, 7);
  plane.forgets_changes = true;
  UpdateCell first{"fake", 10, Operation::change_endpoints};
  UpdateCell second = first;
  const auto changed = subject.change_block(5, true, clock, first);
  REQUIRE_FALSE(changed);
  CHECK(changed.error().message.find("the kernel has") != std::string::npos);
  CHECK_FALSE(subject.add_remove_block(5, true, clock, first, second));
}

TEST_CASE("services that are lost are noticed at the end") {
  const Workload workload = Workload::generate(10, 3, {Family::ipv4}, 1).value();
  FakeClock clock;
  FakePlane plane(clock, [](std::size_t) { return 10.0; });
  REQUIRE(plane.install(workload.first(9)));
  UpdateSubject subject("fake", plane, workload.services(), workload, 7);
  CHECK_FALSE(subject.verify_whole());
}

TEST_CASE("the same seed changes the same services") {
  const auto frontends = [](std::uint64_t seed) {
    const Workload workload = Workload::generate(100, 3, {Family::ipv4}, 1).value();
    FakeClock clock;
    FakePlane plane(clock, [](std::size_t) { return 10.0; });
    REQUIRE(plane.install(workload.services()));
    UpdateSubject subject("fake", plane, workload.services(), workload, seed);
    UpdateCell cell{"fake", 100, Operation::change_endpoints};
    REQUIRE(subject.change_block(20, true, clock, cell));
    std::vector<std::string> changed;
    for (const Service& service : workload.services()) {
      const auto found = plane.find(service.frontend);
      if (found.value()->endpoints != service.endpoints) {
        changed.push_back(service.frontend.text());
      }
    }
    return changed;
  };
  CHECK(frontends(7) == frontends(7));
  CHECK(frontends(7) != frontends(8));
}

}  // namespace
}  // namespace svcbench::test
