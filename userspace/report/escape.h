// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Text that nobody has checked, as it may stand in each format and stays text there.
#pragma once

#include <string>
#include <string_view>

namespace svcbench {

// Control characters, what turns the direction of text, and what is no UTF-8, as \xNN a byte; with
// `keep_newlines`, newlines stay.
[[nodiscard]] std::string without_controls(std::string_view text, bool keep_newlines = false);

// A field of RFC 4180: quoted where it must be. What a spreadsheet would take for a formula gets an
// apostrophe before it.
[[nodiscard]] std::string csv_field(std::string_view text);

// A code span of GitHub's Markdown, in which nothing is a link, a mention or HTML; for a table's cell. "":
// nothing.
[[nodiscard]] std::string markdown_code(std::string_view text);

// What stands between the quotes of a label's value in Prometheus' text format.
[[nodiscard]] std::string prometheus_label(std::string_view text);

}  // namespace svcbench
