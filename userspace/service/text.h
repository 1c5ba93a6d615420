// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Text as files have it, and as errors about services say it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace svcbench {

// `text` as it may safely be printed: bytes other than printable ASCII as \xNN, because a file's escape
// sequences must not reach the terminal; cut after 80 bytes, with an ellipsis.
[[nodiscard]] std::string printable(std::string_view text);

// Without the blanks and line ends around it.
[[nodiscard]] std::string_view trimmed(std::string_view text);

// Takes the first line, without its newline, off `text`, which must not be empty.
[[nodiscard]] std::string_view take_line(std::string_view& text);

// 4095 as "4,095".
[[nodiscard]] std::string grouped(std::uint64_t number);

}  // namespace svcbench
