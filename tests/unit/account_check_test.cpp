// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Program ns by two instruments: what is compared, and how it is told. With 6 rounds the 95 % interval of a
// median is the whole range.
#include <doctest/doctest.h>

#include <string>

#include "measure/account_check.h"
#include "run/as_run.h"
#include "shown.h"

namespace svcbench {
namespace {

// 100 ns of program on an empty one of 5; the account has a floor of 30, and costs 60 a run.
AccountCheck check_of(double account_says) {
  AccountCheck check{.hook = "tc", .family = Family::ipv4, .destination = "uniform", .services = 5000};
  for (int round = 0; round < 6; ++round) {
    check.own_empty.push_back(5 + round);
    check.own_program.push_back(105 + 2 * round);
    check.own_program_counted.push_back(165 + 2 * round);
    check.account_empty.push_back(30 + round);
    check.account_program.push_back(30 + account_says + 2 * round);
  }
  return check;
}

}  // namespace

TEST_CASE("account check: each instrument's floor is taken from its own figure, round by round") {
  const AccountCheck check = check_of(101);
  const Comparison comparison = check.compared();
  CHECK(comparison.first->value == doctest::Approx(102.5));
  CHECK(comparison.first->interval->low == doctest::Approx(100));
  CHECK(comparison.first->interval->high == doctest::Approx(105));
  CHECK(comparison.second->value == doctest::Approx(103.5));
  CHECK(comparison.agreement == Agreement::agree);
  CHECK(check.cost_of_account()->value == doctest::Approx(60));
  CHECK(check_of(120).compared().agreement == Agreement::disagree);
}

TEST_CASE("account check: a line a hook says whether they agree, the floor, and what the account costs") {
  Results results;
  results.account_checks = {check_of(101), check_of(120), {}};
  results.account_checks[1].hook = "xdp";
  results.account_checks[2].not_offered = "the kernel keeps none";
  const std::string text = test::full_line(as_run(results, {}), "ebpf");
  CHECK(
      text.find("bpf_stats), tc, lookup + DNAT over an empty program, uniform, 5,000 services: agree: the "
                "program's own clock says 102.50 ns [100.00, 105.00], the kernel's account 103.50 ns "
                "[101.00, 106.00]. Its floor is 32.5 ns [30, 35] a run (an empty program); keeping it adds "
                "60 ns [60, 60] to each run.") != std::string::npos);
  CHECK(text.find("5,000 services: disagree: the program's own clock says") != std::string::npos);
  CHECK(text.find("not offered: the kernel keeps none") != std::string::npos);

  const auto json = as_run(results, {}).details["account_checks"];
  REQUIRE(json.size() == 3);
  CHECK(json[0]["agreement"] == "agree");
  CHECK(json[0]["own_clock_ns"]["value"] == doctest::Approx(102.5));
  CHECK(json[0]["account_ns"]["value"] == doctest::Approx(103.5));
  CHECK(json[0]["account_floor_ns"]["value"] == doctest::Approx(32.5));
  CHECK(json[0]["cost_of_account_ns"]["value"] == doctest::Approx(60));
  CHECK(json[0]["rounds"]["account_program_ns"][5] == doctest::Approx(141));
  CHECK(json[1]["agreement"] == "disagree");
  CHECK(json[2]["not_offered"] == "the kernel keeps none");
  CHECK_FALSE(json[2].contains("agreement"));
}

}  // namespace svcbench
