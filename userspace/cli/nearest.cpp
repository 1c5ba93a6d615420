// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/nearest.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace svcbench {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Rows of the table of distances between beginnings: of a's first i - 2, i - 1 and i letters.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row.back();
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  constexpr std::size_t letters_a_mistake = 3;
  constexpr std::size_t shortest_beginning = 2;
  const std::size_t most = std::max<std::size_t>(1, word.size() / letters_a_mistake);
  const std::size_t dashes = std::min(word.find_first_not_of('-'), word.size());
  const bool may_begin = word.size() - dashes >= shortest_beginning;
  std::optional<std::string> best;
  std::size_t least = 0;
  for (const std::string& one : known) {
    const bool is_beginning = may_begin && one.starts_with(word);
    const std::size_t letters = edit_distance(word, one);
    const std::size_t distance = is_beginning ? std::min<std::size_t>(letters, 1) : letters;
    if (distance <= most && (!best || distance < least)) {
      best = one;
      least = distance;
    }
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  const auto meant = nearest(word, known);
  return meant ? fmt::format("; did you mean {}?", *meant) : "";
}

}  // namespace svcbench
