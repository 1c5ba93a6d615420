// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// From finished runs to what a page shows: figures reduced to what is drawn, no raw samples.
#pragma once

#include <nlohmann/json.hpp>
#include <span>

#include "run/run.h"
#include "sys/result.h"

namespace svcbench::html {

// What web/page.js builds the page from:
//   title, subject   texts
//   planes           by name: label, slot (its colour in web/report.css), mark (the shape of its points)
//   runs             file, mark ("EMULATED ..." or ""), facts, commands, left_out, everything
//   verdicts         of all runs
//   sections         id, title, short, lead, and blocks: charts, tables and lists. One is there only if a
//   run has
//                    something for it
//   cells            every figure of every run, each an array: run, id, plane, services, what, unit, value,
//   low,
//                    high, samples, beside it. Charts and tables refer to them by index, so that what is
//                    drawn, its table and its evidence are one number
// Error: usage, one sentence: a run's document is not as svcbench writes it.
[[nodiscard]] Result<nlohmann::json> page_data(std::span<const Run> runs);

}  // namespace svcbench::html
