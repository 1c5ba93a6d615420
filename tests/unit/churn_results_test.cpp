// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What follows from a run of changes under traffic, and how it is told.
#include <doctest/doctest.h>

#include <sstream>

#include "measure/churn/churn_results.h"
#include "report/churn_table.h"
#include "run/as_run.h"
#include "svcbench/wire_abi.h"

namespace svcbench {
namespace {

void put(ChurnTally& tally, PacketOutcome outcome, std::uint64_t count, std::uint64_t ns = 0) {
  tally.sent += count;
  tally.by_outcome[static_cast<std::size_t>(outcome)] += count;
  if (ns != 0) {
    tally.latency.add_bucket(svcb_wire_bucket(ns), count);
  }
}

// 1,000 packets of each kind in each phase; 100 changes, all in time, 60 of 90 seen.
ChurnResults good() {
  ChurnResults results;
  results.plane = "ebpf-xdp";
  results.services = 5000;
  results.changing = 256;
  results.steady = 256;
  results.flows = 512;
  results.packets_per_second = 50'000;
  for (const char* name : {"before", "during", "after"}) {
    ChurnPhase& phase = results.phases.emplace_back();
    phase.name = name;
    phase.seconds = 1;
    put(phase.fresh.changing, PacketOutcome::right, 1000, 3000);
    put(phase.fresh.steady, PacketOutcome::right, 1000, 2000);
    put(phase.established.changing, PacketOutcome::right, 1000, 3000);
    put(phase.established.steady, PacketOutcome::right, 1000, 2000);
  }
  results.changes = {.rate = 100, .seconds = 1, .due = 100, .done = 100};
  for (std::int64_t i = 0; i < 100; ++i) {
    results.changes.changes.push_back(
        {static_cast<ChurnStep>(i % 7), i * 1000, i * 1000 + 50, i * 1000 + 300});
  }
  results.changes_to_see = 90;
  results.effect_ns.assign(60, 7000);
  return results;
}

ChurnPhase& during(ChurnResults& results) { return results.phases[1]; }

Outcome outcome(const ChurnResults& results) {
  const Verdict verdict = judge_churn(results);
  CHECK(verdict.summary.starts_with(to_string(verdict.outcome)));
  CHECK((verdict.outcome == Outcome::inconclusive) == !verdict.would_settle.empty());
  return verdict.outcome;
}

// Wherever the lines were broken.
bool contains(const std::string& text, const std::string& part) {
  std::string joined;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    joined += word + " ";
  }
  return joined.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("churn: one packet that is wrong, half-changed or damaged, of any kind, in any phase, fails it") {
  CHECK(outcome(good()) == Outcome::holds);
  for (const PacketOutcome one :
       {PacketOutcome::wrong, PacketOutcome::half_changed, PacketOutcome::damaged}) {
    for (std::size_t phase = 0; phase < 3; ++phase) {
      for (int kind = 0; kind < 4; ++kind) {
        ChurnResults results = good();
        ChurnPhase& at = results.phases[phase];
        ChurnSplit& split = kind < 2 ? at.fresh : at.established;
        put(kind % 2 == 0 ? split.changing : split.steady, one, 1);
        CHECK(outcome(results) == Outcome::does_not_hold);
        CHECK(exit_code(std::vector{judge_churn(results)}) == 3);
      }
    }
  }
  for (const PacketOutcome one : {PacketOutcome::right, PacketOutcome::kept, PacketOutcome::no_endpoint,
                                  PacketOutcome::lost, PacketOutcome::reset}) {
    ChurnResults results = good();
    put(during(results).fresh.changing, one, 1);
    CHECK(outcome(results) == Outcome::holds);
  }
}

TEST_CASE("churn: what nobody has seen does not hold") {
  ChurnResults unseen = good();
  unseen.effect_ns.clear();
  CHECK(outcome(unseen) == Outcome::inconclusive);
  ChurnResults silent = good();
  during(silent).fresh.changing = {};
  CHECK(outcome(silent) == Outcome::inconclusive);
}

TEST_CASE("churn: keeping up is all changes but one, or but one in a hundred") {
  const auto kept_up = [](std::uint64_t due, std::uint64_t done) {
    return ChangeRun{.rate = 1, .seconds = 10, .due = due, .done = done}.kept_up();
  };
  CHECK(kept_up(10, 10));
  CHECK(kept_up(10, 9));
  CHECK_FALSE(kept_up(10, 8));
  CHECK(kept_up(30'000, 29'700));
  CHECK_FALSE(kept_up(30'000, 29'699));
  CHECK(ChangeRun{.seconds = 10, .due = 5, .done = 5}.rate_reached() == doctest::Approx(0.5));
}

TEST_CASE("churn: the highest rate is that of the fastest trial that was kept up with") {
  RateSearch search;
  search.trials.push_back({.rate = 0, .seconds = 1, .due = 900, .done = 900});
  search.trials.push_back({.rate = 855, .seconds = 1, .due = 855, .done = 800});
  CHECK_FALSE(search.highest());
  search.trials.push_back({.rate = 770, .seconds = 1, .due = 770, .done = 770});
  CHECK(search.highest() == doctest::Approx(770));
}

TEST_CASE("churn: delayed is beyond ten times the median before, of the same flows and services") {
  ChurnResults results = good();
  const ChurnTally& before = results.phases[0].fresh.changing;  // median 3 us
  ChurnTally tally;
  put(tally, PacketOutcome::right, 5, 29'000);
  put(tally, PacketOutcome::right, 3, 31'000);
  CHECK(delayed(before, tally) == 3U);
  CHECK(delayed(before, before) == 0U);
  CHECK_FALSE(delayed({}, tally));
}

TEST_CASE("churn: what never got to the plane is not lost by it") {
  ChurnResults results = good();
  ChurnPhase& phase = during(results);
  put(phase.fresh.changing, PacketOutcome::lost, 7);
  CHECK(phase.lost() == 7);
  phase.overrun = 5;
  CHECK(phase.lost() == 2);
  phase.overrun = 9;
  CHECK(phase.lost() == 0);
}

TEST_CASE("churn: the table says everything in 100 columns") {
  ChurnResults results = good();
  ChurnPhase& phase = during(results);
  put(phase.fresh.changing, PacketOutcome::wrong, 11);
  put(phase.fresh.steady, PacketOutcome::half_changed, 12);
  put(phase.fresh.changing, PacketOutcome::damaged, 13);
  put(phase.fresh.changing, PacketOutcome::lost, 14);
  put(phase.fresh.changing, PacketOutcome::reset, 15);
  put(phase.established.changing, PacketOutcome::kept, 16, 3000);
  put(phase.fresh.changing, PacketOutcome::no_endpoint, 1'234'567);
  put(phase.fresh.changing, PacketOutcome::right, 1'234'567'890, 3000);
  phase.dropped["IPv4 InNoRoutes"] = 14;
  results.bad_after["refill"] = 987;
  results.examples.push_back("wrong backend: a packet to 10.96.0.0:80/TCP came out at 10.128.0.1:8080");
  results.changes.done = 42;
  results.search.emplace();
  results.search->trials.push_back({.rate = 0, .seconds = 1, .due = 4321, .done = 4321});
  results.search->trials.push_back({.rate = 4000, .seconds = 1, .due = 4000, .done = 4000});
  results.packets_limited_by = "the connection tracker's table holds 262,144 flows";
  const std::string text = render_churn(results, judge_churn(results), false);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  CHECK(contains(text, "the plane fell behind: it reached 42/s"));
  CHECK(contains(text, "refill 14 987 p50"));
  CHECK(contains(text, "13 damaged"));
  CHECK(contains(text, "16 of open flows kept a backend"));
  CHECK(contains(text, "IPv4 InNoRoutes 14"));
  CHECK(contains(text, "60 of 90 changes"));
  CHECK(contains(text, "sustained: 4,000/s (without pauses 4,321/s)"));
  CHECK(contains(text, "does not hold: 11 packets at a wrong backend, 12 half-changed, 13 damaged"));
  CHECK(contains(text, "10.128.0.1:8080"));
  CHECK(contains(render_churn(good(), judge_churn(good()), false), "the plane kept up"));
}

TEST_CASE("churn: the fates of a run's packets add up to what was sent") {
  ChurnResults results = good();
  put(during(results).fresh.changing, PacketOutcome::lost, 3);
  put(during(results).fresh.changing, PacketOutcome::wrong, 2);
  const Run run = as_run(results, judge_churn(results));
  const std::string stem = "churn/" + results.plane + "/" + std::to_string(results.services);
  const auto cell_of = [&](const std::string& rest) {
    const Cell* cell = run.find(stem + rest);
    REQUIRE_MESSAGE(cell != nullptr, rest);
    return cell;
  };
  CHECK(cell_of("/wrong")->value == 2);
  CHECK(cell_of("/half-changed")->value == 0);
  CHECK(run.find(stem + "/highest-rate") == nullptr);
  const Cell* tally = cell_of("/during/new/changing");
  double sum = 0;
  for (const char* outcome :
       {"right", "kept", "no_endpoint", "wrong", "half_changed", "damaged", "lost", "reset"}) {
    sum += tally->also.at(outcome);
  }
  CHECK(static_cast<double>(tally->samples) == sum);
  CHECK(tally->value == during(results).fresh.changing.latency.quantile(0.5));
  CHECK(tally->also.at("p99") == during(results).fresh.changing.latency.quantile(0.99));
  const nlohmann::json& changes = run.details["churn"]["changes"]["step_due_issued_committed_ns"];
  CHECK(changes.size() == 100);
  CHECK(changes[3] == nlohmann::json({"empty", 3000, 3050, 3300}));
}

}  // namespace svcbench
