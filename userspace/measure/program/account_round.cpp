// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/program/account_round.h"

#include "stats/quantile.h"
#include "sys/bpf_stats.h"
#include "sys/pinned.h"

namespace svcbench {

namespace {

// ns a packet.
struct Reading {
  double own = 0;  // of the median burst, as in every program cell: one that was preempted does not count
  double account = 0;  // the mean, for the kernel keeps no more; what runs between two runs is not in it
};

// `counted`: the account is on. It may be on anyhow: the administrator's sysctl kernel.bpf_stats_enabled.
Result<Reading> read(ProgramBench& bench, Hook hook, Depth depth, Family family, Destination destination,
                     bool counted) {
  SVCB_TAKE(program, bench.program(hook, depth, family));
  SVCB_TAKE(before, bpf_run_time(program));
  ProgramCell cell;
  SVCB_CHECK(bench.measure(cell, hook, depth, family, destination));
  SVCB_TAKE(after, bpf_run_time(program));
  Reading reading;
  reading.own = stats::median_of(cell.ns_per_packet.back())->value;
  if (const std::uint64_t runs = after.runs - before.runs; runs == ProgramBench::packets_a_run) {
    reading.account = static_cast<double>(after.ns - before.ns) / static_cast<double>(runs);
  } else if (counted || runs != 0) {
    return failure(
        "{} {}: the kernel's account has {} runs, and {} packets went through: no figure is given",
        to_string(hook), to_string(depth), runs, ProgramBench::packets_a_run);
  }
  return reading;
}

}  // namespace

Status add_account_round(AccountCheck& check, ProgramBench& bench, Hook hook, Family family,
                         Destination destination) {
  SVCB_TAKE(pinned, Pinned::to_last_cpu());
  SVCB_TAKE(empty, read(bench, hook, Depth::empty, family, destination, false));
  SVCB_TAKE(program, read(bench, hook, Depth::dnat, family, destination, false));
  SVCB_TAKE(account, BpfStats::enable());
  SVCB_TAKE(counted_empty, read(bench, hook, Depth::empty, family, destination, true));
  SVCB_TAKE(counted, read(bench, hook, Depth::dnat, family, destination, true));
  if (counted_empty.account <= 0 || counted.account <= 0) {
    check = {.hook = check.hook,
             .family = check.family,
             .destination = check.destination,
             .services = check.services,
             .not_offered = "the clock that the kernel's account reads is too coarse for a program here"};
    return {};
  }
  check.own_empty.push_back(empty.own);
  check.own_program.push_back(program.own);
  check.account_empty.push_back(counted_empty.account);
  check.account_program.push_back(counted.account);
  check.own_program_counted.push_back(counted.own);
  return {};
}

}  // namespace svcbench
