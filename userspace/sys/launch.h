// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Starts another program: what run_child() and LastingProcess share.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace svcbench {

struct Child {
  pid_t pid = -1;
  Fd pidfd{};  // invalid: the kernel is older than 5.2
};

// A program that is ready to be started: all that costs time is done, so that start() may be timed.
class Launch {
 public:
  // argv[0] is found as find_program() does; `environment`: "NAME=value", over the inherited ones, LC_ALL=C
  // is always there. Error: there is no such program; says what to install.
  [[nodiscard]] static Result<Launch> of(const std::vector<std::string>& argv,
                                         const std::vector<std::string>& environment);

  std::array<int, 3> streams{};       // standard input, output, error: borrowed
  rlim_t file_limit = RLIM_INFINITY;  // bytes of each file that it writes, if we may write as many
  bool traced = false;                // it asks to be traced, where that is allowed
  bool leads_group = false;           // of processes: what it starts can be killed with it

  [[nodiscard]] const std::string& path() const { return path_; }

  // To be called with signals blocked (SignalsBlocked); the child gets none blocked. A child never outlives
  // the calling thread: the kernel kills it. Error: it could not be started, and nothing is left of it.
  [[nodiscard]] Result<Child> start();

 private:
  Launch() = default;

  std::string path_{};
  std::vector<std::string> argv_{};
  std::vector<std::string> environment_{};
};

// The path of an executable: on PATH, then in the administrator's folders, which a plain user's PATH often
// lacks. A name with a slash is taken as it is.
[[nodiscard]] std::optional<std::string> find_program(std::string_view name);

}  // namespace svcbench
