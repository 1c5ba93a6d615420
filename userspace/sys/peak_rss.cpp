// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/peak_rss.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string>
#include <string_view>

#include "sys/child_process.h"
#include "sys/fd.h"

namespace svcbench {

Result<std::size_t> peak_rss_bytes(pid_t pid) {
  const std::string path = pid == 0 ? "/proc/self/status" : fmt::format("/proc/{}/status", pid);
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 8192> buffer{};
  const ssize_t size = file.valid() ? read(file.get(), buffer.data(), buffer.size()) : -1;
  if (size < 0) {
    return failure("{}", with_errno("read " + path, errno));
  }
  constexpr std::string_view name = "\nVmHWM:";
  std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) {
    return failure("{} has no line VmHWM", path);
  }
  text.remove_prefix(at + name.size());
  text.remove_prefix(text.find_first_of("0123456789"));
  std::size_t kib = 0;
  std::from_chars(text.data(), text.data() + text.size(), kib);
  return kib * 1024;
}

Status reset_peak_rss() {
  const Fd file(open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC));
  if (!file.valid() || write(file.get(), "5", 1) != 1) {
    return failure(
        "{}", with_errno("write 5 to /proc/self/clear_refs, to reset the peak of resident memory", errno));
  }
  return {};
}

Result<UserMemory> user_memory_of(const std::function<Status()>& work) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  SVCB_CHECK(reset_peak_rss());
  SVCB_TAKE(before, peak_rss_bytes());
  const ChildMemory children;
  SVCB_CHECK(work());
  SVCB_TAKE(after, peak_rss_bytes());
  return UserMemory{.own = after - std::min(before, after), .tool = children.peak_bytes()};
}

}  // namespace svcbench
