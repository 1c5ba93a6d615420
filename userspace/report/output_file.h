// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A file that is written whole or not at all.
#pragma once

#include <string>
#include <string_view>

#include "sys/result.h"

namespace svcbench {

class OutputFile {
 public:
  // Makes sure, before anything is measured, that the folder is there and can be written. "-" is standard
  // output. `option` is how the user gave it. Error: usage, in its name.
  static Result<OutputFile> at(const std::string& path, std::string_view option = "--json");

  // Writes beside the path and renames: whoever reads it sees the old file or the whole new one.
  [[nodiscard]] Status write(std::string_view text) const;

  [[nodiscard]] bool is_standard_output() const { return path_ == "-"; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit OutputFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace svcbench
