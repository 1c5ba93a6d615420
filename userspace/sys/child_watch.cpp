// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/child_watch.h"

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>

namespace svcbench {

namespace {

// A fork or an exit is a record of 40 bytes: room for some 1,600 of them a CPU.
constexpr std::size_t data_pages = 16;

std::size_t page_bytes() {
  static const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return size;
}
std::size_t data_bytes() { return data_pages * page_bytes(); }
std::size_t ring_bytes() { return page_bytes() + data_bytes(); }

// `cpu` -1: on all of them.
Fd open_task_clock(int cpu, bool children) {
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_TASK_CLOCK;
  attributes.inherit = children ? 1 : 0;
  attributes.task = children ? 1 : 0;
  return Fd(static_cast<int>(
      syscall(SYS_perf_event_open, &attributes, 0, cpu, -1, std::uint64_t{PERF_FLAG_FD_CLOEXEC})));
}

tl::unexpected<Error> refused(int error) {
  return failure(
      "{} (needs CAP_PERFMON or kernel.perf_event_paranoid of 2 or less, and a container that "
      "allows perf_event_open)",
      with_errno("the kernel gives no perf events for processes", error));
}

// The record that PERF_RECORD_FORK and _EXIT have in common.
struct TaskRecord {
  perf_event_header header;
  std::uint32_t pid, parent_pid, tid, parent_tid;
  std::uint64_t time;
};

Result<std::int64_t> count(const Fd& fd) {
  std::uint64_t value = 0;
  if (read(fd.get(), &value, sizeof value) != sizeof value) {
    return failure("{}", with_errno("read a perf counter", errno));
  }
  return static_cast<std::int64_t>(value);
}

// Calls `take` with each record of a ring, and empties it.
template <typename Take>
void drain(void* memory, Take take) {
  auto& page = *static_cast<perf_event_mmap_page*>(memory);
  const char* data = static_cast<const char*>(memory) + page_bytes();
  const std::uint64_t head = std::atomic_ref(page.data_head).load(std::memory_order_acquire);
  std::uint64_t tail = page.data_tail;
  while (tail < head) {
    // A record may wrap around the end.
    const auto copy = [&](void* to, std::size_t size) {
      for (std::size_t i = 0; i < size; ++i) {
        static_cast<char*>(to)[i] = data[(tail + i) % data_bytes()];
      }
    };
    TaskRecord record{};
    copy(&record.header, sizeof record.header);
    const std::size_t size = record.header.size;
    copy(&record, std::min(size, sizeof record));
    take(record);
    tail += std::max(size, sizeof record.header);
  }
  std::atomic_ref(page.data_tail).store(tail, std::memory_order_release);
}

}  // namespace

ChildWatch::Ring::~Ring() {
  if (memory != nullptr) {
    munmap(memory, ring_bytes());
  }
}

ChildWatch::~ChildWatch() = default;

// The kernel maps no inherited event that is on all CPUs: one for each.
Result<ChildWatch> ChildWatch::start() {
  ChildWatch watch;
  const long cpus = sysconf(_SC_NPROCESSORS_CONF);
  for (int cpu = 0; cpu < cpus; ++cpu) {
    Fd counter = open_task_clock(cpu, true);
    if (!counter.valid()) {
      if (errno == ENODEV) {  // it is switched off
        continue;
      }
      return refused(errno);
    }
    void* memory = mmap(nullptr, ring_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, counter.get(), 0);
    if (memory == MAP_FAILED) {
      return failure("{}", with_errno("map perf's records of processes", errno));
    }
    watch.rings_.emplace_back(std::move(counter), memory);
  }
  watch.own_ = open_task_clock(-1, false);
  if (!watch.own_.valid()) {
    return refused(errno);
  }
  SVCB_TAKE(cpu, watch.cpu_of_children());
  watch.cpu_before_ = cpu;
  return watch;
}

Result<std::int64_t> ChildWatch::cpu_of_children() const {
  std::int64_t sum = 0;
  for (const Ring& ring : rings_) {
    SVCB_TAKE(with_children, count(ring.fd));
    sum += with_children;
  }
  SVCB_TAKE(own, count(own_));
  return sum - own;
}

Result<ChildWatch::Seen> ChildWatch::stop() {
  Seen seen;
  SVCB_TAKE(cpu, cpu_of_children());
  seen.cpu_ns = cpu - cpu_before_;
  const auto self = static_cast<std::uint32_t>(getpid());
  std::map<std::uint32_t, std::uint64_t> forked;
  std::vector<TaskRecord> exits;
  bool lost = false;
  for (const Ring& ring : rings_) {
    drain(ring.memory, [&](const TaskRecord& record) {
      lost = lost || record.header.type == PERF_RECORD_LOST;
      const bool ours = record.parent_pid == self && record.pid == record.tid;
      if (record.header.type == PERF_RECORD_FORK && ours) {
        forked[record.pid] = record.time;
      } else if (record.header.type == PERF_RECORD_EXIT && ours) {
        exits.push_back(record);
      }
    });
  }
  std::sort(exits.begin(), exits.end(),
            [](const TaskRecord& a, const TaskRecord& b) { return a.time < b.time; });
  for (const TaskRecord& exit : exits) {
    const auto found = forked.find(exit.pid);
    lost = lost || found == forked.end() || found->second > exit.time;
    if (!lost) {
      seen.children.push_back(
          {static_cast<pid_t>(exit.pid), static_cast<std::int64_t>(exit.time - found->second)});
    }
  }
  if (lost || seen.children.size() != forked.size()) {
    return failure("perf has lost records of processes that were started: their times are not known");
  }
  return seen;
}

}  // namespace svcbench
