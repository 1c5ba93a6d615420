// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "sys/fd.h"
#include "sys/interrupt.h"
#include "sys/memfd.h"
#include "sys/peak_rss.h"
#include "sys/stopwatch.h"

namespace svcbench {
namespace {

thread_local ChildMemory* child_memory = nullptr;

constexpr std::size_t stack_bytes = std::size_t{64} << 10;
constexpr std::string_view admin_folders = "/usr/local/sbin:/usr/sbin:/sbin";

// What the child needs between clone() and exec, all of it made before: it may not allocate.
struct Launch {
  const char* path = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  std::array<int, 3> streams{};
  rlim_t capture_limit = 0;
  pid_t parent = 0;
  bool traced = false;
  int error = 0;  // out: errno of what failed, 0 if exec succeeded
};

std::int64_t microseconds(const timeval& time) {
  return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
}

// Our handlers write to memory that the child still shares: between the unblocking of the signals and exec,
// it must have none. (What is ignored stays so.)
void drop_signal_handlers() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
      action = {};
      action.sa_handler = SIG_DFL;
      sigaction(signal, &action, nullptr);
    }
  }
}

bool prepare_child(const Launch& launch) {
  drop_signal_handlers();
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    return false;
  }
  if (getppid() != launch.parent) {  // it died before prctl(): nobody would kill us
    _exit(EXIT_FAILURE);
  }
  for (int i = 0; i < 3; ++i) {
    if (dup2(launch.streams[static_cast<std::size_t>(i)], i) < 0) {
      return false;
    }
  }
  const rlimit limit{launch.capture_limit, launch.capture_limit};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
    return false;
  }
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) != 0) {
    return false;
  }
  if (launch.traced) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);  // may be forbidden: then nothing is known
  }
  return true;
}

// Runs on its own stack in our memory, while our thread stands still.
int child_main(void* argument) {
  auto& launch = *static_cast<Launch*>(argument);
  if (prepare_child(launch)) {
    execve(launch.path, launch.argv, launch.environment);
  }
  launch.error = errno;
  _exit(EXIT_FAILURE);
}

struct Child {
  pid_t pid = -1;
  Fd pidfd;
};

// clone() as vfork() does it, but with a stack of its own, as posix_spawn() does it; posix_spawn() itself
// cannot set the death signal. fork() copies the page tables, which would be charged to the program that is
// measured: running /bin/true took 0.7 ms with either in an empty process, and 0.7 against 43 ms in one
// with 1 GiB resident (2 vCPU VM, kernel 6.18).
Result<Child> start(Launch& launch) {
  const auto stack = std::make_unique<std::byte[]>(stack_bytes);
  int pidfd = -1;
  Child child;
  child.pid = clone(child_main, stack.get() + stack_bytes, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                    &launch, &pidfd);
  if (child.pid < 0) {
    return failure("{}", with_errno(fmt::format("cannot start a process for {}", launch.path), errno));
  }
  child.pidfd = Fd(pidfd);
  return child;
}

void reap(pid_t pid, int& status, rusage& usage) {
  while (wait4(pid, &status, 0, &usage) < 0 && errno == EINTR) {
  }
}

// Blocks every signal for as long as it lives.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  [[nodiscard]] const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

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

// Until the child ended, or, if it may be interrupted, killed it. Signals are let in by ppoll() only: one
// that comes between a look at the flag and a plain waitpid() would wait for the child's own end.
void wait_for_end(const Child& child, const SignalsBlocked& blocked, bool interruptible, Tracer* tracer) {
  if (!child.pidfd.valid()) {  // kernel before 5.2; reap() waits
    return;
  }
  pollfd ended{child.pidfd.get(), POLLIN, 0};
  bool killed = false;
  for (;;) {
    const timespec moment{0, 1'000'000};  // ptrace's stops wake nobody who polls
    const bool looking = tracer != nullptr && !tracer->done();
    const int ready = ppoll(&ended, 1, looking ? &moment : nullptr, &blocked.before());
    if (ready > 0 || (ready < 0 && errno != EINTR)) {
      return;
    }
    if (ready < 0 && interruptible && interrupted() != 0 && !killed) {
      kill(child.pid, SIGKILL);
      killed = true;
    }
    if (looking) {
      tracer->look();
    }
  }
}

std::vector<std::string> child_environment(const std::vector<std::string>& extra) {
  std::vector<std::string> entries{"LC_ALL=C"};
  entries.insert(entries.end(), extra.begin(), extra.end());
  const auto name = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  const std::size_t ours = entries.size();
  for (char** inherited = environ; inherited != nullptr && *inherited != nullptr; ++inherited) {
    bool replaced = false;
    for (std::size_t i = 0; i < ours; ++i) {
      replaced = replaced || name(entries[i]) == name(*inherited);
    }
    if (!replaced) {
      entries.emplace_back(*inherited);
    }
  }
  return entries;
}

// The null-terminated array that exec wants. Points into `strings`.
std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& string : strings) {
    result.push_back(string.data());
  }
  result.push_back(nullptr);
  return result;
}

bool is_executable(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

Result<std::string> locate(const std::vector<std::string>& argv) {
  if (argv.empty()) {
    return failure("cannot run a program: no name given");
  }
  auto path = find_program(argv.front());
  if (!path) {
    return failure("cannot run {0}: {1} (install the package that has {0}, or put it on PATH)",
                   argv.front(),
                   argv.front().find('/') == std::string::npos ? "it is neither on PATH nor in /usr/sbin"
                                                               : "no such executable file");
  }
  return *path;
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
  SVCB_TAKE(path, locate(argv));
  // Memory files, not pipes: nobody has to read while the child writes, so nothing can deadlock and the
  // wait is one system call.
  SVCB_TAKE(out, empty_memfd("stdout"));
  SVCB_TAKE(err, empty_memfd("stderr"));
  const Fd null(options.stdin_fd < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1);
  auto arguments = argv;
  auto environment = child_environment(options.environment);
  const auto argument_pointers = pointers(arguments);
  const auto environment_pointers = pointers(environment);
  Launch launch;
  launch.path = path.c_str();
  launch.argv = argument_pointers.data();
  launch.environment = environment_pointers.data();
  launch.streams = {options.stdin_fd < 0 ? null.get() : options.stdin_fd, out.get(), err.get()};
  launch.capture_limit = options.capture_limit;
  launch.parent = getpid();
  launch.traced = child_memory != nullptr;

  const SignalsBlocked blocked;
  if (options.interruptible) {
    SVCB_CHECK(check_interrupted());
  }
  const Stopwatch running;
  SVCB_TAKE(child, start(launch));
  int status = 0;
  rusage usage{};
  std::optional<Tracer> tracer;
  if (launch.traced) {
    tracer.emplace(child.pid);
  }
  wait_for_end(child, blocked, options.interruptible, tracer ? &*tracer : nullptr);
  reap(child.pid, status, usage);
  const std::int64_t wall_ns = running.ns();

  if (options.interruptible) {
    SVCB_CHECK(check_interrupted());
  }
  if (launch.error != 0) {
    return failure("{} (is it installed whole, and for this machine?)",
                   with_errno(fmt::format("cannot run {}", path), launch.error));
  }
  SVCB_TAKE(result, result_of(path, status, options, out, err));
  result.wall_ns = wall_ns;
  add_usage(result, usage);
  if (tracer && tracer->peak_bytes() != 0) {
    result.max_rss_kib = static_cast<long>(tracer->peak_bytes() / 1024);
  }
  if (child_memory != nullptr) {
    child_memory->note(result);
  }
  return result;
}

ChildMemory::ChildMemory() { child_memory = this; }

ChildMemory::~ChildMemory() { child_memory = nullptr; }

void ChildMemory::note(const ChildResult& child) {
  known_ = known_ && child.max_rss_kib > 0;
  peak_bytes_ = std::max(peak_bytes_, static_cast<std::size_t>(child.max_rss_kib) * 1024);
}

std::optional<std::string> find_program(std::string_view name) {
  if (name.empty()) {
    return std::nullopt;
  }
  if (name.find('/') != std::string_view::npos) {
    return is_executable(std::string(name)) ? std::optional<std::string>(name) : std::nullopt;
  }
  const char* inherited = std::getenv("PATH");
  const std::string folders =
      fmt::format("{}:{}", inherited == nullptr ? "/usr/bin:/bin" : inherited, admin_folders);
  for (std::size_t begin = 0; begin <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', begin), folders.size());
    // An empty entry means the current folder to a shell. Not to a program that runs as root.
    if (end > begin) {
      auto path = fmt::format("{}/{}", std::string_view(folders).substr(begin, end - begin), name);
      if (is_executable(path)) {
        return path;
      }
    }
    begin = end + 1;
  }
  return std::nullopt;
}

}  // namespace svcbench
