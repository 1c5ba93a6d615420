// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the measurements say about the claims: holds, does not hold, or inconclusive with what would settle
// it. Pure functions: figures in, sentences out.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stats/growth.h"
#include "stats/quantile.h"

namespace svcbench {

enum class Outcome { holds, does_not_hold, inconclusive };

[[nodiscard]] std::string_view to_string(Outcome outcome);

struct Verdict {
  std::string id;     // stable, for scripts
  std::string claim;  // as the book states it
  Outcome outcome;
  std::string summary;                // one sentence that starts with the outcome
  std::vector<std::string> evidence;  // a line for each figure the outcome rests on
  std::string would_settle;           // empty unless inconclusive
};

// One that nothing has decided yet: inconclusive, and without its sentences.
[[nodiscard]] Verdict open_verdict(std::string id, std::string claim);

// 0: every claim holds; 3: one does not; 4: none fails, but one is inconclusive or there is none at all.
// (1 and 2 are taken: a refused machine and wrong usage, see Error::Kind.)
[[nodiscard]] int exit_code(std::span<const Verdict> verdicts);

// Limits on the growth exponent. From 100 to 10,000 services 0.1 is a factor of 1.6 where linear is 100; a
// linear cost with a fixed part (exec, one commit) shows less than 1 at small N, hence 0.8.
inline constexpr double flat_below = 0.1;
inline constexpr double linear_from = 0.8;

enum class Trend { flat, growing, linear, undecided };

[[nodiscard]] std::string_view to_string(Trend trend);

// By the interval [low, high] of the exponent, never by the exponent alone:
//   flat       high < flat_below                              (a falling cost is flat too)
//   linear     low >= flat_below and high >= linear_from      (contains or exceeds linear_from)
//   growing    low >= flat_below and high < linear_from
//   undecided  low < flat_below <= high, or no interval
// An interval such as [0.05, 0.9] contains linear_from, but it is undecided: it does not rule out flat.
[[nodiscard]] Trend classify(const stats::Growth& growth);

struct NamedGrowth {
  std::string name;                     // "endpoint change"
  std::optional<stats::Growth> growth;  // absent: no round measured two sizes
};

// "endpoint change: cost ~ N^b, b = 0.010 [-0.010, 0.030], 8 rounds: flat".
[[nodiscard]] std::string growth_line(const NamedGrowth& operation);

// That costs do not grow with N. Holds when every one is flat; does not hold when one is growing or linear,
// whatever the others are; else inconclusive, as with none. `beside` (iptables-restore) is evidence to
// compare with and decides nothing.
[[nodiscard]] Verdict judge_constant(std::string id, std::string claim, std::span<const NamedGrowth> costs,
                                     const std::optional<NamedGrowth>& beside = {});

// judge_constant() of "map-update cost stays flat in the number of services" (id update-flat).
[[nodiscard]] Verdict judge_flat(std::span<const NamedGrowth> operations,
                                 const std::optional<NamedGrowth>& beside);

// How far from 1 an exponent may lie for a cost to count as linear: from linear_from to its reciprocal.
inline constexpr double linear_to = 1.25;

// "sync grows linearly with the number of rules" (id sync-linear). Each growth is that of the cost above
// that of a table without services: with the fixed part in it a linear cost shows less than 1 (the
// chapter's own figures, with theirs, show 0.65). By the intervals [low, high]: holds when every one lies
// within [linear_from, linear_to]; does not hold when one lies outside (high < linear_from or low >
// linear_to), whatever the others do; else inconclusive, as with no loads.
[[nodiscard]] Verdict judge_linear(std::span<const NamedGrowth> loads);

// The book's "about 2-5 us"; no primary source for it could be found.
inline constexpr double cited_low_ns = 2000;
inline constexpr double cited_high_ns = 5000;

// What ns are told in: {1, "ns"}, {1000, "us"}; {2, "instr"} where the clock counts 2 ns an instruction.
struct DisplayUnit {
  double ns = 1;
  std::string_view name = "ns";
};

struct ProgramFigure {
  std::string name;  // "XDP, uniform"
  stats::Estimate ns;
};

// "an eBPF lookup costs no more than the cited 2-5 us, read as the program alone" (id program-2-5us), a
// bound on the cost: the claim argues that a lookup is cheap, so one below 2 us supports it, and the
// summary then says by how much. With each figure's interval [low, high]: holds when every high <=
// cited_high_ns ("faster than cited" when every high < cited_low_ns); does not hold when one low >
// cited_high_ns; else inconclusive (an interval straddles cited_high_ns or is missing, or there are no
// figures). The figure reported is the worst: the one with the largest upper bound. Every verdict says that
// this is program ns (BPF_PROG_TEST_RUN), which is not the wire-to-wire path.
[[nodiscard]] Verdict judge_lookup(std::span<const ProgramFigure> figures);

// The same claim read as one about the path of a packet (id lookup-2-5us): p50 from wire to wire through a
// node, which is what a client can notice. Figures are us-scale, held in ns; the limits and outcomes are
// those of judge_lookup(). Program ns and path us answer different questions, and neither verdict uses the
// other's figures.
[[nodiscard]] Verdict judge_path(std::span<const ProgramFigure> figures, const DisplayUnit& unit = {});

}  // namespace svcbench
