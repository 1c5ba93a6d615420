// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A finished run, read back from the file that --json wrote: of this svcbench, or of an older one.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "run/run.h"
#include "sys/result.h"

namespace svcbench {

// Nothing in the text is trusted: a cell that no svcbench can have written is an error. Versions up to the
// one that this svcbench writes are read. `source` names the text in errors. Errors: usage, one sentence.
[[nodiscard]] Result<Run> parse_run(std::string_view text, const std::string& source);

// The same of a document that is there already.
[[nodiscard]] Result<Run> run_of(nlohmann::json document, const std::string& source);

// The same from a file, of at most 512 MiB; "-" reads standard input.
[[nodiscard]] Result<Run> read_run(const std::string& path);

}  // namespace svcbench
