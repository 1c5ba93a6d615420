// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One row a command: help, the manual page, completions, README's "commands by question" and main() walk
// the same table.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace svcbench {

// Does the command's work once the options are parsed; its value is the exit code.
using Action = std::function<Result<int>()>;

struct Command {
  std::string_view name;
  std::string_view question;           // that it answers, in a line of a list
  std::string_view example;            // as it is typed in this repository's root
  Action (*configure)(CLI::App& app);  // adds the command's options to its subcommand
};

// The table (commands.cpp).
[[nodiscard]] std::span<const Command> commands();

// The row of that name; nullptr where there is none.
[[nodiscard]] const Command* find_command(std::string_view name);

[[nodiscard]] std::vector<std::string> command_names();

// One file each.
Action configure_ebpf(CLI::App& app);
Action configure_compare(CLI::App& app);
Action configure_path(CLI::App& app);
Action configure_verify(CLI::App& app);
Action configure_churn(CLI::App& app);
Action configure_connect(CLI::App& app);
Action configure_nftables(CLI::App& app);
Action configure_ipvs(CLI::App& app);
Action configure_iptables(CLI::App& app);
Action configure_report(CLI::App& app);
Action configure_maps(CLI::App& app);
Action configure_render(CLI::App& app);
Action configure_capture(CLI::App& app);
Action configure_rerun(CLI::App& app);
Action configure_diff(CLI::App& app);
Action configure_export(CLI::App& app);
Action configure_explain(CLI::App& app);
Action configure_probe(CLI::App& app);
Action configure_list(CLI::App& app);
Action configure_completions(CLI::App& app);
Action configure_man(CLI::App& app);

// What a file's option is called in its help, by ->type_name(): shells complete it with names of files.
inline constexpr const char* file_value = "FILE";

// A whole number from `low` to `high`, or one sentence.
[[nodiscard]] CLI::Validator whole_number(std::uint64_t low, std::uint64_t high);

// One of these names, or a sentence that says which is nearest.
[[nodiscard]] CLI::Validator one_of(std::vector<std::string> names);

}  // namespace svcbench
