// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A cgroup v2 folder of svcbench's own, for BPF programs that are attached to the sockets of its processes.
#pragma once

#include <string>
#include <utility>

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

// A folder svcbench-PID-N, empty, below the cgroup that the calling process is in: limits on that one go on
// holding. The folder goes with this object. One that a killed run left behind is removed by the next run
// in the same cgroup.
//
// The hierarchy is mounted where nobody sees it: the mount hangs on a file descriptor alone, so no mount
// table changes and nothing is to be unmounted. It is made from a cgroup namespace of its own, because a
// mount from the first one would set the hierarchy's options (nsdelegate, memory_recursiveprot) for the
// whole host.
class Cgroup {
 public:
  static Result<Cgroup> create();
  Cgroup(Cgroup&& other) noexcept = default;
  Cgroup& operator=(Cgroup&&) = delete;
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  // Moves what processes are inside back to the cgroup above.
  ~Cgroup();

  // Good in this process only, while this lives.
  [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}/{}", home_.get(), name_); }

  // The calling process, with all its threads, is inside while this lives. A socket belongs to the cgroup
  // that its process was in when it was opened, for good. A move takes milliseconds.
  class Inside {
   public:
    explicit Inside(int home) : home_(home) {}
    Inside(Inside&& other) noexcept : home_(std::exchange(other.home_, -1)) {}
    Inside& operator=(Inside&&) = delete;
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside();

   private:
    int home_;  // borrowed from the Cgroup
  };
  [[nodiscard]] Result<Inside> enter() const;

 private:
  Cgroup(Fd home, std::string name) : home_(std::move(home)), name_(std::move(name)) {}

  Fd home_;           // the cgroup above
  std::string name_;  // below it
};

}  // namespace svcbench
