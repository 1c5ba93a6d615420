// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A second instrument for program ns: the kernel's own account of BPF programs (sys/bpf_stats.h). Pure.
//
// The benchmark programs read the clock themselves, once in 4,096 packets: between two readings lie the
// kernel's loop and the program. The kernel's account reads its clock before and after each run: inside lie
// the program and one reading. So both are asked for the same difference, a program's cost over that of an
// empty program, which holds neither.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "measure/wire/agreement.h"
#include "service/service.h"
#include "stats/quantile.h"

namespace svcbench {

// The deepest program (dnat) at one hook. ns a packet, over 65,536 or so: one of each vector a round.
struct AccountCheck {
  std::string hook;
  Family family = Family::ipv4;
  std::string destination;
  std::size_t services = 0;
  std::vector<double> own_empty{};  // the programs' own clock, while the kernel keeps no account
  std::vector<double> own_program{};
  std::vector<double> account_empty{};  // the kernel's account: its floor
  std::vector<double> account_program{};
  std::vector<double> own_program_counted{};  // the programs' own clock, while the kernel keeps its account
  std::string not_offered{};                  // why there are no rounds; empty where there are

  // What a round has, by name.
  static const std::array<std::pair<const char*, std::vector<double> AccountCheck::*>, 5> rounds;

  [[nodiscard]] Comparison compared() const;
  // What keeping the account adds to each run; so nothing else is measured while it is on.
  [[nodiscard]] std::optional<stats::Estimate> cost_of_account() const;
};

inline constexpr std::array<std::pair<const char*, std::vector<double> AccountCheck::*>, 5>
    AccountCheck::rounds{{{"own_empty_ns", &AccountCheck::own_empty},
                          {"own_program_ns", &AccountCheck::own_program},
                          {"account_empty_ns", &AccountCheck::account_empty},
                          {"account_program_ns", &AccountCheck::account_program},
                          {"own_program_counted_ns", &AccountCheck::own_program_counted}}};

}  // namespace svcbench
