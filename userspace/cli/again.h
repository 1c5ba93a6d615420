// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A measuring command once more, as a program started anew: for svcbench rerun, and for --runs.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace svcbench {

// The words of a command line that make its run what it is: without where its results go and how they are
// shown, and without `besides`, options that take a value, as "--runs". Error, usage: its services come
// from standard input, which can be read once.
[[nodiscard]] Result<std::vector<std::string>> words_to_repeat(
    const std::vector<std::string>& arguments, std::span<const std::string_view> besides = {});

struct AnotherRun {
  int exit_status = 0;
  std::string json{};  // its result; "" unless it ended with a verdict

  [[nodiscard]] bool ended_with_verdict() const {
    return exit_status == 0 || exit_status == 3 || exit_status == 4;
  }
};

// Runs this program with these words; its progress, and what it refuses, go to standard error. Error: it
// could not be started, or svcbench was interrupted, and it with it.
[[nodiscard]] Result<AnotherRun> run_again(std::vector<std::string> words, bool quiet);

}  // namespace svcbench
