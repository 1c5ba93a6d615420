// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// verify, whole: kube-proxy's modes behave as Kubernetes Services do, and the program says so.
#include <doctest/doctest.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

void check_width(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    CHECK_MESSAGE(line.size() <= 100, line);
  }
}

// Each behaviour that was tried of a plane, and what came out of it in all variants together.
std::map<std::string, std::set<std::string>> outcomes(const json& result, const std::string& plane) {
  std::map<std::string, std::set<std::string>> found;
  for (const json& one : result["details"]["cases"]) {
    if (one["plane"] == plane) {
      found[one["behaviour"]].insert(one["outcome"]);
    }
  }
  return found;
}

// That time passed in which an idle flow would have been forgotten: else nothing was tried.
void check_that_idle_flows_ended(const json& result, const std::set<std::string>& planes) {
  for (const json& one : result["details"]["cases"]) {
    if (one["behaviour"] == "one-way-udp" && planes.contains(one["plane"])) {
      CHECK_MESSAGE(one["evidence"].get<std::string>().ends_with("an idle flow had ended by then"),
                    one["plane"] << ": " << one["evidence"]);
    }
  }
}

TEST_CASE("verify: kube-proxy's iptables and nftables modes do all of it") {
  const HostState before = HostState::now();
  const TemporaryFolder folder;
  const Ran ran =
      svcbench({"verify", "--plane", "iptables-nft,nftables", "--json", folder.path("run.json")});
  INFO(ran.out);
  INFO(ran.err);
  CHECK(ran.status == 0);
  const json result = read_json(folder.path("run.json"));
  check_against_schema(folder.path("run.json"), "run");
  check_width(ran.out);
  CHECK(result["details"]["planes"].size() + result["details"]["missing"].size() == 2);
  const auto kinds = outcomes(result, "nftables");
  CHECK(kinds.size() == result["details"]["behaviours"].size());
  CHECK(kinds.size() >= 20);
  for (const std::string plane : result["details"]["planes"]) {
    for (const auto& [behaviour, all] : outcomes(result, plane)) {
      CAPTURE(plane);
      // Who is forgotten is another flow for conntrack, and goes to any backend.
      CHECK_MESSAGE(all == std::set<std::string>{behaviour == "evicted" ? "differs" : "pass"}, behaviour);
    }
    CHECK(ran.out.find(plane.substr(0, plane.find('-'))) != std::string::npos);
  }
  check_that_idle_flows_ended(result, {"iptables-nft", "nftables"});
  CHECK(host_becomes(before));
}

TEST_CASE("verify: the eBPF planes do all of it, but for what lies outside of their hooks") {
  const HostState before = HostState::now();
  const TemporaryFolder folder;
  const Ran ran =
      svcbench({"verify", "--plane", "ebpf-xdp,ebpf-tc,ebpf-sock", "--json", folder.path("run.json")});
  INFO(ran.out);
  INFO(ran.err);
  CHECK(ran.status == 0);
  const json result = read_json(folder.path("run.json"));
  check_against_schema(folder.path("run.json"), "run");
  check_width(ran.out);
  const std::map<std::string, std::set<std::string>> lacks{
      {"ebpf-xdp", {"node-client"}},
      {"ebpf-tc", {"node-client"}},
      {"ebpf-sock", {"from-outside", "masquerade", "local-policy", "udp-moves", "direct-dial", "too-big"}}};
  const std::map<std::string, std::set<std::string>> others{{"ebpf-xdp", {"blind-reset", "evicted"}},
                                                            {"ebpf-tc", {"blind-reset", "evicted"}},
                                                            {"ebpf-sock", {"blind-reset"}}};
  for (const std::string plane : result["details"]["planes"]) {
    for (const auto& [behaviour, all] : outcomes(result, plane)) {
      CAPTURE(plane);
      if (behaviour == "crowded-out" && plane != "ebpf-sock") {
        CHECK_MESSAGE(!all.contains("fail"), behaviour);  // the kernel's LRU is none to the entry
        continue;
      }
      const std::string expected = lacks.at(plane).contains(behaviour)    ? "not offered"
                                   : others.at(plane).contains(behaviour) ? "differs"
                                                                          : "pass";
      CHECK_MESSAGE(all == std::set<std::string>{expected}, behaviour);
    }
  }
  check_that_idle_flows_ended(result, {"ebpf-xdp", "ebpf-tc"});
  CHECK(host_becomes(before));
}

TEST_CASE("verify: a cluster's own services, beside the test's") {
  const TemporaryFolder folder;
  const Ran ran = svcbench({"verify", "--plane", "nftables,ebpf-xdp,ebpf-tc,ebpf-sock", "--cases",
                            "cluster,right-backend", "--cluster", SVCBENCH_TEST_DATA "/kind-dualstack.json",
                            "--json", folder.path("run.json")});
  INFO(ran.out);
  INFO(ran.err);
  CHECK(ran.status == 0);
  const json result = read_json(folder.path("run.json"));
  check_against_schema(folder.path("run.json"), "run");
  for (const std::string plane : result["details"]["planes"]) {
    CHECK_MESSAGE(outcomes(result, plane).at("cluster") == std::set<std::string>{"pass"}, plane);
  }
}

TEST_CASE("verify: one that ends by a signal leaves nothing") {
  const HostState before = HostState::now();
  Background run({"verify", "--plane", "nftables"});
  REQUIRE(run.wait_for("nftables: right backend"));
  run.signal(SIGINT);
  CHECK(run.wait() == 130);
  CHECK(run.err().find("svcbench: ") != std::string::npos);
  CHECK(host_becomes(before));
}

// The rules that render prints for 1.30, in files that the stand-in loads as its own.
void write_rules(const TemporaryFolder& folder, const std::string& cluster) {
  const auto rendered = [&](const std::string& plane, const std::string& part) {
    const Ran ran = svcbench({"render", plane, "--part", part, "--cluster", cluster, "--node", "test-node",
                              "--node-address", "198.18.0.1", "--kube-proxy-version", "1.30"});
    REQUIRE_MESSAGE(ran.status == 0, ran.err);
    return ran.out;
  };
  static_cast<void>(folder.write("nftables", rendered("nftables", "rules")));
  static_cast<void>(folder.write("iptables-jumps", rendered("iptables-nft", "jumps")));
  static_cast<void>(folder.write("iptables-rules", rendered("iptables-nft", "rules")));
}

TEST_CASE("verify: a kube-proxy's rules beside svcbench's, equal and with one changed") {
  if (run_program({"python3", "--version"}).status != 0) {
    return;
  }
  const HostState before = HostState::now();
  const std::string cluster = SVCBENCH_TEST_DATA "/kube-proxy/overall.json";
  const TemporaryFolder folder;
  write_rules(folder, cluster);
  setenv("STAND_IN_RULES", folder.path().c_str(), 1);
  const auto verified = [&] {
    return svcbench({"verify", "--kube-proxy", SVCBENCH_SOURCE "/tests/bpf/stand_in_kube_proxy.py",
                     "--plane", "iptables-nft,nftables", "--cases", "right-backend", "--cluster", cluster,
                     "--node", "test-node", "--json", folder.path("run.json")});
  };
  const auto modes = [&] { return read_json(folder.path("run.json"))["details"]["rules"]["modes"]; };
  const Ran same = verified();
  INFO(same.out);
  INFO(same.err);
  CHECK(same.status == 0);
  check_against_schema(folder.path("run.json"), "run");
  REQUIRE(modes().size() == 2);
  for (const json& mode : modes()) {
    CHECK(mode["differences"].empty());
    CHECK(mode["equal"] > 70);
  }
  CHECK(same.out.find("none differs") != std::string::npos);

  std::string changed = read_file(folder.path("nftables"));
  const std::string dnat = "dnat to 10.180.0.1:80";
  REQUIRE(changed.find(dnat) != std::string::npos);
  static_cast<void>(
      folder.write("nftables", changed.replace(changed.find(dnat), dnat.size(), "dnat to 10.180.0.1:81")));
  const Ran other = verified();
  unsetenv("STAND_IN_RULES");
  INFO(other.out);
  CHECK(other.status == 3);
  CHECK(modes()[0]["differences"].empty());
  REQUIRE(modes()[1]["differences"].size() == 2);
  CHECK(modes()[1]["differences"][0]["only"] == "svcbench");
  CHECK(modes()[1]["differences"][1]["rule"] == "meta l4proto tcp dnat to 10.180.0.1:81");
  CHECK(other.out.find("\n    + chain endpoint-") != std::string::npos);
  CHECK(host_becomes(before));
}

TEST_CASE(
    "verify: the rules of a kube-proxy that svcbench knows nothing of are not compared, and that is told") {
  const TemporaryFolder folder;
  const std::string old = folder.write("kube-proxy", "#!/bin/sh\necho Kubernetes v1.20.2\n");
  std::filesystem::permissions(old, std::filesystem::perms::owner_all);
  const Ran ran = svcbench({"verify", "--kube-proxy", old, "--plane", "nftables", "--cases",
                            "right-backend", "--json", folder.path("run.json")});
  INFO(ran.out);
  CHECK(ran.status == 0);
  check_against_schema(folder.path("run.json"), "run");
  CHECK(ran.out.find("nftables: not compared: it is v1.20.2, and svcbench knows the rules of") !=
        std::string::npos);
  CHECK(read_json(folder.path("run.json"))["details"]["rules"]["modes"].size() == 1);
}

TEST_CASE("verify: wrong words") {
  for (const auto& [option, word] : {std::pair{"--plane", "null"}, std::pair{"--plane", "cilium"},
                                     std::pair{"--cases", "everything"}, std::pair{"--seed", "x"}}) {
    const Ran ran = svcbench({"verify", option, word});
    CHECK(ran.status == 2);
    CHECK(ran.err.find(word) != std::string::npos);
    CHECK(ran.out.empty());
  }
}

}  // namespace
}  // namespace svcbench::testing
