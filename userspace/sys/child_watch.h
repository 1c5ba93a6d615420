// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The kernel's own reading of the processes that this thread starts: perf's records of a fork and of an
// exit (PERF_RECORD_FORK, _EXIT, on the scheduler's clock), and its task clock, which children inherit.
// Nothing of it is shared with run_child()'s stopwatch and rusage but the hardware.
//
// From the fork to the exit: what comes before (clone()) and after (waking us, reaping) is not in it, nor,
// from kernel 6.16 on, the giving back of the child's memory, before which the kernel ends its records.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

class ChildWatch {
 public:
  struct Child {
    pid_t pid = 0;
    std::int64_t wall_ns = 0;
  };
  struct Seen {
    std::vector<Child> children{};  // those that ended, in that order; their own children are not listed
    std::int64_t cpu_ns = 0;        // of all of them, and of their children
  };

  // Error: the kernel has no perf events, or forbids them (kernel.perf_event_paranoid, a container's
  // seccomp).
  static Result<ChildWatch> start();
  // What has been seen since start(); every child that ran in between must have been reaped. Error: a
  // record was lost.
  Result<Seen> stop();

  ChildWatch(ChildWatch&&) noexcept = default;
  ChildWatch& operator=(ChildWatch&&) = delete;
  ~ChildWatch();

 private:
  // One CPU's events of this thread and of what it starts, and their records.
  struct Ring {
    Ring(Fd counter, void* pages) : fd(std::move(counter)), memory(pages) {}
    Ring(Ring&& other) noexcept : fd(std::move(other.fd)), memory(std::exchange(other.memory, nullptr)) {}
    Ring& operator=(Ring&&) = delete;
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring();
    Fd fd;
    void* memory;  // mapped
  };

  ChildWatch() = default;
  [[nodiscard]] Result<std::int64_t> cpu_of_children() const;

  Fd own_{};  // this thread's task clock, without its children's
  std::vector<Ring> rings_{};
  std::int64_t cpu_before_ = 0;
};

}  // namespace svcbench
