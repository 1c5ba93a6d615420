// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two runs, figure by figure: what changed, and what only seems to have. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "run/run.h"
#include "sys/result.h"

namespace svcbench {

// What the two runs say of one figure.
enum class Finding : std::uint8_t {
  slower,      // or less, where more is better
  faster,      //
  unresolved,  // the interval of the ratio includes 1, or the difference is not told among so many
  unrepeated,  // too few repeats for an interval: the ratio is all there is
};
// "slower", "faster", "no difference resolved", "not repeated"; of what has no speed "more" and "less".
[[nodiscard]] std::string_view describe(Finding finding, const Cell& cell);

struct Changed {
  const Cell* before;
  const Cell* after;
  std::optional<stats::Estimate> ratio;  // after / before; absent where one of the two is not positive
  // Adjusted for the number of figures compared (stats::adjusted_for_many()); absent without an interval.
  std::optional<double> p{};
  Finding finding = Finding::unrepeated;
  bool beyond_limit = false;  // slower, by more than was allowed
};

struct RunDiff {
  Run before;
  Run after;
  // In what they may not differ, yet do: "kernel: 6.1.0 and 6.18.44". Empty but for --force.
  std::vector<std::string> differences{};
  std::vector<std::string> notes{};  // other things about them that differ
  std::optional<double> limit{};     // 0.05: 5 % slower is allowed
  std::vector<Changed> figures{};    // in the later run's order
  std::vector<const Cell*> only_before{};
  std::vector<const Cell*> only_after{};
  // The median ratio of what no plane is part of (plain forwarding, the instrument's own programs), where
  // most of that changed: then the machine did. Of the others' ratios, this much is the machine's.
  std::optional<double> machine{};
  std::size_t derived = 0;  // growths, which are made of the figures and are not compared

  [[nodiscard]] std::size_t count(Finding finding) const;
  [[nodiscard]] std::size_t beyond_limit() const;
};

// Whether it can be called slow: times and rates, not bytes and entries.
[[nodiscard]] bool is_speed(const Cell& cell);

// What makes two runs apples and pears: command, kernel, CPU, seed, shape, packets of a volley, emulation.
[[nodiscard]] std::vector<std::string> differences_between(const Run& before, const Run& after);

// `before` and `after` move in; the figures point into them. Error: they differ, and `force` is false.
[[nodiscard]] Result<RunDiff> diff_runs(Run before, Run after, std::optional<double> limit, bool force);

}  // namespace svcbench
