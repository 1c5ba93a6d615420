// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Kernel memory from /proc/meminfo, and our own peak.
#include <doctest/doctest.h>

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "measure/state.h"
#include "sys/child_process.h"
#include "sys/peak_rss.h"

namespace svcbench {
namespace {

constexpr double mib = 1 << 20;

// Six cycles over a machine whose memory grows by `drift` a reading, with a noise of their own each.
std::vector<MemoryCycle> cycles_of(const MemoryInUse& held, double drift,
                                   const std::vector<double>& noise) {
  std::vector<MemoryCycle> cycles;
  double base = 100 * mib;
  for (const double disturbance : noise) {
    MemoryCycle cycle;
    cycle.before = {base, 20 * mib, 2 * mib};
    cycle.installed = {base + drift + held.slab + disturbance, 20 * mib + held.vmalloc,
                       2 * mib + held.per_cpu};
    // Freed per-CPU pages stay.
    cycle.after = {base + 2 * drift, 20 * mib, 2 * mib + held.per_cpu};
    base += 2 * drift;
    cycles.push_back(cycle);
  }
  return cycles;
}

}  // namespace

TEST_CASE("kernel memory: /proc/meminfo") {
  const auto use = parse_meminfo(
      "MemTotal:       24684092 kB\nSlab:            1097016 kB\nSReclaimable:    1023440 kB\n"
      "SUnreclaim:        73576 kB\nVmallocTotal:   34359738367 kB\nVmallocUsed:       20248 kB\n"
      "Percpu:             2064 kB\nHugePages_Total:       0\n");
  REQUIRE_MESSAGE(use, use.error().message);
  CHECK(use->slab == 73576.0 * 1024);
  CHECK(use->vmalloc == 20248.0 * 1024);
  CHECK(use->per_cpu == 2064.0 * 1024);
}

TEST_CASE("kernel memory: /proc/meminfo that lacks a line, or says nonsense") {
  const auto old = parse_meminfo("SUnreclaim: 1 kB\nVmallocUsed: 2 kB\nPercpuX: 3 kB\n");
  REQUIRE(!old);
  CHECK(old.error().message == "/proc/meminfo has no line Percpu");
  CHECK(!parse_meminfo(""));
  CHECK(!parse_meminfo("SUnreclaim: kB\nVmallocUsed: 2 kB\nPercpu: 3 kB\n"));
  CHECK(!parse_meminfo("SUnreclaim: 1\nVmallocUsed: 2 kB\nPercpu: 3 kB\n"));
  CHECK(!parse_meminfo("SUnreclaim:"));
}

TEST_CASE("kernel memory: a steady drift cancels, and freed per-CPU pages are not missed") {
  const auto memory =
      estimate_kernel_memory(cycles_of({2 * mib, 6 * mib, 1 * mib}, 5 * mib, std::vector<double>(6, 0)));
  CHECK(memory.conclusive);
  CHECK(memory.slab.value == doctest::Approx(2 * mib));
  CHECK(memory.vmalloc.value == doctest::Approx(6 * mib));
  CHECK(memory.per_cpu.value == doctest::Approx(1 * mib));
  CHECK(memory.total.value == doctest::Approx(9 * mib));
  CHECK(memory.total.interval->low == doctest::Approx(9 * mib));
  CHECK(memory.total.interval->high == doctest::Approx(9 * mib));
  CHECK(memory.summary == "9.00 MiB [9.00, 9.00]: slab 2.00, vmalloc 6.00, per-CPU 1.00");
}

TEST_CASE("kernel memory: one disturbed cycle moves nothing, noise as large as the figure is told") {
  const std::vector<double> one_off{0, 0, 0, 90 * mib, 0, 0, 0, 0, 0};
  const auto steady = estimate_kernel_memory(cycles_of({0, 6 * mib, 0}, 0, one_off));
  CHECK(steady.conclusive);
  CHECK(steady.total.interval->high == doctest::Approx(6 * mib));

  // With six cycles the interval is their whole range.
  const auto below =
      estimate_kernel_memory(cycles_of({1 * mib, 0, 0}, 0, {-1.5 * mib, 0, 0, 0, 0.1 * mib, 0.2 * mib}));
  CHECK(!below.conclusive);
  CHECK(below.summary.starts_with("inconclusive: 1.00 MiB [-0.50, 1.20]"));
  const auto above =
      estimate_kernel_memory(cycles_of({1 * mib, 0, 0}, 0, {0, 0, 0, 0, 0.1 * mib, 1.5 * mib}));
  CHECK(!above.conclusive);
}

TEST_CASE("kernel memory: too few cycles") {
  const auto memory = estimate_kernel_memory(cycles_of({0, 6 * mib, 0}, 0, std::vector<double>(5, 0)));
  CHECK(!memory.conclusive);
  CHECK(memory.summary.starts_with("inconclusive: 5 cycles"));
  CHECK(!estimate_kernel_memory({}).conclusive);
}

TEST_CASE("kernel memory: what fails is removed, and told") {
  int removed = 0;
  const auto remove = [&removed] {
    ++removed;
    return Status();
  };
  // Reads /proc/meminfo, and makes a BPF map where it may: either error is one.
  const auto memory = kernel_memory([] { return Status(failure("no rules today")); }, remove, 1);
  REQUIRE(!memory);
  if (memory.error().message == "no rules today") {
    CHECK(removed == 1);
  } else {
    CHECK(removed == 0);
    MESSAGE(memory.error().message);
  }
}

TEST_CASE("peak of resident memory: seen, and reset") {
  constexpr std::size_t size = 256U << 20;
  // What the test program itself touches meanwhile (a sanitizer's shadow), and what the kernel takes back
  // from it: more than a tenth of 64 MiB was seen.
  constexpr std::size_t tolerance = size / 4;
  const auto reset = reset_peak_rss();
  REQUIRE_MESSAGE(reset, reset.error().message);
  const auto before = peak_rss_bytes();
  REQUIRE_MESSAGE(before, before.error().message);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  std::fill_n(static_cast<char*>(memory), size, 'x');
  munmap(memory, size);
  const auto peak = peak_rss_bytes();
  CHECK(*peak > *before + size - tolerance);
  CHECK(*peak < *before + size + tolerance);
  REQUIRE(reset_peak_rss());
  CHECK(*peak_rss_bytes() < *before + tolerance);
}

TEST_CASE("user memory: our own growth, and a tool's peak though it lies far below ours") {
  constexpr double tolerance = 8 * mib;
  std::vector<char> ours(64U << 20, 'x');  // what was there before is not counted
  std::vector<char> more;
  const auto both = user_memory_of([&]() -> Status {
    more.assign(128U << 20, 'y');
    SVCB_TAKE(dd, run_child({"dd", "if=/dev/zero", "of=/dev/null", "bs=16M", "count=1"}));
    return dd.exit_status == 0 ? Status() : failure("{}", dd.first_error_line());
  });
  REQUIRE_MESSAGE(both, both.error().message);
  CHECK(std::abs(static_cast<double>(both->own) - 128 * mib) < 4 * tolerance);
  REQUIRE(both->tool);  // dd's buffer, and its libraries
  CHECK(static_cast<double>(*both->tool) > 16 * mib);
  CHECK(static_cast<double>(*both->tool) < 16 * mib + tolerance);

  const auto neither = user_memory_of([] { return Status(); });
  REQUIRE(neither);
  CHECK(static_cast<double>(neither->own) < tolerance);
  CHECK(neither->tool == 0);

  const auto failed = user_memory_of([]() -> Status { return failure("no"); });
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "no");
}

TEST_CASE("user memory: of several tools the largest; a killed or signalled one ends as it would") {
  const auto two = user_memory_of([]() -> Status {
    for (const char* size : {"bs=12M", "bs=1M"}) {
      SVCB_CHECK(run_child({"dd", "if=/dev/zero", "of=/dev/null", size, "count=1"}));
    }
    return {};
  });
  REQUIRE_MESSAGE(two, two.error().message);
  REQUIRE(two->tool);
  CHECK(static_cast<double>(*two->tool) > 12 * mib);
  CHECK(static_cast<double>(*two->tool) < 20 * mib);
  const ChildMemory watching;
  const auto killed = run_child({"sh", "-c", "kill -9 $$"});
  REQUIRE(killed);
  CHECK(killed->exit_status == 128 + 9);
  const auto handled = run_child({"sh", "-c", "trap 'exit 7' USR1; kill -USR1 $$; exit 8"});
  REQUIRE(handled);
  CHECK(handled->exit_status == 7);
  const auto stopped = run_child({"sh", "-c", "kill -STOP $$; exit 5"});  // a tracer does not leave it so
  REQUIRE(stopped);
  CHECK(stopped->exit_status == 5);
}

}  // namespace svcbench
