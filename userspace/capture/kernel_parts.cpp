// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/kernel_parts.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace svcbench {

std::optional<std::vector<std::string>> lines_of_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    return std::nullopt;
  }
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> loaded_modules() {
  std::vector<std::string> names;
  for (const std::string& line :
       lines_of_file("/proc/modules").value_or(std::vector<std::string>{})) {  // addresses are left out
    names.push_back(line.substr(0, line.find(' ')));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool kernel_has(std::string_view module) {
  std::error_code error;
  if (!std::filesystem::exists("/proc/modules", error)) {
    return true;  // what is not built in cannot be loaded
  }
  const auto loaded = loaded_modules();
  if (std::binary_search(loaded.begin(), loaded.end(), module) ||
      std::filesystem::exists(fmt::format("/sys/module/{}", module), error)) {
    return true;
  }
  utsname kernel{};
  uname(&kernel);
  const auto built_in = lines_of_file(fmt::format("/lib/modules/{}/modules.builtin", kernel.release));
  const std::string file = fmt::format("/{}.ko", module);
  return built_in && std::any_of(built_in->begin(), built_in->end(),
                                 [&](const std::string& line) { return line.ends_with(file); });
}

}  // namespace svcbench
