// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/sandbox.h"

#include <sched.h>
#include <sys/mount.h>

#include <cerrno>

#include "sys/route_socket.h"

namespace svcbench {
namespace {

std::string_view unshare_remedy(int error) {
  switch (error) {
    case EPERM:
      return "needs CAP_SYS_ADMIN; run it with sudo, in a container with --privileged";
    case ENOSPC:
      return "too many of them exist; raise the sysctl user.max_net_namespaces";
    default:
      return "the kernel needs CONFIG_NET_NS";
  }
}

}  // namespace

Status enter_private_namespaces() {
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
    const int error = errno;
    return failure("{} ({})", with_errno("cannot make private network and mount namespaces", error),
                   unshare_remedy(error));
  }
  // Without this, a mount made here would appear on the host too, where / is shared (systemd does that).
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    if (errno == EINVAL) {
      // In a chroot whose / is a folder and no mount, nothing here can be made private, and a tmpfs on /run
      // could appear outside. It is not needed either: that /run is the chroot's own, and its lock too.
      return bring_up_loopback();
    }
    return failure("{} (needs CAP_SYS_ADMIN; run it with sudo, in a container with --privileged)",
                   with_errno("cannot make the mounts of the private namespace private", errno));
  }
  if (mount("svcbench", "/run", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=1m") != 0) {
    return failure(
        "{} (needs CAP_SYS_ADMIN and a folder /run; run it with sudo, in a container with "
        "--privileged)",
        with_errno("cannot put a private tmpfs on /run, where iptables keeps its lock", errno));
  }
  return bring_up_loopback();
}

}  // namespace svcbench
