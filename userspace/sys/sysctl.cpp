// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "sys/fd.h"

namespace svcbench {

namespace {

constexpr const char* root = "/proc/sys/";

}  // namespace

Result<std::string> read_sysctl(const std::string& name) {
  const Fd file(open((root + name).c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 256> text{};
  const ssize_t size = file.valid() ? read(file.get(), text.data(), text.size()) : -1;
  if (size < 0) {
    return failure("read {}{}: {}", root, name, std::strerror(errno));
  }
  std::string value(text.data(), static_cast<std::size_t>(size));
  while (!value.empty() && value.back() == '\n') {
    value.pop_back();
  }
  return value;
}

Status write_sysctl(const std::string& name, std::string_view value) {
  const Fd file(open((root + name).c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() || write(file.get(), value.data(), value.size()) < 0) {
    return failure(
        "write {} to {}{}: {}{}", value, root, name, std::strerror(errno),
        errno == EROFS ? " (/proc/sys is read-only here: in a container, run it with --privileged)" : "");
  }
  return {};
}

}  // namespace svcbench
