// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

namespace svcbench {

namespace {

constexpr std::string_view prefix = "svcbench-";

// A process that ends leaves its cgroup a moment after it was waited for.
constexpr int removal_tries = 100;
constexpr timespec between_tries{0, 1'000'000};

tl::unexpected<Error> refused(std::string_view what, int error) {
  return failure("cgroup v2: {} ({})", with_errno(what, error),
                 error == EPERM || error == EACCES || error == EROFS
                     ? "needs CAP_SYS_ADMIN; run it with sudo, in a container with --privileged"
                     : "the kernel needs CONFIG_CGROUPS and CONFIG_CGROUP_BPF");
}

// By number: glibc has these calls since 2.36 only.
Result<Fd> mount_here() {
  if (unshare(CLONE_NEWCGROUP) != 0) {
    return refused("make a cgroup namespace", errno);
  }
  const Fd context(static_cast<int>(syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC)));
  if (!context.valid()) {
    return refused("open the file system", errno);
  }
  if (syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    return refused("make a mount", errno);
  }
  Fd mount(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
                                    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)));
  if (!mount.valid()) {
    return refused("make a mount", errno);
  }
  return mount;
}

// The folder of the cgroup that this process is in: the root of the cgroup namespace that a passing thread
// makes, for a namespace cannot be left again.
Result<Fd> own_cgroup() {
  Result<Fd> mount = failure("cgroup v2: not mounted");
  std::thread([&mount] { mount = mount_here(); }).join();
  return mount;
}

// The process of "svcbench-PID-N"; 0: another name.
pid_t owner_of(std::string_view name) {
  pid_t owner = 0;
  if (name.starts_with(prefix)) {
    const std::string_view number = name.substr(prefix.size());
    std::from_chars(number.data(), number.data() + number.size(), owner);
  }
  return owner;
}

bool is_gone(pid_t process) { return kill(process, 0) != 0 && errno == ESRCH; }

// The kernel refuses to remove a cgroup that has processes: so one whose owner lives in another PID
// namespace is safe.
void remove_leftovers(const Fd& home) {
  const int copy = openat(home.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(copy < 0 ? nullptr : fdopendir(copy), closedir);
  if (folder == nullptr) {
    return;
  }
  while (const dirent* entry = readdir(folder.get())) {
    if (const pid_t owner = owner_of(entry->d_name); owner > 0 && is_gone(owner)) {
      unlinkat(home.get(), entry->d_name, AT_REMOVEDIR);
    }
  }
}

// A process by its number, or "0", who writes.
bool move_process(int folder, const std::string& below, std::string_view process) {
  const Fd members(openat(folder, (below + "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
  return members.valid() &&
         write(members.get(), process.data(), process.size()) == static_cast<ssize_t>(process.size());
}

std::string members_of(int folder, const std::string& name) {
  const Fd members(openat(folder, (name + "/cgroup.procs").c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(4096, '\0');
  const ssize_t size = members.valid() ? read(members.get(), text.data(), text.size()) : 0;
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

}  // namespace

Result<Cgroup> Cgroup::create() {
  static std::atomic<unsigned> made{0};
  SVCB_TAKE(home, own_cgroup());
  remove_leftovers(home);
  std::string name = fmt::format("{}{}-{}", prefix, getpid(), ++made);
  // A process of the same number may have left it, in this PID namespace or another.
  unlinkat(home.get(), name.c_str(), AT_REMOVEDIR);
  if (mkdirat(home.get(), name.c_str(), 0755) != 0) {
    return refused(fmt::format("make the cgroup {}", name), errno);
  }
  return Cgroup(std::move(home), std::move(name));
}

Cgroup::~Cgroup() {
  if (!home_.valid()) {
    return;
  }
  for (int tries = 0; tries < removal_tries; ++tries) {
    if (unlinkat(home_.get(), name_.c_str(), AT_REMOVEDIR) == 0 || errno != EBUSY) {
      return;
    }
    const std::string members = members_of(home_.get(), name_);
    for (std::size_t begin = 0, end = 0; (end = members.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      move_process(home_.get(), "", std::string_view(members).substr(begin, end - begin));
    }
    nanosleep(&between_tries, nullptr);
  }
}

Result<Cgroup::Inside> Cgroup::enter() const {
  if (!move_process(home_.get(), name_ + "/", "0")) {
    return refused(fmt::format("move this process into the cgroup {}", name_), errno);
  }
  return Inside(home_.get());
}

Cgroup::Inside::~Inside() {
  if (home_ >= 0) {
    move_process(home_, "", "0");
  }
}

}  // namespace svcbench
