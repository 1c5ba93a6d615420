// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A finished run, read back from the file that --json wrote.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "run/cell.h"
#include "svcbench/result.h"

namespace svcbench {

struct RunFile {
  std::string path;     // as it was given
  std::string command;  // that made it: "compare", "path", "nftables", "ipvs", "ebpf", "iptables", ...
  int schema_version = 0;
  nlohmann::json document{};  // whole; "run" and "environment" are objects, also where a version had none
  std::vector<Cell> cells{};  // in the document's order; none of a cell that was left out

  // Null where it has none.
  [[nodiscard]] const Cell* find(std::string_view id) const;
};

// Nothing in the text is trusted: a cell that no svcbench can have written is an error. Versions up to the
// one that this svcbench writes are read. `source` names the text in errors. Errors: usage, one sentence.
[[nodiscard]] Result<RunFile> parse_run(std::string_view text, const std::string& source);

// The same of a document that is there already.
[[nodiscard]] Result<RunFile> run_of(nlohmann::json document, const std::string& source);

// The same from a file, of at most 512 MiB; "-" reads standard input.
[[nodiscard]] Result<RunFile> read_run(const std::string& path);

}  // namespace svcbench
