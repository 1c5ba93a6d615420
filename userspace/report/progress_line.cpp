// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/progress_line.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <utility>

#include "report/quantity.h"
#include "report/text_table.h"

namespace svcbench {

namespace {

using std::chrono::steady_clock;

std::string text_of(const StepFigure& figure) {
  return fmt::format("{}{}{}", figure.word, figure.word.empty() ? "" : " ",
                     quantity(figure.value, std::string(figure.unit)));
}

class TerminalProgress final : public Progress {
 public:
  ~TerminalProgress() override { clear(); }

  void phase(const std::string& name) override { show(name); }
  void step(const std::string& label, std::size_t done, std::size_t total, double seconds_left) override {
    const auto now = steady_clock::now();
    if (now - shown_ < std::chrono::milliseconds(100)) {
      return;
    }
    show(fmt::format("cell {} of {}, about {} left: {}{}", done + 1, total, duration_text(seconds_left),
                     label, last_.empty() ? "" : fmt::format(" (last: {})", last_)));
    shown_ = now;
  }
  void result(const StepFigure& figure) override { last_ = text_of(figure); }
  void finished() override { clear(); }

 private:
  // A line that the terminal broke could not be replaced.
  static std::size_t width() {
    constexpr std::size_t most = 98;
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1
               ? std::min<std::size_t>(most, size.ws_col - 1U)
               : most;
  }
  void show(const std::string& text) {
    fmt::print(stderr, "\r\x1b[K{:.{}}", text, width());
    static_cast<void>(std::fflush(stderr));
    dirty_ = true;
  }
  void clear() {
    if (dirty_) {
      fmt::print(stderr, "\r\x1b[K");
      static_cast<void>(std::fflush(stderr));
      dirty_ = false;
    }
  }

  steady_clock::time_point shown_{};
  std::string last_{};
  bool dirty_ = false;
};

class PlainProgress final : public Progress {
 public:
  void phase(const std::string& name) override { fmt::print(stderr, "{}\n", name); }
  void step(const std::string& label, std::size_t done, std::size_t total, double seconds_left) override {
    const auto now = steady_clock::now();
    if (done > 0 && now - shown_ < std::chrono::seconds(10)) {
      return;
    }
    fmt::print(stderr, "cell {} of {}, about {} left: {}{}\n", done + 1, total, duration_text(seconds_left),
               label, last_.empty() ? "" : fmt::format(" (last: {})", last_));
    shown_ = now;
  }
  void result(const StepFigure& figure) override { last_ = text_of(figure); }
  void finished() override {}

 private:
  steady_clock::time_point shown_{};
  std::string last_{};
};

// Says its warnings first, once the run begins.
class WarningProgress final : public Progress {
 public:
  WarningProgress(std::unique_ptr<Progress> inner, std::vector<std::string> warnings)
      : inner_(std::move(inner)), warnings_(std::move(warnings)) {}

  void phase(const std::string& name) override {
    warn();
    inner_->phase(name);
  }
  void step(const std::string& label, std::size_t done, std::size_t total, double seconds_left) override {
    warn();
    inner_->step(label, done, total, seconds_left);
  }
  void result(const StepFigure& figure) override { inner_->result(figure); }
  void finished() override { inner_->finished(); }

 private:
  void warn() {
    for (const std::string& warning : std::exchange(warnings_, {})) {
      fmt::print(stderr, "{}", wrapped(warning, 0));
    }
  }

  std::unique_ptr<Progress> inner_;
  std::vector<std::string> warnings_;
};

class NoProgress final : public Progress {
 public:
  void phase(const std::string&) override {}
  void step(const std::string&, std::size_t, std::size_t, double) override {}
  void finished() override {}
};

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(std::ceil(seconds));
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{} min {:02} s", whole / 60, whole % 60);
}

std::unique_ptr<Progress> make_progress(bool quiet, std::vector<std::string> warnings) {
  if (quiet) {
    return std::make_unique<NoProgress>();
  }
  std::unique_ptr<Progress> progress;
  if (isatty(STDERR_FILENO) != 0) {
    progress = std::make_unique<TerminalProgress>();
  } else {
    progress = std::make_unique<PlainProgress>();
  }
  if (warnings.empty()) {
    return progress;
  }
  return std::make_unique<WarningProgress>(std::move(progress), std::move(warnings));
}

}  // namespace svcbench
