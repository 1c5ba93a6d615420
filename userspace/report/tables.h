// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The tables of every command, each as data. None, or one without rows: the run has nothing for it.
#pragma once

#include <string>
#include <vector>

#include "report/run_view.h"
#include "report/section.h"

namespace svcbench {

// ---- compare, path, nftables, ipvs ----

[[nodiscard]] Section sync_table(const RunView& run);
[[nodiscard]] Section update_table(const RunView& run);
[[nodiscard]] Section path_table(const RunView& run);
// Under figures of established flows: that a connection tracker and the eBPF planes' flow table are not the
// same work. Empty: the run has not both.
[[nodiscard]] std::string established_note(const RunView& run);
[[nodiscard]] Section throughput_table(const RunView& run);
// Of scenarios that have no table of their own: one each.
[[nodiscard]] std::vector<Section> plain_tables(const RunView& run);
// How costs grow with N: of packets, of all else, or of both.
enum class Growing { path, rest, all };
[[nodiscard]] Section growth_table(const RunView& run, Growing which);
// One for each kind of cost: from which N on a plane is costlier than another.
[[nodiscard]] std::vector<Section> crossing_tables(const RunView& run);
// The same, each plane beside each: for a page, which has the room.
[[nodiscard]] std::vector<Section> crossing_matrices(const RunView& run);
// Every kind of packet at the largest N, beside plain forwarding.
[[nodiscard]] Section path_answer(const RunView& run);

// ---- ebpf ----

// The main job's answer: a map update beside a reload of iptables' whole table, a lookup, a packet.
[[nodiscard]] Section main_job_table(const RunView& run);
[[nodiscard]] Section map_update_table(const RunView& run);
[[nodiscard]] Section fill_table(const RunView& run);
[[nodiscard]] std::vector<Section> program_tables(const RunView& run);  // a hook and family each

// ---- iptables ----

[[nodiscard]] Section table41(const RunView& run);
[[nodiscard]] Section load_parts_table(const RunView& run);
[[nodiscard]] Section floor_table(const RunView& run);
[[nodiscard]] Section load_growth_table(const RunView& run);
[[nodiscard]] Section ruleset_table(const RunView& run);

// ---- connect, churn, verify ----

[[nodiscard]] Section connect_table(const RunView& run);
[[nodiscard]] Section churn_table(const RunView& run);
[[nodiscard]] Section behaviour_counts(const RunView& run);  // a line a plane

// What a plane was seen to do wrong, a line a behaviour: "ebpf-tc fails hairpin (IPv4 TCP): ...".
[[nodiscard]] std::vector<std::string> failed_cases(const RunView& run);

// ---- every command that measures in rounds ----

[[nodiscard]] Section calibration_table(const RunView& run);
// Every figure that known work was measured beside, as a multiple of that, at the largest size.
[[nodiscard]] Section relative_table(const RunView& run);

// ---- what they share ----

// At most `most` of them, an even choice with the first and the last.
[[nodiscard]] std::vector<std::size_t> some_of(const std::vector<std::size_t>& sizes, std::size_t most);
// "3.42 x [3.31, 3.50]", of times_of().
[[nodiscard]] Entry ratio_entry(const std::optional<stats::Estimate>& ratio);
// The same of a cell and its known work (relative_of()), with the cell's evidence; none where it has none.
[[nodiscard]] Entry times_known_work(const RunView& run, const Cell* cell);
// A figure that is no cell.
[[nodiscard]] Entry figure_entry(const std::optional<stats::Estimate>& estimate, std::string unit);
[[nodiscard]] Entry number_entry(const std::optional<double>& value, std::string unit);
// "(about 5.1 s)" of a cell that was left out: what smaller sizes let expect.
[[nodiscard]] Entry predicted_entry(const Cell& cell);

}  // namespace svcbench
