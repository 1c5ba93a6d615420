// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two runs, figure by figure: what changed, and what only seems to have. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "run/run.h"
#include "stats/change.h"
#include "sys/result.h"

namespace svcbench {

// What the two runs say of one figure.
enum class Finding : std::uint8_t {
  slower,      // or less, where more is better
  faster,      //
  unresolved,  // the interval of the ratio includes 1, or the difference is not told among so many
  unrepeated,  // too few repeats for an interval: the ratio is all there is
  machine,     // a time that is held against nothing, and the machine was not as fast in both runs
};
// "slower", "faster", "no difference resolved", "not repeated"; of what has no speed "more" and "less".
[[nodiscard]] std::string_view describe(Finding finding, const Cell& cell);

struct Changed {
  const Cell* before;
  const Cell* after;
  // What each of them is held against in its own run; both null: nothing, the figures stand for themselves.
  const Cell* control_before = nullptr;
  const Cell* control_after = nullptr;
  // Of several runs each (merged()): what each run had as a multiple of its control.
  std::vector<double> runs_before{};
  std::vector<double> runs_after{};
  // after / before, each as a multiple of its control; absent where one of them is not positive. Its
  // interval is that of the two runs' scatter.
  std::optional<stats::Estimate> ratio{};
  stats::Between between{};  // what two runs differ by besides (RunDiff::between)
  // Adjusted for the number of figures compared (stats::adjusted_for_many()); absent without an interval.
  std::optional<double> p{};
  Finding finding = Finding::unrepeated;
  bool beyond_limit = false;  // slower, by more than was allowed
};

// A machine whose known work takes so much more or less is not the same any more: figures that are held
// against nothing are then not compared.
inline constexpr double same_speed = 0.03;

struct DiffOptions {
  std::optional<double> limit{};  // 0.05: 5 % slower is allowed
  bool force = false;             // although they differ in what they may not
  bool absolute = false;          // times as they are, whatever the machine did
};

struct RunDiff {
  Run before;
  Run after;
  // In what they may not differ, yet do: "kernel: 6.1.0 and 6.18.44". Empty but for --force.
  std::vector<std::string> differences{};
  std::vector<std::string> notes{};  // other things about them that differ
  DiffOptions options{};             // by which they were compared
  std::vector<Changed> figures{};    // in the later run's order
  std::vector<const Cell*> only_before{};
  std::vector<const Cell*> only_after{};
  // By kind ("update"; "path, new flow"), what figures of two runs differ by beyond their scatter:
  // estimated from these very runs (stats::between_runs()). Kinds that have too few are estimated together,
  // under "others"; none: too few in all.
  std::map<std::string, stats::Between> between{};
  // What no plane is part of (is_control()): that tells of the machine, and is no figure of the runs.
  std::vector<Changed> controls{};
  // The median ratio of these, where there are any.
  std::optional<double> machine{};
  std::size_t derived = 0;  // growths, which are made of the figures and are not compared

  // Whether known work took the same in both, within `same_speed`; of runs without any it is not known.
  [[nodiscard]] bool same_machine() const;
  [[nodiscard]] std::size_t count(Finding finding) const;
  [[nodiscard]] std::size_t beyond_limit() const;
};

// Whether it can be called slow: times and rates, not bytes and entries.
[[nodiscard]] bool is_speed(const Cell& cell);

// What makes two runs apples and pears: command, kernel, CPU, seed, shape, packets of a volley, emulation.
[[nodiscard]] std::vector<std::string> differences_between(const Run& before, const Run& after);

// `before` and `after` move in; the figures point into them. Error: they differ, and it is not forced.
[[nodiscard]] Result<RunDiff> diff_runs(Run before, Run after, const DiffOptions& options);

}  // namespace svcbench
