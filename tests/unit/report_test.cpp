// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What is told: tables, JSON, files; and what is asked: the options that say which services.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/command.h"
#include "cli/input.h"
#include "report/explain.h"
#include "report/figures.h"
#include "report/output_file.h"
#include "report/progress_line.h"
#include "report/tables.h"

#include "report/text_table.h"
#include "run/as_run.h"
#include "run/run_json.h"
#include "service/text.h"
#include "shown.h"

namespace svcbench {
namespace {

// Two sizes, two planes; iptables skipped at the larger one.
Results small_results() {
  Results results;
  for (const std::size_t services : {100, 1000}) {
    for (const Operation operation :
         {Operation::change_endpoints, Operation::add_service, Operation::remove_service}) {
      UpdateCell ebpf{"ebpf", services, operation};
      UpdateCell bare{"bare", services, operation};
      UpdateCell iptables{"iptables-nft", services, operation, 3 * services + 7};
      for (int round = 0; round < 6; ++round) {
        ebpf.commit_ns.push_back({2000, 2100, 2200});
        bare.commit_ns.push_back({1000, 1000, 1000});
        iptables.commit_ns.push_back({20e6});
        for (UpdateCell* cell : {&ebpf, &bare, &iptables}) {
          cell->stage_ns.push_back({5});
        }
      }
      if (services == 1000) {
        iptables.commit_ns.clear();
        iptables.skipped = "too dear";
        iptables.predicted_ns = 80e6;
      }
      for (UpdateCell& cell : std::vector<UpdateCell>{ebpf, bare, iptables}) {
        results.updates.push_back(cell);
      }
    }
    results.programs.push_back(
        {"xdp", "dnat", Family::ipv4, "uniform", services, 4096, {{70, 71}, {70, 72}}, {70, 70}});
    results.programs.push_back(
        {"xdp", "bare", Family::ipv4, "uniform", services, 4096, {{60, 61}, {60, 62}}, {60, 60}});
    for (const char* writes : {"single", "batch", "mapped"}) {
      results.fills.push_back({writes, services, 3 * services, true, 4096, {4e6, 4e6, 4e6, 4e6, 4e6, 4e6}});
    }
  }
  results.environment = {{"kernel", {{"release", "6.18"}}}};
  return results;
}

std::vector<Verdict> two_verdicts() {
  return {{"a", "water is wet", Outcome::holds, "holds: it is", {"looked"}, ""},
          {"b", "the moon is cheese", Outcome::inconclusive, "inconclusive: far away", {}, "a visit"}};
}

TEST_CASE("columns align, and nothing trails") {
  TextTable table({{"name", TextTable::Align::left}, {"n"}});
  table.add({"a", "1"});
  table.add({"longer", "12,345"});
  table.add({"b", ""});
  CHECK(table.text() ==
        "name         n\n"
        "a            1\n"
        "longer  12,345\n"
        "b\n");
}

TEST_CASE("thousands") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(1234567) == "1,234,567");
}

TEST_CASE("text is broken at spaces, indented, and never over the width") {
  CHECK(wrapped("one two three", 2, 9) == "  one two\n  three\n");
  CHECK(wrapped("exactly", 0, 7) == "exactly\n");
  CHECK(wrapped("anunbreakableword x", 0, 5) == "anunbreakableword\nx\n");
}

TEST_CASE("durations") {
  CHECK(duration_text(0.2) == "1 s");
  CHECK(duration_text(59.1) == "1 min 00 s");
  CHECK(duration_text(125) == "2 min 05 s");
}

TEST_CASE("the tables say what was measured, what was skipped, and both verdicts") {
  Run run = as_run(small_results(), {});
  run.verdicts = two_verdicts();
  const std::string text = test::full_text(run, "ebpf");
  // p50 2,100 ns in blocks of 2,000 / 2,100 / 2,200; p99 is absent below 100 samples; 20 ms / 2.1 us.
  CHECK(text.find("2.10 us [2.10, 2.10]    -  2.20 us  1 us    307  20 ms [20, 20]  9,524 x") !=
        std::string::npos);
  CHECK(text.find("(about 80 ms)") != std::string::npos);
  CHECK(text.find("iptables-nft, 1,000 services: left out: too dear\n") != std::string::npos);
  CHECK(text.find("Claim: water is wet\n  holds: it is\n    looked\n") != std::string::npos);
  CHECK(text.find("to settle it: a visit") != std::string::npos);
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(verdict_text(two_verdicts(), true).find("\x1b[1;32mholds\x1b[0m: it is") != std::string::npos);
}

TEST_CASE("an endpoint change has a curve a plane, from three sizes on") {
  Results results = small_results();
  CHECK(test::full_text(as_run(results, {}), "ebpf").find("Curves") == std::string::npos);
  for (UpdateCell cell : small_results().updates) {
    if (cell.services == 1000) {
      cell.services = 10'000;
      results.updates.push_back(std::move(cell));
    }
  }
  const std::string text = test::full_text(as_run(results, {}), "ebpf");
  CHECK(text.find("change endpoints  1 1 us, 8 20 ms  N = 100  N = 10,000\n"
                  "ebpf              111              2.10 us     2.10 us\n"
                  "bare              111                 1 us        1 us\n"
                  "iptables-nft      8                  20 ms           -\n") != std::string::npos);
}

TEST_CASE("a run has every raw sample, the figures, and what was left out") {
  Run run = as_run(small_results(), {});
  run.verdicts = two_verdicts();
  const Cell& first = run.cells.front();
  CHECK(first.plane == "ebpf");
  CHECK(first.blocks.size() == 6);
  CHECK(first.blocks[0] == std::vector<double>{2000, 2100, 2200});
  CHECK(first.value == 2100);
  CHECK(first.also.count("p99") == 0);
  CHECK(first.also.at("max") == 2200);
  CHECK(first.also.count("rules") == 0);
  const Cell& skipped = run.unmeasured.back();
  CHECK(skipped.origin == Origin::predicted);
  CHECK(skipped.reason == "too dear");
  CHECK(skipped.value == 80e6);
  CHECK(skipped.blocks.empty());
  const nlohmann::json json = run_json(run);
  CHECK(json["schema_version"] == run_schema_version);
  CHECK(json["verdicts"][0]["would_settle"].is_null());
  CHECK(json.dump().find("null,null") == std::string::npos);  // no NaN among the samples
}

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "svcbench-unit-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

TEST_CASE("an established flow's figure says that planes do not do the same work for it") {
  Run run;
  const auto add = [&](std::string_view plane, std::string_view flow) {
    Cell cell;
    cell.scenario = "path";
    cell.plane = plane;
    cell.id = fmt::format("path/{}/1000/{}/random/UDP", plane, flow);
    run.cells.push_back(std::move(cell));
    return story_of(run, run.cells.back())->bias.find("docs/method.md") != std::string::npos;
  };
  std::string wrong;
  CHECK(add("ebpf-xdp", "established"));
  CHECK_FALSE(add("ebpf-xdp", "new"));
  CHECK(established_note(RunView(run, wrong)).empty());
  CHECK(add("nftables", "established"));
  CHECK(established_note(RunView(run, wrong)).find("docs/method.md") != std::string::npos);
}

TEST_CASE("a file is written whole, replaced whole, and nothing lies beside it") {
  const Folder folder;
  const std::string path = folder.path / "run.json";
  const auto file = OutputFile::at(path);
  REQUIRE(file);
  CHECK_FALSE(std::filesystem::exists(path));  // not before there is something to write
  for (const std::string text : {"first", "second, and longer"}) {
    REQUIRE(file->write(text));
    std::ifstream in(path);
    CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == text);
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}

TEST_CASE("a folder that is not there is told at once; one that goes away, at the end") {
  Folder folder;
  const auto none = OutputFile::at((folder.path / "no" / "run.json").string());
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == Error::Kind::usage);
  const auto file = OutputFile::at((folder.path / "run.json").string());
  REQUIRE(file);
  std::filesystem::remove_all(folder.path);
  const Status written = file->write("text");
  REQUIRE_FALSE(written);
  CHECK(written.error().kind == Error::Kind::failure);
}

TEST_CASE("the default sweep") {
  CHECK(default_sweep(5000) == std::vector<std::size_t>{100, 1000, 2000, 5000});
  CHECK(default_sweep(10'000) == std::vector<std::size_t>{100, 1000, 2000, 5000, 10'000});
  CHECK(default_sweep(1'000'000) ==
        std::vector<std::size_t>{100, 1000, 2000, 5000, 10'000, 100'000, 1'000'000});
  CHECK(default_sweep(500) == std::vector<std::size_t>{50, 100, 250, 500});
  CHECK(default_sweep(1) == std::vector<std::size_t>{1});
  CHECK(default_sweep(2) == std::vector<std::size_t>{1, 2});
}

// Parses `words` into the options of the main job.
Result<WorkloadInput> parsed(std::vector<std::string> words) {
  WorkloadInput input;
  CLI::App app;
  input.add_options(app);
  std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return usage_error("{}", error.what());
  }
  return input;
}

TEST_CASE("a sweep is sorted, ends at --services, and may stand for it") {
  const auto input = parsed({"--services", "500", "--sweep", "300,100,300"});
  REQUIRE(input);
  CHECK(input->sweep(500).value() == std::vector<std::size_t>{100, 300, 500});
  const auto alone = parsed({"--sweep", "20,10"});
  REQUIRE(alone);
  CHECK(alone->make().value().workload.services().size() == 20);
  CHECK_FALSE(parsed({"--services", "500", "--sweep", "600"})->sweep(500));
}

TEST_CASE("numbers that are none are refused with the range") {
  for (const char* word : {"0", "-1", "x", "", "1e3", "1000001", "99999999999999999999999", " 5", "5 "}) {
    const auto input = parsed({"--services", word});
    REQUIRE_FALSE(input);
    CHECK(input.error().message.find("1 to 1,000,000") != std::string::npos);
  }
  CHECK(parsed({"--services", "1000000"}));
  CHECK_FALSE(parsed({"--family", "ipv5"}));
}

TEST_CASE("families: one, the other, both in turn") {
  const auto family_of = [](const char* family, std::size_t place) {
    const auto made = parsed({"--services", "4", "--family", family})->make().value();
    return made.workload.services()[place].frontend.address.family;
  };
  CHECK(family_of("ipv4", 1) == Family::ipv4);
  CHECK(family_of("ipv6", 1) == Family::ipv6);
  CHECK(family_of("dual", 0) != family_of("dual", 1));
}

TEST_CASE("every command is in the table with a question that fits a line") {
  for (const Command& command : commands()) {
    CHECK(command.name.size() + command.question.size() < 95);
    CLI::App app;
    CHECK(command.configure(app));
  }
}

}  // namespace
}  // namespace svcbench
