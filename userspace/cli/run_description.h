// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What every result says of the run that it comes from.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace svcbench {

// The command line as it was typed, from the kernel.
[[nodiscard]] std::string command_line();

// Command, command line, version, revision and the time: the head of a result's "run".
[[nodiscard]] nlohmann::json describe_command(std::string_view command);

// "svcbench 0.1.0 (abc), kernel 6.18, CPU ..., seed 1, 60 s", broken to 100 columns. `environment` is
// describe_environment()'s.
[[nodiscard]] std::string run_header(const nlohmann::json& environment, std::uint64_t seed, double seconds);

// Standard output is a terminal, and NO_COLOR is not set.
[[nodiscard]] bool wants_colour();

}  // namespace svcbench
