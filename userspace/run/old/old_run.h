// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Files of before there was one schema for all commands (docs/run.schema.json): frozen readers, one a
// command. Each makes the Run that the command would write now, out of what its file had. Nothing here
// follows the program: a new figure of a scenario is none of theirs. tests/data/runs are their tests.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "run/cells.h"
#include "run/field.h"
#include "run/run.h"
#include "sys/result.h"

namespace svcbench {

// The schema versions of those files: 1, and of a ruleset's also 2.
inline constexpr int newest_old_version = 2;

// `name` is fit to be printed. Error: usage, one sentence.
[[nodiscard]] Result<Run> read_old_run(nlohmann::json document, const std::string& name);

namespace old {

// Cells, and of `details` what is called otherwise now.
void add_compare(const Field& document, Run& run);  // also path, nftables, ipvs
void add_ebpf(const Field& document, Run& run);
void add_chapter(const Field& document, Run& run);
void add_ruleset(const Field& document, Run& run);
void add_connect(const Field& document, Run& run);
void add_churn(const Field& document, Run& run);

// The kinds of crossing, which versions 1 to 3 called courses, and costlier dearer. Leaves alone what is
// not of that shape.
void rename_crossing_kinds(nlohmann::json& details);

// ---- what they share ----

// The document's "paths" and "instrument", and one of its growths ("growth", "path_growth").
void add_paths(const Field& document, Run& run);
void add_growths(const Field& growths, const char* what_key, Run& run);
// Whether a cell was left out; then it is in the run.
bool was_left_out(const Field& field, Cell& cell, Run& run);

}  // namespace old

}  // namespace svcbench
