// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The text of a file that a user gives, however an editor, a shell or a copy has left it.
#pragma once

#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench {

// `bytes` as UTF-8 without a byte order mark: UTF-16, which PowerShell's redirection writes, is converted,
// with a mark and without. Error: usage: "<name>: gzip, not text; <remedy>"; also UTF-32, UTF-16 that
// breaks off.
[[nodiscard]] Result<std::string> utf8_text(std::string bytes, std::string_view name,
                                            std::string_view remedy);

// Its line ends, CR LF and a CR alone, as LF.
[[nodiscard]] std::string with_unix_lines(std::string text);

// The line, counted from 1, that byte `at`, counted from 0, stands in.
[[nodiscard]] std::size_t line_of(std::string_view text, std::size_t at);

}  // namespace svcbench
