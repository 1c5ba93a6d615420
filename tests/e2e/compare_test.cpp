// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// compare and path, whole: small, but with every plane that can run here.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

// Processes of our process group, which children are born into.
std::set<std::string> our_processes() {
  std::set<std::string> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    if (const pid_t process = std::stoi(pid); getpgid(process) == getpgrp()) {
      pids.insert(pid);
    }
  }
  return pids;
}

bool nothing_more(const std::set<std::string>& before) {
  const std::set<std::string> after = our_processes();
  return std::includes(before.begin(), before.end(), after.begin(), after.end());
}

void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
  CHECK(text.find('\x1b') == std::string::npos);
}

bool is_verdict(int status) { return status == 0 || status == 3 || status == 4; }

int code_of(const json& verdicts) {
  int code = verdicts.empty() ? 4 : 0;
  for (const json& verdict : verdicts) {
    if (verdict["outcome"] == "does not hold") {
      return 3;
    }
    code = verdict["outcome"] == "inconclusive" ? 4 : code;
  }
  return code;
}

// Sizes that a plane was left out at, for the budget: on a busy machine that may be any of the dear ones.
std::map<std::string, std::set<std::size_t>> left_out(const json& result) {
  std::map<std::string, std::set<std::size_t>> sizes;
  for (const json& cell : left_out_of(result, "sync")) {
    sizes[cell["plane"]].insert(cell["services"].get<std::size_t>());
  }
  return sizes;
}

void check_paths(const json& result) {
  const std::set<std::size_t> both{20, 60};
  const std::set<std::size_t> largest{60};
  auto skipped = left_out(result);
  std::map<std::string, std::set<std::size_t>> sizes;
  for (const json& cell : cells_of(result, "path")) {
    std::uint64_t packets = 0;
    double lowest = -1;
    for (const json& bucket : cell["histogram"]) {
      CHECK(bucket[0].get<double>() > lowest);
      lowest = bucket[0];
      packets += bucket[2].get<std::uint64_t>();
    }
    CHECK(packets == cell["beside"]["packets"]);
    CHECK(packets > 0);
    CHECK(packets % cell["values"].size() == 0);  // every volley is of one size
    sizes[cell["plane"]].insert(cell["services"].get<std::size_t>());
  }
  for (const std::string plane : result["details"]["planes"]) {
    if (plane == "ebpf-sock") {
      CHECK(sizes[plane].empty());  // no packet shows what it does
      continue;
    }
    sizes[plane].merge(skipped[plane]);
    CHECK_MESSAGE(sizes[plane] == both, plane);
    // A size may be in both: on a busy machine the budget leaves out cells, not sizes.
  }
  for (const char* instrument : {"sink", "redirect-xdp", "redirect-tc", "route-xdp", "route-tc"}) {
    CHECK_MESSAGE(sizes[instrument] == largest, instrument);
  }
}

TEST_CASE("compare: every plane, every scenario, Table 4.2, and the host is as it was") {
  const HostState before = HostState::now();
  const auto processes = our_processes();
  const TemporaryFolder folder;
  const Ran ran = svcbench({"compare", "--services", "60", "--sweep", "20,60", "--budget", "60s",
                            "--rounds", "6", "--full", "--json", folder.path("run.json")});
  INFO(ran.err);
  REQUIRE(is_verdict(ran.status));
  const json result = read_json(folder.path("run.json"));
  check_against_schema(folder.path("run.json"), "run");
  CHECK(result["run"]["sweep"] == json({20, 60}));
  CHECK(code_of(result["verdicts"]) == ran.status);

  // Each plane either ran, in every scenario, or is named with the reason.
  std::set<std::string> planes;
  for (const std::string plane : result["details"]["planes"]) {
    planes.insert(plane);
  }
  CHECK(planes.contains("null"));
  CHECK(planes.contains("ebpf-xdp"));
  CHECK(planes.contains("ebpf-tc"));
  for (const json& missing : result["details"]["missing"]) {
    CHECK(planes.insert(missing["plane"]).second);
    CHECK(ran.out.find(missing["plane"].get<std::string>() + ": not measured: ") != std::string::npos);
  }
  CHECK(planes == std::set<std::string>{"null", "iptables-legacy", "iptables-nft", "nftables", "ipvs",
                                        "ebpf-xdp", "ebpf-tc", "ebpf-sock"});
  // One note says why the wire has no figures of it, unless it cannot run at all.
  CHECK(ran.out.find("ebpf-sock: ") != std::string::npos);
  check_paths(result);
  for (const char* part : {"sync", "update"}) {
    std::set<std::string> measured{"null"};  // which has nothing to program
    for (const auto& cells : {cells_of(result, part), left_out_of(result, part)}) {
      for (const json& cell : cells) {
        measured.insert(cell["plane"]);
      }
    }
    CHECK_MESSAGE(measured.size() == result["details"]["planes"].size(), part);
  }
  for (const auto& [plane, at] : left_out(result)) {
    CHECK_MESSAGE(ran.out.find("\n" + plane + ", ") != std::string::npos, plane);
  }
  auto skipped = left_out(result);
  for (const std::string plane : result["details"]["planes"]) {
    for (const std::size_t services : {20, 60}) {
      if (skipped[plane].contains(services)) {
        continue;
      }
      const std::string stem = "state/" + plane + "/" + std::to_string(services);
      const json entries = cell_of(result, stem + "/conntrack");
      if (plane == "ebpf-sock") {
        CHECK(entries.is_null());
        continue;
      }
      const json without = left_out_of(result, "state");
      if (entries.is_null() && std::any_of(without.begin(), without.end(), [&](const json& cell) {
            return cell["plane"] == plane && cell["services"] == services;
          })) {
        continue;  // the budget had no room for it
      }
      REQUIRE_MESSAGE(!entries.is_null(), plane);
      CHECK_MESSAGE(entries["value"] == (plane == "null" || plane.starts_with("ebpf") ? 0 : 1000), plane);
      const json peak = cell_of(result, stem + "/user-memory");
      CHECK_MESSAGE(peak.is_null() == (plane == "null"), plane);
      if (!peak.is_null()) {
        const json& beside = peak["beside"];
        CHECK_MESSAGE((beside["tool_bytes"] > 0) == !plane.starts_with("ebpf"), plane);
        CHECK(peak["value"] == beside["own_bytes"].get<double>() + beside["tool_bytes"].get<double>());
      }
    }
  }

  check_width(ran.out);
  CHECK(ran.err.find('\x1b') == std::string::npos);
  CHECK(ran.out.find("Table 4.2, measured at 60 services") != std::string::npos);
  CHECK(ran.out.find("Data-path lookup") != std::string::npos);
  for (const json& verdict : result["verdicts"]) {
    CHECK(ran.out.find("Claim: " + verdict["claim"].get<std::string>() + "\n") != std::string::npos);
    CHECK(ran.out.find("  " + verdict["outcome"].get<std::string>() + ": ") != std::string::npos);
  }
  CHECK(host_becomes(before));
  CHECK(nothing_more(processes));
}

TEST_CASE("compare: only what was asked for") {
  const Ran ran = svcbench({"compare", "--services", "10", "--sweep", "5", "--planes", "ebpf-tc",
                            "--scenarios", "update,state", "--rounds", "2", "--quiet", "--json", "-"});
  INFO(ran.err);
  REQUIRE(is_verdict(ran.status));
  CHECK(ran.err.empty());
  const json result = json::parse(ran.out);  // and nothing else on standard output
  CHECK(result["details"]["planes"] == json({"null", "ebpf-tc"}));
  CHECK(cells_of(result, "sync").empty());
  CHECK(cells_of(result, "path").empty());
  CHECK(cells_of(result, "update").size() == 2 * 3);
  for (const char* id : {"state/null/5/conntrack", "state/null/10/conntrack", "state/ebpf-tc/5/conntrack",
                         "state/ebpf-tc/10/conntrack"}) {
    CHECK_MESSAGE(!cell_of(result, id).is_null(), id);
  }
}

TEST_CASE(
    "compare: whole syncs are svcbench's planes' alone, where a kube-proxy of the user's stands beside") {
  if (run_program({"python3", "--version"}).status != 0) {
    return;
  }
  const HostState before = HostState::now();
  const TemporaryFolder folder;
  const Ran ran =
      svcbench({"compare", "--services", "20", "--sweep", "20", "--planes", "nftables,kube-proxy-nftables",
                "--kube-proxy", SVCBENCH_SOURCE "/tests/bpf/stand_in_kube_proxy.py", "--scenarios",
                "update,whole-sync", "--rounds", "1", "--budget", "2m", "--json", folder.path("run.json")});
  INFO(ran.err);
  REQUIRE(ran.status != 1);
  const json run = read_json(folder.path("run.json"));
  check_against_schema(folder.path("run.json"), "run");
  std::set<std::string> measured;
  for (const char* scenario : {"update", "whole-sync"}) {
    for (const json& cell : cells_of(run, scenario)) {
      const auto plane = cell["plane"].get<std::string>();
      measured.insert(std::string(scenario) + " " + plane);
      // The second instrument stands beside, where there is a controller that has one.
      const bool accounts = plane == "kube-proxy-nftables";
      CHECK(cell["beside"].contains("controller_sync_ns") == accounts);
      CHECK(cell["parts"].contains("controller_peak_bytes") == accounts);
      if (accounts) {
        CHECK(cell["beside"]["controller_sync_ns"] > 0);
        CHECK(cell["beside"]["controller_sync_ns"] < cell["value"]);
      }
    }
  }
  CHECK(measured ==
        std::set<std::string>{"update nftables", "update kube-proxy-nftables", "whole-sync nftables"});
  CHECK(run["run"]["kube_proxy"]["binary_version"] == "v1.30.0-stand-in");
  CHECK(host_becomes(before));
}

TEST_CASE("path: one plane, every kind of packet, beside plain forwarding and the instrument") {
  const TemporaryFolder folder;
  for (const std::string family : {"ipv4", "ipv6"}) {
    const HostState before = HostState::now();
    const Ran ran = svcbench({"path", "--plane", "ebpf-tc", "--services", "50", "--sweep", "50", "--budget",
                              "30s", "--packets", "200", "--rounds", "6", "--family", family, "--json",
                              folder.path("run.json")});
    INFO(ran.err);
    REQUIRE(is_verdict(ran.status));
    check_width(ran.out);
    check_against_schema(folder.path("run.json"), "run");
    const json result = read_json(folder.path("run.json"));
    std::size_t kinds = 0;
    for (const json& cell : cells_of(result, "path")) {
      kinds += cell["plane"] == "ebpf-tc" ? 1 : 0;
      CHECK(cell["at"]["family"] == (family == "ipv4" ? "IPv4" : "IPv6"));
    }
    CHECK(kinds == 2 * 4 * 2 + 2);  // flows x positions x protocols, and a reply by each protocol
    CHECK(cell_of(result, "instrument/clock")["value"] > 0);
    CHECK(cells_of(result, "update").empty());
    CHECK(host_becomes(before));
  }
}

TEST_CASE("compare: SIGINT in mid-run: 130, and no namespace, link, program, file or process is left") {
  const HostState before = HostState::now();
  const auto processes = our_processes();
  // Where it is hit: while planes are installed, and while cells are measured.
  for (const char* when : {"install 500 services: iptables", "install 500 services: ebpf", "cell "}) {
    CAPTURE(std::string(when));
    const TemporaryFolder folder;
    Background run({"compare", "--services", "500", "--sweep", "500", "--json", folder.path("run.json")});
    REQUIRE(run.wait_for(when));
    run.signal(SIGINT);
    CHECK(run.wait() == 128 + SIGINT);
    // What was measured, if anything was yet, can be gone on from; there is no half result.
    for (const std::string& name : folder.names()) {
      CHECK(name == "run.json.part");
      CHECK(std::string(when) == "cell ");
    }
    CHECK(host_becomes(before));
    CHECK(nothing_more(processes));
  }
}

// One sentence on standard error that holds `word`; nothing on standard output.
void check_refused(const std::vector<std::string>& arguments, const std::string& word) {
  const Ran ran = svcbench(arguments);
  INFO(ran.err);
  CHECK(ran.status == 2);
  CHECK(ran.out.empty());
  CHECK(ran.err.starts_with("svcbench: "));
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK(ran.err.find(word) != std::string::npos);
}

TEST_CASE("compare and path: wrong words are refused in one sentence") {
  check_refused({"compare"}, "--services");
  check_refused({"compare", "--services", "0"}, "1 to 1,000,000");
  check_refused({"compare", "--services", "5", "--planes", "cilium"}, "cilium");
  check_refused({"compare", "--services", "5", "--planes", "ebpf-tc,bare"}, "bare");
  check_refused({"compare", "--services", "5", "--scenarios", "fill"}, "fill");
  check_refused({"compare", "--services", "5", "--budget", "soon"}, "soon");
  check_refused({"compare", "--services", "5", "--budget", "0s"}, "0s");
  check_refused({"compare", "--services", "5", "--budget", "5d"}, "5d");
  check_refused({"compare", "--services", "5", "--rounds", "0"}, "--rounds");
  check_refused({"compare", "--services", "5", "--packets", "99"}, "--packets");
  check_refused({"compare", "--services", "5", "--sweep", "6"}, "--sweep");
  check_refused({"compare", "--services", "5", "--json", "/no/such/folder/run.json"}, "/no/such");
  check_refused({"path", "--services", "5"}, "--plane");
  check_refused({"path", "--services", "5", "--plane", "cilium"}, "cilium");
  check_refused({"path", "--services", "5", "--plane", "ebpf-sock"}, "svcbench connect");
  check_refused({"compare", "--services", "5", "--planes", "ebpf-sock", "--scenarios", "path"},
                "from wire to wire");
  check_refused({"nftables"}, "--services");
  check_refused({"ipvs", "--services", "5", "--planes", "null"}, "--planes");
}

}  // namespace
}  // namespace svcbench::testing
