// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/process_tree.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace svcbench {

namespace {

std::string folder_of(pid_t pid) { return fmt::format("/proc/{}", pid); }

// None: it has ended.
std::optional<std::size_t> resident(pid_t pid) {
  std::ifstream file(folder_of(pid) + "/statm");
  std::size_t size = 0;
  std::size_t pages = 0;
  if (!(file >> size >> pages)) {
    return std::nullopt;
  }
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Empty: it has ended.
std::filesystem::path program_of(pid_t pid) {
  std::error_code error;
  return std::filesystem::read_symlink(folder_of(pid) + "/exe", error);
}

// Appends the children of all threads of `pid`. False: no thread's children could be read.
bool add_children(pid_t pid, std::vector<pid_t>& to) {
  bool any = false;
  std::error_code error;
  std::filesystem::directory_iterator thread(folder_of(pid) + "/task", error);
  for (; !error && thread != std::filesystem::directory_iterator(); thread.increment(error)) {
    std::ifstream children(thread->path() / "children");
    any = any || children.is_open();
    for (pid_t child = 0; children >> child;) {
      to.push_back(child);
    }
  }
  return any;
}

}  // namespace

Result<std::size_t> resident_in_tree(pid_t pid) {
  const auto own = resident(pid);
  const std::filesystem::path program = program_of(pid);
  std::vector<pid_t> below;
  if (!own || program.empty() || !add_children(pid, below)) {
    return failure("cannot read what process {} and its children have in memory from /proc", pid);
  }
  std::size_t sum = *own;
  for (std::size_t i = 0; i < below.size(); ++i) {
    const pid_t child = below[i];
    // Looked at before its memory: what is a tool by now stays one.
    const std::filesystem::path childs = program_of(child);
    if (!childs.empty() && childs != program) {
      sum += resident(child).value_or(0);
    }
    (void)add_children(child, below);  // it may have ended
  }
  return sum;
}

}  // namespace svcbench
