// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Planes from a run under another kernel: the scaling by hand-made runs, what is refused, what is shown.
#include "run/scale.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "measure/compare_analysis.h"
#include "run/as_run.h"
#include "run/run_file.h"
#include "run/run_json.h"
#include "shown.h"

namespace svcbench {
namespace {

using nlohmann::json;

constexpr PathKind new_last{FlowKind::fresh, Position::last, Protocol::udp};
const Figure path_figure{.kind = new_last, .operation = std::nullopt, .way = ""};
const Figure sync_figure{};
const json shape{{"endpoints", 3}, {"family", "ipv4"}, {"protocol", "mixed"}};

Figure change_figure(std::string way) {
  return {.kind = std::nullopt, .operation = Operation::change_endpoints, .way = std::move(way)};
}

std::vector<double> rounds(double ns, std::size_t count = 6) { return std::vector<double>(count, ns); }

void add_path(CompareResults& results, const std::string& plane, std::size_t services,
              std::vector<double> p50_ns) {
  PathCell cell{.plane = plane, .services = services, .kind = new_last};
  cell.latency.add_bucket(1000, 200);
  cell.p50_ns = std::move(p50_ns);
  results.paths.push_back(std::move(cell));
}

void add_change(CompareResults& results, const std::string& plane, std::size_t services, double ns,
                const std::string& way = "") {
  UpdateCell cell{plane, services, Operation::change_endpoints};
  cell.way = way;
  cell.commit_ns = Blocks(6, {ns - 1000});
  cell.stage_ns = Blocks(6, {1000});
  results.updates.push_back(std::move(cell));
}

void add_sync(CompareResults& results, const std::string& plane, std::size_t services, std::int64_t ns) {
  SyncCell cell{.plane = plane, .services = services};
  SyncCost cost;
  cost.generate_ns = 1000;
  cost.commit_ns = ns - 1000;
  cell.repeats = std::vector<SyncCost>(6, cost);
  results.syncs.push_back(std::move(cell));
}

// Everything ten times slower than here, and IPVS at 0.5 times iptables-nft's and 0.8 times nftables' path.
CompareResults guest() {
  CompareResults results;
  results.environment = {{"kernel", {{"release", "6.12.41+deb13-amd64"}}},
                         {"emulated", "tcg"},
                         {"kernel_source", "linux-image 6.12.41-1"}};
  results.run = {{"command", "compare"}, {"shape", shape}};
  results.planes = {"null", "iptables-nft", "nftables", "ipvs", "ebpf-tc"};
  for (const std::size_t services : {500, 1000}) {
    add_path(results, "null", services, rounds(30'000));
    add_path(results, "iptables-nft", services, rounds(80'000));
    add_path(results, "nftables", services, rounds(50'000));
    add_path(results, "ipvs", services, rounds(40'000));
    add_path(results, "ebpf-tc", services, rounds(20'000));
    for (const std::string way : {"partial", "full"}) {
      add_change(results, "iptables-nft", services, way == "full" ? 800e6 : 400e6, way);
    }
    add_change(results, "ipvs", services, 4e6);
    add_sync(results, "iptables-nft", services, 2'000'000'000);
    add_sync(results, "ipvs", services, 1'000'000'000);
  }
  StateCell state{.plane = "ipvs", .services = 1000};
  state.conntrack_per_1000_flows = 1000;
  state.user_peak = UserPeak{.own = 1.5 * 1048576, .tool = 6 * 1048576};
  results.states.push_back(state);
  return results;
}

CompareResults host() {
  CompareResults results;
  results.environment = {{"kernel", {{"release", "6.18.5"}}}, {"emulated", nullptr}};
  results.run = {{"command", "compare"}, {"shape", shape}};
  results.planes = {"null", "iptables-nft", "nftables", "ebpf-tc"};
  results.missing = {{"ipvs", "no module ip_vs"}, {"iptables-legacy", "no x_tables"}};
  for (const std::size_t services : {100, 1000}) {
    add_path(results, "null", services, rounds(1000));
    add_path(results, "iptables-nft", services, {9000, 9500, 10'000, 10'000, 10'500, 11'000});
    add_path(results, "nftables", services, rounds(10'000));
    add_path(results, "ebpf-tc", services, rounds(2000));
    for (const std::string way : {"partial", "full"}) {
      add_change(results, "iptables-nft", services, way == "full" ? 80e6 : 40e6, way);
    }
    add_sync(results, "iptables-nft", services, 200'000'000);
  }
  return results;
}

ScaledColumns scale(const CompareResults& other, std::string_view file, const CompareResults& ours) {
  return svcbench::scale(as_run(other), file, ours);
}

const ScaledCell* find_scaled(const ScaledColumns& scaled, std::string_view plane, std::size_t services,
                              const Figure& figure) {
  const auto found = std::find_if(scaled.cells.begin(), scaled.cells.end(), [&](const ScaledCell& cell) {
    return cell.plane == plane && cell.services == services && cell.figure == figure;
  });
  return found == scaled.cells.end() ? nullptr : &*found;
}

const ScaledGrowth* find_scaled_growth(const ScaledColumns& scaled, std::string_view plane,
                                       const Figure& figure) {
  const auto found =
      std::find_if(scaled.growths.begin(), scaled.growths.end(),
                   [&](const ScaledGrowth& one) { return one.plane == plane && one.figure == figure; });
  return found == scaled.growths.end() ? nullptr : &*found;
}

const ScaledCell& cell_of(const ScaledColumns& scaled, const Figure& figure) {
  const ScaledCell* cell = find_scaled(scaled, "ipvs", 1000, figure);
  REQUIRE(cell != nullptr);
  return *cell;
}

std::vector<std::string> planes_of(const std::vector<SharedPlane>& by_way_of) {
  std::vector<std::string> names;
  for (const SharedPlane& shared : by_way_of) {
    names.push_back(shared.plane);
  }
  return names;
}

void remove_plane(CompareResults& results, const std::string& plane) {
  std::erase(results.planes, plane);
  const auto of_plane = [&](const auto& cell) { return cell.plane == plane; };
  std::erase_if(results.paths, of_plane);
  std::erase_if(results.updates, of_plane);
  std::erase_if(results.syncs, of_plane);
}

}  // namespace

TEST_CASE("scale: the median over the shared planes, and their whole range") {
  const ScaledColumns scaled = scale(guest(), "guest.json", host());
  CHECK(scaled.planes == std::vector<std::string>{"ipvs"});
  CHECK(scaled.reference.mark == "*6.12 tcg");
  const ScaledCell& cell = cell_of(scaled, path_figure);
  // 0.5 x 10,000 [9,000, 11,000] and 0.8 x 10,000; never by way of null or eBPF.
  REQUIRE(planes_of(cell.by_way_of) == std::vector<std::string>{"iptables-nft", "nftables"});
  CHECK(cell.by_way_of[0].ratio.value == doctest::Approx(0.5));
  CHECK(cell.by_way_of[0].here.value == doctest::Approx(10'000));
  CHECK(cell.by_way_of[0].scaled.value == doctest::Approx(5000));
  REQUIRE(cell.by_way_of[0].scaled.interval);
  CHECK(cell.by_way_of[0].scaled.interval->low == doctest::Approx(4500));
  CHECK(cell.by_way_of[0].scaled.interval->high == doctest::Approx(5500));
  CHECK(cell.by_way_of[1].scaled.value == doctest::Approx(8000));
  CHECK(cell.ns.value == doctest::Approx(6500));
  REQUIRE(cell.ns.interval);
  CHECK(cell.ns.interval->low == doctest::Approx(4500));
  CHECK(cell.ns.interval->high == doctest::Approx(8000));
}

TEST_CASE("scale: the ratio is one of rounds, and its interval counts") {
  CompareResults other = guest();
  // Both drift together, by up to a half: the ratio stays 0.5 but in one round, where it is 0.6.
  for (PathCell& cell : other.paths) {
    if (cell.plane == "ipvs") {
      cell.p50_ns = {40e3, 44e3, 48e3, 52e3, 56e3, 72e3};
    } else if (cell.plane == "iptables-nft") {
      cell.p50_ns = {80e3, 88e3, 96e3, 104e3, 112e3, 120e3};
    }
  }
  const ScaledColumns scaled = scale(other, "g", host());
  const SharedPlane& shared = cell_of(scaled, path_figure).by_way_of.front();
  CHECK(shared.ratio.value == doctest::Approx(0.5));
  REQUIRE(shared.scaled.interval);
  CHECK(shared.scaled.interval->low == doctest::Approx(4500));
  CHECK(shared.scaled.interval->high == doctest::Approx(0.6 * 11'000));
}

TEST_CASE("scale: no interval where one of the shared planes has none") {
  CompareResults ours = host();
  for (PathCell& cell : ours.paths) {
    if (cell.plane == "nftables") {
      cell.p50_ns.resize(5);
    }
  }
  const ScaledColumns scaled = scale(guest(), "g", ours);
  const ScaledCell& cell = cell_of(scaled, path_figure);
  CHECK(cell.ns.value == doctest::Approx(6500));
  CHECK_FALSE(cell.ns.interval);
  CHECK(cell.by_way_of[0].scaled.interval);
}

TEST_CASE("scale: changes by way of the first way, and syncs") {
  const ScaledColumns scaled = scale(guest(), "g", host());
  const ScaledCell& change = cell_of(scaled, change_figure(""));
  REQUIRE(planes_of(change.by_way_of) == std::vector<std::string>{"iptables-nft"});
  CHECK(change.by_way_of[0].here.value == doctest::Approx(40e6));  // partial
  CHECK(change.ns.value == doctest::Approx(0.4e6));
  CHECK(cell_of(scaled, sync_figure).ns.value == doctest::Approx(100e6));
}

TEST_CASE("scale: only sizes that both runs measured; exponents and counts as they are") {
  const ScaledColumns scaled = scale(guest(), "g", host());
  for (const ScaledCell& cell : scaled.cells) {
    CHECK(cell.services == 1000);
  }
  const ScaledGrowth* growth = find_scaled_growth(scaled, "ipvs", path_figure);
  REQUIRE(growth != nullptr);
  CHECK(growth->growth.exponent == doctest::Approx(0));
  REQUIRE(scaled.counts.size() == 1);
  CHECK(scaled.counts[0].entries == 1000);
  CHECK(scaled.counts[0].user_bytes == 7.5 * 1048576);
}

TEST_CASE("scale: a plane of the other nature only where there is none of the same") {
  CompareResults ours = host();
  remove_plane(ours, "iptables-nft");
  remove_plane(ours, "nftables");
  const ScaledColumns scaled = scale(guest(), "g", ours);
  const ScaledCell& cell = cell_of(scaled, path_figure);
  CHECK(planes_of(cell.by_way_of) == std::vector<std::string>{"ebpf-tc"});
  CHECK(cell.ns.value == doctest::Approx(4000));
  CHECK(find_scaled(scaled, "ipvs", 1000, sync_figure) == nullptr);

  remove_plane(ours, "ebpf-tc");
  const ScaledColumns nothing = scale(guest(), "g", ours);
  CHECK(nothing.planes.empty());
  CHECK(nothing.cells.empty());
  CHECK(nothing.growths.empty());
  CHECK(describe_scaled(nothing).starts_with("Nothing was scaled from g"));
}

TEST_CASE("scale: of user-mode Linux only the paths of netfilter planes") {
  CompareResults other = guest();
  other.environment["emulated"] = "uml";
  CompareResults ours = host();
  remove_plane(ours, "ebpf-tc");
  ours.missing.push_back({"ebpf-tc", "no BPF"});
  const ScaledColumns scaled = scale(other, "g", ours);
  CHECK(scaled.planes == std::vector<std::string>{"ipvs"});
  CHECK(scaled.reference.mark == "*6.12 uml");
  CHECK(cell_of(scaled, path_figure).ns.value == doctest::Approx(6500));
  for (const ScaledCell& cell : scaled.cells) {
    CHECK(cell.figure.kind.has_value());
  }
  for (const ScaledGrowth& growth : scaled.growths) {
    CHECK(growth.figure.kind.has_value());
  }
  // From an emulated kernel with a JIT, eBPF is offered.
  other.environment["emulated"] = "tcg";
  CHECK(scale(other, "g", ours).planes.size() == 2);
}

TEST_CASE("scale: a plane that ran here is not scaled, and nothing of one that ran in neither") {
  CompareResults ours = host();
  ours.missing.clear();
  CHECK(scale(guest(), "g", ours).planes.empty());
  ours.missing = {{"iptables-legacy", "no x_tables"}};
  CHECK(scale(guest(), "g", ours).planes.empty());
}

TEST_CASE("scale: marks tell the kernel's series") {
  const auto mark = [](const json& release, const json& emulated) {
    CompareResults other = guest();
    other.environment = {{"kernel", {{"release", release}}}, {"emulated", emulated}};
    return scale(other, "g", host()).reference.mark;
  };
  CHECK(mark("6.12.41+deb13", "tcg") == "*6.12 tcg");
  CHECK(mark("6.1-rc1", nullptr) == "*6.1");
  CHECK(mark(nullptr, nullptr) == "*other kernel");
  CHECK(mark(6, 7) == "*other kernel");
  CHECK(mark("6.1", "\x1b[2Jx") == "*6.1 \\x1b[2Jx");
}

TEST_CASE("scale: Table 4.2 has the column, marked, in 100 columns; the other run's times are nowhere") {
  CompareResults ours = host();
  ours.scaled = scale(guest(), "guest.json", ours);
  ours.notes.push_back(describe_scaled(*ours.scaled));
  const std::string text = test::full_text(as_run(ours));
  CHECK(text.find("6.50 us [4.50, 8]") != std::string::npos);
  CHECK(text.find("400 us [400, 400]") != std::string::npos);
  CHECK(text.find("1,000 entries") != std::string::npos);
  CHECK(text.find("7.50 MiB") != std::string::npos);
  CHECK(text.find("flat, N^0.00") != std::string::npos);
  CHECK(text.find("*6.12 tcg: ipvs not measured here but scaled, from guest.json (kernel 6.12.41+deb13") !=
        std::string::npos);
  CHECK(text.find("40.0 us") == std::string::npos);
  CHECK(text.find("80.0 us") == std::string::npos);
  // Between nftables and eBPF, as in the registry.
  const auto table = text.find("Table 4.2");
  CHECK(text.find("ipvs", table) > text.find("nftables", table));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
}

TEST_CASE("scale: verdicts take exponents and nothing else") {
  CompareResults ours = host();
  const auto without = as_run(ours).verdicts;
  ours.scaled = scale(guest(), "guest.json", ours);
  const auto with = as_run(ours).verdicts;
  REQUIRE(with.size() == without.size() + 1);
  for (const Verdict& verdict : with) {
    if (verdict.id == "ipvs-constant") {
      CHECK(verdict.outcome == Outcome::holds);
      CHECK(verdict.evidence.front().find("ipvs (*6.12 tcg), new flow, last UDP") != std::string::npos);
    } else {
      const auto same = std::find_if(without.begin(), without.end(),
                                     [&](const Verdict& one) { return one.id == verdict.id; });
      REQUIRE(same != without.end());
      CHECK(same->evidence == verdict.evidence);
    }
  }
}

TEST_CASE("scale: a run has scaled figures as such, apart, with all that they are made of") {
  CompareResults ours = host();
  CHECK_FALSE(as_run(ours).details.contains("scaled_from"));
  CHECK(as_run(ours).unmeasured.empty());
  ours.scaled = scale(guest(), "guest.json", ours);
  const Run run = as_run(ours);
  CHECK(run.details["scaled_from"] == json{{"file", "guest.json"},
                                           {"mark", "*6.12 tcg"},
                                           {"kernel", "6.12.41+deb13-amd64"},
                                           {"kernel_source", "linux-image 6.12.41-1"},
                                           {"emulated", "tcg"},
                                           {"planes", {"ipvs"}}});
  for (const Cell& cell : run.cells) {
    CHECK(cell.plane != "ipvs");
    CHECK(cell.origin == Origin::measured);
  }
  const Cell* cell = run.find_unmeasured("path/ipvs/1000/new/last/UDP");
  REQUIRE(cell != nullptr);
  CHECK(cell->origin == Origin::scaled);
  CHECK(cell->value == doctest::Approx(6500));
  REQUIRE(cell->by_way_of.size() == 2);
  CHECK(cell->by_way_of[0].plane == "iptables-nft");
  CHECK(cell->by_way_of[0].ratio.value == doctest::Approx(0.5));
  CHECK(cell->by_way_of[0].here.value == doctest::Approx(10'000));
  CHECK(cell->by_way_of[0].scaled.interval->high == doctest::Approx(5500));
  CHECK(run.find_unmeasured("growth/ipvs/new-flow-last-UDP")->value == doctest::Approx(0));
  CHECK(run.find_unmeasured("state/ipvs/1000/conntrack")->value == 1000);
  CHECK(run.find_unmeasured("state/ipvs/1000/user-memory")->value == 7.5 * 1048576);
  CHECK(run.find_unmeasured("update/ipvs/1000/change")->value == doctest::Approx(0.4e6));
}

TEST_CASE("scale: a result that was written and read again scales the same") {
  const auto read = parse_run(run_json(as_run(guest())).dump(1), "guest.json");
  REQUIRE_MESSAGE(read, read.error().message);
  const auto lent = [](const Run& other) {
    CompareResults ours = host();
    ours.scaled = svcbench::scale(other, "guest.json", ours);
    return run_json(as_run(ours));
  };
  CHECK(lent(*read) == lent(as_run(guest())));
  CHECK(check_reference(*read, "guest.json", shape, host().planes, std::vector<std::size_t>{1000}));
}

TEST_CASE("scale: a file of before there was one schema does too") {
  const auto old = read_run(SVCBENCH_TEST_DATA "/runs/compare-1.json");
  REQUIRE(old);
  CompareResults ours;
  ours.environment = {{"kernel", {{"release", "6.18.5"}}}, {"emulated", nullptr}};
  ours.run = {{"command", "compare"}, {"shape", old->run["shape"]}};
  ours.planes = {"null", "ebpf-xdp"};
  ours.missing = {{"iptables-nft", "no nf_tables"}};
  add_change(ours, "ebpf-xdp", 10, 2000);
  REQUIRE(check_reference(*old, "old.json", old->run["shape"], ours.planes, std::vector<std::size_t>{10}));
  const ScaledColumns scaled = svcbench::scale(*old, "old.json", ours);
  const ScaledCell* cell = find_scaled(scaled, "iptables-nft", 10, change_figure("partial"));
  REQUIRE(cell != nullptr);
  CHECK(planes_of(cell->by_way_of) == std::vector<std::string>{"ebpf-xdp"});
  const double there = old->find("update/iptables-nft/10/change/partial")->value /
                       old->find("update/ebpf-xdp/10/change")->value;
  CHECK(cell->ns.value > there * 2000 / 2);
  CHECK(cell->ns.value < there * 2000 * 2);
}

TEST_CASE("scale: runs that do not fit are refused with a sentence") {
  const std::vector<std::string> planes{"null", "iptables-nft", "ebpf-tc"};
  const std::vector<std::size_t> sweep{100, 1000};
  const auto check = [&](const CompareResults& other) {
    return check_reference(as_run(other), "guest.json", shape, planes, sweep);
  };
  const auto refused = [&](const CompareResults& other, const json& ours, const std::string& word) {
    const Status status = check_reference(as_run(other), "guest.json", ours, planes, sweep);
    REQUIRE_FALSE(status);
    CAPTURE(word);
    CHECK(status.error().kind == Error::Kind::usage);
    CHECK_MESSAGE(status.error().message.find(word) != std::string::npos, status.error().message);
    CHECK(status.error().message.starts_with("--with guest.json: "));
  };
  CHECK(check(guest()));
  for (const auto& [key, value] : {std::pair{"endpoints", json(5)}, std::pair{"family", json("ipv6")},
                                   std::pair{"protocol", json("tcp")}}) {
    json other_shape = shape;
    other_shape[key] = value;
    refused(guest(), other_shape, "its services are others");
  }
  refused(guest(), json(), "cluster");
  CompareResults old = guest();
  old.run.erase("shape");
  refused(old, shape, "run.shape");
  CompareResults alone = guest();
  alone.planes = {"null", "ipvs", "iptables-legacy"};
  refused(alone, shape, "no plane to scale by");
  alone.planes = {"null", "ipvs", "ebpf-tc"};
  CHECK(check(alone));
  alone.environment["emulated"] = "uml";
  refused(alone, shape, "user-mode Linux");
  CompareResults sizes = guest();
  for (PathCell& cell : sizes.paths) {
    cell.services = 77;
  }
  sizes.updates.clear();
  sizes.syncs.clear();
  sizes.states.clear();
  refused(sizes, shape, "--sweep one of 77");
  CompareResults path = guest();
  path.run["command"] = "path";
  refused(path, shape, "not a result of `compare` but of `path`");
}

TEST_CASE("scale: zeros, gaps and doubles in the other run leave figures out, and no more") {
  CompareResults other = guest();
  for (PathCell& cell : other.paths) {
    if (cell.plane == "iptables-nft") {
      cell.p50_ns.assign(6, 0);  // no ratio to zero
    } else if (cell.plane == "nftables") {
      cell.p50_ns.resize(3);
    }
  }
  for (UpdateCell& cell : other.updates) {
    cell.commit_ns.assign(3, {});
  }
  other.paths.insert(other.paths.end(), other.paths.begin(), other.paths.end());
  const ScaledColumns scaled = scale(other, "g", host());
  const ScaledCell& cell = cell_of(scaled, path_figure);
  CHECK(planes_of(cell.by_way_of) == std::vector<std::string>{"nftables"});
  CHECK(cell.ns.value == doctest::Approx(8000));
  CHECK_FALSE(cell.ns.interval);
  CHECK(find_scaled(scaled, "ipvs", 1000, change_figure("")) == nullptr);
}

}  // namespace svcbench
