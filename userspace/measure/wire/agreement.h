// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether two instruments say the same of a difference: of one plane with N2 and with N1 services, of two
// planes, of a program and an empty one. Pure.
//
// A difference, because each instrument has a cost of its own in every figure. The wire times a packet one
// way; a round trip holds system calls, sockets and the way back besides. A difference cancels them, as
// long as they are the same on both sides of it:
//   - One plane at two sizes: yes. The reply takes the same way, and is found in the connection tracker's
//     hash table, not in the rules.
//   - Two planes: only if both send replies the same way. A plane that translates no replies is cheaper by
//     that, which is no disagreement of instruments.
//   - Fresh flows only where the cost lies in a flow's first packet.
//   - Both on one CPU (sys/pinned.h): two CPUs of one machine differed by 15 % (51 and 44 us for 3,000
//     iptables rules more, again and again), which is no disagreement either. On one they said 44.9 and
//     44.9; on another machine 31 and 34, run after run: round trips leave less of the rules in the caches.
// What it cannot show: an error that both share (the kernel, the testbed, the clock, a busy machine).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "stats/quantile.h"
#include "stats/verdict.h"

namespace svcbench {

// ns by round: element i of each was measured in round i (the same number of both; asserts).
struct PairedSamples {
  std::span<const double> more;  // of the larger size, or of plane A
  std::span<const double> less;
};

enum class Agreement { agree, disagree, inconclusive };

[[nodiscard]] std::string_view to_string(Agreement agreement);  // "agree", ...

struct Instruments {
  std::string_view first = "the wire";  // as they stand in a sentence: "FIRST says 3 us, SECOND 4 us"
  std::string_view second = "round trips";
  double resolution_ns = 0;  // of the coarser one: intervals that are no further apart count as overlapping
};

struct Comparison {
  Agreement agreement = Agreement::inconclusive;
  Instruments instruments{};
  std::optional<stats::Estimate> first{};   // ns: median of the rounds' differences, with its interval
  std::optional<stats::Estimate> second{};  //
  std::string summary{};                    // one sentence that starts with the outcome
};

// Disagree: the two 95 % intervals have no point in common. That is a strong word: of two instruments that
// measure the same it would be said in fewer than 1 of 100 comparisons.
// Agree: they overlap. A weak word if they are wide; so it is inconclusive where the intervals overlap but
// one instrument saw a difference and the other's interval contains zero: too noisy to have a say.
// Inconclusive too without an interval (fewer than 6 rounds).
[[nodiscard]] Comparison compare_instruments(const PairedSamples& first, const PairedSamples& second,
                                             const Instruments& instruments = {});

// The summary, in this unit; by itself in ns, us or ms, as the larger figure asks for.
[[nodiscard]] std::string summary_of(const Comparison& comparison, std::optional<DisplayUnit> wanted = {});

}  // namespace svcbench
