// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The table of planes and behaviours: a reason stands once, whoever has it.
#include "report/verify_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

namespace svcbench::test {
namespace {

using verify::CaseResult;
using verify::Outcome;
using verify::PlaneResult;

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++found;
  }
  return found;
}

CaseResult result(std::size_t which, Family family, Outcome outcome, const std::string& evidence) {
  return {verify::cases()[which], {.family = family, .protocol = Protocol::tcp}, outcome, evidence};
}

}  // namespace

TEST_CASE("verify table: a reason has one footnote, with all its planes") {
  const std::string reason = "it hooks the device, which local packets do not pass";
  const auto lacks = [&](std::size_t which, Family family) {
    return result(which, family, Outcome::not_offered, reason);
  };
  const std::vector<PlaneResult> planes{
      {"ebpf-xdp", "", {lacks(0, Family::ipv4), lacks(0, Family::ipv6), lacks(1, Family::ipv4)}},
      {"ebpf-tc", "", {lacks(0, Family::ipv4), lacks(0, Family::ipv6)}},
      {"other",
       "",
       {result(0, Family::ipv4, Outcome::not_offered, "for a reason of its own"),
        result(1, Family::ipv4, Outcome::failed, "9 of 10 packets came"),
        result(1, Family::ipv6, Outcome::passed, "")}},
      {"another", "", {result(1, Family::ipv4, Outcome::failed, "8 of 10 packets came")}}};
  const std::string text = render_behaviours(planes);
  INFO(text);
  CHECK(count(text, "it hooks the device") == 1);
  CHECK(text.find("  1  ebpf-xdp (TCP IPv4); ebpf-xdp, ebpf-tc (all variants): not offered: it hooks") !=
        std::string::npos);
  CHECK(count(text, "n/o 1 ") == 3);
  CHECK(text.find("  2  other (TCP IPv4): not offered: for a reason of its own") != std::string::npos);
  // What fails is told for each plane: the numbers are its own.
  CHECK(text.find("  3  other (TCP IPv4): fails: 9 of 10") != std::string::npos);
  CHECK(text.find("  4  another (TCP IPv4): fails: 8 of 10") != std::string::npos);
  CHECK(text.find("  5  ") == std::string::npos);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
}

TEST_CASE("verify table: what differs is told with its sentence, and is no failure") {
  const std::vector<PlaneResult> planes{
      {"nftables",
       "",
       {result(0, Family::ipv4, Outcome::passed, ""), result(1, Family::ipv4, Outcome::differs, "x")}},
      {"ebpf-tc",
       "",
       {result(0, Family::ipv4, Outcome::differs, "no windows are followed"),
        result(0, Family::ipv6, Outcome::differs, "no windows are followed"),
        result(1, Family::ipv4, Outcome::differs, "x")}}};
  const std::string text = render_behaviours(planes);
  INFO(text);
  CHECK(text.find("  1  ebpf-tc (all variants): differs: no windows are followed") != std::string::npos);
  CHECK(text.find("  2  nftables, ebpf-tc (TCP IPv4): differs: x") != std::string::npos);
  CHECK(count(text, "differs 2") == 2);
  CHECK(verify::exit_code(planes) == 0);
}

}  // namespace svcbench::test
