// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/lasting_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>

#include "service/text.h"
#include "sys/interrupt.h"
#include "sys/signals_blocked.h"
#include "sys/stopwatch.h"

namespace svcbench {

namespace {

constexpr std::size_t most_last_lines = 5;
constexpr int pipe_bytes = 1 << 20;  // what it may say while nobody reads

}  // namespace

LastingProcess::LastingProcess(std::string path, Child child, Fd output)
    : path_(std::move(path)), child_(std::move(child)), output_(std::move(output)) {}

LastingProcess::LastingProcess(LastingProcess&& other) noexcept
    : path_(std::move(other.path_)),
      child_{std::exchange(other.child_.pid, -1), std::move(other.child_.pidfd)},
      output_(std::move(other.output_)),
      text_(std::move(other.text_)),
      last_(std::move(other.last_)) {}

Result<LastingProcess> LastingProcess::start(const std::vector<std::string>& argv,
                                             const std::vector<std::string>& environment, int stdin_fd) {
  SVCB_TAKE(launch, Launch::of(argv, environment));
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return failure("{}", with_errno("cannot make a pipe", errno));
  }
  Fd reading(ends[0]);
  const Fd writing(ends[1]);
  fcntl(reading.get(), F_SETFL, O_NONBLOCK);
  fcntl(reading.get(), F_SETPIPE_SZ, pipe_bytes);
  const Fd null(stdin_fd < 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1);
  launch.streams = {stdin_fd < 0 ? null.get() : stdin_fd, writing.get(), writing.get()};
  launch.leads_group = true;
  const SignalsBlocked blocked;
  SVCB_TAKE(child, launch.start());
  return LastingProcess(launch.path(), std::move(child), std::move(reading));
}

LastingProcess::~LastingProcess() {
  if (child_.pid > 0) {
    kill(-child_.pid, SIGKILL);
    kill(child_.pid, SIGKILL);  // if it could not lead a group
    while (waitpid(child_.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

std::optional<std::string> LastingProcess::held_line() {
  const std::size_t end = text_.find('\n');
  if (end == std::string::npos) {
    return std::nullopt;
  }
  std::string line = text_.substr(0, end);
  text_.erase(0, end + 1);
  last_.push_back(line);
  if (last_.size() > most_last_lines) {
    last_.pop_front();
  }
  return line;
}

Result<std::optional<std::string>> LastingProcess::next_line(std::int64_t timeout_ns) {
  const Stopwatch waited;
  for (;;) {
    if (auto line = held_line()) {
      return line;
    }
    SVCB_CHECK(check_interrupted());
    const std::int64_t left = std::max<std::int64_t>(timeout_ns - waited.ns(), 0);
    const timespec patience{left / 1'000'000'000, left % 1'000'000'000};
    pollfd readable{output_.get(), POLLIN, 0};
    const int ready = ppoll(&readable, 1, &patience, nullptr);
    if (ready == 0) {
      return std::optional<std::string>{};
    }
    if (ready < 0) {
      continue;  // a signal: looked at above
    }
    std::array<char, 65'536> buffer{};
    const ssize_t count = read(output_.get(), buffer.data(), buffer.size());
    if (count > 0) {
      text_.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count == 0) {
      return failure("{} ended by itself; its last words: {}", path_, last_words());
    }
  }
}

std::string LastingProcess::last_words() const {
  if (last_.empty()) {
    return "nothing";
  }
  std::vector<std::string> lines;
  for (const std::string& line : last_) {
    lines.push_back(printable(line));
  }
  return fmt::format("{}", fmt::join(lines, " | "));
}

Result<ProcessTimes> LastingProcess::times() const {
  std::ifstream file(fmt::format("/proc/{}/stat", child_.pid));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t name_end = text.rfind(')');  // the name may have blanks and parentheses
  if (name_end == std::string::npos) {
    return failure("cannot read the CPU time of {}", path_);
  }
  std::istringstream fields(text.substr(name_end + 1));
  const std::vector<std::string> all{std::istream_iterator<std::string>(fields), {}};
  constexpr std::size_t user_time = 11;  // of what follows the name (proc(5): fields 14 to 17)
  if (all.size() < user_time + 4) {
    return failure("cannot read the CPU time of {}", path_);
  }
  const std::int64_t tick_us = 1'000'000 / sysconf(_SC_CLK_TCK);
  const auto us = [&](std::size_t at) { return std::stoll(all[at]) * tick_us; };
  return ProcessTimes{.user_us = us(user_time) + us(user_time + 2),
                      .system_us = us(user_time + 1) + us(user_time + 3)};
}

}  // namespace svcbench
