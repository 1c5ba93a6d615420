// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a report shows is what its runs have; and no text of a run becomes anything but text.
#include <doctest/doctest.h>

#include <algorithm>

#include "measure/wire/latency_histogram.h"
#include "report/html/assets.h"
#include "report/html/page.h"
#include "report/html/page_data.h"
#include "run/run_file.h"

namespace svcbench {
namespace {

using nlohmann::json;

json estimate(double value) {
  const auto [low, high] = std::minmax({value * 0.9, value * 1.2});
  return {{"value", value}, {"interval", {low, high}}, {"samples", 12}};
}

json path(const std::string& plane, int services, const std::string& flow, const std::string& position,
          double p50, const json& histogram) {
  return {{"plane", plane},
          {"services", services},
          {"flow", flow},
          {"position", position},
          {"protocol", "UDP"},
          {"family", "IPv4"},
          {"packets", 20000},
          {"p50_ns", estimate(p50)},
          {"p90_ns", p50 * 1.1},
          {"p99_ns", p50 * 1.5},
          {"p999_ns", nullptr},
          {"volley_p50_ns", {p50}},
          {"packets_per_second", json::array()},
          {"histogram", histogram}};
}

json growth(const std::string& plane, const std::string& what, double exponent) {
  return {{"plane", plane},       {"what", what},
          {"exponent", exponent}, {"interval", {exponent - 0.02, exponent + 0.02}},
          {"rounds", 12},         {"ns_per_service", estimate(exponent)}};
}

json update(const std::string& plane, const json& way, int services, double p50) {
  return {{"plane", plane},
          {"way", way},
          {"services", services},
          {"operation", "change endpoints"},
          {"p50_ns", estimate(p50)},
          {"commit_ns", {{p50}, {p50}}},
          {"stage_ns", {{0.5}, {0.5}}}};
}

json head(const std::string& command) {
  return {{"schema_version", 1},
          {"environment", {{"kernel", {{"release", "6.12.0"}}}, {"cpu", {{"model", "A CPU"}}}}},
          {"run",
           {{"command", command},
            {"command_line", "/some/where/svcbench " + command + " --services 1000"},
            {"git_revision", "0123456789ab"},
            {"seed", 7}}},
          {"seconds", 3}};
}

const json curve{{1000, 15000}, {2000, 4900}, {8960, 99}, {39936, 1}};  // lowest ns of buckets

json comparison() {
  json document = head("compare");
  document["planes"] = {"nftables", "iptables-nft"};
  for (const int services : {100, 1000}) {
    for (const char* position : {"last", "random"}) {
      document["paths"].push_back(path("nftables", services, "new flow", position, 4000, curve));
      document["paths"].push_back(
          path("iptables-nft", services, "new flow", position, 4000.0 + 10 * services, curve));
    }
    document["paths"].push_back(path("sink", services, "new flow", "last", 300, curve));
    document["updates"].push_back(update("iptables-nft", "partial", services, 1e6 + 1e4 * services));
    document["updates"].push_back(update("iptables-nft", "full", services, 1e5 * services));
    document["updates"].push_back(update("nftables", nullptr, services, 5e6));
  }
  document["growth"] = {growth("nftables", "new flow, last UDP", -0.001),
                        growth("iptables-nft", "new flow, last UDP", 0.45),
                        growth("iptables-nft", "change endpoints (partial)", 0.9)};
  document["crossings"] = {{{"what", "change endpoints (usual way)"},
                            {"plane", "iptables-nft"},
                            {"beside", "nftables"},
                            {"course", "becomes dearer"},
                            {"services", 400},
                            {"interval", {300, 500}},
                            {"sizes", {100, 1000}},
                            {"rounds", 12}}};
  document["states"] = {{{"plane", "nftables"},
                         {"services", 1000},
                         {"conntrack_entries_per_1000_new_flows", 1000},
                         {"kernel_bytes", nullptr},
                         {"kernel_bytes_interval", nullptr},
                         {"user_peak", nullptr}}};
  document["missing"] = {{{"plane", "ipvs"}, {"why", "this kernel has none"}}};
  document["verdicts"] = {{{"id", "iptables-scan"},
                           {"claim", "iptables looks a service up by a linear scan"},
                           {"outcome", "holds"},
                           {"summary", "holds: it does"},
                           {"evidence", {"b = 0.45"}},
                           {"would_settle", nullptr}}};
  return document;
}

json data_of(const std::vector<json>& documents) {
  std::vector<Run> files;
  for (const json& document : documents) {
    auto file = parse_run(document.dump(), "some/folder/run.json");
    REQUIRE_MESSAGE(file, file.error().message);
    files.push_back(std::move(*file));
  }
  auto data = html::page_data(files);
  REQUIRE_MESSAGE(data, data.error().message);
  return std::move(*data);
}

const json* find_section(const json& data, const std::string& id) {
  const auto found = std::find_if(data["sections"].begin(), data["sections"].end(),
                                  [&](const json& one) { return one["id"] == id; });
  return found == data["sections"].end() ? nullptr : &*found;
}

// The block of that id, wherever it stands.
const json& block(const json& data, const std::string& id) {
  for (const json& section : data["sections"]) {
    for (const json& one : section["blocks"]) {
      if (one.value("id", "") == id) {
        return one;
      }
    }
  }
  FAIL("no block ", id);
  return data;
}

const json& cell(const json& data, const json& index) { return data["cells"][index.get<std::size_t>()]; }

// The row of a table below the heading of a group.
const json& row(const json& table, const std::string& group, const std::string& title) {
  bool inside = false;
  for (const json& one : table["rows"]) {
    if (one.is_object()) {
      inside = one["group"] == group;
    } else if (inside && one[0] == title) {
      return one;
    }
  }
  FAIL("no row ", group, ": ", title);
  return table;
}

TEST_CASE("report: Table 4.2's cells are the run's own figures") {
  const json data = data_of({comparison()});
  const json& table = block(data, "table-4-2-0");
  CHECK(table["title"] == "Table 4.2, measured at 1,000 services");
  REQUIRE(table["head"].size() == 3);
  CHECK(table["head"][1]["plane"] == "nftables");
  CHECK(table["head"][2]["plane"] == "iptables-nft");

  const json& last = row(table, "Lookup latency", "first packet, last Service");
  CHECK(cell(data, last[1]["cell"])[1] == "path/nftables/1000/new/last/UDP");
  CHECK(cell(data, last[1]["cell"])[6] == 4000);
  CHECK(cell(data, last[2]["cell"])[6] == 14'000);
  CHECK(cell(data, last[2]["cell"])[7] == doctest::Approx(12'600));
  CHECK(cell(data, last[2]["cell"])[8] == doctest::Approx(16'800));
  CHECK(cell(data, last[2]["cell"])[9] == 12);

  // The plane's usual way is the first one; the other has a row of its own.
  const json& change = row(table, "Sync on change", "endpoints of one Service");
  CHECK(cell(data, change[2]["cell"])[1] == "update/iptables-nft/1000/change/partial");
  CHECK(change[2]["note"] == "partial");
  const json& whole = row(table, "Sync on change", "the same, by the whole table");
  CHECK(whole[1].is_null());
  CHECK(cell(data, whole[2]["cell"])[1] == "update/iptables-nft/1000/change/full");

  const json& grows = row(table, "Data-path lookup", "grows with N");
  CHECK(grows[1]["text"] == "flat");
  CHECK(grows[1]["beside"] == "N^0.00 [-0.02, 0.02]");
  CHECK(grows[2]["text"] == "growing");
  CHECK(cell(data, row(table, "Connection tracking", "entries for 1,000 new flows")[1]["cell"])[6] == 1000);
  CHECK(table["after"][0] == "IPVS was not measured: this kernel has none");
}

TEST_CASE("report: a growth chart has every plane but the instrument's, its fit and its crossing") {
  const json data = data_of({comparison()});
  const json& chart = block(data, "growth-new-last-0");
  REQUIRE(chart["series"].size() == 2);  // no sink
  const json& series = chart["series"][1];
  CHECK(series["name"] == "iptables-nft");
  REQUIRE(series["cells"].size() == 2);
  CHECK(cell(data, series["cells"][0])[6] == 5000);
  CHECK(cell(data, series["cells"][1])[6] == 14'000);
  // Through the middle of both, on log-log axes: sqrt(5000 x 14000) at sqrt(100 x 1000).
  const double middle = series["fit"]["a"].get<double>() * std::pow(std::sqrt(1e5), 0.45);
  CHECK(middle == doctest::Approx(std::sqrt(5000.0 * 14000)));
  CHECK(series["fit"]["trend"] == "growing");

  const json& change = block(data, "growth-change-0");
  REQUIRE(change["series"].size() == 3);
  CHECK(change["series"][1]["dash"] == false);
  CHECK(change["series"][2]["name"] == "iptables-nft, full");
  CHECK(change["series"][2]["dash"] == true);
  REQUIRE(change["marks"].size() == 1);
  CHECK(change["marks"][0]["services"] == 400);
  // On the line from 2e6 at 100 to 11e6 at 1,000.
  CHECK(change["marks"][0]["value"].get<double>() == doctest::Approx(2e6 * std::pow(5.5, std::log10(4))));
  CHECK(change["marks"][0]["text"] == "iptables-nft becomes costlier than nftables at N = 400 [300, 500]");

  const json& who = block(data, "crossings-update-0");
  CHECK(who["rows"][0][2] == "costlier from N = 400 [300, 500] on");
  CHECK(who["rows"][1][1] == "cheaper from N = 400 [300, 500] on");
}

TEST_CASE("report: percentile curves are the histogram's quantiles, as far as it has any") {
  const json data = data_of({comparison()});
  const json& chart = block(data, "latency-new-0");
  const json& points = chart["series"][0]["points"];
  // Its own buckets, as the file names them.
  LatencyHistogram histogram;
  std::uint32_t bucket = 0;
  for (const json& one : curve) {
    while (LatencyHistogram::lowest_ns(bucket + 1) <= one[0].get<double>()) {
      ++bucket;
    }
    histogram.add_bucket(bucket, one[1]);
  }
  CHECK(chart["series"][0]["packets"] == 20'000);
  CHECK(points.front()[0] == 2);
  CHECK(points.back()[0] == 10'000);
  for (const json& point : points) {
    CHECK(point[1] == *histogram.quantile(1 - 1 / point[0].get<double>()));
    CHECK(point[2] == doctest::Approx(20'000 / point[0].get<double>()));
  }

  json few = comparison();
  for (json& one : few["paths"]) {
    one["histogram"] = {{1000, 100}, {2000, 50}};  // 150 packets have no p99.9
  }
  const json short_data = data_of({few});
  const double last = block(short_data, "latency-new-0")["series"][0]["points"].back()[0];
  CHECK(last > 100);
  CHECK(last <= 150);
}

TEST_CASE("report: the parts of a program add up to what was measured") {
  json document = head("ebpf");
  double ns = 30;
  for (const char* depth : {"empty", "rewind", "lookup", "dnat"}) {
    const bool floor = std::string(depth) == "empty" || std::string(depth) == "rewind";
    document["programs"].push_back({{"hook", "tc"},
                                    {"depth", depth},
                                    {"family", "IPv4"},
                                    {"destination", floor ? json() : json("uniform")},
                                    {"services", 500},
                                    {"packets_per_sample", 4096},
                                    {"p50_ns", estimate(ns)},
                                    {"ns_per_packet", {{ns}}},
                                    {"kernel_ns_per_packet", {ns}}});
    ns += 20;
  }
  const json data = data_of({document});
  const json& chart = block(data, "program-chart-0");
  CHECK(chart["categories"] == json{"tc, uniform"});
  double sum = 0;
  for (const json& part : chart["parts"]) {
    sum += part["values"][0].get<double>();
  }
  CHECK(sum == 90);
  CHECK(cell(data, chart["totals"][0])[6] == 90);
  CHECK(chart["parts"][0]["values"][0] == 30);
}

TEST_CASE("report: Figure 4.1 has the book's five figures, and ours") {
  json document = head("iptables");
  for (const int services : {100, 1000}) {
    document["loads"].push_back({{"backend", "nft"},
                                 {"load", "reload"},
                                 {"services", services},
                                 {"rules", 3 * services + 7},
                                 {"input_bytes", 10},
                                 {"wall_p50_ns", estimate(services * 1e5)},
                                 {"wall_ns", {1, 2, 3}}});
  }
  const json data = data_of({document});
  const json& chart = block(data, "figure-4-1-chart");
  REQUIRE(chart["series"].size() == 2);
  CHECK(chart["series"][0]["points"][4] == json{10'000, 0.632e9});
  CHECK(chart["series"][1]["name"] == "iptables-nft, reload");
  CHECK(cell(data, chart["series"][1]["cells"][1])[6] == 1e8);
  CHECK(find_section(data, "table-4-2") == nullptr);
  CHECK(find_section(data, "growth") == nullptr);
}

TEST_CASE("report: several runs, each figure with its own run") {
  const json data = data_of({comparison(), comparison()});
  const std::size_t half = data["cells"].size() / 2;
  const json& second = block(data, "growth-new-last-1");
  CHECK(second["run"] == 1);
  const auto index = second["series"][0]["cells"][0].get<std::size_t>();
  CHECK(index >= half);
  CHECK(data["cells"][index][0] == 1);
  CHECK(data["verdicts"].size() == 2);
  // The full reload of each is in the one Figure 4.1.
  CHECK(block(data, "figure-4-1-chart")["series"].size() == 3);
}

TEST_CASE("report: the command to repeat a run, and no folder of who made it") {
  json document = comparison();
  const json data = data_of({document});
  CHECK(data["runs"][0]["commands"] == json{"git checkout 0123456789ab && scripts/build",
                                            "sudo ./svcbench compare --services 1000 --seed 7"});
  CHECK(data["runs"][0]["file"] == "run.json");
  CHECK(html::render_page(data).find("some/") == std::string::npos);

  document["run"]["git_revision"] = "0123456789ab-dirty";
  document["run"]["command_line"] = "svcbench compare\n--seed 9";
  const json dirty = data_of({document});
  CHECK(dirty["runs"][0]["commands"] ==
        json{"# built from 0123456789ab-dirty, with changes that no commit has",
             "sudo ./svcbench compare --seed 9"});
}

TEST_CASE("report: bars of a sync's parts, of throughput and of a fill, at the largest size alone") {
  json run = comparison();
  const auto sync = [](const std::string& plane, int services, const json& repeat) {
    return json{{"plane", plane}, {"services", services}, {"p50_ns", estimate(5e6)}, {"repeats", {repeat}}};
  };
  const json tool{
      {"generate_ns", 1e6}, {"commit_ns", 4e6}, {"user_us", 700}, {"system_us", 2300}, {"input_bytes", 9}};
  const json calls{
      {"generate_ns", 2e6}, {"commit_ns", 3e6}, {"user_us", 0}, {"system_us", 0}, {"input_bytes", 0}};
  run["syncs"] = {sync("nftables", 100, calls), sync("nftables", 1000, tool),
                  sync("iptables-nft", 100, tool), sync("ebpf-tc", 1000, calls)};
  for (json& one : run["paths"]) {
    if (one["plane"] == "nftables" && one["position"] == "random") {
      one["packets_per_second"] = {5e5, 6e5, 7e5};
    }
  }
  json maps = head("ebpf");
  maps["fills"] = json::array();
  for (const auto& [writes, services, ns] :
       {std::tuple{"single", 100, 1e5}, {"single", 1000, 9e6}, {"mapped", 1000, 1e6}}) {
    maps["fills"].push_back(
        {{"writes", writes}, {"services", services}, {"p50_ns", estimate(ns)}, {"ns", {ns}}});
  }
  const json data = data_of({run, maps});
  const auto id_at = [&](const json& place) { return data["cells"][place.get<std::size_t>()][1]; };

  const json& parts = block(data, "sync-chart-0");
  CHECK(parts["categories"] == json({"nftables", "eBPF, tc"}));
  CHECK(parts["parts"][0]["values"] == json({1e6, 2e6}));
  CHECK(parts["parts"][1]["values"] == json({7e5, nullptr}));  // no tool is run
  CHECK(parts["parts"][2]["values"] == json({2.3e6, nullptr}));
  CHECK(parts["parts"][3]["values"] == json({1e6, 3e6}));
  CHECK(id_at(parts["totals"][1]) == "sync/ebpf-tc/1000");

  const json& rates = block(data, "throughput-chart-0");
  CHECK(rates["categories"] == json({"nftables"}));
  REQUIRE(rates["sets"].size() == 1);  // no established flows were sent
  CHECK(id_at(rates["sets"][0]["cells"][0]) == "throughput/nftables/1000/new/random/UDP");

  const json& fill = block(data, "fill-chart-1");
  CHECK(id_at(fill["sets"][0]["cells"][0]) == "fill/ebpf/1000/single");
  CHECK(fill["sets"][0]["cells"][1].is_null());
  CHECK(id_at(fill["sets"][0]["cells"][2]) == "fill/ebpf/1000/mapped");
  CHECK(find_section(data_of({comparison()}), "sync") == nullptr);
  CHECK(find_section(data_of({comparison()}), "throughput") == nullptr);
}

TEST_CASE("report: Table 4.2 has the plane's own flows, where there are any") {
  const auto row_of = [](const json& data) {
    const json& rows = block(data, "table-4-2-0")["rows"];
    const auto found = std::find_if(rows.begin(), rows.end(), [](const json& row) {
      return row.is_array() && row[0] == "own flows per 1,000 new flows";
    });
    return found == rows.end() ? json() : *found;
  };
  json run = comparison();
  CHECK(row_of(data_of({run})).is_null());
  run["states"][0]["flow_table_entries_per_1000_new_flows"] = 2000;
  const json data = data_of({run});
  const json row = row_of(data);
  CHECK(data["cells"][row[1]["cell"].get<std::size_t>()][1] == "state/nftables/1000/flow-table");
  CHECK(row[2].is_null());
}

TEST_CASE("report: a ruleset of one's own has its loads, with evidence, and what did not take it") {
  json run = head("iptables");
  run["schema_version"] = 2;
  run["run"].erase("seed");
  run["ruleset"] = {{"file", "/home/someone/rules"},
                    {"family", "IPv4"},
                    {"rules", 570},
                    {"chains", 216},
                    {"bytes", 81015}};
  const auto load = [](const char* backend, const char* name, const json& median, const json& missing) {
    const json wall = median.is_null() ? json::array() : json{4e6, 5e6, 6e6};
    return json{{"backend", backend},
                {"label", std::string("iptables-") + backend + " 1.8.9"},
                {"load", name},
                {"missing", missing},
                {"median_wall_ns", median},
                {"wall_ns", wall},
                {"user_ns", wall},
                {"system_ns", wall}};
  };
  run["loads"] = {
      load("legacy", "first", nullptr, "it would not"), load("legacy", "reload", nullptr, "it would not"),
      load("nft", "first", estimate(5e6), nullptr), load("nft", "reload", estimate(5e6), nullptr)};
  const json data = data_of({run});
  const json& table = block(data, "ruleset-0");
  CHECK(table["title"] == "570 rules of IPv4, 216 chains");
  REQUIRE(table["rows"].size() == 2);
  CHECK(table["rows"][1][1] == "reload");
  CHECK(data["cells"][table["rows"][1][2]["cell"].get<std::size_t>()][1] == "ruleset/iptables-nft/reload");
  CHECK(table["rows"][1][3]["value"] == 5e6);
  CHECK(table["after"] == json({"iptables-legacy 1.8.9 was not measured: it would not"}));
  CHECK(data["runs"][0]["commands"].back().get<std::string>().find("--seed") == std::string::npos);
  CHECK(data.dump().find("someone") == std::string::npos);
  CHECK(find_section(data, "figure-4-1") == nullptr);

  // Version 1 said no more of its run than its command.
  json first = run;
  first["schema_version"] = 1;
  first.erase("run");
  first["command"] = "iptables";
  CHECK(block(data_of({first}), "ruleset-0")["rows"].size() == 2);
  CHECK(data_of({first})["runs"][0]["commands"].empty());
}

TEST_CASE("report: an emulated run is marked; scaled columns are marked, and explained") {
  json document = comparison();
  document["environment"]["emulated"] = "tcg";
  document["borrowed"] = {
      {{"source", {{"file", "some/uml.json"}, {"kernel", "6.1"}, {"emulated", "uml"}}},
       {"planes", {"ipvs"}},
       {"cells",
        {{{"what", "path"},
          {"plane", "ipvs"},
          {"services", 1000},
          {"flow", "new flow"},
          {"position", "last"},
          {"protocol", "UDP"},
          {"scaled_ns", estimate(8000)},
          {"via", {{{"plane", "nftables"}, {"ratio", estimate(2)}}}}}}},
       {"growth",
        {{{"what", "new flow, last UDP"},
          {"plane", "ipvs"},
          {"flow", "new flow"},
          {"position", "last"},
          {"protocol", "UDP"},
          {"exponent", 0.01},
          {"interval", {0.0, 0.02}},
          {"rounds", 6}}}},
       {"counts",
        {{{"plane", "ipvs"}, {"services", 1000}, {"conntrack_entries_per_1000_new_flows", 1000}}}}}};
  const json data = data_of({document});
  CHECK(data["runs"][0]["mark"].get<std::string>().starts_with("EMULATED"));
  const json& table = block(data, "table-4-2-0");
  CHECK(table["head"][3]["note"] == "scaled from 6.1, uml");
  const json& last = row(table, "Lookup latency", "first packet, last Service");
  CHECK(last[3]["value"] == 8000);
  CHECK(last[3]["to"] == "scaled-0");
  CHECK(row(table, "Data-path lookup", "grows with N")[3]["text"] == "flat");
  CHECK(row(table, "Connection tracking", "entries for 1,000 new flows")[3]["value"] == 1000);
  CHECK(block(data, "scaled-0")["caption"].get<std::string>().starts_with("From uml.json (kernel 6.1"));
  CHECK(block(data, "scaled-0")["rows"][0][4] == "2.00 x nftables");
}

TEST_CASE("report: what disturbed a run, and what a plane fails, is told") {
  json document = comparison();
  document["environment"]["noise"] = {{"warnings", {"the governor is powersave"}},
                                      {"meanwhile", {"the host took 3 %"}}};
  document["behaviours"] = {{"looked_at", {"spreads flows"}},
                            {"planes", {"nftables", "iptables-nft"}},
                            {"failed",
                             {{{"plane", "nftables"},
                               {"behaviour", "spreads flows"},
                               {"variants", "IPv4 TCP"},
                               {"evidence", "all to one"}}}},
                            {"not_done", nullptr}};
  const json data = data_of({document});
  CHECK(data["runs"][0]["noise"] == json{"the governor is powersave", "the host took 3 %"});
  const json& table = block(data, "table-4-2-0");
  CHECK(table["head"][1]["note"] == "fails: spreads flows");
  CHECK_FALSE(table["head"][2].contains("note"));
  CHECK(table["after"][0] ==
        "[1] nftables does less than the others: it fails \"spreads flows\" (IPv4 TCP): all to one");
  CHECK(table["after"][1] ==
        "Before they were timed, the planes were tried with real sockets: spreads flows.");
}

TEST_CASE("report: a document that no svcbench wrote is an error, in one sentence") {
  json document = comparison();
  document["crossings"][0]["rounds"] = "twelve";
  const auto file = parse_run(document.dump(), "odd.json");
  REQUIRE(file);
  const auto data = html::page_data(std::span(&*file, 1));
  REQUIRE_FALSE(data);
  CHECK(data.error().kind == Error::Kind::usage);
  CHECK(data.error().message.find("odd.json.details.crossings") != std::string::npos);
}

TEST_CASE("report: no text can leave the element that it stands in") {
  CHECK(html::script_safe({{"a", "</script><!--<script>&\u2028"}}) ==
        R"({"a":"\u003c/script\u003e\u003c!--\u003cscript\u003e\u0026\u2028"})");
  CHECK(html::script_safe("\xff") == "\"\\ufffd\"");

  json document = comparison();
  document["run"]["command_line"] = "svcbench compare </script><script>alert(1)</script>";
  document["environment"]["cpu"]["model"] = "{{scripts}}<img src=x onerror=alert(1)>";
  const std::string page = html::render_page(data_of({document}));
  const std::string clean = html::render_page(data_of({comparison()}));
  const auto count = [](const std::string& text, std::string_view what) {
    std::size_t n = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
      ++n;
    }
    return n;
  };
  CHECK(count(page, "<script") == count(clean, "<script"));
  CHECK(count(page, "<img") == count(clean, "<img"));
}

TEST_CASE("report: the page's policy names what is in it, and forbids the rest") {
  // SHA-256 of nothing, as base64.
  CHECK(html::policy_hash("") == "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='");
  const std::string page = html::render_page(data_of({comparison()}));
  const html::Assets& assets = html::assets();
  CHECK(page.find("content=\"default-src 'none'; script-src 'sha256-") != std::string::npos);
  for (const std::string_view part :
       {assets.library, assets.format, assets.figure, assets.build, assets.style}) {
    CHECK(part.size() > 100);
    CHECK(page.find(part) != std::string::npos);
    CHECK(page.find(html::policy_hash(part)) != std::string::npos);
    CHECK(part.find('\r') == std::string_view::npos);  // a browser would hash a newline
    CHECK(part.find("</script") == std::string_view::npos);
  }
  CHECK(page.find("{{") == std::string::npos);
  CHECK(page.find("Permission is hereby granted, free of charge") != std::string::npos);
}

}  // namespace
}  // namespace svcbench
