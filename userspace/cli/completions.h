// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What shells need to complete a command line of this program.
#pragma once

#include <string>

#include "cli/program.h"

namespace svcbench {

// Scripts for the shells' own folders of completions, or to be sourced. Each knows commands, options, the
// values of options that have a list of them (with commas where several may be given) and names of files.
[[nodiscard]] std::string bash_completion(const ProgramText& program);
[[nodiscard]] std::string zsh_completion(const ProgramText& program);
[[nodiscard]] std::string fish_completion(const ProgramText& program);

}  // namespace svcbench
