// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// argv -> command -> exit code.
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "cli/program.h"
#include "service/text.h"
#include "sys/interrupt.h"

namespace svcbench {
namespace {

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;

// Libbpf prints what it does; errors reach the user as sentences, and SVCBENCH_LIBBPF_DEBUG shows the rest.
int libbpf_print(libbpf_print_level, const char* format, va_list arguments) {
  return std::getenv("SVCBENCH_LIBBPF_DEBUG") == nullptr ? 0 : std::vfprintf(stderr, format, arguments);
}

// Once a signal came, an error is its consequence (a system call that was cut short), whatever it says.
int report(const Error& error) {
  if (const int signal = interrupted(); signal != 0) {
    const Status status = check_interrupted();
    fmt::print(stderr, "svcbench: {}\n", status.error().message);
    return 128 + signal;
  }
  fmt::print(stderr, "svcbench: {}\n", error.message);
  return error.kind == Error::Kind::usage ? exit_usage : exit_failure;
}

// "ebpf, maps, probe, list".
std::string command_names() {
  std::string names;
  for (const Command& command : commands()) {
    names += (names.empty() ? "" : ", ") + std::string(command.name);
  }
  return names;
}

// The first word must be a command or an option; CLI11 says less about one that is neither.
Status check_command(int argc, char** argv) {
  if (argc < 2) {
    return usage_error("give a command: {} (svcbench --help shows how)", command_names());
  }
  const std::string_view word = argv[1];
  const auto all = commands();
  if (!word.starts_with("-") &&
      std::none_of(all.begin(), all.end(), [&](const Command& command) { return command.name == word; })) {
    return usage_error("there is no command '{}': there are {} (svcbench --help shows how)",
                       printable(word), command_names());
  }
  return {};
}

int run(int argc, char** argv) {
  const CommandLine line = make_command_line();
  CLI::App& app = *line.app;
  if (const Status status = check_command(argc, argv); !status) {
    return report(status.error());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "svcbench: {} (svcbench --help shows how)\n", error.what());
    return exit_usage;
  }
  const Result<int> result = (*line.chosen)();
  return result ? *result : report(result.error());
}

}  // namespace
}  // namespace svcbench

int main(int argc, char** argv) {
  try {
    libbpf_set_print(svcbench::libbpf_print);
    svcbench::catch_interrupts();
    return svcbench::run(argc, argv);
  } catch (const std::exception& error) {  // a bug, or no memory: owners have undone their work by now
    fmt::print(stderr, "svcbench: {}\n", error.what());
    return 1;
  }
}
