// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// --csv, --markdown and --prometheus of the commands that measure.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <string>
#include <vector>

#include "report/export.h"
#include "report/output_file.h"

namespace svcbench {

// The files that a run is exported to, besides its JSON.
class Exports {
 public:
  Status add(const std::string& path, const char* option, ExportFormat format);
  [[nodiscard]] Status write(const Run& run) const;
  [[nodiscard]] bool empty() const { return files_.empty(); }
  [[nodiscard]] bool use_standard_output() const;

 private:
  std::vector<std::pair<ExportFormat, OutputFile>> files_{};
};

struct ExportInput {
  std::string csv{};  // path, "-", or empty
  std::string markdown{};
  std::string prometheus{};

  void add_options(CLI::App& app);
  // Before anything is measured.
  [[nodiscard]] Result<Exports> open() const;
};

}  // namespace svcbench
