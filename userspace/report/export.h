// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A run's figures for other programs and places: tables of data, pull requests, monitoring. Whatever names
// the file has stay text in each (report/escape.h).
#pragma once

#include <string>

#include "run/run.h"

namespace svcbench {

enum class ExportFormat : std::uint8_t { csv, markdown, prometheus };

// RFC 4180. A row a figure, a unit a column: the column's name ends in it. First what the figure is, last
// the run, so that files of several runs can be put below each other. Columns that would be empty
// throughout are left out.
[[nodiscard]] std::string export_csv(const Run& run);

// For a pull request or an issue, of GitHub's kind: verdicts, then a table a scenario.
[[nodiscard]] std::string export_markdown(const Run& run);

// Prometheus' text format (0.0.4) for the node exporter's textfile collector or a push gateway: gauges in
// base units, HELP and TYPE once a family.
[[nodiscard]] std::string export_prometheus(const Run& run);

[[nodiscard]] std::string export_run(const Run& run, ExportFormat format);

}  // namespace svcbench
