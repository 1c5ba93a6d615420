// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace svcbench {

namespace {

// The code point that `text` begins with and its length; length 0: that is no UTF-8.
struct Point {
  std::uint32_t value = 0;
  std::size_t length = 0;
};

Point first_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    return {lead, 1};
  }
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) {
    return {};
  }
  std::uint32_t value = lead & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) {
      return {};
    }
    value = value << 6U | (byte(i) & 0x3fU);
  }
  const bool surrogate = value >= 0xd800 && value <= 0xdfff;
  return value < least[length] || value > 0x10ffff || surrogate ? Point{} : Point{value, length};
}

bool is_control(std::uint32_t point) {
  const auto within = [point](std::uint32_t low, std::uint32_t high) {
    return point >= low && point <= high;
  };
  return point < 0x20 || within(0x7f, 0x9f) || within(0x200b, 0x200f) || within(0x2028, 0x202e) ||
         within(0x2060, 0x2069) || point == 0xfeff;
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

}  // namespace

std::string without_controls(std::string_view text, bool keep_newlines) {
  std::string out;
  while (!text.empty()) {
    const Point point = first_point(text);
    const std::size_t length = std::max<std::size_t>(point.length, 1);
    if (point.length == 0 || (is_control(point.value) && !(keep_newlines && point.value == '\n'))) {
      for (const char c : text.substr(0, length)) {
        out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
      }
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string csv_field(std::string_view text) {
  std::string field = without_controls(text, true);
  if (!field.empty() && std::string_view("=+-@").find(field.front()) != std::string_view::npos) {
    field.insert(0, 1, '\'');
  }
  const bool spaced = !field.empty() && (field.front() == ' ' || field.back() == ' ');
  if (!spaced && field.find_first_of(",\"\n") == std::string::npos) {
    return field;
  }
  replace_all(field, "\"", "\"\"");
  return "\"" + field + "\"";
}

std::string markdown_code(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  std::string code = without_controls(text);
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : code) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  // In a table's cell, this is a pipe, in code as well.
  replace_all(code, "|", "\\|");
  const std::string fence(longest + 1, '`');
  // A space at both ends is taken away again; text of spaces alone keeps them.
  const bool padded =
      code.front() == '`' || code.back() == '`' || code.front() == ' ' || code.back() == ' ';
  const std::string_view pad = padded ? " " : "";
  return fmt::format("{}{}{}{}{}", fence, pad, code, pad, fence);
}

std::string prometheus_label(std::string_view text) {
  std::string label = without_controls(text, true);
  replace_all(label, "\\", "\\\\");
  replace_all(label, "\"", "\\\"");
  replace_all(label, "\n", "\\n");
  return label;
}

}  // namespace svcbench
