// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The cells of each command's document.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "run/cell.h"
#include "run/field.h"

namespace svcbench {

using Cells = std::vector<Cell>;

void add_compare_cells(const Field& document, Cells& cells);  // also path, nftables, ipvs
void add_ebpf_cells(const Field& document, Cells& cells);
void add_chapter_cells(const Field& document, Cells& cells);
void add_ruleset_cells(const Field& document, Cells& cells);
void add_connect_cells(const Field& document, Cells& cells);
void add_churn_cells(const Field& document, Cells& cells);

// ---- what they share ----

// A part of an id: what is not of [A-Za-z0-9._+:] is a '-', several a single one.
[[nodiscard]] std::string id_part(std::string_view text);
// "path/ebpf-xdp/1000"; without the parts that a cell has not.
[[nodiscard]] std::string id_of(const Cell& cell);

// value, interval and samples; false, and nothing done, where there is none.
bool take_estimate(Cell& cell, const Field& estimate);
void take_if_any(Cell& cell, const char* name, const Field& number);

// The document's "paths" and "instrument", and one of its growths ("growth", "path_growth").
void add_path_cells(const Field& document, Cells& cells);
void add_growth_cells(const Field& growths, std::string_view what_key, Cells& cells);

}  // namespace svcbench
