// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/capabilities.h"

#include <fmt/ranges.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace svcbench {
namespace {

Result<std::uint64_t> effective_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
  // Not through libcap: one call is no reason for a dependency.
  if (syscall(SYS_capget, &header, data.data()) != 0) {
    return failure("{}", with_errno("cannot read this process's capabilities", errno));
  }
  return std::uint64_t{data[1].effective} << 32 | data[0].effective;
}

}  // namespace

std::vector<std::string> missing_capabilities(std::uint64_t effective) {
  const auto has = [effective](unsigned capability) { return (effective >> capability & 1) != 0; };
  std::vector<std::string> missing;
  if (!has(CAP_NET_ADMIN)) {
    missing.emplace_back("CAP_NET_ADMIN");
  }
  if (!has(CAP_SYS_ADMIN)) {
    missing.emplace_back("CAP_SYS_ADMIN");
    if (!has(CAP_BPF)) {
      missing.emplace_back("CAP_BPF");
    }
  }
  return missing;
}

Status require_privileges() {
  SVCB_TAKE(effective, effective_capabilities());
  const auto missing = missing_capabilities(effective);
  if (!missing.empty()) {
    return failure(
        "this needs {}, which this process lacks; run it with sudo (in a container: --privileged)",
        fmt::join(missing, ", "));
  }
  return {};
}

}  // namespace svcbench
