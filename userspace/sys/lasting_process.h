// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Another program that runs beside us until it is stopped, and whose output is read line by line.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/launch.h"
#include "sys/result.h"

namespace svcbench {

// CPU time of a process, its threads and the children that it waited for, in the kernel's ticks of 10 ms.
struct ProcessTimes {
  std::int64_t user_us = 0;
  std::int64_t system_us = 0;
};

class LastingProcess {
 public:
  // Both output streams are one pipe; standard input is `stdin_fd` (borrowed), /dev/null if negative. It
  // leads a process group of its own, and dies with the calling thread. Error: as Launch.
  [[nodiscard]] static Result<LastingProcess> start(const std::vector<std::string>& argv,
                                                    const std::vector<std::string>& environment = {},
                                                    int stdin_fd = -1);
  // Kills it and all that it started that is still in its group, and waits for its end.
  ~LastingProcess();
  LastingProcess(LastingProcess&& other) noexcept;
  LastingProcess& operator=(LastingProcess&&) = delete;
  LastingProcess(const LastingProcess&) = delete;
  LastingProcess& operator=(const LastingProcess&) = delete;

  // Without its line end; none: no line came in `timeout_ns`. Error: it ended (its last lines are in it),
  // or svcbench was interrupted.
  [[nodiscard]] Result<std::optional<std::string>> next_line(std::int64_t timeout_ns);
  // What it said last, at most five lines, for a sentence: "line | line"; "nothing" if so.
  [[nodiscard]] std::string last_words() const;

  [[nodiscard]] pid_t pid() const { return child_.pid; }
  [[nodiscard]] Result<ProcessTimes> times() const;

 private:
  LastingProcess(std::string path, Child child, Fd output);

  [[nodiscard]] std::optional<std::string> held_line();

  std::string path_;
  Child child_;
  Fd output_;
  std::string text_{};  // that came and is no whole line yet, or was not asked for
  std::deque<std::string> last_{};
};

}  // namespace svcbench
