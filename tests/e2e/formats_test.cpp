// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench diff, export and explain, over runs that are there already: they measure nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "program.h"

namespace svcbench::testing {
namespace {

const std::string comparison = SVCBENCH_TEST_DATA "/runs/compare-1.json";

void check_refused(const Ran& ran, const std::string& word) {
  INFO(ran.err);
  CHECK(ran.status == 2);
  CHECK(ran.out.empty());
  CHECK(ran.err.starts_with("svcbench: "));
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK(ran.err.find(word) != std::string::npos);
}

void check_width(const std::string& text) {
  std::istringstream lines(text);
  std::string line;
  while (std::getline(lines, line)) {
    CAPTURE(line);
    CHECK(line.size() <= 100);
    CHECK(line.find('\x1b') == std::string::npos);
  }
}

// The comparison with every packet of ebpf-xdp at `factor` times its time.
std::string slower(const TemporaryFolder& folder, double factor) {
  nlohmann::json run = read_json(comparison);
  for (nlohmann::json& cell : run["paths"]) {
    if (cell["plane"] == "ebpf-xdp") {
      cell["p50_ns"]["value"] = cell["p50_ns"]["value"].get<double>() * factor;
      for (nlohmann::json& end : cell["p50_ns"]["interval"]) {
        end = end.get<double>() * factor;
      }
      for (nlohmann::json& ns : cell["volley_p50_ns"]) {
        ns = ns.get<double>() * factor;
      }
    }
  }
  return folder.write("slower.json", run.dump());
}

TEST_CASE("diff: nothing, something, and the exit code for CI") {
  const TemporaryFolder folder;
  const Ran same = svcbench({"diff", comparison, comparison, "--fail-if-slower", "5%"});
  INFO(same.err);
  CHECK(same.status == 0);
  CHECK(same.out.find("no difference resolved") != std::string::npos);
  CHECK(same.out.find("Nothing is slower by more than 5 %") != std::string::npos);
  check_width(same.out);

  const std::string twice = slower(folder, 2);
  const Ran worse =
      svcbench({"diff", comparison, twice, "--fail-if-slower", "5%", "--json", folder.path("diff.json")});
  CHECK(worse.status == 3);
  CHECK(worse.out.find("slower !") != std::string::npos);
  CHECK(worse.out.find("path/ebpf-xdp/20/new/last/UDP") != std::string::npos);
  check_width(worse.out);
  check_against_schema(folder.path("diff.json"), "diff");
  CHECK(read_json(folder.path("diff.json"))["beyond_limit"].get<int>() > 0);
  // Without a limit it is told, and is no failure; the other way round it is faster.
  CHECK(svcbench({"diff", comparison, twice}).status == 0);
  const Ran better = svcbench({"diff", twice, comparison, "--fail-if-slower", "5"});
  CHECK(better.status == 0);
  CHECK(better.out.find("faster") != std::string::npos);
  CHECK(svcbench({"diff", comparison, twice, "--fail-if-slower", "150%"}).status == 0);

  const Ran all = svcbench({"diff", comparison, comparison, "--all"});
  CHECK(all.out.find("sync/iptables-nft/20") != std::string::npos);
  check_width(all.out);
  const Ran markdown = svcbench({"diff", comparison, twice, "--markdown"});
  CHECK(markdown.out.find("| `path/ebpf-xdp/20/new/last/UDP` |") != std::string::npos);
  CHECK(svcbench({"diff", "-", comparison}, read_file(comparison)).status == 0);
}

TEST_CASE("diff: apples and pears") {
  const TemporaryFolder folder;
  nlohmann::json run = read_json(comparison);
  run["environment"]["kernel"]["release"] = "6.1.0-other";
  const std::string other = folder.write("other.json", run.dump());
  check_refused(svcbench({"diff", comparison, other}), "6.1.0-other");
  const Ran forced = svcbench({"diff", comparison, other, "--force", "--all"});
  CHECK(forced.status == 0);
  // Above every table.
  std::size_t tables = 0;
  std::size_t marks = 0;
  std::istringstream lines(forced.out);
  std::string line;
  while (std::getline(lines, line)) {
    tables += line.find("after / before") != std::string::npos ? 1 : 0;
    marks += line.starts_with("FORCED: ") ? 1 : 0;
  }
  CHECK(tables > 2);
  CHECK(marks == tables);
  check_refused(svcbench({"diff", comparison, SVCBENCH_TEST_DATA "/runs/ebpf-1.json"}), "command");
  check_refused(svcbench({"diff", comparison}), "NEW");
  check_refused(svcbench({"diff", comparison, folder.path("none.json")}), "none.json");
  check_refused(svcbench({"diff", comparison, SVCBENCH_TEST_DATA "/policies.json"}),
                "not a run of svcbench");
  check_refused(svcbench({"diff", comparison, comparison, "--fail-if-slower", "fast"}), "fast");
  check_refused(svcbench({"diff", "-", "-"}), "standard input");
  const std::string verified = SVCBENCH_TEST_DATA "/runs/verify-1.json";
  check_refused(svcbench({"diff", verified, verified}), "no figures");
}

TEST_CASE("export: each format to standard output or whole to a file") {
  const TemporaryFolder folder;
  for (const auto& [format, word] : {std::pair{"--csv", "id,scenario,plane"},
                                     {"--markdown", "**svcbench compare**"},
                                     {"--prometheus", "# TYPE svcbench_seconds gauge"}}) {
    CAPTURE(format);
    const Ran ran = svcbench({"export", comparison, format});
    CHECK(ran.status == 0);
    CHECK(ran.out.find(word) != std::string::npos);
    const Ran filed = svcbench({"export", comparison, format, "-o", folder.path("out")});
    CHECK(filed.status == 0);
    CHECK(filed.out.empty());
    CHECK(read_file(folder.path("out")) == ran.out);
    CHECK(folder.names().size() == 1);  // nothing is left beside it
  }
  check_refused(svcbench({"export", comparison}), "--csv, --markdown or --prometheus");
  check_refused(svcbench({"export", comparison, "--csv", "--markdown"}), "one format");
  check_refused(svcbench({"export", comparison, "--csv", "-o", folder.path("no/such")}), "--output");
  check_refused(svcbench({"compare", "--services", "5", "--csv", folder.path("no/such.csv")}), "--csv");
  check_refused(svcbench({"export", SVCBENCH_TEST_DATA "/runs/verify-1.json", "--csv"}), "no figures");
}

TEST_CASE("explain: the list, one figure, and one that there is not") {
  const Ran list = svcbench({"explain", comparison});
  CHECK(list.status == 0);
  CHECK(list.out.find("path/ebpf-xdp/20/new/last/UDP") != std::string::npos);
  check_width(list.out);
  const Ran one = svcbench({"explain", comparison, "path/ebpf-xdp/20/new/last/UDP"});
  CHECK(one.status == 0);
  for (const char* word :
       {"Timed", "Not in it", "Checked", "Made of", "Drift", "Instrument", "Could bias"}) {
    CAPTURE(word);
    CHECK(one.out.find(word) != std::string::npos);
  }
  check_width(one.out);
  // An established flow's packet is not the same work for every plane.
  for (const std::string id :
       {"path/ebpf-xdp/10/established/random/UDP", "path/nftables/10/established/random/UDP"}) {
    const Ran established = svcbench({"explain", SVCBENCH_TEST_DATA "/runs/compare-3.json", id});
    CHECK(established.status == 0);
    CHECK(established.out.find("docs/method.md") != std::string::npos);
  }
  CHECK(one.out.find("connection tracker") == std::string::npos);
  check_refused(svcbench({"explain", comparison, "ebpf-xdp/20"}), "it has ");
  check_refused(svcbench({"explain", comparison, "nothing"}), "lists all");
}

TEST_CASE("explain --json: on standard output alone, or in a file beside the text") {
  const TemporaryFolder folder;
  const std::string id = "path/ebpf-xdp/20/new/last/UDP";
  const Ran alone = svcbench({"explain", comparison, id, "--json", "-"});
  CHECK(alone.status == 0);
  CHECK(nlohmann::json::parse(alone.out)["figures"][0]["id"] == id);
  const Ran both = svcbench({"explain", comparison, id, "--json", folder.path("one.json")});
  CHECK(both.out == svcbench({"explain", comparison, id}).out);
  CHECK(read_file(folder.path("one.json")) == alone.out);
  check_against_schema(folder.path("one.json"), "explain");
  CHECK(svcbench({"explain", comparison, "--json", folder.path("all.json")}).status == 0);
  check_against_schema(folder.path("all.json"), "explain");
  // Of each command's runs, the figures with the most and with the least to tell.
  for (const char* name : {"ebpf-1", "iptables-1", "connect-1", "churn-1"}) {
    CAPTURE(name);
    const std::string run = std::string(SVCBENCH_TEST_DATA "/runs/") + name + ".json";
    const Ran list = svcbench({"explain", run, "--json", "-"});
    const nlohmann::json figures = nlohmann::json::parse(list.out)["figures"];
    for (const nlohmann::json& figure : {figures.front(), figures.back()}) {
      CHECK(svcbench({"explain", run, figure["id"], "--json", folder.path("some.json")}).status == 0);
      check_against_schema(folder.path("some.json"), "explain");
    }
  }
  check_refused(svcbench({"explain", comparison, "nothing", "--json", folder.path("none.json")}),
                "lists all");
  CHECK_FALSE(std::filesystem::exists(folder.path("none.json")));
  check_refused(svcbench({"explain", comparison, id, "--json", folder.path("no/such.json")}), "--json");
}

TEST_CASE("diff, export and explain need no rights") {
  const TemporaryFolder folder;
  const std::string copy = folder.path("svcbench");
  std::filesystem::copy_file(SVCBENCH_BINARY, copy);
  const std::string run = folder.write("run.json", read_file(comparison));
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"diff", run, run}, {"export", run, "--csv"}, {"explain", run}}) {
    std::vector<std::string> argv{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const Ran ran = run_program(argv);
    INFO(ran.err);
    CHECK(ran.status == 0);
  }
}

TEST_CASE("a run of a newer svcbench: one sentence") {
  const TemporaryFolder folder;
  nlohmann::json run = read_json(comparison);
  run["schema_version"] = 99;
  const std::string newer = folder.write("newer.json", run.dump());
  check_refused(svcbench({"explain", newer}), "use a newer svcbench");
  check_refused(svcbench({"export", newer, "--csv"}), "use a newer svcbench");
  check_refused(svcbench({"diff", comparison, newer}), "use a newer svcbench");
}

}  // namespace
}  // namespace svcbench::testing
