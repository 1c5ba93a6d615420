// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace svcbench {
namespace {

// A descriptor above stderr's. If svcbench was started with its standard streams closed, a fresh file gets
// one of their numbers, and the dup2() that gives a child its streams would overwrite one by the other.
Result<Fd> above_standard_streams(Fd fd) {
  if (fd.get() > STDERR_FILENO) {
    return fd;
  }
  Fd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (!moved.valid()) {
    return failure("{}", with_errno("cannot duplicate a file descriptor", errno));
  }
  return moved;
}

}  // namespace

Result<Fd> empty_memfd(std::string_view name) {
  Fd fd(memfd_create(std::string(name).c_str(), MFD_CLOEXEC));
  if (!fd.valid()) {
    return failure("{}", with_errno(fmt::format("cannot create the memory file {}", name), errno));
  }
  return above_standard_streams(std::move(fd));
}

Result<Fd> memfd_of(std::string_view name, std::string_view text) {
  SVCB_TAKE(fd, empty_memfd(name));
  std::size_t done = 0;
  while (done < text.size()) {
    // pwrite() leaves the offset at 0, where the reader starts.
    const ssize_t n = pwrite(fd.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      return failure(
          "{}", with_errno(fmt::format("cannot write {} bytes to the memory file {}", text.size(), name),
                           n == 0 ? ENOSPC : errno));
    }
    done += static_cast<std::size_t>(n);
  }
  return fd;
}

Result<std::string> whole_text(const Fd& file) {
  struct stat info {};
  if (fstat(file.get(), &info) != 0) {
    return failure("{}", with_errno("cannot read a memory file's size", errno));
  }
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = pread(file.get(), text.data() + done, text.size() - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      return failure("{}", with_errno("cannot read a memory file", errno));
    }
    if (n == 0) {
      break;
    }
    done += static_cast<std::size_t>(n);
  }
  text.resize(done);
  return text;
}

}  // namespace svcbench
