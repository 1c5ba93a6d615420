// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/net_namespace.h"

#include <fcntl.h>
#include <sched.h>

#include <cerrno>

namespace svcbench {

namespace {

Result<Fd> current() {
  Fd fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) {
    return failure("open this thread's network namespace: {}", std::strerror(errno));
  }
  return fd;
}

}  // namespace

Result<NetNamespace> NetNamespace::create() {
  SVCB_TAKE(home, current());
  if (unshare(CLONE_NEWNET) != 0) {
    return failure("make a network namespace: {} (needs CAP_SYS_ADMIN; run it with sudo)",
                   std::strerror(errno));
  }
  const Inside inside(std::move(home));  // goes home at the end of this function
  SVCB_TAKE(made, current());
  return NetNamespace(std::move(made));
}

Result<NetNamespace::Inside> NetNamespace::enter() const {
  SVCB_TAKE(home, current());
  if (setns(fd_.get(), CLONE_NEWNET) != 0) {
    return failure("enter a network namespace: {}", std::strerror(errno));
  }
  return Inside(std::move(home));
}

Result<NetNamespace> NetNamespace::duplicate() const {
  Fd copy(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
  if (!copy.valid()) {
    return failure("hold a network namespace: {}", std::strerror(errno));
  }
  return NetNamespace(std::move(copy));
}

NetNamespace::Inside::~Inside() {
  if (home_.get() >= 0) {
    setns(home_.get(), CLONE_NEWNET);
  }
}

}  // namespace svcbench
