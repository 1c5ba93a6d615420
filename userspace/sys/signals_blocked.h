// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <csignal>

namespace svcbench {

// Blocks every signal in this thread, and in those that it starts, for as long as it lives: a signal that
// one of these took would not wake the thread that waits.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

  [[nodiscard]] const sigset_t& before() const { return before_; }

 private:
  sigset_t before_{};
};

}  // namespace svcbench
