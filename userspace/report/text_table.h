// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Aligned columns of plain text.
#pragma once

#include <string>
#include <vector>

namespace svcbench {

// Every column as wide as its widest cell; between them two spaces, or one where two would make a line
// longer than 100 columns. Cells are UTF-8, of characters as wide as a letter.
class TextTable {
 public:
  enum class Align { left, right };

  struct Column {
    std::string title;
    Align align = Align::right;
  };

  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void add(std::vector<std::string> row);  // as many cells as columns
  void add_rule();                         // an empty line
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_{};
};

// Breaks a line at spaces so that it fits `width` columns, with `indent` spaces before each piece.
[[nodiscard]] std::string wrapped(const std::string& text, std::size_t indent, std::size_t width = 100);

}  // namespace svcbench
