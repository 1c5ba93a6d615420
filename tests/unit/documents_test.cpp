// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// README.md, docs/ and CITATION.cff: what they link to is there, and what they give as a command is one.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include "cli/program.h"
#include "documents.h"
#include "revision.h"

namespace svcbench {
namespace {

namespace fs = std::filesystem;

const fs::path root = SVCBENCH_SOURCE;

std::vector<fs::path> documents() {
  std::vector<fs::path> all{root / "README.md", root / "CONTRIBUTING.md", root / "tests/vm/README.md"};
  for (const auto& entry : fs::directory_iterator(root / "docs")) {
    if (entry.path().extension() == ".md") {
      all.push_back(entry.path());
    }
  }
  return all;
}

// The targets of [text](target) and ![text](target), without those on the web.
std::vector<std::string> links_in(const std::string& text) {
  static const std::regex link(R"(\]\(([^)#\s]+)(#[^)]*)?\))");
  std::vector<std::string> targets;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), link); it != std::sregex_iterator(); ++it) {
    const std::string target = (*it)[1];
    if (target.find("://") == std::string::npos) {
      targets.push_back(target);
    }
  }
  return targets;
}

// What the command line says against these words of a shell; empty: nothing.
std::string refused(const std::string& words) {
  const CommandLine line = make_command_line();
  try {
    line.app->parse(words);
  } catch (const CLI::Success&) {
    return "";
  } catch (const CLI::ParseError& error) {
    return refusal(*line.app, error);
  }
  return "";
}

}  // namespace

TEST_CASE("links between documents lead to files that are there") {
  std::size_t links = 0;
  for (const fs::path& document : documents()) {
    CAPTURE(document.string());
    for (const std::string& target : links_in(testing::text_of(document))) {
      CAPTURE(target);
      CHECK(fs::exists(document.parent_path() / target));
      ++links;
    }
  }
  CHECK(links > 50);
  CHECK(links_in("[a](b.md) ![c](d.png) [e](https://f.g) [h](i.md#j)") ==
        std::vector<std::string>{"b.md", "d.png", "i.md"});
}

TEST_CASE("the index of docs/ names every page and every schema") {
  const auto links = links_in(testing::text_of(root / "docs/README.md"));
  for (const auto& entry : fs::directory_iterator(root / "docs")) {
    const std::string name = entry.path().filename().string();
    if (name != "README.md" && name != "report.png") {
      CAPTURE(name);
      CHECK(std::find(links.begin(), links.end(), name) != links.end());
    }
  }
}

TEST_CASE("README fits in 200 lines, and has the commands by question as the program has them") {
  const std::string readme = testing::text_of(root / "README.md");
  CHECK(std::count(readme.begin(), readme.end(), '\n') <= 200);
  std::string rows;
  for (const Command& command : commands()) {
    rows += fmt::format("| {} | `{}` |\n", command.question, command.example);
  }
  const std::string table = "| question | command |\n|---|---|\n" + rows + "<!-- commands: end -->";
  CHECK_MESSAGE(readme.find(table) != std::string::npos, "README.md should have:\n" << table);
}

TEST_CASE("each svcbench command in the documents is one that the command line takes") {
  std::size_t commands_seen = 0;
  for (const fs::path& document : documents()) {
    for (const std::string& line : testing::commands_in(testing::text_of(document))) {
      CAPTURE(document.string());
      CAPTURE(line);
      const std::string words = testing::svcbench_words(line);
      if (!words.empty() &&
          words.find("YOURS") == std::string::npos) {  // CONTRIBUTING's, of a reader's plane
        CHECK(refused(words).empty());
        ++commands_seen;
      }
    }
  }
  CHECK(commands_seen > 40);
}

TEST_CASE("of a document's text, the commands: blocks of shell, and code in tables") {
  const std::string text =
      "Prose with `code`.\n\n```sh\na --b   # why\n\nc | sudo ./svcbench list > x\nd \\\n  e\n```\n"
      "```cpp\nint f();\n```\n| q | `sudo ./svcbench verify` |\n    ./svcbench probe\n";
  CHECK(testing::commands_in(text) == std::vector<std::string>{"a --b", "c | sudo ./svcbench list > x",
                                                               "d   e", "sudo ./svcbench verify"});
  CHECK(testing::svcbench_words("c | sudo ./svcbench list --x > y").compare("list --x") == 0);
  CHECK(testing::svcbench_words("tests/vm/run --kernel 6.12 -- ./svcbench probe") == "probe");
  CHECK(testing::svcbench_words("sudo ./svcbench verify; ls") == "verify");
  CHECK(testing::svcbench_words("scripts/build").empty());
  CHECK(testing::svcbench_words("source <(./svcbench completions bash)") == "completions bash");
}

TEST_CASE("CITATION.cff has the version that CMakeLists.txt has") {
  const std::string text = testing::text_of(root / "CITATION.cff");
  CHECK(text.find("\ncff-version: 1.2.0\n") != std::string::npos);
  CHECK(text.find(fmt::format("\nversion: {}\n", SVCBENCH_VERSION)) != std::string::npos);
}

}  // namespace svcbench
