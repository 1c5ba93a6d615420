// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// From cells made by hand to figures, verdicts, tables and JSON.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <sstream>

#include "measure/compare_analysis.h"
#include "measure/selection.h"
#include "report/figures.h"
#include "report/full.h"
#include "report/quantity.h"
#include "run/as_run.h"
#include "shown.h"
#include "svcbench/wire_abi.h"

namespace svcbench {
namespace {

constexpr std::size_t rounds = 8;
constexpr PathKind new_last{FlowKind::fresh, Position::last, Protocol::udp};
constexpr std::array<std::size_t, 3> sizes{100, 1000, 10'000};

// ns at N services; rounds differ from it by a factor between 0.99 and 1.01.
using Cost = std::function<double(double)>;

double factor(std::size_t round) {
  return 0.99 + 0.02 * static_cast<double>(round) / static_cast<double>(rounds - 1);
}

Cost constant(double ns) {
  return [ns](double) { return ns; };
}

// What a scan costs: so much, and so much for each service.
Cost line(double ns, double ns_a_service) {
  return [=](double services) { return ns + ns_a_service * services; };
}

PathCell path_costing(const std::string& plane, std::size_t services, double ns,
                      const PathKind& kind = new_last) {
  PathCell cell{.plane = plane, .services = services, .kind = kind};
  for (std::size_t round = 0; round < rounds; ++round) {
    cell.p50_ns.push_back(ns * factor(round));
    cell.p99_ns.push_back(3 * ns * factor(round));
    cell.latency.add_bucket(svcb_wire_bucket(static_cast<std::uint64_t>(ns * factor(round))), 1000);
  }
  cell.sent = 1000 * rounds;
  return cell;
}

void add_path(CompareResults& results, const std::string& plane, const Cost& cost,
              const PathKind& kind = new_last) {
  for (const std::size_t services : sizes) {
    results.paths.push_back(path_costing(plane, services, cost(static_cast<double>(services)), kind));
  }
}

// Blocks of three changes; a quarter of the cost is generation.
void add_update(CompareResults& results, const std::string& plane, const std::string& way,
                Operation operation, const Cost& cost) {
  for (const std::size_t services : sizes) {
    UpdateCell cell{plane, services, operation};
    cell.way = way;
    for (std::size_t round = 0; round < rounds; ++round) {
      const double ns = cost(static_cast<double>(services)) * factor(round);
      cell.stage_ns.push_back({ns / 4, ns / 4, ns / 4});
      cell.commit_ns.push_back({ns * 0.75, ns * 0.70, ns * 5});
    }
    results.updates.push_back(std::move(cell));
  }
}

void add_sync(CompareResults& results, const std::string& plane, const Cost& cost, std::size_t tools) {
  for (const std::size_t services : sizes) {
    SyncCell cell{.plane = plane, .services = services};
    for (std::size_t round = 0; round < rounds; ++round) {
      const double ns = cost(static_cast<double>(services)) * factor(round);
      cell.repeats.push_back({.generate_ns = static_cast<std::int64_t>(ns / 4),
                              .commit_ns = static_cast<std::int64_t>(ns * 3 / 4),
                              .user_us = 12'345,
                              .system_us = 23'456,
                              .tools = tools,
                              .input_bytes = 456 * 1024});
    }
    results.syncs.push_back(std::move(cell));
  }
}

CompareResults with_planes(std::vector<std::string> planes) {
  CompareResults results;
  results.planes = std::move(planes);
  results.environment = nlohmann::json::object();
  results.run = nlohmann::json::object();
  return results;
}

const Verdict* find_verdict(const std::vector<Verdict>& verdicts, const std::string& id) {
  const auto found =
      std::find_if(verdicts.begin(), verdicts.end(), [&](const Verdict& one) { return one.id == id; });
  return found == verdicts.end() ? nullptr : &*found;
}

// The verdict of that id, which must be there and well-formed.
Verdict verdict_of(const CompareResults& results, const std::string& id) {
  const std::vector<Verdict> verdicts = as_run(results).verdicts;
  const Verdict* verdict = find_verdict(verdicts, id);
  REQUIRE_MESSAGE(verdict != nullptr, id);
  CHECK(verdict->summary.starts_with(to_string(verdict->outcome)));
  CHECK((verdict->outcome == Outcome::inconclusive) == !verdict->would_settle.empty());
  return *verdict;
}

bool holds_text(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("compare: growth and the cost of a further service") {
  CompareResults results = with_planes({"iptables-nft"});
  add_path(results, "iptables-nft", line(3000, 5));
  const Series series = path_series(results, "iptables-nft", new_last);
  CHECK(series.what == "new flow, last UDP");
  CHECK(series.sizes == std::vector<double>{100, 1000, 10'000});
  REQUIRE(series.by_round.size() == rounds);
  CHECK(series.by_round[0] == std::vector<double>{3500 * 0.99, 8000 * 0.99, 53'000 * 0.99});
  const auto slope = slope_of(series);
  REQUIRE(slope);
  CHECK(slope->value == doctest::Approx(5).epsilon(1e-9));  // the factors' median is 1
  CHECK(slope->samples == rounds);
  REQUIRE(slope->interval);  // of 8 rounds: the least and the largest
  CHECK(slope->interval->low == doctest::Approx(5 * 0.99).epsilon(1e-9));
  CHECK(slope->interval->high == doctest::Approx(5 * 1.01).epsilon(1e-9));

  // Exactly N^0.5 has the exponent 0.5 in every round: a factor does not bend it.
  CompareResults root = with_planes({"x"});
  add_path(root, "x", [](double services) { return 100 * std::sqrt(services); });
  const auto growth = growth_of(path_series(root, "x", new_last));
  REQUIRE(growth);
  CHECK(growth->exponent == doctest::Approx(0.5).epsilon(1e-9));
  CHECK(growth->rounds == rounds);
  CHECK(classify(*growth) == Trend::growing);
}

TEST_CASE("compare: a series ends where its shortest size does, and one size has no growth") {
  CompareResults results = with_planes({"x"});
  add_path(results, "x", line(100, 1));
  std::vector<double>& fewer = results.paths[1].p50_ns;
  fewer = {fewer[1], fewer[3], fewer[5], fewer[7]};
  const auto rows = path_series(results, "x", new_last).by_round;
  REQUIRE(rows.size() == 4);
  for (const auto& row : rows) {  // of one round: its factor is the same at each size
    CHECK(row[0] / 200 == doctest::Approx(row[1] / 1100).epsilon(1e-9));
    CHECK(row[0] / 200 == doctest::Approx(row[2] / 10'100).epsilon(1e-9));
  }
  results.paths[1].p50_ns.clear();  // left out
  Series series = path_series(results, "x", new_last);
  CHECK(series.sizes == std::vector<double>{100, 10'000});
  CHECK(slope_of(series)->value == doctest::Approx(1).epsilon(1e-9));
  results.paths[0].p50_ns.clear();
  series = path_series(results, "x", new_last);
  CHECK(series.sizes == std::vector<double>{10'000});
  CHECK_FALSE(growth_of(series));
  CHECK_FALSE(slope_of(series));
  CHECK_FALSE(growth_of(path_series(results, "y", new_last)));
}

TEST_CASE("compare: an update's cost is generation and commit, a block's its median") {
  CompareResults results = with_planes({"iptables-nft"});
  add_update(results, "iptables-nft", "full", Operation::change_endpoints, constant(1e6));
  // 0.25 + {0.75, 0.70, 5}: the median is 1.
  const UpdateCell* cell = find_update(results, "iptables-nft", "full", 100, Operation::change_endpoints);
  REQUIRE(cell != nullptr);
  CHECK(update_cost(*cell)->value == doctest::Approx(1e6));
  const Series series = update_series(results, "iptables-nft", "full", Operation::change_endpoints);
  CHECK(series.what == "change endpoints (full)");
  CHECK(series.by_round[0][0] == doctest::Approx(0.99e6));
  CHECK(find_update(results, "iptables-nft", "partial", 100, Operation::change_endpoints) == nullptr);
  CHECK(find_update(results, "iptables-nft", "full", 100, Operation::add_service) == nullptr);
  CHECK(find_update(results, "iptables-nft", "full", 101, Operation::change_endpoints) == nullptr);

  add_sync(results, "iptables-nft", line(1e6, 1e4), 1);
  CHECK(sync_cost(*find_sync(results, "iptables-nft", 1000))->value == doctest::Approx(1.1e7));
  CHECK(slope_of(sync_series(results, "iptables-nft"))->value == doctest::Approx(1e4).epsilon(1e-6));
}

TEST_CASE("compare: ways in their order, sizes from every scenario") {
  CompareResults results = with_planes({"iptables-nft", "ebpf-tc"});
  add_update(results, "iptables-nft", "partial", Operation::change_endpoints, constant(1));
  add_update(results, "iptables-nft", "full", Operation::change_endpoints, constant(1));
  add_update(results, "iptables-nft", "partial", Operation::add_service, constant(1));
  add_update(results, "ebpf-tc", "", Operation::change_endpoints, constant(1));
  CHECK(ways_of(results, "iptables-nft") == std::vector<std::string>{"partial", "full"});
  CHECK(ways_of(results, "ebpf-tc") == std::vector<std::string>{""});
  CHECK(ways_of(results, "null").empty());
  CHECK(sizes_of(results) == std::vector<std::size_t>{100, 1000, 10'000});
  SyncCell skipped{.plane = "iptables-nft", .services = 50'000};
  skipped.skipped = "too dear";
  results.syncs.push_back(skipped);
  results.states.push_back({.plane = "ebpf-tc", .services = 7});
  results.paths.push_back(path_costing("null", 20, 900));
  CHECK(sizes_of(results) == std::vector<std::size_t>{7, 20, 100, 1000, 10'000, 50'000});
  CHECK(find_sync(results, "iptables-nft", 50'000) == nullptr);  // left out is not measured
  CHECK(sizes_of({}).empty());
}

TEST_CASE("compare: a ratio is of the volleys of one round") {
  PathCell over = path_costing("a", 100, 1000);
  PathCell under = path_costing("b", 100, 500);
  CHECK(path_ratio(over, under)->value == doctest::Approx(2));
  CHECK(path_ratio(over, under)->interval->high == doctest::Approx(2));  // the machine's drift cancels
  CHECK(path_ratio(over, under)->samples == rounds);
  // Visited in every other round: beside each of its volleys stands the other's of that round.
  under.p50_ns = {over.p50_ns[1], over.p50_ns[3], over.p50_ns[5], over.p50_ns[7]};
  CHECK(path_ratio(over, under)->samples == 4);
  CHECK(path_ratio(over, under)->value == doctest::Approx(1).epsilon(1e-9));
  over.p50_ns.clear();
  CHECK_FALSE(path_ratio(over, under));
}

TEST_CASE("verdict iptables-scan: holds where every further service costs, in all back ends") {
  CompareResults results = with_planes({"iptables-legacy", "iptables-nft", "ebpf-tc"});
  add_path(results, "iptables-legacy", line(3000, 5));
  CHECK(verdict_of(results, "iptables-scan").outcome == Outcome::holds);
  CHECK(find_verdict(as_run(results).verdicts, "ebpf-constant") == nullptr);
  const auto evidence = verdict_of(results, "iptables-scan").evidence;
  REQUIRE(evidence.size() == 2);
  CHECK(evidence[1].starts_with("iptables-legacy, new flow, last UDP: 5.0 ns a further service ["));

  SUBCASE("one that is flat refutes it") {
    add_path(results, "iptables-nft", constant(5000));
    CHECK(verdict_of(results, "iptables-scan").outcome == Outcome::does_not_hold);
  }
  SUBCASE("rounds that contradict one another decide nothing") {
    add_path(results, "iptables-nft", constant(5000));
    for (std::size_t round = 0; round < rounds; ++round) {  // half of them rise, half of them fall
      results.paths.back().p50_ns[round] = round % 2 == 0 ? 50'000 : 500;
    }
    CHECK(verdict_of(results, "iptables-scan").outcome == Outcome::inconclusive);
  }
  SUBCASE("so do too few rounds for an interval") {
    for (PathCell& cell : results.paths) {
      cell.p50_ns.resize(5);
    }
    CHECK(verdict_of(results, "iptables-scan").outcome == Outcome::inconclusive);
  }
  SUBCASE("TCP stands in where there is no UDP") {
    for (PathCell& cell : results.paths) {
      cell.kind.protocol = Protocol::tcp;
    }
    CHECK(verdict_of(results, "iptables-scan").outcome == Outcome::holds);
  }
  SUBCASE("other packets say nothing about it") {
    for (PathCell& cell : results.paths) {
      cell.kind.flow = FlowKind::established;
    }
    CHECK(as_run(results).verdicts.empty());
  }
}

TEST_CASE("verdicts ebpf-constant and ipvs-constant") {
  CompareResults results = with_planes({"ebpf-xdp", "ebpf-tc", "ipvs"});
  add_path(results, "ebpf-xdp", constant(1000));
  add_path(results, "ipvs", line(1000, 10));
  CHECK(verdict_of(results, "ebpf-constant").outcome == Outcome::holds);
  const Verdict ipvs = verdict_of(results, "ipvs-constant");
  CHECK(ipvs.outcome == Outcome::does_not_hold);
  CHECK(holds_text(ipvs.summary, "ipvs, new flow, last UDP"));
  SUBCASE("one that grows refutes it") {
    add_path(results, "ebpf-tc", line(1000, 10));
    const Verdict ebpf = verdict_of(results, "ebpf-constant");
    CHECK(ebpf.outcome == Outcome::does_not_hold);
    CHECK(holds_text(ebpf.summary, "ebpf-tc"));
    CHECK(ebpf.evidence.size() == 2);
  }
  SUBCASE("one that is not resolved leaves it open") {
    add_path(results, "ebpf-tc", constant(1000));
    for (std::size_t round = 0; round < rounds; ++round) {
      results.paths.back().p50_ns[round] = round % 2 == 0 ? 1000 : 4000;
    }
    CHECK(verdict_of(results, "ebpf-constant").outcome == Outcome::inconclusive);
  }
  SUBCASE("so does one that was measured at one size") {
    add_path(results, "ebpf-tc", constant(1000));
    results.paths.resize(results.paths.size() - 2);
    CHECK(verdict_of(results, "ebpf-constant").outcome == Outcome::inconclusive);
  }
}

TEST_CASE("verdict lookup-2-5us: the largest size's packets to services, and no others") {
  CompareResults results = with_planes({"ebpf-xdp", "ebpf-tc", "iptables-nft"});
  add_path(results, "iptables-nft", line(3000, 5));
  add_path(results, "ebpf-xdp", constant(1000));
  add_path(results, "ebpf-tc", constant(3000));
  add_path(results, "ebpf-tc", constant(9000), {FlowKind::fresh, Position::missing, Protocol::udp});
  results.paths.push_back(path_costing("ebpf-tc", 50, 9000));  // a smaller size
  CHECK(verdict_of(results, "lookup-2-5us").outcome == Outcome::holds);
  CHECK(verdict_of(results, "lookup-2-5us").evidence.size() >= 2);
  results.paths.push_back(
      path_costing("ebpf-tc", 10'000, 6000, {FlowKind::established, Position::first, Protocol::tcp}));
  CHECK(verdict_of(results, "lookup-2-5us").outcome == Outcome::does_not_hold);
  results.paths.back() =
      path_costing("ebpf-tc", 10'000, 5000, results.paths.back().kind);  // 4,950 to 5,050
  CHECK(verdict_of(results, "lookup-2-5us").outcome == Outcome::inconclusive);
}

TEST_CASE("verdicts of updates: eBPF flat, the full reload rising") {
  CompareResults results = with_planes({"iptables-nft", "ebpf-tc"});
  add_update(results, "iptables-nft", "full", Operation::change_endpoints, line(2e6, 1e4));
  add_update(results, "iptables-nft", "partial", Operation::change_endpoints, constant(2e6));
  add_update(results, "ebpf-tc", "", Operation::change_endpoints, constant(2000));
  add_update(results, "ebpf-tc", "", Operation::add_service, constant(3000));
  CHECK(verdict_of(results, "iptables-reload").outcome == Outcome::holds);
  CHECK(verdict_of(results, "update-flat").outcome == Outcome::holds);
  add_update(results, "ebpf-tc", "", Operation::remove_service, line(2000, 1));
  CHECK(verdict_of(results, "update-flat").outcome == Outcome::does_not_hold);
  for (UpdateCell& cell : results.updates) {
    if (cell.way == "full") {
      cell.commit_ns = Blocks(rounds, {2e6});
      cell.stage_ns = Blocks(rounds, {1e6});
    }
  }
  CHECK(verdict_of(results, "iptables-reload").outcome == Outcome::does_not_hold);
  std::erase_if(results.updates, [](const UpdateCell& cell) { return cell.way == "full"; });
  CHECK(find_verdict(as_run(results).verdicts, "iptables-reload") ==
        nullptr);  // a partial sync is no reload
}

TEST_CASE("verdict conntrack: counted at the largest size, on both sides or not at all") {
  CompareResults results = with_planes({"iptables-nft", "ebpf-tc"});
  const auto state = [&](const std::string& plane, std::size_t services, std::optional<double> entries) {
    results.states.push_back({.plane = plane, .services = services, .conntrack_per_1000_flows = entries});
  };
  state("iptables-nft", 100, 1000);
  CHECK(find_verdict(as_run(results).verdicts, "conntrack") == nullptr);
  state("ebpf-tc", 100, 0);
  CHECK(verdict_of(results, "conntrack").outcome == Outcome::holds);
  CHECK(verdict_of(results, "conntrack").evidence.size() == 2);
  state("ebpf-xdp", 100, std::nullopt);
  CHECK(verdict_of(results, "conntrack").outcome == Outcome::holds);
  state("ebpf-xdp", 50, 12);
  CHECK(verdict_of(results, "conntrack").outcome == Outcome::holds);
  state("ipvs", 100, 0);
  CHECK(verdict_of(results, "conntrack").outcome == Outcome::does_not_hold);
  results.states.back().conntrack_per_1000_flows = 1000;
  state("ebpf-xdp", 100, 12);
  CHECK(verdict_of(results, "conntrack").outcome == Outcome::does_not_hold);
}

TEST_CASE("verdicts of the path where no packets could be sent: of the planes that ran, left open") {
  CompareResults results = with_planes({"null", "iptables-nft", "ebpf-tc"});
  results.path_missing = "this kernel sends none";
  for (const char* id : {"iptables-scan", "ebpf-constant", "lookup-2-5us"}) {
    const Verdict verdict = verdict_of(results, id);
    CHECK(verdict.outcome == Outcome::inconclusive);
    CHECK(verdict.summary == "inconclusive: the path was not measured: this kernel sends none");
    CHECK(verdict.evidence.empty());
  }
  CHECK(find_verdict(as_run(results).verdicts, "ipvs-constant") == nullptr);
  CHECK(exit_code(as_run(results).verdicts) == 4);
  results.planes = {"null", "nftables"};
  CHECK(as_run(results).verdicts.empty());
}

TEST_CASE("no cells, no verdicts") { CHECK(as_run(with_planes({"null"})).verdicts.empty()); }

// Seven planes, every scenario, figures as long as they come on a busy machine.
CompareResults full_results() {
  const std::vector<std::string> netfilter{"iptables-legacy", "iptables-nft", "nftables", "ipvs"};
  CompareResults results =
      with_planes({"null", "iptables-legacy", "iptables-nft", "nftables", "ipvs", "ebpf-xdp", "ebpf-tc"});
  for (const std::string& plane : results.planes) {
    const bool ebpf = plane.starts_with("ebpf");
    for (const PathKind& kind : all_kinds()) {
      add_path(results, plane, ebpf ? constant(9950) : line(9950, 5.678), kind);
    }
    if (plane == "null") {
      continue;
    }
    const bool iptables = plane.starts_with("iptables");
    for (const Operation operation :
         {Operation::change_endpoints, Operation::add_service, Operation::remove_service}) {
      if (iptables) {
        add_update(results, plane, "partial", operation, line(23.4e6, 12'345));
      }
      add_update(results, plane, iptables ? "full" : "", operation, line(ebpf ? 9950 : 34.5e6, 123'456));
    }
    add_sync(results, plane, line(99.5e6, 1'234'567), ebpf ? 0 : 1);
    for (const std::size_t services : sizes) {
      results.states.push_back({.plane = plane,
                                .services = services,
                                .conntrack_per_1000_flows = ebpf ? 0 : 1000,
                                .kernel_bytes = 123e6,
                                .kernel_bytes_method = "the maps' own accounting",
                                .user_peak = UserPeak{.own = 3 * 1048576.0, .tool = 120.5 * 1048576}});
    }
  }
  for (const std::string_view name : {instrument_sink, instrument_redirect_xdp, instrument_redirect_tc,
                                      instrument_route_xdp, instrument_route_tc}) {
    results.paths.push_back(path_costing(std::string(name), 10'000, 700));
  }
  results.clock_ns = 23.4;
  results.seconds = 61;
  return results;
}

void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string one; std::getline(lines, one);) {
    CHECK_MESSAGE(one.size() <= 100, one);
  }
}

TEST_CASE("comparison table: every part, no line over 100 columns") {
  const std::string text = test::full_text(as_run(full_results()));
  check_width(text);
  for (const char* part :
       {"Sync: ", "Update of one service", "Path, wire to wire", "Growth with N",
        "Table 4.2, measured at 10,000 services", "Data-path lookup", "in the kernel",
        "in user space, peak", "124 MiB", "iptables-legacy, partial", "redirect-xdp",
        "one reading of its clock takes 23 ns", "established, missing TCP",
        "ebpf-tc takes 14.2 times [14.2, 14.2] a tc program that only redirects",
        "Curves over N: a bar at each of 3 sizes", "change endpoints (usual way)  1 ",
        "new flow, last UDP  1 ", "Claim: iptables looks a service up by a linear scan"}) {
    CHECK_MESSAGE(holds_text(text, part), part);
  }
  CHECK_FALSE(holds_text(text, "\x1b"));
  CHECK(holds_text(render_full(test::run_of_command(as_run(full_results()), "compare"), true, Bars::digits),
                   "\x1b[1;32mholds\x1b[0m"));
}

TEST_CASE("comparison table: a plane that fails a behaviour is marked, and the reader told why") {
  CompareResults results = full_results();
  CHECK_FALSE(holds_text(test::full_text(as_run(results)), "were tried with real sockets"));
  results.behaviours =
      BehaviourCheck{.behaviours = {"reply comes from the VIP", "a flow keeps its backend"}};
  CHECK(holds_text(test::full_text(as_run(results)), "no plane fails one"));
  CHECK_FALSE(holds_text(test::full_text(as_run(results)), "[1]"));
  const std::string first = results.planes.front();
  const std::string last = results.planes.back();
  results.behaviours->failed = {
      {first, "reply comes from the VIP", "TCP IPv4, UDP IPv4", "10.0.0.1:1 was answered from elsewhere"},
      {first, "a flow keeps its backend", "UDP IPv6", "it went from a to b"},
      {last, "a flow keeps its backend", "TCP IPv4", "it broke"}};
  const std::string text = test::full_text(as_run(results));
  check_width(text);
  CHECK_FALSE(holds_text(text, "no plane fails one"));
  const std::string table = text.substr(text.find("Table 4.2"));
  CHECK(holds_text(table, first + " [1]"));
  CHECK(holds_text(table, last + " [2]"));
  CHECK_FALSE(holds_text(table, "[3]"));
  CHECK(holds_text(text, "[1] " + first + " does less than the others: it fails \"reply comes"));
  CHECK(holds_text(text, "[2] " + last + " does less"));
  const nlohmann::json json = as_run(results).details["behaviours"];
  CHECK(json["failed"].size() == 3);
  CHECK(json["failed"][1]["variants"] == "UDP IPv6");
  CHECK(json["not_done"].is_null());
  results.behaviours->not_done = "no namespaces here";
  CHECK(holds_text(test::full_text(as_run(results)),
                   "What the planes do was not looked at: no namespaces here"));
}

TEST_CASE("comparison table: wide intervals do not make it wider than 100 columns") {
  CompareResults results = full_results();
  for (PathCell& cell : results.paths) {
    cell.p50_ns.front() = 5;
    cell.p50_ns.back() = 123'456;
    cell.latency.add_bucket(svcb_wire_bucket(12'345'678'901), 1);
  }
  for (UpdateCell& cell : results.updates) {
    cell.commit_ns.front() = {1};
    cell.commit_ns.back() = {4'567'890'123};
  }
  for (SyncCell& cell : results.syncs) {
    cell.repeats.front().commit_ns = 1;
    cell.repeats.back().commit_ns = 45'678'901'234;
  }
  check_width(test::full_text(as_run(results)));
}

TEST_CASE("figures: three digits that mean something, whatever the sign and the interval") {
  CHECK(quantity(-12.125, stats::Interval{-310.4, 0.5}, "ns") == "-12.1 ns [-310, 0.5]");
  CHECK(quantity(1.844, stats::Interval{1.8, 123'456}, "ns") == "1.84 ns [1.80, 123,456]");
  CHECK(quantity(0.031, std::nullopt, "ns") == "0.031 ns [?]");
  CHECK(quantity(9950, stats::Interval{9850, 10'049}, "ns") == "9.95 us [9.85, 10.0]");
  CHECK(quantity(0.0861, stats::Interval{-0.00002, 0.1234}, "exponent") == "0.086 [0.000, 0.123]");
  CHECK(quantity(15'720.1, "x") == "15,720 x");
}

TEST_CASE("comparison table: what was left out is named, with its reason") {
  CompareResults results = full_results();
  results.missing.push_back({"ipvs", "this kernel has no ip_vs module: modprobe ip_vs"});
  SyncCell& cell = results.syncs[2];
  cell.repeats.clear();
  cell.skipped = "installing 10,000 services is predicted to take 99 s";
  cell.predicted_ns = 99e9;
  results.notes = {"Two instruments disagree."};
  const std::string text = test::full_text(as_run(results));
  CHECK(holds_text(text, "ipvs: not measured: this kernel has no ip_vs module: modprobe ip_vs\n"));
  CHECK(holds_text(text,
                   "iptables-legacy, 10,000 services: left out: installing 10,000 services is predicted"));
  CHECK(holds_text(text, "Two instruments disagree.\n"));
  check_width(text);
}

TEST_CASE("comparison table: one plane, one size, one scenario") {
  CompareResults results = with_planes({"ebpf-tc"});
  results.paths.push_back(path_costing("ebpf-tc", 10, 1500));
  const std::string text = test::full_text(as_run(results));
  CHECK(holds_text(text, "Path, wire to wire"));
  for (const char* part : {"Sync", "Update", "Growth", "Table 4.2"}) {
    CHECK_FALSE_MESSAGE(holds_text(text, part), part);
  }
}

TEST_CASE("a comparison as a run: raw samples, whole histograms, figures, and what is not there") {
  CompareResults results = full_results();
  results.missing.push_back({"ipvs", "no module"});
  results.syncs[2].repeats.clear();
  results.syncs[2].skipped = "too dear";
  results.syncs[2].predicted_ns = 99e9;
  const Run run = as_run(results);
  const auto count = [&run](std::string_view scenario) {
    return static_cast<std::size_t>(std::count_if(
        run.cells.begin(), run.cells.end(), [&](const Cell& cell) { return cell.scenario == scenario; }));
  };
  CHECK(run.details["planes"].size() == 7);
  CHECK(run.details["missing"][0] == nlohmann::json({{"plane", "ipvs"}, {"why", "no module"}}));
  CHECK(run.find("instrument/clock")->value == 23.4);

  CHECK(run.cells[0].parts.at("generate_ns")[0].size() == rounds);
  CHECK(run.cells[0].values.size() == rounds);
  const Cell* left_out = run.find_unmeasured("sync/iptables-legacy/10000");
  REQUIRE(left_out != nullptr);
  CHECK(left_out->origin == Origin::predicted);
  CHECK(left_out->reason == "too dear");
  CHECK(left_out->value == 99e9);
  CHECK(run.find(left_out->id) == nullptr);

  CHECK(count("update") == results.updates.size());
  CHECK(count("path") == results.paths.size());
  for (const Cell& cell : run.cells) {
    if (cell.scenario == "update") {
      CHECK(cell.blocks.size() == rounds);
      CHECK(cell.coordinate("way").empty() == !cell.plane.starts_with("iptables"));
    } else if (cell.scenario == "path") {
      double packets = 0;
      for (const Bucket& bucket : cell.histogram) {
        packets += bucket.count;
      }
      CHECK(packets == cell.also.at("packets"));
      CHECK(cell.values.size() == rounds);
      CHECK(cell.coordinate("family") == "IPv4");
      CHECK(cell.also.count("p99.9") == 1);
      CHECK(cell.also.at("max") == cell.histogram.back().high);
    } else if (cell.scenario == "growth") {
      CHECK(cell.interval);
      CHECK(cell.also.count("ns_per_service") == 1);
    }
  }
  CHECK(count("growth") > 0);
  PathCell few = path_costing("x", 1, 1000);
  few.latency = {};
  few.latency.add_bucket(1000, 99);
  CompareResults of_few;
  of_few.environment = nlohmann::json::object();
  of_few.run = nlohmann::json::object();
  of_few.paths = {few};
  const Cell cell = as_run(of_few).cells.front();
  CHECK(cell.also.count("p99") == 0);
  CHECK(cell.also.count("p90") == 1);

  const StateCell& state = results.states[0];
  const std::string stem = "state/" + state.plane + "/" + std::to_string(state.services);
  CHECK(run.find(stem + "/conntrack")->value == 1000);
  CHECK_FALSE(run.find(stem + "/conntrack")->interval);
  const Cell& user = *run.find(stem + "/user-memory");
  CHECK(user.value == 123.5 * 1048576);
  CHECK(user.also.at("own_bytes") == 3 * 1048576.0);
  CHECK(user.also.at("tool_bytes") == 120.5 * 1048576);
  CHECK_FALSE(user.coordinate("method").empty());
  results.states[0].user_peak.reset();
  CHECK(as_run(results).find(stem + "/user-memory") == nullptr);
  CHECK_FALSE(run.verdicts.empty());
  test::check_judged_again(test::run_of_command(run, "compare"));
}

}  // namespace
}  // namespace svcbench
