// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// argv -> command -> exit code.
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>

#include "cli/nearest.h"
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

// The first word must be a command or an option; CLI11 says less about one that is neither.
Status check_command(std::string_view word) {
  if (word.starts_with("-") || find_command(word) != nullptr) {
    return {};
  }
  const auto names = command_names();
  return usage_error("there is no command '{}'{} There are {}; svcbench --help says what each answers.",
                     printable(word), nearest(word, names) ? did_you_mean(word, names) : ".",
                     fmt::join(names, ", "));
}

int run(int argc, char** argv) {
  const CommandLine line = make_command_line();
  CLI::App& app = *line.app;
  if (argc < 2) {
    fmt::print(stderr, "{}", app.help());
    return exit_usage;
  }
  if (const Status status = check_command(argv[1]); !status) {
    return report(status.error());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    fmt::print(stderr, "svcbench: {}\n", refusal(app, error));
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
