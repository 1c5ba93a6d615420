// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// One row a command: help, `svcbench list` and main() walk the same table.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string_view>

#include "svcbench/result.h"

namespace svcbench {

// Does the command's work once the options are parsed; its value is the exit code.
using Action = std::function<Result<int>()>;

struct Command {
  std::string_view name;
  std::string_view summary;
  Action (*configure)(CLI::App& app);  // adds the command's options to its subcommand
};

// The table (commands.cpp).
[[nodiscard]] std::span<const Command> commands();

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

}  // namespace svcbench
