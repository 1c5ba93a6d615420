// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The commands that README.md and docs/ give, so that tests can hold them to it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace svcbench::testing {

[[nodiscard]] std::string text_of(const std::filesystem::path& path);

// The commands of a document, a line each: those in blocks of shell (```sh), continued lines joined, and
// those that stand as code in a table. Without comments.
[[nodiscard]] std::vector<std::string> commands_in(const std::string& document);

// The words after "svcbench" in a command; empty where it is another program's.
[[nodiscard]] std::string svcbench_words(const std::string& command);

}  // namespace svcbench::testing
