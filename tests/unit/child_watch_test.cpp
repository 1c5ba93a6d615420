// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The kernel's reading of child processes, beside our own of the same ones.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "sys/child_process.h"
#include "sys/child_watch.h"

namespace svcbench {
namespace {

constexpr std::int64_t ms = 1'000'000;

// What a shell runs: so long asleep, or busy.
ChildResult shell(const std::string& script) {
  auto ran = run_child({"sh", "-c", script});
  REQUIRE_MESSAGE(ran, ran.error().message);
  REQUIRE(ran->exit_status == 0);
  return std::move(*ran);
}

}  // namespace

TEST_CASE("child watch: the kernel has each child's time, inside of what our stopwatch says") {
  auto watch = ChildWatch::start();
  if (!watch) {
    CHECK(watch.error().message.find("perf_event_paranoid") != std::string::npos);
    MESSAGE("not tested here: " << watch.error().message);
    return;
  }
  const ChildLog log;
  shell("sleep 0.2");  // a child of the shell's own: not ours
  shell("exec sleep 0.05");
  const auto seen = watch->stop();
  REQUIRE_MESSAGE(seen, seen.error().message);
  REQUIRE(seen->children.size() == 2);
  REQUIRE(log.entries().size() == 2);
  const std::int64_t least[] = {200 * ms, 50 * ms};
  for (std::size_t i = 0; i < 2; ++i) {
    CAPTURE(i);
    CHECK(seen->children[i].pid == log.entries()[i].pid);
    CHECK(seen->children[i].wall_ns >= least[i]);
    CHECK(seen->children[i].wall_ns <= log.entries()[i].wall_ns);
  }
  CHECK(seen->children[1].wall_ns < 200 * ms);
  CHECK(seen->cpu_ns > 0);
  CHECK(seen->cpu_ns < 200 * ms);

  // It goes on from there.
  shell("true");
  CHECK(watch->stop()->children.size() == 1);
}

TEST_CASE("child watch: CPU time is that of the children and of theirs, not ours") {
  auto watch = ChildWatch::start();
  if (!watch) {
    MESSAGE("not tested here: " << watch.error().message);
    return;
  }
  const ChildLog log;
  volatile std::uint64_t ours = 0;
  for (std::uint64_t i = 0; i < 200'000'000; ++i) {
    ours = ours + i;
  }
  const auto before = watch->stop();
  REQUIRE(before);
  CHECK(before->children.empty());
  CHECK(before->cpu_ns < 10 * ms);  // of some 200 ms of our own
  shell("sh -c 'i=0; while [ $i -lt 150000 ]; do i=$((i + 1)); done'");
  const auto seen = watch->stop();
  REQUIRE(seen);
  const auto& entry = log.entries().back();
  const auto rusage_ns = static_cast<double>(1000 * (entry.user_us + entry.system_us));
  const auto clock_ns = static_cast<double>(seen->cpu_ns - before->cpu_ns);
  CHECK(rusage_ns > 20e6);
  CHECK(clock_ns == doctest::Approx(rusage_ns).epsilon(0.2));
}

TEST_CASE("child log: only what runs while it lives, and the newest one") {
  shell("true");
  const ChildLog outer;
  {
    const ChildLog inner;
    shell("true");
    CHECK(inner.entries().size() == 1);
  }
  CHECK(outer.entries().empty());
  const ChildResult ran = shell("exit 0");
  REQUIRE(outer.entries().size() == 1);
  CHECK(outer.entries()[0].pid > 0);
  CHECK(outer.entries()[0].wall_ns == ran.wall_ns);
}

}  // namespace svcbench
