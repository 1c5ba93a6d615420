// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/state.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <ctime>
#include <vector>

#include "sys/conntrack.h"
#include "sys/fd.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

constexpr double kib = 1024;
constexpr double mib = 1024 * kib;

// The value of a line of /proc/meminfo, in bytes.
Result<double> field_of(std::string_view text, std::string_view name) {
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(name) || line.substr(name.size(), 1) != ":") {
      continue;
    }
    std::string_view value = line.substr(name.size() + 1);
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    std::uint64_t number = 0;
    const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error == std::errc() && std::string_view(rest, value.data() + value.size()) == " kB") {
      return static_cast<double>(number) * kib;
    }
    return failure("/proc/meminfo: no number of kB: {}", line);
  }
  return failure("/proc/meminfo has no line {}", name);
}

double sum(const MemoryInUse& use) { return use.slab + use.vmalloc + use.per_cpu; }

// What one cycle's installation held. Per-CPU pages stay when they are freed.
MemoryInUse held(const MemoryCycle& cycle) {
  const auto against_both = [](double before, double installed, double after) {
    return installed - (before + after) / 2;
  };
  return {against_both(cycle.before.slab, cycle.installed.slab, cycle.after.slab),
          against_both(cycle.before.vmalloc, cycle.installed.vmalloc, cycle.after.vmalloc),
          cycle.installed.per_cpu - cycle.before.per_cpu};
}

bool more_than_noise(const stats::Estimate& total) {
  return total.interval && total.interval->low > 0 && total.interval->high < 2 * total.value;
}

std::string summary_of(const KernelMemory& memory) {
  const stats::Estimate& total = memory.total;
  if (!total.interval) {
    return fmt::format("inconclusive: {} cycles of installing and removing; 6 give an interval",
                       total.samples);
  }
  const std::string value = fmt::format("{:.2f} MiB [{:.2f}, {:.2f}]", total.value / mib,
                                        total.interval->low / mib, total.interval->high / mib);
  if (!memory.conclusive) {
    return fmt::format(
        "inconclusive: {}, no more than what else the machine did meanwhile: more cycles, more services or "
        "a quiet machine would settle it",
        value);
  }
  return fmt::format("{}: slab {:.2f}, vmalloc {:.2f}, per-CPU {:.2f}", value, memory.slab.value / mib,
                     memory.vmalloc.value / mib, memory.per_cpu.value / mib);
}

// Fills the per-CPU pages that the kernel has and nobody uses.
class PerCpuBallast {
 public:
  static Result<PerCpuBallast> create() {
    // A page for each element and CPU. 8 MiB a CPU at most: more slack than that is left alone.
    constexpr std::uint32_t elements = 64;
    constexpr std::uint32_t element_bytes = 4096;
    constexpr std::size_t most_maps = 32;
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) {
      return failure("ask how many CPUs there may be: {}", std::strerror(-cpus));
    }
    const double whole = static_cast<double>(elements) * element_bytes * cpus;
    PerCpuBallast ballast;
    // Full when two in a row were given nothing but new pages; the edges may use two that are there.
    for (int in_a_row = 0; in_a_row < 2 && ballast.maps_.size() < most_maps;) {
      SVCB_TAKE(before, memory_in_use());
      Fd map(bpf_map_create(BPF_MAP_TYPE_PERCPU_ARRAY, "svcb_ballast", sizeof(std::uint32_t), element_bytes,
                            elements, nullptr));
      if (!map.valid()) {
        return failure("fill unused per-CPU memory with a BPF map: {} (needs CAP_BPF; run it with sudo)",
                       std::strerror(errno));
      }
      ballast.maps_.push_back(std::move(map));
      SVCB_TAKE(after, memory_in_use());
      in_a_row = after.per_cpu - before.per_cpu >= whole - 2.0 * element_bytes * cpus ? in_a_row + 1 : 0;
    }
    return ballast;
  }

 private:
  std::vector<Fd> maps_{};
};

// When the kernel has freed what it frees late: three readings in a row that are as good as equal.
Result<MemoryInUse> settled() {
  constexpr double same = 64 * kib;
  constexpr int most_readings = 40;
  SVCB_TAKE(last, memory_in_use());
  for (int reading = 0, in_a_row = 0; reading < most_readings && in_a_row < 3; ++reading) {
    const timespec moment{0, 50'000'000};
    nanosleep(&moment, nullptr);
    SVCB_CHECK(check_interrupted());
    SVCB_TAKE(now, memory_in_use());
    in_a_row = std::abs(sum(now) - sum(last)) <= same ? in_a_row + 1 : 0;
    last = now;
  }
  return last;
}

Result<MemoryCycle> run_cycle(const std::function<Status()>& install,
                              const std::function<Status()>& remove) {
  SVCB_TAKE(ballast, PerCpuBallast::create());
  MemoryCycle cycle;
  SVCB_TAKE(before, settled());
  cycle.before = before;
  const Status installed = install();
  const Result<MemoryInUse> with = installed ? settled() : tl::unexpected(installed.error());
  const Status removed = remove();
  if (!with) {
    return tl::unexpected(with.error());
  }
  SVCB_CHECK(removed);
  cycle.installed = *with;
  SVCB_TAKE(after, settled());
  cycle.after = after;
  return cycle;
}

}  // namespace

Result<MemoryInUse> parse_meminfo(std::string_view text) {
  MemoryInUse use;
  SVCB_TAKE(slab, field_of(text, "SUnreclaim"));
  SVCB_TAKE(vmalloc, field_of(text, "VmallocUsed"));
  SVCB_TAKE(per_cpu, field_of(text, "Percpu"));
  use.slab = slab;
  use.vmalloc = vmalloc;
  use.per_cpu = per_cpu;
  return use;
}

Result<MemoryInUse> memory_in_use() {
  const Fd file(open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
  std::array<char, 16384> text{};
  const ssize_t size = file.valid() ? read(file.get(), text.data(), text.size()) : -1;
  if (size < 0) {
    return failure("{}", with_errno("read /proc/meminfo", errno));
  }
  return parse_meminfo({text.data(), static_cast<std::size_t>(size)});
}

KernelMemory estimate_kernel_memory(std::span<const MemoryCycle> cycles) {
  std::array<std::vector<double>, 4> samples;
  for (const MemoryCycle& cycle : cycles) {
    const MemoryInUse use = held(cycle);
    samples[0].push_back(sum(use));
    samples[1].push_back(use.slab);
    samples[2].push_back(use.vmalloc);
    samples[3].push_back(use.per_cpu);
  }
  const auto median = [](const std::vector<double>& of) {
    return stats::median_of(of).value_or(stats::Estimate{});
  };
  KernelMemory memory;
  memory.total = median(samples[0]);
  memory.slab = median(samples[1]);
  memory.vmalloc = median(samples[2]);
  memory.per_cpu = median(samples[3]);
  memory.conclusive = more_than_noise(memory.total);
  memory.summary = summary_of(memory);
  return memory;
}

Result<KernelMemory> kernel_memory(const std::function<Status()>& install,
                                   const std::function<Status()>& remove, std::size_t repeats) {
  std::vector<MemoryCycle> cycles;
  for (std::size_t i = 0; i < repeats + 1; ++i) {
    SVCB_TAKE(cycle, run_cycle(install, remove));
    if (i > 0) {
      cycles.push_back(cycle);
    }
  }
  return estimate_kernel_memory(cycles);
}

Result<std::size_t> conntrack_per_1000_flows(PathRig& rig, const PathTargets& targets, Protocol protocol) {
  constexpr std::uint32_t flows = 1000;
  SVCB_TAKE(inside, rig.testbed().node().enter());
  SVCB_TAKE(limit, conntrack_limit());
  if (limit != 0 && limit < flows) {
    return failure(
        "the connection tracker may hold {} entries, fewer than {} (raise net.netfilter."
        "nf_conntrack_max)",
        limit, flows);
  }
  SVCB_CHECK(rig.measure(targets, {FlowKind::fresh, Position::random, protocol}, flows));
  return conntrack_entries();
}

}  // namespace svcbench
