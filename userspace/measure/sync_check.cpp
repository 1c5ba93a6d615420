// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/sync_check.h"

#include <algorithm>
#include <optional>

#include "sys/child_process.h"
#include "sys/child_watch.h"

namespace svcbench {

namespace {

struct Sum {
  double wall = 0;
  double cpu = 0;
};

struct Both {
  Sum ours{};
  Sum kernels{};
};

// Every process that `body` runs, by both. The outer Error is `body`'s, the inner one the second
// instrument's.
Result<Result<Both>> under_both(const std::function<Status()>& body) {
  const ChildLog log;
  auto watch = ChildWatch::start();
  SVCB_CHECK(body());
  if (!watch) {
    return Result<Both>(tl::unexpected(watch.error()));
  }
  const auto seen = watch->stop();
  if (!seen) {
    return Result<Both>(tl::unexpected(seen.error()));
  }
  Both both;
  for (const ChildLog::Entry& entry : log.entries()) {
    both.ours.wall += static_cast<double>(entry.wall_ns);
    both.ours.cpu += 1e3 * static_cast<double>(entry.user_us + entry.system_us);
  }
  for (const ChildWatch::Child& child : seen->children) {
    both.kernels.wall += static_cast<double>(child.wall_ns);
  }
  both.kernels.cpu = static_cast<double>(seen->cpu_ns);
  if (seen->children.size() != log.entries().size()) {
    return Result<Both>(failure("perf has records of {} processes, and {} were run", seen->children.size(),
                                log.entries().size()));
  }
  return Result<Both>(both);
}

// kernels / ours, each less its no-op child.
std::optional<stats::Estimate> ratio(const SyncCheck& check,
                                     std::vector<double> SyncCheck::Reading::*what) {
  const auto over_no_op = [what](const SyncCheck::Instrument& instrument) {
    const std::vector<double>& sync = instrument.sync.*what;
    std::vector<double> over(sync.size());
    std::transform(sync.begin(), sync.end(), (instrument.no_op.*what).begin(), over.begin(),
                   [](double one, double floor) { return one - floor; });
    return over;
  };
  return stats::ratio_of_pairs(over_no_op(check.kernels), over_no_op(check.ours));
}

void add(SyncCheck::Reading& reading, const Sum& sum) {
  reading.wall.push_back(sum.wall);
  reading.cpu.push_back(sum.cpu);
}

Status no_op() {
  SVCB_TAKE(ran, run_child({"true"}));
  return ran.exit_status == 0 ? Status() : failure("true: exit status {}", ran.exit_status);
}

}  // namespace

Comparison SyncCheck::wall() const {
  return compare_instruments({ours.sync.wall, ours.no_op.wall}, {kernels.sync.wall, kernels.no_op.wall},
                             {"our stopwatch", "perf's records"});
}

Comparison SyncCheck::cpu() const {
  return compare_instruments({ours.sync.cpu, ours.no_op.cpu}, {kernels.sync.cpu, kernels.no_op.cpu},
                             {"rusage", "perf's task clock"});
}

std::optional<stats::Estimate> SyncCheck::wall_ratio() const { return ratio(*this, &Reading::wall); }
std::optional<stats::Estimate> SyncCheck::cpu_ratio() const { return ratio(*this, &Reading::cpu); }

Status add_sync_round(SyncCheck& check, const std::function<Status()>& install) {
  SVCB_TAKE(sync, under_both(install));
  SVCB_TAKE(floor, under_both(no_op));
  for (const Result<Both>* one : {&sync, &floor}) {
    if (!*one) {
      check.not_offered = one->error().message;
      return {};
    }
  }
  add(check.ours.sync, sync->ours);
  add(check.ours.no_op, floor->ours);
  add(check.kernels.sync, sync->kernels);
  add(check.kernels.no_op, floor->kernels);
  return {};
}

}  // namespace svcbench
