// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/text_table.h"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace svcbench {

namespace {

// Characters of UTF-8, each as wide as a letter.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

void TextTable::add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

void TextTable::add_rule() { rows_.emplace_back(); }

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) {
      width = std::max(width, row.empty() ? 0 : width_of(row[i]));
    }
    widths.push_back(width);
  }
  constexpr std::size_t most = 100;
  const std::size_t whole = std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1));
  const std::string_view gap = whole > most ? " " : "  ";
  std::string out;
  const auto line = [&](const auto& cell_of) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string& cell = cell_of(i);
      text += i == 0 ? "" : gap;
      const std::string room(widths[i] - width_of(cell), ' ');
      text += columns_[i].align == Align::left ? cell + room : room + cell;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) {
    if (row.empty()) {
      out += "\n";
    } else {
      line([&](std::size_t i) -> const std::string& { return row[i]; });
    }
  }
  return out;
}

std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string out;
  std::string line;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t space = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, space - at);
    if (!line.empty() && indent + line.size() + 1 + word.size() > width) {
      out += std::string(indent, ' ') + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = space + 1;
  }
  return out + std::string(indent, ' ') + line + "\n";
}

}  // namespace svcbench
