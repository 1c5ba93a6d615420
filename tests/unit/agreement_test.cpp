// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two instruments' differences. With 6 rounds the 95 % interval of a median is the whole range, so its ends
// can be read off the samples.
#include <doctest/doctest.h>

#include <vector>

#include "measure/wire/agreement.h"

namespace svcbench {
namespace {

using Samples = std::vector<double>;

// One instrument that saw these differences, on top of a base that drifts from round to round.
struct Instrument {
  explicit Instrument(const Samples& differences) {
    double base = 5000;
    for (const double difference : differences) {
      less.push_back(base);
      more.push_back(base + difference);
      base += 3000;
    }
  }
  [[nodiscard]] PairedSamples samples() const { return {more, less}; }

  Samples more;
  Samples less;
};

Comparison compare(const Samples& wire, const Samples& round_trip) {
  const Instrument a(wire);
  const Instrument b(round_trip);
  return compare_instruments(a.samples(), b.samples());
}

}  // namespace

TEST_CASE("agreement: overlapping intervals agree, and the numbers are told") {
  const auto result = compare({10'000, 10'100, 10'200, 10'300, 10'400, 10'500},
                              {10'500, 11'000, 11'200, 11'400, 12'000, 13'000});  // they touch in one point
  CHECK(to_string(result.agreement) == "agree");
  CHECK(result.first->value == doctest::Approx(10'250));
  CHECK(result.first->interval->low == doctest::Approx(10'000));
  CHECK(result.first->interval->high == doctest::Approx(10'500));
  CHECK(result.second->value == doctest::Approx(11'300));
  CHECK(result.summary ==
        "agree: the wire says 10.25 us [10.00, 10.50], round trips 11.30 us [10.50, 13.00]");
}

TEST_CASE("agreement: intervals apart disagree, whichever is the larger") {
  const Samples small{10'000, 10'100, 10'200, 10'300, 10'400, 10'500};
  const Samples large{10'501, 11'000, 11'200, 11'400, 12'000, 13'000};
  CHECK(to_string(compare(small, large).agreement) == "disagree");
  CHECK(to_string(compare(large, small).agreement) == "disagree");
  CHECK(compare(small, large).summary.starts_with("disagree: the wire says 10.25 us"));
  // Also against one that saw nothing, if it saw that sharply.
  CHECK(to_string(compare(small, {-20, -10, 0, 5, 10, 20}).agreement) == "disagree");
}

TEST_CASE("agreement: an instrument whose noise covers zero has no say") {
  const Samples seen{10'000, 10'100, 10'200, 10'300, 10'400, 10'500};
  const Samples noise{-9'000, -2'000, 4'000, 9'000, 14'000, 20'000};
  const auto result = compare(seen, noise);
  CHECK(to_string(result.agreement) == "inconclusive");
  CHECK(result.summary.find("noise hides it from round trips") != std::string::npos);
  CHECK(compare(noise, seen).summary.find("noise hides it from the wire") != std::string::npos);
}

TEST_CASE("agreement: neither sees a difference") {
  const auto result = compare({-30, -20, 10, 20, 30, 40}, {-400, -100, 50, 80, 200, 900});
  CHECK(to_string(result.agreement) == "agree");
  CHECK(result.summary.find("neither resolves a difference") != std::string::npos);
}

TEST_CASE("agreement: five rounds or none are too few") {
  const auto five = compare({1, 2, 3, 4, 5}, {1, 2, 3, 4, 5, 6});
  CHECK(to_string(five.agreement) == "inconclusive");
  CHECK(five.summary.find("the wire: 5 rounds, round trips: 6") != std::string::npos);
  CHECK(to_string(compare({}, {}).agreement) == "inconclusive");
}

TEST_CASE("agreement: other instruments have other names, and small differences are told in ns") {
  const Instrument a({50, 51, 52, 53, 54, 55});
  const Instrument b({60, 61, 62, 63, 64, 65});
  const auto result = compare_instruments(a.samples(), b.samples(), {"the clock", "the kernel", 4.9});
  CHECK(result.summary ==
        "disagree: the clock says 52.50 ns [50.00, 55.00], the kernel 62.50 ns [60.00, 65.00]");
  // 55 and 60 are told apart by what resolves 4.9, and not by what resolves 5.
  CHECK(compare_instruments(a.samples(), b.samples(), {"the clock", "the kernel", 5}).agreement ==
        Agreement::agree);
}

}  // namespace svcbench
