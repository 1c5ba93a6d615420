// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Runs, read back from their JSON.
#include <doctest/doctest.h>

#include "run/run_file.h"

namespace svcbench {
namespace {

using nlohmann::json;

json head(const char* command, int version = 1) {
  return {{"schema_version", version},
          {"environment", json::object()},
          {"run", {{"command", command}, {"seed", 1}}}};
}

json estimate(double value) { return {{"value", value}, {"interval", {value, value}}, {"samples", 3}}; }

json comparison() {
  json document = head("compare");
  document["syncs"] = {
      {{"plane", "nftables"},
       {"services", 100},
       {"p50_ns", estimate(30)},
       {"repeats",
        {{{"generate_ns", 10},
          {"commit_ns", 20},
          {"user_us", 1},
          {"system_us", 2},
          {"tools", 1},
          {"input_bytes", 7}}}}},
      {{"plane", "nftables"}, {"services", 9000}, {"skipped", "too dear"}, {"predicted_ns", 5}}};
  document["updates"] = {{{"plane", "iptables-nft"},
                          {"services", 100},
                          {"way", "partial"},
                          {"operation", "add service"},
                          {"p50_ns", estimate(33)},
                          {"commit_ns", {{30, 40, 20}, {31, 31}}},
                          {"stage_ns", {{1, 2, 3}, {4, 4}}}}};
  document["paths"] = {{{"plane", "ebpf-xdp"},
                        {"services", 100},
                        {"flow", "new flow"},
                        {"position", "random"},
                        {"protocol", "UDP"},
                        {"family", "IPv4"},
                        {"packets", 20000},
                        {"p50_ns", estimate(1000)},
                        {"p90_ns", 1100},
                        {"p99_ns", 1200},
                        {"p999_ns", nullptr},
                        {"volley_p50_ns", {990, 1000, 1010}},
                        {"packets_per_second", {5, 7, 6}},
                        {"histogram", {{990, 19990}, {4000, 8}, {9000, 2}}}}};
  document["states"] = {{{"plane", "nftables"},
                         {"services", 100},
                         {"conntrack_entries_per_1000_new_flows", 1000},
                         {"flow_table_entries_per_1000_new_flows", 2000},
                         {"kernel_bytes", 5000},
                         {"kernel_bytes_interval", {4000, 6000}},
                         {"user_peak", {{"bytes", 30}, {"own_bytes", 10}, {"tool_bytes", 20}}}}};
  document["growth"] = {{{"plane", "nftables"},
                         {"what", "change endpoints"},
                         {"exponent", 0.5},
                         {"interval", {0.4, 0.6}},
                         {"rounds", 6},
                         {"ns_per_service", estimate(2)}}};
  document["instrument"] = {{"clock_ns", 31}};
  return document;
}

Result<Run> parse(const json& document) { return parse_run(document.dump(), "run.json"); }

void refused(const json& document, std::string_view word) {
  CAPTURE(word);
  const auto file = parse(document);
  REQUIRE_FALSE(file);
  CAPTURE(file.error().message);
  CHECK(file.error().kind == Error::Kind::usage);
  CHECK(file.error().message.find(word) != std::string::npos);
  CHECK(file.error().message.find('\n') == std::string::npos);
}

TEST_CASE("run file: every figure of a comparison, by an id that lasts") {
  const auto file = parse(comparison());
  REQUIRE_MESSAGE(file, (file ? "" : file.error().message));
  CHECK(file->command == "compare");
  CHECK(file->schema_version == 1);
  std::vector<std::string> ids;
  for (const Cell& cell : file->cells) {
    ids.push_back(cell.id);
  }
  CHECK(ids == std::vector<std::string>{
                   "sync/nftables/100", "update/iptables-nft/100/add/partial",
                   "path/ebpf-xdp/100/new/random/UDP", "throughput/ebpf-xdp/100/new/random/UDP",
                   "instrument/clock", "state/nftables/100/conntrack", "state/nftables/100/flow-table",
                   "state/nftables/100/kernel-memory", "state/nftables/100/user-memory",
                   "growth/nftables/change-endpoints"});

  const Cell& sync = *file->find("sync/nftables/100");
  CHECK(sync.values == std::vector<double>{30});
  CHECK(sync.also.at("tool_user_ns") == 1000);
  CHECK(sync.also.at("tool_system_ns") == 2000);
  const Cell& update = *file->find("update/iptables-nft/100/add/partial");
  CHECK(update.what == "add service, partial");
  CHECK(update.values == std::vector<double>{31, 35});  // of 31, 42, 23; of 35, 35
  const Cell& path = *file->find("path/ebpf-xdp/100/new/random/UDP");
  CHECK(path.what == "new flow, random UDP");
  CHECK(path.unit == "ns");
  CHECK(path.value == 1000);
  CHECK(path.values == std::vector<double>{990, 1000, 1010});
  CHECK(path.also.at("p99") == 1200);
  CHECK(path.histogram.size() == 3);
  CHECK(path.also.at("max") == 9064);  // the end of the last bucket, 64 ns wide
  // 19,980 of 20,000; of 19,990 in [990, 994).
  CHECK(path.also.at("p99.9") == doctest::Approx(990 + 4 * 19980.0 / 19990));
  CHECK(path.also.at("p99.99") == doctest::Approx(4016));  // 2 of 20,000 lie beyond this bucket's end
  CHECK(path.coordinate("flow") == "new flow");
  CHECK(path.better == Better::less);
  CHECK_FALSE(path.checks.empty());
  const Cell& throughput = *file->find("throughput/ebpf-xdp/100/new/random/UDP");
  CHECK(throughput.value == 6);
  CHECK(throughput.unit == "packets/s");
  CHECK(throughput.better == Better::more);
  CHECK(file->find("state/nftables/100/kernel-memory")->interval->high == 6000);
  CHECK(file->find("instrument/clock")->value == 31);
  CHECK(file->find("growth/nftables/change-endpoints")->also.at("ns_per_service") == 2);
  CHECK(file->find("sync/nftables/9000") == nullptr);
  const Cell* left_out = file->find_unmeasured("sync/nftables/9000");
  REQUIRE(left_out != nullptr);
  CHECK(left_out->origin == Origin::predicted);
  CHECK(left_out->reason == "too dear");
  CHECK(left_out->value == 5);
}

TEST_CASE("run file: an instruction-counting guest's path is told in instructions") {
  json document = comparison();
  document["environment"]["emulated"] = "icount";
  const auto file = parse(document);
  REQUIRE(file);
  const Cell& path = *file->find("path/ebpf-xdp/100/new/random/UDP");
  CHECK(path.unit == "instructions");
  CHECK(path.value == 500);
  CHECK(path.interval->low == 500);
  CHECK(path.values[0] == 495);
  CHECK(path.also.at("p99") == 600);
  CHECK(path.also.at("max") == 4532);
  CHECK(path.also.at("packets") == 20000);
}

TEST_CASE("run file: names that no plane has stay text, and out of ids") {
  json document = comparison();
  document["syncs"][0]["plane"] = "a/b\n\"c\"";
  const auto file = parse(document);
  REQUIRE(file);
  CHECK(file->cells[0].plane == "a/b\n\"c\"");
  CHECK(file->cells[0].id == "sync/a-b-c-/100");
}

TEST_CASE("run file: what is no run, or of a newer svcbench, is told in a sentence") {
  CHECK(parse_run("{\"a\": ", "run.json").error().message.find("not JSON") != std::string::npos);
  CHECK(parse_run("{\"a\": 1e999}", "run.json").error().message.find("out of range") != std::string::npos);
  refused(json::array(), "not a run of svcbench");
  refused(json::object(), "not a run of svcbench");
  refused(head("compare", 2), "schema version is 2, which no svcbench gave to a run of `compare`");
  refused(head("compare", 0), "no schema_version");
  refused(head("teleport"), "`teleport`");
  json document = comparison();
  document.erase("environment");
  refused(document, "not a run of svcbench");
  document = comparison();
  document["paths"][0]["volley_p50_ns"][1] = "fast";
  refused(document, "paths[0].volley_p50_ns: expected numbers");
  document = comparison();
  document["syncs"][0]["services"] = -1;
  refused(document, "syncs[0].services: expected a count, found -1");
  document = comparison();
  document["states"] = 7;
  refused(document, "states: expected an array");
  document = comparison();
  document["syncs"][1] = document["syncs"][0];
  refused(document, "two of its figures are sync/nftables/100");
  CHECK(read_run("/nowhere/run.json").error().message.find("No such file") != std::string::npos);
  CHECK(read_run("/").error().message.find("not a file") != std::string::npos);
}

}  // namespace
}  // namespace svcbench
