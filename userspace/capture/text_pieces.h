// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Texts of tools, taken apart.
#pragma once

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "service/text.h"

namespace svcbench {

template <std::size_t N>
[[nodiscard]] bool is_one_of(const std::array<std::string_view, N>& all, std::string_view text) {
  return std::find(all.begin(), all.end(), text) != all.end();
}

// What `change` makes of each line, as lines. A line has no newline.
template <typename Change>
[[nodiscard]] std::string changed_lines(std::string_view text, const Change& change) {
  std::string out;
  while (!text.empty()) {
    out += change(take_line(text));
    out += '\n';
  }
  return out;
}

}  // namespace svcbench
