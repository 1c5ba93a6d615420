// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sys/interrupt.h"

#include <array>
#include <csignal>

namespace svcbench {
namespace {

constexpr std::array caught_signals{SIGINT, SIGTERM, SIGHUP};

volatile std::sig_atomic_t noted_signal = 0;

extern "C" void note_signal(int signal) { noted_signal = signal; }

std::string_view signal_name(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    default:
      return "SIGHUP";
  }
}

}  // namespace

void catch_interrupts() {
  for (const int signal : caught_signals) {
    struct sigaction action {};
    sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) {
      continue;
    }
    action = {};
    action.sa_handler = note_signal;
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

int interrupted() { return noted_signal; }

Status check_interrupted() {
  if (const int signal = interrupted(); signal != 0) {
    return tl::unexpected(
        Error{Error::Kind::interrupted,
              fmt::format("interrupted by {}; nothing was left behind", signal_name(signal))});
  }
  return {};
}

}  // namespace svcbench
