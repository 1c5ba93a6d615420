// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Back from JSON: the result of another comparison.
#pragma once

#include <string>
#include <string_view>

#include "measure/compare_results.h"
#include "svcbench/result.h"

namespace svcbench {

// Everything of to_json() but histograms, notes and verdicts, from which all figures can be made again.
// Nothing in the text is trusted: a cell that to_json() cannot have written is an error. `source` is its
// name. Errors: usage, one sentence.
[[nodiscard]] Result<CompareResults> parse_comparison(std::string_view text, std::string_view source);

// The same from a file, of at most 512 MiB.
[[nodiscard]] Result<CompareResults> read_comparison(const std::string& path);

}  // namespace svcbench
