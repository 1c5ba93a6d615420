// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Each command that README.md gives is run as it stands there, by a shell, in a folder that has what a
// reader has: ./svcbench, a sudo (which here has nothing to do), and the files that earlier commands write.
// Only what takes long is shortened, from the words of the line.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <regex>
#include <set>

#include "cli/program.h"
#include "documents.h"
#include "program.h"

namespace svcbench::testing {
namespace {

const std::string source = SVCBENCH_SOURCE;

// Commands of the tree, which build or install: those that .ci/run runs, or a script that it runs.
struct Elsewhere {
  std::string_view command;  // as README has it
  std::string_view file;     // that runs it,
  std::string_view by;       // by this
};
constexpr std::array elsewhere{
    Elsewhere{"scripts/test", ".ci/run", "' scripts/test\n"},
    Elsewhere{"scripts/build && sudo cmake --install build", "scripts/check-deb", "cmake --install"},
    Elsewhere{"scripts/build && (cd build && cpack -G DEB) && sudo apt-get install ./build/svcbench_*.deb",
              "scripts/check-deb", "cpack -G DEB"},
};

// One service in so many, and short for what has a time to keep.
constexpr std::uint64_t fewer = 25;
struct Shorter {
  std::string_view option;
  std::string_view value;
};
constexpr std::array shorter{Shorter{"--rounds", "1"}, Shorter{"--budget", "10"},
                             Shorter{"--duration", "2s"}, Shorter{"--cases", "spread"}};

const OptionText* option_of(const CommandText& command, std::string_view name) {
  for (const OptionText& option : command.options) {
    if (std::find(option.flags.begin(), option.flags.end(), name) != option.flags.end()) {
      return &option;
    }
  }
  return nullptr;
}

// The line, with fewer services, and what else makes its svcbench shorter, where that is a command that
// measures: one with a --seed, but for `render`, which only prints.
std::string shortened(const std::string& line) {
  const std::string words = svcbench_words(line);
  const std::string name = words.substr(0, words.find(' '));
  const auto program = describe_program();
  const auto command = std::find_if(program.commands.begin(), program.commands.end(),
                                    [&](const CommandText& one) { return one.name == name; });
  if (command == program.commands.end() || name == "render" || option_of(*command, "--seed") == nullptr) {
    return line;
  }
  std::string less = words;
  std::smatch count;
  static const std::regex services("--services ([0-9]+)");
  if (std::regex_search(words, count, services)) {
    less = count.prefix().str() + fmt::format("--services {}", std::stoull(count[1]) / fewer) +
           count.suffix().str();
  } else if (option_of(*command, "--services") != nullptr) {
    less += " --services 40";
  }
  for (const Shorter& one : shorter) {
    if (option_of(*command, one.option) != nullptr) {
      less += fmt::format(" {} {}", one.option, one.value);
    }
  }
  std::string out = line;
  return out.replace(line.find(words), words.size(), less);
}

// A folder as the reader's, with stand-ins for what is not svcbench's.
class Reader {
 public:
  Reader() {
    std::filesystem::create_symlink(SVCBENCH_BINARY, folder_.path("svcbench"));
    std::filesystem::create_directory(folder_.path("bin"));
    (void)folder_.write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
    std::filesystem::permissions(folder_.path("bin/sudo"), std::filesystem::perms::owner_all);
    std::filesystem::copy_file(SVCBENCH_TEST_DATA "/kind-dualstack.json", folder_.path("cluster.json"));
    for (const char* run : {"run.json", "old.json", "new.json"}) {
      std::filesystem::copy_file(SVCBENCH_TEST_DATA "/runs/compare-1.json", folder_.path(run));
    }
  }
  [[nodiscard]] Ran type(const std::string& line) const {
    return run_program({"bash", "-euo", "pipefail", "-c",
                        fmt::format("cd '{0}'\nPATH='{0}/bin':$PATH\n{1}", folder_.path(), line)});
  }

 private:
  TemporaryFolder folder_{};
};

}  // namespace

TEST_CASE("README: a command that takes long is shortened by its own words") {
  CHECK(shortened("sudo ./svcbench compare --services 1000 --json run.json") ==
        "sudo ./svcbench compare --services 40 --json run.json --rounds 1 --budget 10");
  CHECK(shortened("sudo ./svcbench iptables --shape chapter") ==
        "sudo ./svcbench iptables --shape chapter --services 40 --rounds 1 --budget 10");
  CHECK(shortened("sudo ./svcbench verify") == "sudo ./svcbench verify --cases spread");
  CHECK(shortened("./svcbench report run.json -o report.html") ==
        "./svcbench report run.json -o report.html");
}

TEST_CASE("README: each svcbench command does what it is there for") {
  const HostState before = HostState::now();
  const Reader reader;
  std::set<std::string> typed;
  for (const std::string& line : commands_in(text_of(source + "/README.md"))) {
    const std::string words = svcbench_words(line);
    if (words.empty() || !typed.insert(line).second) {
      continue;
    }
    const std::string shorter_line = shortened(line);
    CAPTURE(shorter_line);
    const Ran ran = reader.type(shorter_line);
    CAPTURE(ran.err);
    // Which verdict is none of this test's. What this kernel lacks (IPVS) is told, and is no failure.
    CHECK((ran.status == 0 || ran.status == 3 || ran.status == 4));
    CHECK((!ran.out.empty() || words.find(" -o ") != std::string::npos));
  }
  CHECK(typed.size() > 15);
  CHECK(host_becomes(before));
}

TEST_CASE("README: what builds and installs is run by the gate, and scripts/run runs the main job") {
  for (const std::string& line : commands_in(text_of(source + "/README.md"))) {
    if (!svcbench_words(line).empty()) {
      continue;
    }
    CAPTURE(line);
    if (line == "scripts/run") {  // two scripts that .ci/run runs, and the first row of the commands
      const std::string script = text_of(source + "/scripts/run");
      const std::string gate = text_of(source + "/.ci/run");
      for (const char* step : {"scripts/install-deps", "scripts/build"}) {
        CHECK(script.find(step) != std::string::npos);
        CHECK(gate.find(step) != std::string::npos);
      }
      const std::string job(commands().front().example);
      CHECK(script.find(job.substr(job.find("svcbench ") + 9)) != std::string::npos);
      continue;
    }
    const auto row = std::find_if(elsewhere.begin(), elsewhere.end(),
                                  [&](const Elsewhere& one) { return one.command == line; });
    REQUIRE_MESSAGE(row != elsewhere.end(), "say in this test what runs it");
    CHECK(text_of(source + "/" + std::string(row->file)).find(row->by) != std::string::npos);
    CHECK((row->file == ".ci/run" || text_of(source + "/.ci/run").find(row->file) != std::string::npos));
  }
}

}  // namespace svcbench::testing
