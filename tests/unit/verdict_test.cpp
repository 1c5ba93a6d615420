// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "stats/verdict.h"

namespace {

using namespace svcbench;

// The largest double below x, and the smallest above.
double under(double x) { return std::nextafter(x, 0.0); }
double over(double x) { return std::nextafter(x, 2 * x); }

stats::Growth between(double low, double high) {
  return {.exponent = (low + high) / 2, .interval = stats::Interval{low, high}, .rounds = 8};
}

stats::Growth without_interval(double exponent) {
  return {.exponent = exponent, .interval = std::nullopt, .rounds = 3};
}

ProgramFigure figure(const std::string& name, double low, double high) {
  return {.name = name,
          .ns = {.value = (low + high) / 2, .interval = stats::Interval{low, high}, .samples = 80}};
}

ProgramFigure figure_without_interval(const std::string& name, double value) {
  return {.name = name, .ns = {.value = value, .interval = std::nullopt, .samples = 5}};
}

Verdict with_outcome(Outcome outcome) {
  return {.id = {}, .claim = {}, .outcome = outcome, .summary = {}, .evidence = {}, .would_settle = {}};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

Verdict flat_of(const std::vector<NamedGrowth>& operations) { return judge_flat(operations, std::nullopt); }

Verdict linear_of(const std::vector<NamedGrowth>& loads) { return judge_linear(loads); }

Verdict lookup_of(const std::vector<ProgramFigure>& figures) { return judge_lookup(figures); }

// A report prints would_settle for an inconclusive verdict and for no other.
void check_shape(const Verdict& verdict) {
  CAPTURE(verdict.summary);
  CHECK((verdict.outcome == Outcome::inconclusive) == !verdict.would_settle.empty());
  CHECK(verdict.summary.rfind(to_string(verdict.outcome), 0) == 0);
  CHECK_FALSE(contains(verdict.summary, "nan"));
  CHECK_FALSE(contains(verdict.summary, "inf "));
}

}  // namespace

TEST_CASE("verdict: names") {
  CHECK(to_string(Outcome::holds) == "holds");
  CHECK(to_string(Outcome::does_not_hold) == "does not hold");
  CHECK(to_string(Outcome::inconclusive) == "inconclusive");
  CHECK(to_string(Trend::flat) == "flat");
  CHECK(to_string(Trend::growing) == "growing");
  CHECK(to_string(Trend::linear) == "linear");
  CHECK(to_string(Trend::undecided) == "undecided");
}

TEST_CASE("verdict: exit code") {
  const Verdict holds = with_outcome(Outcome::holds);
  const Verdict fails = with_outcome(Outcome::does_not_hold);
  const Verdict unclear = with_outcome(Outcome::inconclusive);
  CHECK(exit_code({}) == 4);
  CHECK(exit_code(std::vector{holds}) == 0);
  CHECK(exit_code(std::vector{holds, holds}) == 0);
  CHECK(exit_code(std::vector{holds, fails}) == 3);
  CHECK(exit_code(std::vector{holds, unclear}) == 4);
  CHECK(exit_code(std::vector{unclear, fails}) == 3);
  CHECK(exit_code(std::vector{fails, unclear, holds}) == 3);
}

TEST_CASE("classify") {
  CHECK(classify(between(-0.02, 0.05)) == Trend::flat);
  CHECK(classify(between(-0.9, -0.5)) == Trend::flat);  // a cost that falls does not grow
  CHECK(classify(between(0.3, 0.5)) == Trend::growing);
  CHECK(classify(between(0.7, 0.9)) == Trend::linear);
  CHECK(classify(between(0.95, 1.05)) == Trend::linear);
  CHECK(classify(between(1.8, 2.1)) == Trend::linear);  // exceeds
  CHECK(classify(between(0.05, 0.2)) == Trend::undecided);
  CHECK(classify(between(0.05, 0.9)) == Trend::undecided);  // contains 0.8, but may be flat
  CHECK(classify(without_interval(0.0)) == Trend::undecided);
  CHECK(classify(without_interval(1.0)) == Trend::undecided);
}

TEST_CASE("classify: exactly at a limit") {
  CHECK(classify(between(0.0, under(0.1))) == Trend::flat);
  CHECK(classify(between(0.0, 0.1)) == Trend::undecided);  // at the limit is not below it
  CHECK(classify(between(0.1, 0.1)) == Trend::growing);
  CHECK(classify(between(0.1, 0.2)) == Trend::growing);
  CHECK(classify(between(under(0.1), 0.2)) == Trend::undecided);
  CHECK(classify(between(0.5, under(0.8))) == Trend::growing);
  CHECK(classify(between(0.5, 0.8)) == Trend::linear);
  CHECK(classify(between(0.1, 0.8)) == Trend::linear);
}

TEST_CASE("judge_flat: holds") {
  const Verdict verdict = judge_flat(
      std::vector<NamedGrowth>{{"endpoint change", between(-0.01, 0.03)}, {"add one", between(0.0, 0.06)}},
      NamedGrowth{"iptables-restore", between(0.96, 1.04)});
  check_shape(verdict);
  CHECK(verdict.id == "update-flat");
  CHECK(verdict.claim == "map-update cost stays flat in the number of services");
  CHECK(verdict.outcome == Outcome::holds);
  CHECK(verdict.summary ==
        "holds: every exponent lies below 0.1, the largest is 0.030 [0.000, 0.060] (add one)");
  REQUIRE(verdict.evidence.size() == 3);
  CHECK(verdict.evidence[0] == "endpoint change: cost ~ N^b, b = 0.010 [-0.010, 0.030], 8 rounds: flat");
  CHECK(verdict.evidence[1] == "add one: cost ~ N^b, b = 0.030 [0.000, 0.060], 8 rounds: flat");
  CHECK(verdict.evidence[2] ==
        "beside it, iptables-restore: cost ~ N^b, b = 1.000 [0.960, 1.040], 8 rounds: linear");
}

TEST_CASE("judge_flat: rounding shows no negative zero") {
  const Verdict verdict = flat_of({{"add one", between(-1e-17, 1e-17)}});
  CHECK(verdict.evidence[0] == "add one: cost ~ N^b, b = 0.000 [0.000, 0.000], 8 rounds: flat");
}

TEST_CASE("judge_flat: does not hold") {
  // One that grows decides, even beside others that are undecided. Of two, the steeper is named.
  const Verdict verdict = flat_of({{"flat", between(0.0, 0.05)},
                                   {"grows", between(0.2, 0.4)},
                                   {"steeper", between(0.9, 1.1)},
                                   {"wide", between(0.0, 2.0)},
                                   {"few", without_interval(0.5)},
                                   {"none", std::nullopt}});
  check_shape(verdict);
  CHECK(verdict.outcome == Outcome::does_not_hold);
  CHECK(verdict.summary == "does not hold: steeper grows with exponent 1.000 [0.900, 1.100]");
  CHECK(verdict.evidence.size() == 6);
  check_shape(flat_of({{"grows", between(0.2, 0.4)}}));
  CHECK(flat_of({{"grows", between(0.2, 0.4)}}).outcome == Outcome::does_not_hold);
}

TEST_CASE("judge_flat: exactly 0.1") {
  CHECK(flat_of({{"a", between(0.0, under(0.1))}}).outcome == Outcome::holds);
  CHECK(flat_of({{"a", between(0.0, 0.1)}}).outcome == Outcome::inconclusive);
  CHECK(flat_of({{"a", between(under(0.1), 0.2)}}).outcome == Outcome::inconclusive);
  CHECK(flat_of({{"a", between(0.1, 0.2)}}).outcome == Outcome::does_not_hold);
}

TEST_CASE("judge_flat: inconclusive, and what would settle it") {
  const NamedGrowth flat{"flat", between(0.0, 0.05)};
  const NamedGrowth wide{"wide", between(0.05, 0.2)};
  const NamedGrowth few{"few", without_interval(0.01)};
  const NamedGrowth none{"none", std::nullopt};

  const Verdict straddles = flat_of({flat, wide});
  check_shape(straddles);
  CHECK(straddles.outcome == Outcome::inconclusive);
  CHECK(straddles.would_settle == "more rounds (--rounds) on a quieter machine");
  CHECK(straddles.summary ==
        "inconclusive: wide: cost ~ N^b, b = 0.125 [0.050, 0.200], 8 rounds: undecided");

  const Verdict too_few = flat_of({flat, few});
  check_shape(too_few);
  CHECK(too_few.would_settle == "at least 6 rounds (--rounds)");
  CHECK(too_few.evidence[1] == "few: cost ~ N^b, b = 0.010 (no interval), 3 rounds: undecided");

  const Verdict one_size = flat_of({none, flat});
  check_shape(one_size);
  CHECK(one_size.outcome == Outcome::inconclusive);
  CHECK(one_size.would_settle == "give --sweep at least two sizes, far apart");
  CHECK(one_size.evidence[0] == "none: no exponent, fewer than two sizes measured");

  // Each remedy once.
  CHECK(flat_of({wide, few, wide, flat}).would_settle ==
        "more rounds (--rounds) on a quieter machine; at least 6 rounds (--rounds)");

  const Verdict nothing = flat_of({});
  check_shape(nothing);
  CHECK(nothing.outcome == Outcome::inconclusive);
  CHECK(nothing.evidence.empty());
}

TEST_CASE("judge_flat: what stands beside it decides nothing") {
  const std::vector<NamedGrowth> flat{{"a", between(0.0, 0.05)}};
  CHECK(judge_flat(flat, NamedGrowth{"iptables-restore", std::nullopt}).outcome == Outcome::holds);
  CHECK(judge_flat(flat, NamedGrowth{"iptables-restore", between(0.0, 0.9)}).outcome == Outcome::holds);
  const Verdict alone = judge_flat({}, NamedGrowth{"iptables-restore", between(0.0, 0.01)});
  CHECK(alone.outcome == Outcome::inconclusive);
  CHECK(alone.evidence.size() == 1);
}

TEST_CASE("judge_linear: holds") {
  const Verdict verdict =
      linear_of({{"legacy, reload", between(0.9, 1.0)}, {"nft, reload", between(1.0, 1.04)}});
  check_shape(verdict);
  CHECK(verdict.id == "sync-linear");
  CHECK(verdict.claim == "sync grows linearly with the number of rules");
  CHECK(verdict.outcome == Outcome::holds);
  CHECK(
      verdict.summary ==
      "holds: every exponent lies within 0.8 to 1.25, the furthest from 1 is 0.950 [0.900, 1.000] (legacy, "
      "reload)");
  REQUIRE(verdict.evidence.size() == 2);
  CHECK(
      verdict.evidence[0] ==
      "legacy, reload: cost above a table without services ~ rules^b, b = 0.950 [0.900, 1.000], 8 rounds");
}

TEST_CASE("judge_linear: does not hold, on either side") {
  const Verdict more = linear_of({{"linear", between(0.95, 1.05)},
                                  {"square", between(1.8, 2.0)},
                                  {"wide", between(0.5, 1.5)},
                                  {"none", std::nullopt}});
  check_shape(more);
  CHECK(more.outcome == Outcome::does_not_hold);
  CHECK(more.summary ==
        "does not hold: square grows more than linearly, with exponent 1.900 [1.800, 2.000]");
  const Verdict less = linear_of({{"flat", between(0.0, 0.2)}});
  check_shape(less);
  CHECK(less.summary == "does not hold: flat grows less than linearly, with exponent 0.100 [0.000, 0.200]");
}

TEST_CASE("judge_linear: exactly at a limit") {
  CHECK(linear_of({{"a", between(0.8, 1.25)}}).outcome == Outcome::holds);
  CHECK(linear_of({{"a", between(under(0.8), 1.25)}}).outcome == Outcome::inconclusive);
  CHECK(linear_of({{"a", between(0.8, over(1.25))}}).outcome == Outcome::inconclusive);
  CHECK(linear_of({{"a", between(0.5, 0.8)}}).outcome == Outcome::inconclusive);
  CHECK(linear_of({{"a", between(0.5, under(0.8))}}).outcome == Outcome::does_not_hold);
  CHECK(linear_of({{"a", between(1.25, 1.5)}}).outcome == Outcome::inconclusive);
  CHECK(linear_of({{"a", between(over(1.25), 1.5)}}).outcome == Outcome::does_not_hold);
}

TEST_CASE("judge_linear: inconclusive, and what would settle it") {
  const NamedGrowth linear{"linear", between(0.95, 1.05)};
  const Verdict wide = linear_of({linear, {"wide", between(0.7, 1.1)}});
  check_shape(wide);
  CHECK(wide.would_settle == "more rounds (--rounds) on a quieter machine");
  CHECK(contains(wide.summary,
                 "inconclusive: wide: cost above a table without services ~ rules^b, b = 0.900"));
  const Verdict few = linear_of({linear, {"few", without_interval(1.0)}});
  check_shape(few);
  CHECK(few.would_settle == "at least 6 rounds (--rounds)");
  const Verdict none = linear_of({linear, {"none", std::nullopt}});
  check_shape(none);
  CHECK(contains(none.would_settle, "at least two sizes"));
  CHECK(contains(none.evidence[1], "none: no exponent"));
  check_shape(linear_of({}));
  CHECK(linear_of({}).outcome == Outcome::inconclusive);
}

TEST_CASE("judge_lookup: holds, faster than cited") {
  // The worst is the largest upper bound, not the largest value: 2,000 / 160 = 12.5.
  const Verdict verdict = lookup_of(
      {figure("XDP, hot", 90, 100), figure("XDP, uniform", 100, 160), figure("tc, uniform", 140, 150)});
  check_shape(verdict);
  CHECK(verdict.id == "program-2-5us");
  CHECK(verdict.claim == "an eBPF lookup costs no more than the cited 2-5 us, read as the program alone");
  CHECK(verdict.outcome == Outcome::holds);
  CHECK(verdict.summary ==
        "holds, faster than cited: 130.0 ns [100.0, 160.0], 12.5 x below 2 us (XDP, uniform)");
  REQUIRE(verdict.evidence.size() == 4);
  CHECK(verdict.evidence[0] == "XDP, hot: 95.0 ns [90.0, 100.0], 80 samples");
  CHECK(contains(verdict.evidence[3], "program ns (BPF_PROG_TEST_RUN)"));
  CHECK(contains(verdict.evidence[3], "not the wire-to-wire path"));
}

TEST_CASE("judge_lookup: holds within the cited range") {
  const Verdict verdict = lookup_of({figure("XDP, hot", 90, 100), figure("XDP, uniform", 2900, 3100)});
  check_shape(verdict);
  CHECK(verdict.outcome == Outcome::holds);
  CHECK(verdict.summary == "holds: 3000.0 ns [2900.0, 3100.0] (XDP, uniform), at or below the cited 5 us");
}

TEST_CASE("judge_lookup: exactly 2,000 and exactly 5,000 ns") {
  const auto says_faster = [](double high) {
    return contains(lookup_of({figure("a", 1000, high)}).summary, "faster than cited");
  };
  CHECK(says_faster(under(2000)));
  CHECK_FALSE(says_faster(2000));

  CHECK(lookup_of({figure("a", 4000, 5000)}).outcome == Outcome::holds);
  CHECK(lookup_of({figure("a", 5000, 5000)}).outcome == Outcome::holds);
  CHECK(lookup_of({figure("a", 4000, over(5000))}).outcome == Outcome::inconclusive);
  CHECK(lookup_of({figure("a", 5000, 6000)}).outcome == Outcome::inconclusive);
  CHECK(lookup_of({figure("a", over(5000), 6000)}).outcome == Outcome::does_not_hold);
}

TEST_CASE("judge_lookup: does not hold") {
  // The one named lies above 5 us; the wider one only straddles it.
  const Verdict verdict =
      lookup_of({figure("fast", 90, 100), figure("slow", 5100, 5300), figure("slower", 5200, 5400),
                 figure("wide", 4000, 9000), figure_without_interval("few", 9000)});
  check_shape(verdict);
  CHECK(verdict.outcome == Outcome::does_not_hold);
  CHECK(verdict.summary == "does not hold: 5300.0 ns [5200.0, 5400.0] (slower), above the cited 5 us");
  CHECK(contains(verdict.evidence.back(), "not the wire-to-wire path"));
}

TEST_CASE("judge_lookup: inconclusive") {
  const Verdict straddles = lookup_of({figure("fast", 90, 100), figure("wide", 4000, 9000)});
  check_shape(straddles);
  CHECK(straddles.outcome == Outcome::inconclusive);
  CHECK(straddles.would_settle == "more rounds (--rounds) on a quieter machine");
  CHECK(straddles.summary ==
        "inconclusive: 6500.0 ns [4000.0, 9000.0] (wide) does not settle which side of the cited 5 us it "
        "is on");

  // Without an interval neither a small nor a large value decides.
  for (const double value : {100.0, 9000.0}) {
    const Verdict too_few = lookup_of({figure("fast", 90, 100), figure_without_interval("few", value)});
    check_shape(too_few);
    CHECK(too_few.outcome == Outcome::inconclusive);
    CHECK(too_few.would_settle == "at least 6 rounds (--rounds)");
    CHECK(contains(too_few.summary, "(no interval) (few)"));
  }

  const Verdict nothing = lookup_of({});
  check_shape(nothing);
  CHECK(nothing.outcome == Outcome::inconclusive);
  CHECK(contains(nothing.evidence.back(), "not the wire-to-wire path"));
}

TEST_CASE("judge_lookup: a clock too coarse to see the program divides nothing by zero") {
  const Verdict verdict = lookup_of({figure("a", 0, 0)});
  check_shape(verdict);
  CHECK(verdict.summary == "holds, faster than cited: 0.0 ns [0.0, 0.0], below 2 us (a)");
}
