// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a run of Table 4.1 found: every raw sample, and the figures made from them by pure functions. Tables
// and JSON render this.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stats/crossing.h"
#include "stats/growth.h"
#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

// The chapter's Table 4.1: iptables-restore of a nat table of three rules a service, on an AMD Ryzen 7
// 5700X, in a privileged container. It does not say whether the table was in place before, nor how often it
// was run.
struct ChapterRow {
  std::size_t services;
  std::size_t rules;
  double seconds;
};
inline constexpr std::array<ChapterRow, 5> chapter_table{{
    {100, 307, 0.032},
    {1000, 3007, 0.082},
    {2000, 6007, 0.132},
    {5000, 15'007, 0.320},
    {10'000, 30'007, 0.632},
}};
[[nodiscard]] std::optional<double> chapter_seconds(std::size_t services);

enum class Load : std::uint8_t {
  first,   // into a network namespace that no rule was ever in
  reload,  // of a table that is in place, after a change of one service: what a controller repeats
};
inline constexpr std::array all_loads{Load::first, Load::reload};

[[nodiscard]] std::string_view to_string(Load load);  // "first load", "reload"

// What processes cost, a sample a process: launch to exit, and the kernel's account of their CPU time.
struct ProcessSamples {
  std::vector<double> wall_ns{};
  std::vector<double> user_ns{};
  std::vector<double> system_ns{};
};

// The whole table at one size, by one back end.
struct LoadCell {
  std::string backend;  // "legacy", "nft"
  Load load = Load::first;
  std::size_t services = 0;              // 0: the table without services, which every load pays for
  std::size_t rules = 0;                 // 3N + 7, read back from the kernel; 0 where skipped
  std::size_t input_bytes = 0;           // on standard input, of the last sample
  ProcessSamples tool{};                 // one sample a repeat
  std::vector<double> generate_ns{};     // our own work before: the text; one a repeat
  std::string skipped{};                 // why there are no samples; empty where there are
  std::optional<double> predicted_ns{};  // for a skipped cell, from the sizes below
};

// What a process costs that has nothing to do.
struct FloorCell {
  std::string name;                      // "exec", "empty transaction"
  std::string backend;                   // empty for "exec"
  std::vector<ProcessSamples> blocks{};  // one a visit of the schedule
};

struct ChapterBackend {
  std::string name;         // "legacy", "nft"
  std::string label;        // "iptables-legacy 1.8.9"; empty where missing
  std::string program;      // path; empty where missing
  bool is_default = false;  // plain iptables-restore is this one
  std::string missing{};    // why it was not measured; empty where it was
};

struct ChapterResults {
  nlohmann::json environment{};
  nlohmann::json run{};
  std::uint64_t seed = 1;
  std::size_t rounds = 0;
  std::vector<std::size_t> sweep{};
  std::vector<ChapterBackend> backends{};
  std::vector<LoadCell> loads{};
  std::vector<FloorCell> floors{};
  std::vector<std::string> notes{};  // what was left out, a sentence each
  double seconds = 0;
};

// ---- figures ----

// Null where there is none. A skipped cell is found too.
[[nodiscard]] const LoadCell* find_load(const ChapterResults& results, std::string_view backend, Load load,
                                        std::size_t services);
// "exec", or the empty transaction of a back end.
[[nodiscard]] const FloorCell* find_floor(const ChapterResults& results, std::string_view name,
                                          std::string_view backend);
// Back ends that were measured.
[[nodiscard]] std::vector<std::string> measured_backends(const ChapterResults& results);

// Launch to exit, one of the sample vectors: its median over the blocks.
[[nodiscard]] std::optional<stats::Estimate> floor_figure(const FloorCell& floor,
                                                          std::vector<double> ProcessSamples::*samples);

// This machine's median in multiples of the chapter's figure at the same N; absent where it has none. The
// interval is this machine's alone: the chapter gives none.
[[nodiscard]] std::optional<stats::Estimate> times_chapter(const LoadCell& cell);

// What cell `a` costs in multiples of `b`, by pairs of the same rounds.
[[nodiscard]] std::optional<stats::Estimate> times_other(const LoadCell& a, const LoadCell& b);

// Below this the error of the base is as large as what is left above it, and the exponent is noise.
inline constexpr double least_multiple_of_base = 2;

// How a back end's load grows with the number of rules.
struct ChapterGrowth {
  std::string backend;
  Load load;
  std::optional<double> base_ns;  // the median of the table without services: 7 rules
  // The exponent b of (cost - base) ~ (rules - 7)^b. Subtracted here, because the base is a part of the
  // cost that was measured and that services have no part in (nft waits for the kernel at each commit,
  // whatever its size), and nowhere else. A size is
  // left out whole when one of its samples is below least_multiple_of_base times the base: `sizes` are the
  // services of the others, ascending.
  std::optional<stats::Growth> above_base;
  std::vector<std::size_t> sizes{};
  std::optional<stats::LinearFit> line;  // ns over rules, through the medians of all sizes
  double worst_residual = 0;             // the largest |median - line|, as a share of the largest median
  std::optional<stats::LinearFit>
      cpu_line;  // the same of user and system time: what neighbours do not touch
};
[[nodiscard]] ChapterGrowth growth_of(const ChapterResults& results, std::string_view backend, Load load);
[[nodiscard]] std::vector<ChapterGrowth> all_growths(const ChapterResults& results);
// The same line through the chapter's own five figures.
[[nodiscard]] stats::LinearFit chapter_line();
// "4.9 ms + 61 [59, 62] ns a rule".
[[nodiscard]] std::string line_text(const stats::LinearFit& line);

// From which N on nft is costlier than legacy, or cheaper; absent unless both were measured.
struct ChapterCrossing {
  Load load;
  std::optional<stats::Crossing> measured;
  std::optional<stats::PredictedCrossing> predicted;  // only where none was measured
};
[[nodiscard]] std::vector<ChapterCrossing> crossings_of(const ChapterResults& results);

}  // namespace svcbench
