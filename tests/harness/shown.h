// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a command prints of a result that a test made, as a run.
#pragma once

#include <string>

#include "run/run.h"

namespace svcbench::test {

// Of this command, whatever it was.
Run run_of_command(Run run, const std::string& command);

// Written to a file and read again it must have the verdicts that it has, made of its cells alone.
void check_judged_again(const Run& run);

// All of it (--full), without colour, with curves of digits.
std::string full_text(Run run, const std::string& command = "compare");

// The same with blanks in place of newlines, for sentences that are broken somewhere.
std::string full_line(Run run, const std::string& command = "compare");

}  // namespace svcbench::test
