// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A sync by two instruments: what is compared, that a round reads both of the same processes, and how it is
// told. With 6 rounds the 95 % interval of a median is the whole range.
#include <doctest/doctest.h>

#include <string>

#include "measure/sync_check.h"
#include "run/as_run.h"
#include "shown.h"
#include "sys/child_process.h"

namespace svcbench {
namespace {

// A sync of 50 ms over a no-op child of 1; the kernel says `kernels` ms over 0.8.
SyncCheck check_of(double kernels) {
  SyncCheck check{.plane = "nftables", .services = 1000};
  for (int round = 0; round < 6; ++round) {
    const double spread = 1e5 * round;
    check.ours.sync.wall.push_back(51e6 + spread);
    check.ours.no_op.wall.push_back(1e6);
    check.kernels.sync.wall.push_back((kernels + 0.8) * 1e6 + spread);
    check.kernels.no_op.wall.push_back(0.8e6);
    check.ours.sync.cpu.push_back(41e6 + spread);
    check.ours.no_op.cpu.push_back(1e6);
    check.kernels.sync.cpu.push_back(41e6 + spread);
    check.kernels.no_op.cpu.push_back(1e6);
  }
  return check;
}

Status run(const std::string& script) {
  SVCB_TAKE(ran, run_child({"sh", "-c", script}));
  return ran.exit_status == 0 ? Status() : failure("exit status {}", ran.exit_status);
}

}  // namespace

TEST_CASE("sync check: each instrument's no-op child is taken from its own figure") {
  const SyncCheck check = check_of(50.2);
  CHECK(check.wall().first->value == doctest::Approx(50.25e6));
  CHECK(check.wall().second->value == doctest::Approx(50.45e6));
  CHECK(check.wall().agreement == Agreement::agree);
  CHECK(check.cpu().agreement == Agreement::agree);
  CHECK(check_of(49).wall().agreement == Agreement::disagree);
  CHECK(check_of(49).cpu().agreement == Agreement::agree);
  // 49.0 of 50.0 in the first round, 49.5 of 50.5 in the last one.
  CHECK(check_of(49).wall_ratio()->interval->low == doctest::Approx(49.0 / 50.0));
  CHECK(check_of(49).wall_ratio()->interval->high == doctest::Approx(49.5 / 50.5));
  CHECK(check.cpu_ratio()->value == doctest::Approx(1));
}

TEST_CASE("sync check: a round has both instruments' reading of the same processes") {
  SyncCheck check{.plane = "none", .services = 1};
  REQUIRE(add_sync_round(check, [] {
    const Status first = run("sleep 0.06");
    return first ? run("sleep 0.04") : first;
  }));
  if (!check.not_offered.empty()) {
    MESSAGE("not tested here: " << check.not_offered);
    return;
  }
  for (const SyncCheck::Instrument* one : {&check.ours, &check.kernels}) {
    REQUIRE(one->sync.wall.size() == 1);
    CHECK(one->sync.wall[0] >= 100e6);
    CHECK(one->sync.cpu[0] > 0);
    CHECK(one->no_op.wall[0] > 0);
    CHECK(one->no_op.wall[0] < 40e6);
  }
  CHECK(check.kernels.sync.wall[0] <= check.ours.sync.wall[0]);

  const Status failed = add_sync_round(check, [] { return run("exit 3"); });
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "exit status 3");
  CHECK(check.ours.sync.wall.size() == 1);
}

TEST_CASE("sync check: a line a plane says whether the instruments agree") {
  CompareResults results;
  results.planes = {"nftables"};
  results.sync_checks = {check_of(50.2), check_of(49), {}};
  results.sync_checks[1].plane = "iptables-nft";
  results.sync_checks[2].plane = "iptables-legacy";
  results.sync_checks[2].not_offered = "no perf here";
  const std::string text = test::full_line(as_run(results));
  CHECK(
      text.find("nftables, sync of 1,000 services over a no-op child: wall time: agree: our stopwatch says "
                "50.25 ms [50.00, 50.50], perf's records 50.45 ms [50.20, 50.70] (1.004 x [1.004, 1.004] "
                "in pairs).") != std::string::npos);
  CHECK(text.find("iptables-nft, sync of 1,000 services over a no-op child: wall time: disagree") !=
        std::string::npos);
  CHECK(text.find("CPU time: agree: rusage says 40.25 ms") != std::string::npos);
  CHECK(text.find("not offered: no perf here") != std::string::npos);

  const auto json = as_run(results).details["sync_checks"];
  REQUIRE(json.size() == 3);
  CHECK(json[0]["wall"]["agreement"] == "agree");
  CHECK(json[0]["wall"]["kernels_ns"]["value"] == doctest::Approx(50.45e6));
  CHECK(json[0]["cpu"]["rounds"]["ours_no_op_ns"].size() == 6);
  CHECK(json[0]["wall"]["kernels_over_ours"]["value"] == doctest::Approx(1.004).epsilon(0.0005));
  CHECK(json[1]["wall"]["agreement"] == "disagree");
  CHECK(json[2]["not_offered"] == "no perf here");
}

}  // namespace svcbench
