// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a command prints of a result that a test made: the document by way of a run, as commands do it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "run/run_file.h"

namespace svcbench::test {

// `document` as a command's --json has it; what it says of its run and of the machine may be missing.
RunFile run_of_command(nlohmann::json document, const std::string& command);

// All of it (--full), without colour, with curves of digits.
std::string full_text(nlohmann::json document, const std::string& command = "compare");

// The same with blanks in place of newlines, for sentences that are broken somewhere.
std::string full_line(nlohmann::json document, const std::string& command = "compare");

}  // namespace svcbench::test
