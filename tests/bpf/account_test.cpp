// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The kernel's account of BPF programs beside their own clock. Needs root.
#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "measure/program/account_round.h"
#include "plane/ebpf/ebpf_plane.h"
#include "private_place.h"
#include "service/workload.h"
#include "sys/bpf_stats.h"

namespace svcbench::test {
namespace {

struct Bench {
  Workload workload = must(Workload::generate(200, 3, {Family::ipv4}, 1, {Protocol::tcp}));
  std::unique_ptr<EbpfPlane> plane =
      must(EbpfPlane::load({.capacity = MapCapacity::for_services(workload.services())}));
  std::unique_ptr<ProgramBench> programs{};

  Bench() {
    must(plane->install(workload.services()));
    programs = must(ProgramBench::load(*plane, workload.services(), 1));
  }

  [[nodiscard]] BpfRunTime tc_run_time() const {
    return must(bpf_run_time(must(programs->program(Hook::tc, Depth::dnat, Family::ipv4))));
  }
  void run_tc() const {
    ProgramCell cell;
    must(programs->measure(cell, Hook::tc, Depth::dnat, Family::ipv4, Destination::uniform));
  }

  // ns a packet.
  [[nodiscard]] double quickest_burst(Hook hook, Depth depth) const {
    ProgramCell cell;
    for (int run = 0; run < 4; ++run) {
      must(programs->measure(cell, hook, depth, Family::ipv4, Destination::uniform));
    }
    double least = std::numeric_limits<double>::max();
    for (const auto& block : cell.ns_per_packet) {
      least = std::min(least, *std::min_element(block.begin(), block.end()));
    }
    return least;
  }
};

// The administrator may keep the account on for all programs.
bool always_on() {
  std::ifstream file("/proc/sys/kernel/bpf_stats_enabled");
  std::string value;
  return file >> value && value != "0";
}

}  // namespace

TEST_CASE("bpf_stats: the kernel counts every run while the account is kept, and none after") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Bench bench;
    {
      const auto account = must(BpfStats::enable());
      const BpfRunTime before = bench.tc_run_time();
      bench.run_tc();
      const BpfRunTime after = bench.tc_run_time();
      CHECK(after.runs - before.runs == ProgramBench::packets_a_run);
      CHECK(after.ns >= before.ns);
    }
    if (!always_on()) {
      const BpfRunTime before = bench.tc_run_time();
      bench.run_tc();
      CHECK(bench.tc_run_time().runs == before.runs);
    }
    CHECK_FALSE(bpf_run_time(-1));
  });
}

TEST_CASE("bpf_stats: both instruments see what the data plane costs over an empty program") {
  if (!may_program_the_kernel()) {
    return;
  }
  in_private_namespaces([] {
    const Bench bench;
    for (const Hook hook : all_hooks) {
      CAPTURE(to_string(hook));
      AccountCheck check;
      check.hook = to_string(hook);
      constexpr std::size_t rounds = 6;
      for (std::size_t round = 0; round < rounds; ++round) {
        must(add_account_round(check, *bench.programs, hook, Family::ipv4, Destination::uniform));
      }
      if (!check.not_offered.empty()) {
        MESSAGE("not tested here: " << check.not_offered);
        continue;
      }
      for (const auto* each : {&check.own_empty, &check.own_program, &check.account_empty,
                               &check.account_program, &check.own_program_counted}) {
        CHECK(each->size() == rounds);
      }
      MESSAGE(to_string(hook) << ": " << check.compared().summary);
      // The quickest: on a busy machine the programs' own clock goes on while others run.
      const auto least = [](const std::vector<double>& of) {
        return *std::min_element(of.begin(), of.end());
      };
      const double own = bench.quickest_burst(hook, Depth::dnat) - bench.quickest_burst(hook, Depth::empty);
      const double account = least(check.account_program) - least(check.account_empty);
      CHECK(account > 0.5 * own);
      CHECK(account < 2 * own);
      CHECK(least(check.account_empty) > 0);
    }
  });
}

}  // namespace svcbench::test
