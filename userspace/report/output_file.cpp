// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "sys/fd.h"

namespace svcbench {

namespace {

std::string folder_of(const std::string& path) {
  const auto parent = std::filesystem::path(path).parent_path();
  return parent.empty() ? "." : parent.string();
}

Status write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return failure("write {}: {}", path, std::strerror(errno));
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

// Deletes what was written beside the path unless it took its place.
struct Beside {
  std::string path;
  ~Beside() {
    if (!path.empty()) {
      unlink(path.c_str());
    }
  }
};

}  // namespace

Result<OutputFile> OutputFile::at(const std::string& path, std::string_view option) {
  if (path == "-") {
    return OutputFile(path);
  }
  struct stat info {};
  if (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    return usage_error("{}: {} is a folder; give the name of a file", option, path);
  }
  const std::string folder = folder_of(path);
  if (stat(folder.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) {
    return usage_error("{}: there is no folder {}; make it, or give another file", option, folder);
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return usage_error("{}: the folder {} cannot be written: {}", option, folder, std::strerror(errno));
  }
  return OutputFile(path);
}

Status OutputFile::write(std::string_view text) const {
  if (is_standard_output()) {
    return write_all(STDOUT_FILENO, text, "standard output");
  }
  std::string name = path_ + ".XXXXXX";
  const Fd fd(mkostemp(name.data(), O_CLOEXEC));
  if (fd.get() < 0) {
    return failure("write {}: {}", path_, std::strerror(errno));
  }
  Beside beside{name};
  SVCB_CHECK(write_all(fd.get(), text, path_));
  const mode_t mask = umask(0);
  umask(mask);
  if (fchmod(fd.get(), 0666 & ~mask) != 0 || fsync(fd.get()) != 0 ||
      rename(name.c_str(), path_.c_str()) != 0) {
    return failure("write {}: {}", path_, std::strerror(errno));
  }
  beside.path.clear();
  return {};
}

}  // namespace svcbench
