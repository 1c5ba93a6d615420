// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Small curves: from numbers to a line of bars.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "cli/run_info.h"
#include "report/curve.h"

namespace svcbench {
namespace {

std::string format(double cost) { return fmt::format("{:.0f} ns", cost); }

std::string digits_of(const Costs& costs) {
  const auto scale = scale_of(std::span(&costs, 1));
  REQUIRE(scale);
  return bars_of(costs, *scale, Bars::digits);
}

// In characters, not bytes.
std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    longest = std::max(longest, static_cast<std::size_t>(std::count_if(
                                    line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; })));
  }
  return longest;
}

TEST_CASE("curve: costs that grow as a power of N climb in equal steps") {
  // Eight steps over eight decades: a decade each, of which these are the middles.
  Costs costs{1.0};
  for (int decade = 0; decade < 8; ++decade) {
    costs.push_back(std::pow(10, decade + 0.5));
  }
  costs.push_back(1e8);
  CHECK(digits_of(costs) == "1123456788");
  // 1 to 1,000: steps of 10^(3/8) = 2.37.
  CHECK(digits_of({1.0, 2.0, 3.0, 30.0, 300.0, 1000.0}) == "112478");
}

TEST_CASE("curve: flat costs, equal ones and a single one look flat") {
  CHECK(digits_of({1.2, 1.21, 1.19, 1.24}) == "1111");
  CHECK(digits_of({7.0, 7.0, 7.0}) == "111");
  CHECK(digits_of({std::nullopt, 7.0, std::nullopt}) == " 1 ");
  const Costs one{7.0};
  const auto scale = scale_of(std::span(&one, 1));
  CHECK(scale->low == 7);
  CHECK(scale->high == 70);  // a decade, that noise stays low in
}

TEST_CASE("curve: what is missing, or not positive, is a gap") {
  CHECK(digits_of({1.0, std::nullopt, 100.0}) == "1 8");
  CHECK(digits_of({0.0, 1.0, -1.0, 100.0}) == " 1 8");
  CHECK_FALSE(scale_of(std::vector<Costs>{{std::nullopt}, {0.0}, {}}));
}

TEST_CASE("curve: planes of a group share one scale, and a plane without costs is left out") {
  const std::vector<CurveGroup> groups{{"a change",
                                        {{"linear", {150.0, 1500.0, 10'000.0}},
                                         {"flat", {1.0, 1.1, 1.0}},
                                         {"none", Costs(3)},
                                         {"late", {std::nullopt, 1.0, 10'000.0}}},
                                        format},
                                       {"nothing", {{"none", Costs(3)}}, format}};
  CHECK(render_curves({100, 1000, 10'000}, groups, Bars::digits) ==
        "Curves over N: a bar at each of 3 sizes; one logarithmic scale for all of a table\n"
        "a change  1 1 ns, 8 10000 ns  N = 100  N = 10,000\n"
        "linear    578                  150 ns    10000 ns\n"
        "flat      111                    1 ns        1 ns\n"
        "late       18                       -    10000 ns\n");
  CHECK(render_curves({100, 1000, 10'000}, groups, Bars::blocks) ==
        "Curves over N: a bar at each of 3 sizes; one logarithmic scale for all of a table\n"
        "a change  ▁ 1 ns, █ 10000 ns  N = 100  N = 10,000\n"
        "linear    ▅▇█                  150 ns    10000 ns\n"
        "flat      ▁▁▁                    1 ns        1 ns\n"
        "late       ▁█                       -    10000 ns\n");
}

TEST_CASE("curve: none for fewer than three sizes, or without a cost") {
  const CurveGroup two{"a change", {{"plane", {1.0, 2.0}}}, format};
  CHECK(render_curves({100, 1000}, {two}, Bars::digits).empty());
  CHECK(render_curves({}, {}, Bars::digits).empty());
  const CurveGroup none{"a change", {{"plane", Costs(3)}}, format};
  CHECK(render_curves({1, 2, 3}, {none}, Bars::digits).empty());
}

TEST_CASE("curve: however many sizes, a line has at most 100 columns") {
  std::vector<std::size_t> sizes;
  Costs costs;
  for (std::size_t i = 1; i <= 1000; ++i) {
    sizes.push_back(i * 1000);
    costs.push_back(static_cast<double>(i));
  }
  const std::string name(28, 'x');
  for (const Bars bars : {Bars::blocks, Bars::digits}) {
    const CurveGroup group{name, {{name, costs}}, [](double) { return std::string("99.9 instr"); }};
    const std::string text = render_curves(sizes, {group}, bars);
    CHECK(longest_line(text) <= 100);
    CHECK(text.find("a bar at each of 40 of 1,000 sizes") != std::string::npos);
    CHECK(text.find("N = 1,000  N = 1,000,000") != std::string::npos);
  }
  // The first and the last size are among them.
  const CurveGroup ends{"e", {{"p", costs}}, format};
  const std::string line = render_curves(sizes, {ends}, Bars::digits);
  CHECK(line.find("\np  1") != std::string::npos);
  CHECK(line.find("8  ") != std::string::npos);
  CHECK(line.ends_with(" 1000 ns\n"));
}

// Sets LC_ALL, which goes before the other variables of a locale.
struct Locale {
  explicit Locale(const char* name) {
    if (const char* now = std::getenv("LC_ALL")) {
      before = now;
    }
    setenv("LC_ALL", name, 1);
  }
  Locale(const Locale&) = delete;
  Locale& operator=(const Locale&) = delete;
  ~Locale() {
    if (before) {
      setenv("LC_ALL", before->c_str(), 1);
    } else {
      unsetenv("LC_ALL");
    }
  }
  std::optional<std::string> before{};
};

TEST_CASE("curve: blocks where the locale is UTF-8, and digits where it is not or they are asked for") {
  const Locale utf8("C.UTF-8");
  CHECK(wanted_bars({}) == Bars::blocks);
  CHECK(wanted_bars({.ascii = true}) == Bars::digits);
  const Locale plain("C");
  CHECK(wanted_bars({}) == Bars::digits);
  const Locale unknown("xx_XX.UTF-8");  // not installed: the tools of such a system speak ASCII, too
  CHECK(wanted_bars({}) == Bars::digits);
}

}  // namespace
}  // namespace svcbench
