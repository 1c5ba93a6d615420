// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/input_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace svcbench {
namespace {

using namespace std::string_view_literals;

struct Opening {
  std::string_view bytes;
  std::string_view what;
};

// What is no text, by its first bytes. UTF-32's little-endian mark begins with UTF-16's.
constexpr std::array<Opening, 8> no_texts{{{"\x1f\x8b"sv, "gzip"},
                                           {"\x28\xb5\x2f\xfd"sv, "zstd"},
                                           {"\xfd"
                                            "7zXZ\0"sv,
                                            "xz"},
                                           {"BZh"sv, "bzip2"},
                                           {"PK\x03\x04"sv, "a ZIP archive"},
                                           {"\xff\xfe\0\0"sv, "UTF-32"},
                                           {"\0\0\xfe\xff"sv, "UTF-32"},
                                           {"\x7f"
                                            "ELF"sv,
                                            "a program"}}};

enum class Order : std::uint8_t { little, big };

// Of UTF-16: by its mark; or where of the first characters, which are ASCII in all that is read here, every
// other byte is NUL.
std::optional<Order> utf16_order(std::string_view bytes) {
  if (bytes.starts_with("\xff\xfe"sv)) {
    return Order::little;
  }
  if (bytes.starts_with("\xfe\xff"sv)) {
    return Order::big;
  }
  const std::string_view head = bytes.substr(0, 8);
  if (head.size() < 4) {
    return std::nullopt;
  }
  std::array<std::size_t, 2> nuls{};
  for (std::size_t i = 0; i < head.size(); ++i) {
    nuls.at(i % 2) += head[i] == '\0' ? 1 : 0;
  }
  if (nuls[0] == 0 && nuls[1] == head.size() / 2) {
    return Order::little;
  }
  return nuls[1] == 0 && nuls[0] == (head.size() + 1) / 2 ? std::optional(Order::big) : std::nullopt;
}

void append_utf8(std::string& out, std::uint32_t point) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80U | ((point >> shift) & 0x3FU)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0U | (point >> 6U));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0U | (point >> 12U));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (point >> 18U));
    tail(12);
    tail(6);
    tail(0);
  }
}

// No value where it breaks off, or half of a pair stands alone.
std::optional<std::string> from_utf16(std::string_view bytes, Order order) {
  if (bytes.size() % 2 != 0) {
    return std::nullopt;
  }
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<std::uint8_t>(bytes[at]);
    const auto second = static_cast<std::uint8_t>(bytes[at + 1]);
    return order == Order::little ? static_cast<std::uint32_t>(first | (second << 8U))
                                  : static_cast<std::uint32_t>(second | (first << 8U));
  };
  constexpr std::uint32_t mark = 0xFEFF;
  std::string out;
  out.reserve(bytes.size() / 2);
  for (std::size_t at = bytes.size() >= 2 && unit(0) == mark ? 2 : 0; at < bytes.size(); at += 2) {
    std::uint32_t point = unit(at);
    if (point >= 0xD800 && point < 0xE000) {
      const std::uint32_t low = at + 2 < bytes.size() ? unit(at + 2) : 0;
      if (point >= 0xDC00 || low < 0xDC00 || low >= 0xE000) {
        return std::nullopt;
      }
      point = 0x10000 + ((point - 0xD800) << 10U) + (low - 0xDC00);
      at += 2;
    }
    append_utf8(out, point);
  }
  return out;
}

}  // namespace

Result<std::string> utf8_text(std::string bytes, std::string_view name, std::string_view remedy) {
  const auto* const no_text = std::find_if(no_texts.begin(), no_texts.end(), [&](const Opening& opening) {
    return bytes.starts_with(opening.bytes);
  });
  if (no_text != no_texts.end()) {
    return usage_error("{}: {}, not text; {}", name, no_text->what, remedy);
  }
  if (const auto order = utf16_order(bytes)) {
    auto text = from_utf16(bytes, *order);
    if (!text) {
      return usage_error("{}: UTF-16, and it breaks off or is not whole; {}", name, remedy);
    }
    return std::move(*text);
  }
  if (constexpr std::string_view mark = "\xef\xbb\xbf"; bytes.starts_with(mark)) {
    bytes.erase(0, mark.size());
  }
  return bytes;
}

std::string with_unix_lines(std::string text) {
  if (text.find('\r') == std::string::npos) {
    return text;
  }
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      out += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      out += '\n';
    }
  }
  return out;
}

std::size_t line_of(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, at);
  return 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

}  // namespace svcbench
