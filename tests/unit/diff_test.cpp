// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two runs side by side: what changed, what only seems to, and what may not be compared.
#include "run/diff.h"

#include <doctest/doctest.h>

#include <boost/random/normal_distribution.hpp>
#include <cmath>

#include "report/confirmation_text.h"
#include "report/diff_report.h"
#include "stats/change.h"
#include "stats/random.h"

namespace svcbench {
namespace {

using nlohmann::json;

std::vector<double> around(double middle, double scatter, std::size_t count, Random& random) {
  boost::random::normal_distribution<double> normal(0, scatter);
  std::vector<double> values(count);
  for (double& value : values) {
    value = middle * std::exp(normal(random));
  }
  return values;
}

TEST_CASE("change: the ratio of medians, with what a resample makes of it") {
  const std::vector<double> before{10, 11, 12, 9, 8, 10};
  const std::vector<double> after{20, 22, 24, 18, 16, 20};
  const auto ratio = stats::ratio_of_medians({before}, {after}, 1);
  REQUIRE(ratio);
  CHECK(ratio->value == 2);
  CHECK(ratio->samples == 6);
  REQUIRE(ratio->interval);
  CHECK(ratio->interval->low > 1.4);
  CHECK(ratio->interval->low < 2);
  CHECK(ratio->interval->high > 2);
  CHECK(ratio->interval->high < 2.9);
  // The same seed gives the same interval, another one another.
  CHECK(stats::ratio_of_medians({before}, {after}, 1)->interval->low == ratio->interval->low);
  // Of 17 different values, by the binomial: a resample's median is at most the fourth with less than 1 %,
  // the fifth with 3.6 %, the twelfth with 96.4 %; so 2.5 % and 97.5 % lie at the fifth and the thirteenth.
  std::vector<double> seventeen;
  for (int i = 1; i <= 17; ++i) {
    seventeen.push_back(10 * i);
  }
  const auto spread = stats::ratio_of_medians({std::vector<double>(6, 10.0)}, {seventeen}, 1);
  CHECK(spread->value == 9);
  CHECK(spread->interval->low == 5);
  CHECK(spread->interval->high == 13);
  // One that scatters in nothing has an interval of nothing.
  const std::vector<double> still(6, 5.0);
  CHECK(stats::ratio_of_medians({still}, {still}, 1)->interval->low == 1);
  CHECK(stats::ratio_of_medians({still}, {still}, 1)->interval->high == 1);
  CHECK_FALSE(stats::ratio_of_medians({std::vector<double>{1, 2}}, {after}, 1)->interval);
  CHECK_FALSE(stats::ratio_of_medians({std::vector<double>{1, 0, 1, 1, 1, 1}}, {after}, 1));
  CHECK_FALSE(stats::ratio_of_medians({}, {after}, 1));
  // Each beside its control: 2 over a machine that got 2.5 times as slow.
  const std::vector<double> slow(6, 5.0);
  const std::vector<double> fast(6, 2.0);
  const auto relative = stats::ratio_of_medians({before, fast}, {after, slow}, 1);
  CHECK(relative->value == doctest::Approx(0.8));
  CHECK(relative->interval->low == doctest::Approx(ratio->interval->low / 2.5).epsilon(0.1));
  CHECK_FALSE(stats::ratio_of_medians({before, fast}, {after}, 1));
}

TEST_CASE("change: Welch's test of the logarithms") {
  // By hand: logarithms 0 1 0 1 0 1 and 1 2 1 2 1 2; means differ by 1, each mean's variance is
  // 1.5 / 5 / 6 = 0.05, so t = 1 / sqrt(0.1) = 3.1623 at 10 degrees: p = 0.0101196.
  const double e = std::exp(1);
  const std::vector<double> before{1, e, 1, e, 1, e};
  const std::vector<double> after{e, e * e, e, e * e, e, e * e};
  CHECK(*stats::welch_p({before}, {after}) == doctest::Approx(0.0101196).epsilon(1e-6));
  CHECK(*stats::welch_p({after}, {before}) == doctest::Approx(0.0101196).epsilon(1e-6));
  CHECK(*stats::welch_p_beyond({before}, {after}, 1) == doctest::Approx(0.0101196 / 2).epsilon(1e-6));
  CHECK(*stats::welch_p_beyond({before}, {after}, e) == doctest::Approx(0.5));
  CHECK(*stats::welch_p({before}, {before}) == doctest::Approx(1));
  const std::vector<double> still(6, 5.0);
  const std::vector<double> other(6, 6.0);
  CHECK(*stats::welch_p({still}, {still}) == 1);
  CHECK(*stats::welch_p({still}, {other}) == 0);
  CHECK_FALSE(stats::welch_p({before}, {std::vector<double>{1, 2, 3}}));
  // Beside controls that do not differ: four variances of 0.05, t = 1 / sqrt(0.2) at 20 degrees.
  CHECK(*stats::welch_p({before, before}, {after, before}) == doctest::Approx(0.0369048).epsilon(1e-6));
  // A control that differs as they do leaves nothing.
  CHECK(*stats::welch_p({before, before}, {after, after}) == doctest::Approx(1));
  CHECK_FALSE(stats::welch_p({before, before}, {after}));
}

TEST_CASE("change: many tests at once (Benjamini and Hochberg, worked by hand)") {
  // Sorted 0.005 0.01 0.03 0.04 0.5, times 5 / rank: 0.025 0.025 0.05 0.05 0.5.
  const std::vector<double> p{0.03, 0.5, 0.01, 0.04, 0.005};
  const auto adjusted = stats::adjusted_for_many(p);
  const std::vector<double> expected{0.05, 0.5, 0.025, 0.05, 0.025};
  REQUIRE(adjusted.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(adjusted[i] == doctest::Approx(expected[i]));
  }
  CHECK(stats::adjusted_for_many({}).empty());
}

TEST_CASE("change: drift by Theil and Sen") {
  std::vector<double> rising;
  for (int i = 0; i < 11; ++i) {
    rising.push_back(100 + i);
  }
  const auto found = stats::drift(rising);
  REQUIRE(found);
  CHECK(found->share == doctest::Approx(10.0 / 105));
  CHECK(found->interval.low == doctest::Approx(10.0 / 105));
  CHECK(found->p < 0.001);
  // One wild value moves it little; a least-squares line would rise by more than half of the median.
  rising.back() = 1000;
  CHECK(stats::drift(rising)->share < 0.11);
  const auto none = stats::drift(std::vector<double>{5, 3, 4, 6, 4, 5, 3, 6});
  REQUIRE(none);
  CHECK(none->interval.low < 0);
  CHECK(none->interval.high > 0);
  CHECK(none->p > 0.5);
  CHECK_FALSE(stats::drift(std::vector<double>{1, 2, 3}));
  CHECK_FALSE(stats::drift(std::vector<double>(8, 0.0)));
}

// ---- runs ----

Run run_of(const std::vector<std::pair<std::string, std::vector<double>>>& cells) {
  Run run;
  run.path = "run.json";
  run.command = "compare";
  run.run = {{"command", "compare"}, {"seed", 1}, {"shape", {{"endpoints", 3}}}};
  run.environment = {{"kernel", {{"release", "6.1.0"}}}, {"cpu", {{"model", "Ryzen"}}}};
  for (const auto& [id, values] : cells) {
    Cell cell;
    cell.id = id;
    cell.scenario = id.substr(0, id.find('/'));
    cell.plane = "nftables";
    cell.unit = cell.scenario == "throughput" ? "packets/s" : "ns";
    cell.better = cell.scenario == "throughput" ? Better::more : Better::less;
    const auto median = stats::median_of(values);
    cell.value = median->value;
    cell.interval = median->interval;
    cell.samples = median->samples;
    cell.values = values;
    run.cells.push_back(cell);
  }
  return run;
}

TEST_CASE("diff: slower, faster, nothing; of a rate the other way round") {
  Random random(1);
  const auto before = run_of({{"path/a", around(1000, 0.02, 16, random)},
                              {"path/b", around(1000, 0.02, 16, random)},
                              {"path/c", around(1000, 0.02, 16, random)},
                              {"throughput/a", around(1000, 0.02, 16, random)},
                              {"sync/few", {1, 2, 3}},
                              {"sync/gone", {1, 2, 3}}});
  const auto after = run_of({{"path/a", around(1200, 0.02, 16, random)},
                             {"path/b", around(800, 0.02, 16, random)},
                             {"path/c", around(1000, 0.02, 16, random)},
                             {"throughput/a", around(800, 0.02, 16, random)},
                             {"sync/few", {4, 5, 6}},
                             {"sync/new", {1, 2, 3}}});
  const auto diff = diff_runs(before, after, {.limit = 0.05});
  REQUIRE(diff);
  const auto finding = [&](std::size_t i) { return diff->figures.at(i).finding; };
  REQUIRE(diff->figures.size() == 5);
  CHECK(finding(0) == Finding::slower);
  CHECK(finding(1) == Finding::faster);
  CHECK(finding(2) == Finding::unresolved);
  CHECK(finding(3) == Finding::slower);
  CHECK(finding(4) == Finding::unrepeated);
  CHECK(diff->figures[0].beyond_limit);
  CHECK_FALSE(diff->figures[1].beyond_limit);
  CHECK(diff->figures[3].beyond_limit);
  CHECK(diff->beyond_limit() == 2);
  CHECK(diff->only_before.size() == 1);
  CHECK(diff->only_after.size() == 1);
  CHECK(diff_runs(before, after, {.limit = 0.5})->beyond_limit() == 0);
  // 20 % slower is not slower by more than 20 % with its whole interval.
  CHECK(diff_runs(before, after, {.limit = 0.2})->beyond_limit() <= 1);

  const std::string text = render_diff(*diff, false);
  CHECK(text.find("2 slower, 1 faster, 1 no difference resolved, 1 not repeated") != std::string::npos);
  CHECK(text.find("SLOWER by more than 5 %") != std::string::npos);
  CHECK(text.find("path/c") == std::string::npos);
  CHECK(render_diff(*diff, true).find("path/c") != std::string::npos);
  CHECK(text.find("FORCED") == std::string::npos);
  const json document = diff_json(*diff);
  CHECK(document["figures"][0]["change"] == "slower");
  CHECK(document["beyond_limit"] == 2);
}

TEST_CASE("diff: of hundreds of figures that did not change, hardly one is told to have") {
  Random random(7);
  std::vector<std::pair<std::string, std::vector<double>>> first;
  std::vector<std::pair<std::string, std::vector<double>>> second;
  for (int i = 0; i < 400; ++i) {
    const std::size_t repeats = i % 2 == 0 ? 6 : 16;
    first.emplace_back("path/" + std::to_string(i), around(1000, 0.05, repeats, random));
    second.emplace_back("path/" + std::to_string(i), around(1000, 0.05, repeats, random));
  }
  const auto diff = diff_runs(run_of(first), run_of(second), {.limit = 0.0});
  REQUIRE(diff);
  CHECK(diff->count(Finding::slower) + diff->count(Finding::faster) <= 1);
  CHECK(diff->beyond_limit() <= 1);
  // Without the adjustment some twenty would be.
  std::size_t alone = 0;
  for (std::size_t i = 0; i < first.size(); ++i) {
    alone += *stats::welch_p({first[i].second}, {second[i].second}) < 0.05 ? 1 : 0;
  }
  CHECK(alone >= 10);
  // And one figure of six repeats that takes twice as long is told among all of them.
  second[0].second = around(2000, 0.05, 6, random);
  const auto one = diff_runs(run_of(first), run_of(second), {.limit = 0.05});
  CHECK(one->figures[0].finding == Finding::slower);
  CHECK(one->figures[0].beyond_limit);
}

TEST_CASE("diff: apples and pears are refused by name; forced, every table says so") {
  Random random(1);
  const auto before = run_of({{"path/a", around(1000, 0.02, 16, random)}});
  const auto changed = [&](const char* pointer, const json& value) {
    auto after = run_of({{"path/a", around(1300, 0.02, 16, random)}});
    const std::string place = pointer;
    const std::size_t part = place.find('/', 1);
    (place.starts_with("/run/") ? after.run : after.environment)[json::json_pointer(place.substr(part))] =
        value;
    return after;
  };
  for (const auto& [pointer, word] : {std::pair{"/environment/kernel/release", "kernel (6.1.0 and other)"},
                                      {"/environment/cpu/model", "CPU (Ryzen and other)"},
                                      {"/environment/emulated", "emulation (unknown and other)"},
                                      {"/run/seed", "seed (1 and other)"},
                                      {"/run/shape", "shape of the services"},
                                      {"/run/packets", "packets of a volley"},
                                      {"/run/ebpf/select", "choice of backends (random and other)"},
                                      {"/run/ebpf/forward", "delivery (dnat and other)"},
                                      {"/run/command", "command (compare and other)"}}) {
    CAPTURE(pointer);
    const auto refused = diff_runs(before, changed(pointer, "other"), {});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == Error::Kind::usage);
    CHECK(refused.error().message.find(word) != std::string::npos);
    CHECK(refused.error().message.find("--force") != std::string::npos);
    const auto forced = diff_runs(before, changed(pointer, "other"), {.force = true});
    REQUIRE(forced);
    CHECK(render_diff(*forced, false).find("FORCED: the two runs differ in") != std::string::npos);
    CHECK(diff_markdown(*forced).find("FORCED") != std::string::npos);
    CHECK(diff_json(*forced)["forced_over"].size() == 1);
  }
  // A newer svcbench is what one compares; it is told.
  const auto newer = diff_runs(before, changed("/run/git_revision", "abc"), {});
  REQUIRE(newer);
  CHECK(render_diff(*newer, false).find("Not the same either: svcbench (unknown and abc)") !=
        std::string::npos);
  // Services of two clusters have no shape; their descriptions differ.
  auto cluster = before;
  cluster.run["shape"] = nullptr;
  auto other = cluster;
  cluster.run["workload"] = "40 services of a.json";
  other.run["workload"] = "50 services of b.json";
  CHECK_FALSE(diff_runs(cluster, other, {}));
  CHECK(diff_runs(cluster, cluster, {}));
}

// Plain forwarding, a plane's path beside it, and a sync that nothing is measured beside.
Run timed(double null_ns, double path_ns, double sync_ns, Random& random) {
  auto run = run_of({{"path/null", around(null_ns, 0.02, 16, random)},
                     {"path/a", around(path_ns, 0.02, 16, random)},
                     {"sync/a", around(sync_ns, 0.02, 16, random)}});
  run.cells[0].plane = "null";
  return run;
}

Finding finding_of(const RunDiff& diff, std::string_view id) {
  const auto found = std::find_if(diff.figures.begin(), diff.figures.end(),
                                  [id](const Changed& one) { return one.after->id == id; });
  REQUIRE(found != diff.figures.end());
  return found->finding;
}

TEST_CASE("diff: a faster machine is no difference; what is held against nothing is not compared then") {
  Random random(1);
  const Run before = timed(1000, 3000, 5000, random);
  const Run after = timed(700, 2100, 3500, random);
  const auto diff = diff_runs(before, after, {});
  REQUIRE(diff->machine);
  CHECK(*diff->machine == doctest::Approx(0.7).epsilon(0.05));
  CHECK_FALSE(diff->same_machine());
  CHECK(diff->controls.size() == 1);
  CHECK(diff->figures.size() == 2);
  CHECK(finding_of(*diff, "path/a") == Finding::unresolved);
  CHECK(diff->figures[0].ratio->value == doctest::Approx(1).epsilon(0.05));
  CHECK(diff->figures[0].control_after->id == "path/null");
  CHECK(finding_of(*diff, "sync/a") == Finding::machine);
  const std::string text = render_diff(*diff, false);
  CHECK(text.find("the machine changed") != std::string::npos);
  CHECK(text.find("path: 1 no difference resolved") != std::string::npos);
  CHECK(text.find("sync: 1 the machine's speed changed") != std::string::npos);

  const auto absolute = diff_runs(before, after, {.absolute = true});
  CHECK(finding_of(*absolute, "path/a") == Finding::faster);
  CHECK(finding_of(*absolute, "sync/a") == Finding::faster);
}

TEST_CASE("diff: a plane that got slower is told, however the machine's speed changed") {
  Random random(2);
  const Run before = timed(1000, 3000, 5000, random);
  for (const double speed : {0.7, 1.0, 1.4}) {
    const auto diff =
        diff_runs(before, timed(1000 * speed, 3300 * speed, 5000 * speed, random), {.limit = 0.05});
    CHECK(finding_of(*diff, "path/a") == Finding::slower);
    CHECK(diff->beyond_limit() == 1);
    CHECK(diff->same_machine() == (speed == 1.0));
    CHECK(finding_of(*diff, "sync/a") == (speed == 1.0 ? Finding::unresolved : Finding::machine));
  }
}

TEST_CASE("diff: without repeats of its control a figure stands for itself") {
  Random random(3);
  Run before = timed(1000, 3000, 5000, random);
  before.cells[0].values.clear();
  const auto diff = diff_runs(before, timed(1000, 3000, 5000, random), {});
  CHECK(diff->figures[0].control_after == nullptr);
}

// Two runs of the same program, each figure of which lies elsewhere in each run by a normal deviation of
// `between` beyond its scatter; the first `changed` of them are slower in the second, whose machine takes
// `speed` times as long for everything.
struct SimulatedPair {
  Run before, after;
};
constexpr std::size_t simulated_figures = 24;
SimulatedPair simulated(double between, double slowdown, std::size_t changed, double speed,
                        Random& random) {
  constexpr double scatter = 0.02;
  constexpr std::size_t visits = 20;
  boost::random::normal_distribution<double> normal(0, between);
  std::vector<std::pair<std::string, std::vector<double>>> first{
      {"path/null", around(1000, scatter, visits, random)}};
  std::vector<std::pair<std::string, std::vector<double>>> second{
      {"path/null", around(1000 * speed, scatter, visits, random)}};
  for (std::size_t i = 0; i < simulated_figures; ++i) {
    const std::string id = "path/" + std::to_string(i);
    const double changes = i < changed ? slowdown : 1;
    first.emplace_back(id, around(2000 * std::exp(normal(random)), scatter, visits, random));
    second.emplace_back(id,
                        around(2000 * speed * changes * std::exp(normal(random)), scatter, visits, random));
  }
  SimulatedPair pair{run_of(first), run_of(second)};
  pair.before.cells[0].plane = pair.after.cells[0].plane = "null";
  return pair;
}

// Figures that are told to have changed: of the first `changed`, and of the others.
std::pair<std::size_t, std::size_t> told_of(const RunDiff& diff, std::size_t changed) {
  std::pair<std::size_t, std::size_t> told;
  for (const Changed& one : diff.figures) {
    if (one.finding == Finding::slower || one.finding == Finding::faster) {
      ++(std::stoul(one.after->id.substr(5)) < changed ? told.first : told.second);
    }
  }
  return told;
}

TEST_CASE(
    "diff: of two runs of the same program hardly a pair has any difference, whatever the machine did") {
  Random random(5);
  constexpr int pairs = 60;
  int with_any = 0;
  for (int i = 0; i < pairs; ++i) {
    const double speed = i % 3 == 0 ? 1.0 : i % 3 == 1 ? 1.4 : 0.7;
    const auto pair = simulated(i % 2 == 0 ? 0.005 : 0.025, 1, 0, speed, random);
    const auto diff = diff_runs(pair.before, pair.after, {});
    with_any += told_of(*diff, 0).second > 0 ? 1 : 0;
    REQUIRE(diff->between.contains("path"));
    CHECK(diff->between.at("path").deviation < 0.08);
  }
  CHECK(with_any <= pairs / 20);
}

TEST_CASE("diff: a plane that is a tenth slower is told, and nothing else is") {
  Random random(6);
  constexpr int pairs = 40;
  constexpr std::size_t changed = 6;
  int told = 0;
  std::size_t others = 0;
  for (int i = 0; i < pairs; ++i) {
    const auto pair = simulated(0.008, 1.10, changed, i % 2 == 0 ? 1.0 : 1.4, random);
    const auto [its, of_others] = told_of(*diff_runs(pair.before, pair.after, {}), changed);
    told += its > 0 ? 1 : 0;
    others += of_others;
  }
  CHECK(told >= 0.95 * pairs);
  CHECK(others <= pairs / 20);
}

TEST_CASE("change: what runs differ by, from the figures themselves") {
  Random random(7);
  boost::random::normal_distribution<double> normal(0, 0.02);
  std::vector<std::vector<double>> values;
  for (int i = 0; i < 200; ++i) {
    values.push_back(around(std::exp(normal(random)), 0.02, 16, random));
  }
  std::vector<stats::Pair> pairs;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    pairs.push_back({{values[i]}, {values[i + 1]}});
  }
  // Both runs of a pair lie elsewhere: 0.02 times the root of two.
  const auto found = stats::between_runs(pairs);
  REQUIRE(found);
  CHECK(found->deviation == doctest::Approx(0.028).epsilon(0.3));
  CHECK(found->middle == doctest::Approx(1).epsilon(0.01));
  CHECK(found->figures == 100);
  CHECK_FALSE(stats::between_runs(std::span(pairs).first(stats::fewest_for_between - 1)));
  const std::vector<stats::Pair> still(10, {{values[0]}, {values[0]}});
  CHECK(stats::between_runs(still)->deviation == 0);
  // A quarter of them that changed by a half moves it by a factor, not to what they changed by.
  std::vector<std::vector<double>> slower;
  for (std::size_t i = 0; i < 25; ++i) {
    slower.push_back(values[2 * i + 1]);
    for (double& value : slower.back()) {
      value *= 1.5;
    }
    pairs[i].after.values = slower.back();
  }
  CHECK(stats::between_runs(pairs)->deviation < 0.06);
  const auto wide = stats::beside_others({.low = 0.99, .high = 1.01}, 1,
                                         {.middle = 1.1, .deviation = 0.05, .figures = 50});
  CHECK(wide.low == doctest::Approx(std::exp(-std::hypot(std::log(1 / 0.99), 1.95996 * 0.05)) / 1.1));
  CHECK(stats::beside_others({.low = 0.9, .high = 1.2}, 1, {}).high == doctest::Approx(1.2));
}

TEST_CASE("diff: where all figures of a kind changed alike that is told once, and of none of them") {
  Random random(8);
  const auto pair = simulated(0.005, 1.15, simulated_figures, 1.0, random);
  const auto diff = diff_runs(pair.before, pair.after, {});
  CHECK(diff->count(Finding::slower) == 0);
  CHECK(diff->between.at("path").middle == doctest::Approx(1.15).epsilon(0.03));
  CHECK(render_diff(*diff, false).find("Most figures of a kind changed alike: path 1.1") !=
        std::string::npos);
  // A limit is of the change itself; so are times as they are.
  const auto limited = diff_runs(pair.before, pair.after, {.limit = 0.05});
  CHECK(limited->beyond_limit() > simulated_figures / 2);
  CHECK(limited->count(Finding::slower) == limited->beyond_limit());
  CHECK(diff_runs(pair.before, pair.after, {.limit = 0.3})->beyond_limit() == 0);
  CHECK(diff_runs(pair.before, pair.after, {.absolute = true})->count(Finding::slower) >
        simulated_figures / 2);
}

TEST_CASE(
    "confirmation: 95 of 100 figures that did not change are confirmed, and one that did is refuted") {
  Random random(4);
  std::vector<std::pair<std::string, std::vector<double>>> first{
      {"path/null", around(1000, 0.02, 16, random)}};
  auto second = first;
  second[0].second = around(1400, 0.02, 16, random);  // on a machine that got slower
  constexpr int figures = 400;
  for (int i = 0; i < figures; ++i) {
    const std::string id = "path/" + std::to_string(i);
    first.emplace_back(id, around(2000, 0.05, 16, random));
    second.emplace_back(id, around(2800, 0.05, 16, random));
  }
  for (auto* cells : {&first, &second}) {
    cells->emplace_back("path/once", std::vector<double>{5});
  }
  const auto of = [](const auto& cells) {
    Run run = run_of(cells);
    run.cells[0].plane = "null";
    run.verdicts = {open_verdict("a", "A holds"), open_verdict("b", "B holds")};
    return run;
  };
  Run after = of(second);
  after.verdicts[1].outcome = Outcome::holds;
  const auto diff = diff_runs(of(first), after, {});
  const Confirmation found = confirmation_of(*diff);
  CHECK(found.judged() == figures);
  CHECK(found.not_judged.size() == 1);
  // The control is the same for all of them, and so is its error: the spread is wider than a binomial's.
  CHECK(found.confirmed.size() >= 0.90 * figures);
  CHECK(found.refuted.size() >= 1);
  const std::string text = render_confirmation(*diff, false);
  CHECK(text.find(found.holds() ? "CONFIRMED: " : "NOT CONFIRMED: ") != std::string::npos);
  CHECK(text.find("1 of 2 claims have the verdict that they had") != std::string::npos);
  CHECK(text.find("B holds: inconclusive in the run, holds in the rerun") != std::string::npos);

  // A plane that is a fifth slower is refuted, and stands first.
  second[7].second = around(2800 * 1.2, 0.05, 16, random);
  const auto slower = diff_runs(of(first), of(second), {});
  const Confirmation refuted = confirmation_of(*slower);
  REQUIRE_FALSE(refuted.refuted.empty());
  CHECK(refuted.refuted.front()->after->id == second[7].first);

  CHECK_FALSE(Confirmation().holds());  // nothing that could be judged confirms nothing
}

}  // namespace
}  // namespace svcbench
