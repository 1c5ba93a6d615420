// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "cli/run_description.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "report/text_table.h"
#include "revision.h"

namespace svcbench {

std::string command_line() {
  std::ifstream file("/proc/self/cmdline");
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  while (!text.empty() && text.back() == '\0') {
    text.pop_back();
  }
  std::replace(text.begin(), text.end(), '\0', ' ');
  return text;
}

nlohmann::json describe_command(std::string_view command) {
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return {{"command", command},
          {"command_line", command_line()},
          {"svcbench_version", SVCBENCH_VERSION},
          {"git_revision", SVCBENCH_REVISION},
          {"started_unix_seconds", now.count()}};
}

std::string run_header(const nlohmann::json& environment, std::uint64_t seed, double seconds) {
  const auto text = [](const nlohmann::json& value) {
    return value.is_string() ? value.get<std::string>() : std::string("unknown");
  };
  return wrapped(fmt::format("svcbench {} ({}), kernel {}, CPU {}, seed {}, {} s", SVCBENCH_VERSION,
                             SVCBENCH_REVISION, text(environment["kernel"]["release"]),
                             text(environment["cpu"]["model"]), seed, std::lround(seconds)),
                 0);
}

bool wants_colour() { return isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }

}  // namespace svcbench
