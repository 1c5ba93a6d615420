// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "sys/fd.h"
#include "sys/interrupt.h"
#include "sys/launch.h"
#include "sys/memfd.h"
#include "sys/peak_rss.h"
#include "sys/signals_blocked.h"
#include "sys/stopwatch.h"

namespace svcbench {
namespace {

thread_local ChildMemory* child_memory = nullptr;

thread_local ChildLog* current_log = nullptr;

std::int64_t microseconds(const timeval& time) {
  return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
}

void reap(pid_t pid, int& status, rusage& usage) {
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
}

// A child that asked to be traced: it stops once it has become its program, and at its exit.
class Tracer {
 public:
  explicit Tracer(pid_t pid) : pid_(pid) {}

  // Lets the child go on where it stands still; at its exit its peak is read, and it is let go for good.
  void look() {
    siginfo_t stopped{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &stopped, WSTOPPED | WNOHANG) != 0 ||
        stopped.si_pid != pid_) {
      return;
    }
    constexpr int at_exit = SIGTRAP | PTRACE_EVENT_EXIT << 8;
    if (stopped.si_status == at_exit) {
      const auto peak = peak_rss_bytes(pid_);
      peak_bytes_ = peak ? *peak : 0;
      done_ = true;
      ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
      return;
    }
    int signal = stopped.si_status;  // on its way to the child
    if (signal == SIGTRAP && !began_) {
      began_ = ptrace(PTRACE_SETOPTIONS, pid_, nullptr, PTRACE_O_TRACEEXIT) == 0;
      signal = 0;
    }
    ptrace(PTRACE_CONT, pid_, nullptr, signal);
  }

  [[nodiscard]] bool done() const { return done_; }
  [[nodiscard]] std::size_t peak_bytes() const { return peak_bytes_; }  // 0: unknown

 private:
  pid_t pid_;
  bool began_ = false;
  bool done_ = false;
  std::size_t peak_bytes_ = 0;
};

// Until the child ended; if it may be interrupted, a signal ends it. Signals are let in by ppoll() only:
// one that comes between a look at the flag and a plain waitpid() would wait for the child's own end.
void wait_for_end(const Child& child, const SignalsBlocked& blocked, const ChildOptions& options,
                  Tracer* tracer) {
  if (!child.pidfd.valid()) {  // kernel before 5.2; reap() waits
    return;
  }
  pollfd ended{child.pidfd.get(), POLLIN, 0};
  bool told = false;
  for (;;) {
    const timespec moment{0, 1'000'000};  // ptrace's stops wake nobody who polls
    const bool looking = tracer != nullptr && !tracer->done();
    const int ready = ppoll(&ended, 1, looking ? &moment : nullptr, &blocked.before());
    if (ready > 0 || (ready < 0 && errno != EINTR)) {
      return;
    }
    if (ready < 0 && options.interruptible && interrupted() != 0 && !told) {
      kill(child.pid, options.ended_by);
      told = true;
    }
    if (looking) {
      tracer->look();
    }
  }
}

Result<ChildResult> result_of(const std::string& program, int status, const ChildOptions& options,
                              const Fd& out, const Fd& err) {
  ChildResult result;
  result.exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  if (result.exit_status == 128 + SIGXFSZ) {
    return failure("{} wrote more than {} bytes to one of its output streams, and was ended for it",
                   program, options.capture_limit);
  }
  SVCB_TAKE(out_text, whole_text(out));
  SVCB_TAKE(err_text, whole_text(err));
  result.out = std::move(out_text);
  result.err = std::move(err_text);
  return result;
}

void add_usage(ChildResult& result, const rusage& usage) {
  result.user_us = microseconds(usage.ru_utime);
  result.system_us = microseconds(usage.ru_stime);
  rusage own{};
  getrusage(RUSAGE_SELF, &own);
  result.max_rss_kib = usage.ru_maxrss > own.ru_maxrss ? usage.ru_maxrss : 0;
}

}  // namespace

std::string ChildResult::first_error_line() const {
  const std::string& text = err.empty() ? out : err;
  return text.substr(0, text.find('\n'));
}

Result<ChildResult> run_child(const std::vector<std::string>& argv, const ChildOptions& options) {
  SVCB_TAKE(launch, Launch::of(argv, options.environment));
  // Memory files, not pipes: nobody has to read while the child writes, so nothing can deadlock and the
  // wait is one system call.
  SVCB_TAKE(out, empty_memfd("stdout"));
  SVCB_TAKE(err, empty_memfd("stderr"));
  const Fd null(options.stdin_fd < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1);
  launch.streams = {options.stdin_fd < 0 ? null.get() : options.stdin_fd, out.get(),
                    options.stderr_fd < 0 ? err.get() : options.stderr_fd};
  launch.file_limit = options.capture_limit;
  launch.traced = child_memory != nullptr;

  const SignalsBlocked blocked;
  if (options.interruptible) {
    SVCB_CHECK(check_interrupted());
  }
  const Stopwatch running;
  SVCB_TAKE(child, launch.start());
  int status = 0;
  rusage usage{};
  std::optional<Tracer> tracer;
  if (launch.traced) {
    tracer.emplace(child.pid);
  }
  wait_for_end(child, blocked, options, tracer ? &*tracer : nullptr);
  reap(child.pid, status, usage);
  const std::int64_t wall_ns = running.ns();

  if (options.interruptible) {
    SVCB_CHECK(check_interrupted());
  }
  SVCB_TAKE(result, result_of(launch.path(), status, options, out, err));
  result.wall_ns = wall_ns;
  add_usage(result, usage);
  if (tracer && tracer->peak_bytes() != 0) {
    result.max_rss_kib = static_cast<long>(tracer->peak_bytes() / 1024);
  }
  if (child_memory != nullptr) {
    child_memory->note(result);
  }
  if (current_log != nullptr) {
    current_log->add({child.pid, result.wall_ns, result.user_us, result.system_us});
  }
  return result;
}

ChildLog::ChildLog() : before_(current_log) { current_log = this; }
ChildLog::~ChildLog() { current_log = before_; }

ChildMemory::ChildMemory() { child_memory = this; }

ChildMemory::~ChildMemory() { child_memory = nullptr; }

void ChildMemory::note(const ChildResult& child) {
  known_ = known_ && child.max_rss_kib > 0;
  peak_bytes_ = std::max(peak_bytes_, static_cast<std::size_t>(child.max_rss_kib) * 1024);
}

}  // namespace svcbench
