// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Runs another program, and measures it.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/launch.h"
#include "sys/result.h"

namespace svcbench {

struct ChildOptions {
  int stdin_fd = -1;                     // borrowed, read from its current offset; -1 is /dev/null
  std::vector<std::string> environment;  // "NAME=value", over the inherited ones; LC_ALL=C is always there
  std::size_t capture_limit = std::size_t{256} << 20;  // bytes of one stream; more is an error
  // Whether SIGINT and its like end the child. Not so for what cleans up: it runs because of the signal.
  bool interruptible = true;
  // What ends it then: one that has to put things back gets SIGTERM, and is waited for.
  int ended_by = SIGKILL;
  int stderr_fd = -1;  // borrowed: where its standard error goes; -1: into ChildResult::err
};

struct ChildResult {
  int exit_status = 0;  // the exit code, or 128 + the signal that ended it
  std::string out;
  std::string err;
  std::int64_t wall_ns = 0;    // CLOCK_MONOTONIC, from before the launch until it was reaped
  std::int64_t user_us = 0;    // CPU time of the child and its own children
  std::int64_t system_us = 0;  //
  // Peak resident size. 0 is unknown: the kernel counts the address space that the child left at exec too,
  // which is ours, so only a peak above our own can be told. While there is a ChildMemory any can.
  long max_rss_kib = 0;

  [[nodiscard]] std::string first_error_line() const;  // of `err`, or of `out` if that is empty
};

// Runs argv[0] (found as find_program() does) and waits for it. Any exit status is a result. An Error: it
// could not be started (names the program, why, and what to install), it wrote more than the limit, or
// svcbench was interrupted (the child was killed and reaped). A child never outlives the calling thread:
// the kernel kills it, whatever ends svcbench.
[[nodiscard]] Result<ChildResult> run_child(const std::vector<std::string>& argv,
                                            const ChildOptions& options = {});

// While one lives, the peak resident size of each child that this thread runs is read as it ends, exactly:
// a tracer may look at a process that is about to exit (ptrace(2), PTRACE_EVENT_EXIT). Costs a millisecond
// a child, so it is not for runs that are timed. At most one at a time.
class ChildMemory {
 public:
  ChildMemory();
  ~ChildMemory();
  ChildMemory(const ChildMemory&) = delete;
  ChildMemory& operator=(const ChildMemory&) = delete;

  // Bytes, of the largest child so far; 0: there was none. None: one child's could not be read.
  [[nodiscard]] std::optional<std::size_t> peak_bytes() const {
    return known_ ? std::optional(peak_bytes_) : std::nullopt;
  }
  // Called by run_child().
  void note(const ChildResult& child);

 private:
  std::size_t peak_bytes_ = 0;
  bool known_ = true;
};

// Keeps what run_child() measured of each child of this thread, for as long as it lives; the newest one at
// a time. To be destroyed by the same thread, in reverse order.
class ChildLog {
 public:
  struct Entry {
    pid_t pid;
    std::int64_t wall_ns;  // as in ChildResult
    std::int64_t user_us;
    std::int64_t system_us;
  };

  ChildLog();
  ~ChildLog();
  ChildLog(const ChildLog&) = delete;
  ChildLog& operator=(const ChildLog&) = delete;

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  void add(const Entry& entry) { entries_.push_back(entry); }

 private:
  std::vector<Entry> entries_{};
  ChildLog* before_;
};

}  // namespace svcbench
