// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Files that a user gives. All errors are usage errors that begin with `name`, which is how they call the
// file.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench {

// The whole of a file, or of standard input for "-". Error: "<name>: No such file or directory".
[[nodiscard]] Result<std::string> read_whole(const std::string& path, const std::string& name);

// The same, of what svcbench wrote: a regular file, and not larger than any result. Error: "<name>: not a
// file; <remedy>".
[[nodiscard]] Result<std::string> read_result(const std::string& path, const std::string& name,
                                              std::string_view remedy);

// What is said where `text` stops being JSON, at a byte counted from 1.
using NotJson = tl::unexpected<Error>(std::string_view text, std::size_t byte, std::string_view name,
                                      std::string_view remedy);
[[nodiscard]] NotJson not_json;  // "<name>: not JSON at byte 5; <remedy>"

[[nodiscard]] Result<nlohmann::json> parse_json(std::string_view text, std::string_view name,
                                                std::string_view remedy, NotJson* otherwise = not_json);

}  // namespace svcbench
