// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <doctest/doctest.h>

#include <unistd.h>

#include <algorithm>

#include "sys/lasting_process.h"
#include "sys/peak_rss.h"
#include "sys/process_tree.h"
#include "sys/stopwatch.h"

namespace svcbench {
namespace {

constexpr std::size_t held_bytes = 60'000'000;

}  // namespace

TEST_CASE("memory of a process and of the tools that it runs") {
  {
    // tail keeps what has no line end until its input ends. It is the child of a subshell, which runs the
    // shell's own program.
    auto process = LastingProcess::start(
        {"sh", "-c", "( ( head -c 60000000 /dev/zero; sleep 60 ) | tail >/dev/null; : ); :"});
    REQUIRE(process);
    std::size_t most = 0;
    const Stopwatch waited;
    while (most < held_bytes && waited.ns() < 30'000'000'000) {
      const auto now = resident_in_tree(process->pid());
      REQUIRE(now);
      most = std::max(most, *now);
      usleep(5'000);
    }
    CHECK(most >= held_bytes);
    CHECK(most < 2 * held_bytes);
    const auto own = peak_rss_bytes(process->pid());
    REQUIRE(own);
    CHECK(*own < held_bytes / 2);
  }
  {
    // A process without children is itself alone.
    auto alone = LastingProcess::start({"sleep", "60"});
    REQUIRE(alone);
    const auto all = resident_in_tree(alone->pid());
    REQUIRE(all);
    CHECK(*all > 0);
    CHECK(*all < held_bytes);
  }
  CHECK_FALSE(resident_in_tree(-1));
}

}  // namespace svcbench
