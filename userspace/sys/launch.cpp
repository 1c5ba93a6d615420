// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/launch.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>

namespace svcbench {
namespace {

constexpr std::size_t stack_bytes = std::size_t{64} << 10;
constexpr std::string_view admin_folders = "/usr/local/sbin:/usr/sbin:/sbin";

// What the child needs between clone() and exec, all of it made before: it may not allocate.
struct Start {
  const char* path = nullptr;
  char* const* argv = nullptr;
  char* const* environment = nullptr;
  std::array<int, 3> streams{};
  rlim_t file_limit = 0;
  pid_t parent = 0;
  bool traced = false;
  bool leads_group = false;
  int error = 0;  // out: errno of what failed, 0 if exec succeeded
};

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

bool prepare_child(const Start& start) {
  drop_signal_handlers();
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    return false;
  }
  if (getppid() != start.parent) {  // it died before prctl(): nobody would kill us
    _exit(EXIT_FAILURE);
  }
  for (int i = 0; i < 3; ++i) {
    if (dup2(start.streams[static_cast<std::size_t>(i)], i) < 0) {
      return false;
    }
  }
  const rlimit limit{start.file_limit, start.file_limit};
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
    return false;
  }
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) != 0) {
    return false;
  }
  if (start.leads_group) {
    setpgid(0, 0);
  }
  if (start.traced) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);  // may be forbidden: then nothing is known
  }
  return true;
}

// Runs on its own stack in our memory, while our thread stands still.
int child_main(void* argument) {
  auto& start = *static_cast<Start*>(argument);
  if (prepare_child(start)) {
    execve(start.path, start.argv, start.environment);
  }
  start.error = errno;
  _exit(EXIT_FAILURE);
}

// clone() as vfork() does it, but with a stack of its own, as posix_spawn() does it; posix_spawn() itself
// cannot set the death signal. fork() copies the page tables, which would be charged to the program that is
// measured: running /bin/true took 0.7 ms with either in an empty process, and 0.7 against 43 ms in one
// with 1 GiB resident (2 vCPU VM, kernel 6.18).
Result<Child> clone_child(Start& start) {
  const auto stack = std::make_unique<std::byte[]>(stack_bytes);
  int pidfd = -1;
  Child child;
  child.pid = clone(child_main, stack.get() + stack_bytes, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                    &start, &pidfd);
  if (child.pid < 0) {
    return failure("{}", with_errno(fmt::format("cannot start a process for {}", start.path), errno));
  }
  child.pidfd = Fd(pidfd);
  return child;
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

}  // namespace

Result<Launch> Launch::of(const std::vector<std::string>& argv,
                          const std::vector<std::string>& environment) {
  Launch launch;
  SVCB_TAKE(path, locate(argv));
  launch.path_ = std::move(path);
  launch.argv_ = argv;
  launch.environment_ = child_environment(environment);
  return launch;
}

Result<Child> Launch::start() {
  const auto argv = pointers(argv_);
  const auto environment = pointers(environment_);
  Start what;
  what.path = path_.c_str();
  what.argv = argv.data();
  what.environment = environment.data();
  what.streams = streams;
  rlimit own{RLIM_INFINITY, RLIM_INFINITY};
  getrlimit(RLIMIT_FSIZE, &own);
  what.file_limit = std::min(file_limit, own.rlim_max);  // more than we have ourselves may be forbidden
  what.parent = getpid();
  what.traced = traced;
  what.leads_group = leads_group;
  SVCB_TAKE(child, clone_child(what));
  if (what.error != 0) {
    while (waitpid(child.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return failure("{} (is it installed whole, and for this machine?)",
                   with_errno(fmt::format("cannot run {}", path_), what.error));
  }
  return child;
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
