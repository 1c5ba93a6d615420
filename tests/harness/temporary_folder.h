// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A folder that goes away with its contents; others may read it.
#pragma once

#include <string>
#include <vector>

namespace svcbench::testing {

class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  [[nodiscard]] std::string path(const std::string& name = "") const;
  [[nodiscard]] std::string write(const std::string& name, const std::string& text) const;  // its path
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::string path_;
};

}  // namespace svcbench::testing
