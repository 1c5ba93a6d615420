// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What cells of each scenario are called, and how their figures are made: once, for runs that were just
// measured (*_cells.cpp) and for those of old files (old/).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "run/cell.h"
#include "run/run.h"
#include "service/service.h"
#include "stats/growth.h"
#include "stats/verdict.h"

namespace svcbench {

struct PathKind;

using Cells = std::vector<Cell>;
using SampleBlocks = std::vector<std::vector<double>>;

// ---- names ----

inline constexpr std::string_view id_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+:-/";
// A part of an id: what is not of [A-Za-z0-9._+:] is a '-', several a single one.
[[nodiscard]] std::string id_part(std::string_view text);

// Each is a cell without figures: id, what, unit, coordinates, checks. Texts are as the header of cell.h
// has them.
[[nodiscard]] Cell sync_cell(std::string plane, std::size_t services);
[[nodiscard]] Cell update_cell(std::string plane, std::size_t services, const std::string& operation,
                               const std::string& way);
[[nodiscard]] Cell fill_cell(std::size_t services, const std::string& writes);
// `unit`: see path_unit().
[[nodiscard]] Cell path_cell(std::string plane, std::size_t services, const std::string& flow,
                             const std::string& position, const std::string& protocol,
                             const std::string& family, std::string unit);
[[nodiscard]] Cell path_cell(std::string plane, std::size_t services, const PathKind& kind, Family family,
                             std::string unit);
// The same packets as many as go, of which a path was measured.
[[nodiscard]] Cell throughput_cell(const Cell& path);
[[nodiscard]] Cell program_cell(const std::string& hook, std::size_t services, const std::string& depth,
                                const std::string& destination, const std::string& family);
// `kept`: "conntrack", "flow-table", "kernel-memory", "user-memory".
[[nodiscard]] Cell state_cell(std::string plane, std::size_t services, const std::string& kept);
// `load`: "first load", "reload". A size of 0 is one here: the table without services.
[[nodiscard]] Cell chapter_cell(const std::string& backend, std::size_t services, const std::string& load);
[[nodiscard]] Cell floor_cell(const std::string& name, const std::string& backend);
// Known work that no plane is part of: "multiplication", "cache-miss", "syscall", "child".
[[nodiscard]] Cell calibration_cell(const std::string& name, std::string what);
[[nodiscard]] Cell ruleset_cell(const std::string& backend, const std::string& load);
// `call`: "udp-connect", "tcp-connect", "first-packet".
[[nodiscard]] Cell connect_cell(std::string plane, std::size_t services, const std::string& call);
[[nodiscard]] Cell churn_cell(std::string plane, std::size_t services, const std::string& id,
                              std::string what, std::string unit);
// Latencies of one sort of packets in one phase: flow "new flow" or "established flow", `which` services.
[[nodiscard]] Cell churn_tally_cell(std::string plane, std::size_t services, const std::string& phase,
                                    const std::string& flow, const std::string& which);
// `what` grows, in whose cells `at` stands.
[[nodiscard]] Cell growth_cell(std::string plane, const std::string& what,
                               std::map<std::string, std::string> at);
[[nodiscard]] Cell chapter_growth_cell(const std::string& backend, const std::string& load);
// The coordinates of the growth of what this cell is one size of.
[[nodiscard]] std::map<std::string, std::string> growing(const Cell& cell);
// `tail`: "from-nothing", "restart", "one-change", "one-change-udp", and these after "endpoints-1000/" or
// "flows-1000/".
[[nodiscard]] Cell whole_sync_cell(std::string plane, std::size_t services, const std::string& tail,
                                   std::string what);
// One reading of the clock in a program.
[[nodiscard]] Cell clock_cell(std::string unit);

// Of a scenario that has no type of its own: one figure a plane and size.
[[nodiscard]] Cell plain_cell(std::string scenario, std::string plane, std::size_t services,
                              std::string what, std::string unit);
[[nodiscard]] bool is_plain(std::string_view scenario);

// "ns", or "instructions" where an emulator's clock counts those.
[[nodiscard]] std::string path_unit(const DisplayUnit& unit);

// The wire's own instruments, plain forwarding, and what no plane is part of in other scenarios: an empty
// program, a child that does nothing, a backend's own address.
[[nodiscard]] bool is_control(const Cell& cell);

// ---- figures ----

// Value, interval and samples; false, and nothing done, where there is none.
bool take(Cell& cell, const std::optional<stats::Estimate>& estimate);
// The medians of these are the cell's values. The estimate is not touched.
void take_blocks(Cell& cell, SampleBlocks blocks);
// Beside it, where there is one.
void take_beside(Cell& cell, const char* name, const std::optional<double>& value);
// The same with its interval: "more_than_plain_ns", "more_than_plain_low_ns", "more_than_plain_high_ns".
void take_beside(Cell& cell, const std::string& stem, const std::optional<stats::Estimate>& ns);
// Of a straight line, by a name that has its unit: "ns_per_rule", "ns_per_rule_low", "ns_per_rule_high".
void take_slope(Cell& cell, const std::string& name, const std::optional<stats::Estimate>& slope);
// Back: one of those, or "more_than_plain_ns" with its interval; none where there is none.
[[nodiscard]] std::optional<stats::Estimate> beside(const Cell& cell, const std::string& name);
// The samples of a part, and their median beside the cell under the same name.
void take_part(Cell& cell, const char* name, SampleBlocks samples);
// How memory was measured; "": it is not told.
void take_method(Cell& cell, std::string method);
// Of all its packets: the histogram, p90 to p99.99, and the largest. A quantile is linear inside its
// bucket; it is absent where fewer than one packet took longer. The largest is the end of the last bucket:
// no packet took longer. `lows_and_counts`: the lowest ns of a bucket, and how many there are in it;
// ascending. `one`: of the cell's unit, in ns.
void take_histogram(Cell& cell, const std::vector<std::pair<double, double>>& lows_and_counts, double one);
// The same figures of a histogram that is there already; none where it has none.
void take_quantiles(Cell& cell);
[[nodiscard]] std::optional<double> quantile_of(const std::vector<Bucket>& histogram, double p);
// All of it in another unit: one of it is `one` of the old ones.
void rescale(Cell& cell, double one);
// The exponent. false, and nothing done, where there is none.
bool take(Cell& cell, const std::optional<stats::Growth>& growth);

// Not measured: predicted where there is a value, else left out.
void leave_out(Cell& cell, std::string reason, const std::optional<double>& predicted);
// Into `cells`, or `unmeasured`, by its origin.
void add(Run& run, Cell cell);
void add(Run& run, const std::vector<Cell>& cells);

}  // namespace svcbench
