// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A place where rules and traffic meet nobody else's.
#pragma once

#include "sys/result.h"

namespace svcbench {

// Moves the calling process into network and mount namespaces of its own: no rule, no link, no mount of the
// host's is seen by what it programs, and none of its own by the host. /run is empty and private, so that
// iptables-legacy's /run/xtables.lock is not the host's (in a plain chroot /run stays as it is: the lock
// there is not the host's anyway); loopback is up. Nothing is named or pinned: the kernel takes all of it
// down when the process ends, whatever ends it.
//
// Call it before any thread is started (a thread that runs already would stay outside). There is no way
// back. /proc/sys/net is the new namespace's from then on, and lacks what only the host has
// (net.core.bpf_jit_enable); /sys is still the host's.
[[nodiscard]] Status enter_private_namespaces();

}  // namespace svcbench
