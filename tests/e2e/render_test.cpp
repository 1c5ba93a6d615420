// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// svcbench render and svcbench iptables --ruleset, as a user has them.
#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "program.h"

namespace svcbench::testing {
namespace {

using nlohmann::json;

const std::string policies = SVCBENCH_TEST_DATA "/policies.json";

std::size_t lines_with(const std::string& text, const std::string& start) {
  std::size_t count = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    count += line.starts_with(start) ? 1 : 0;
  }
  return count;
}

// In a network namespace of its own, as root.
Ran in_namespace(const std::string& command, const std::string& input) {
  return run_program({"unshare", "--net", "sh", "-c", command}, input);
}

}  // namespace

TEST_CASE("render: every plane, and what is not in the text is said on standard error") {
  for (const char* plane : {"iptables-legacy", "iptables-nft", "nftables", "ipvs", "ebpf-xdp", "ebpf-tc"}) {
    const Ran ran = svcbench({"render", plane, "--cluster", policies, "--node", "node-a"});
    INFO(ran.err);
    CHECK(ran.status == 0);
    CHECK(ran.out.find("10.96.1.1") != std::string::npos);
    // kube-proxy's rules are printed of SCTP too.
    const bool is_ebpf = std::string(plane).starts_with("ebpf");
    CHECK((ran.err.find("1 skipped (SCTP") != std::string::npos) == is_ebpf);
    const bool one_family = std::string(plane).starts_with("ip");
    CHECK((ran.err.find("--family ipv6 prints theirs") != std::string::npos) == one_family);
    CHECK((ran.out.find("fd00:10:96::101") == std::string::npos) == one_family);
  }
  const Ran six = svcbench({"render", "iptables-nft", "--cluster", policies, "--family", "ipv6"});
  CHECK(six.status == 0);
  CHECK(six.out.find("fd00:10:96::101") != std::string::npos);
  CHECK(six.out.find("10.96.1.1") == std::string::npos);
}

TEST_CASE("render: counts of generated services, shapes and parts") {
  const std::vector<std::string> base{"render", "iptables-nft", "--services", "50", "--endpoints", "4"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    const Ran ran = svcbench(more);
    CHECK_MESSAGE(ran.status == 0, ran.err);
    return ran.out;
  };
  CHECK(lines_with(with({"--part", "rules"}), "-A ") == 4 + 5 + 50 * (2 + 3 * 4));
  CHECK(lines_with(with({}), "-I ") == 14);
  CHECK(lines_with(with({}), "# ---- ") == 2);
  CHECK(with({}).find(with({"--part", "rules"})) != std::string::npos);
  CHECK(lines_with(with({"--shape", "chapter"}), "-A ") == 3 * 50 + 7);
  CHECK(with({"--cluster-cidr", "10.128.0.0/10"}).find("! -s 10.128.0.0/10 ") != std::string::npos);
  CHECK(with({}) == with({}));
  CHECK(with({}) != with({"--seed", "2"}));

  const Ran ipvs = svcbench(
      {"render", "ipvs", "--cluster", policies, "--node-address", "192.0.2.77", "--part", "ipvsadm"});
  CHECK(ipvs.status == 0);
  CHECK(ipvs.out.find("-A -t 192.0.2.77:31080 -s rr\n") != std::string::npos);
  CHECK(json::parse(svcbench({"render", "ebpf-tc", "--services", "3"}).out)["maps"].size() == 6);
}

TEST_CASE(
    "render: a node as it is told: its zone, where its NodePorts are, and what Services are in ranges of") {
  const std::string folder = std::string(SVCBENCH_TEST_DATA) + "/kube-proxy/";
  const auto rendered = [&](const char* plane, const std::string& file, std::vector<std::string> more) {
    more.insert(more.begin(), {"render", plane, "--cluster", folder + file, "--node", "test-node",
                               "--node-address", "192.168.0.2"});
    const Ran ran = svcbench(more);
    CHECK_MESSAGE(ran.status == 0, ran.err);
    return ran.out + ran.err;
  };
  CHECK(rendered("nftables", "hints_zone.json", {"--zone", "zone-b"}).find("10.1.2.3") ==
        std::string::npos);
  CHECK(
      rendered("nftables", "hints_zone.json", {}).find("topology hints of 3 endpoints are not looked at") !=
      std::string::npos);
  CHECK(rendered("nftables", "overall.json", {"--service-cidr", "172.30.0.0/16"})
            .find("ip daddr { 172.30.0.0/16 } drop") != std::string::npos);
  CHECK(rendered("nftables", "overall.json", {"--nodeport-addresses", "0.0.0.0/0"})
            .find("fib daddr type local") != std::string::npos);
  CHECK(rendered("iptables-nft", "overall.json", {"--nodeport-addresses", "192.168.0.0/16"})
            .find("-d 192.168.0.2 -j KUBE-NODEPORTS\n") != std::string::npos);
  CHECK(rendered("iptables-nft", "overall.json", {"--localhost-nodeports", "off"})
            .find(":KUBE-FIREWALL - [0:0]\n-A") == std::string::npos);
  CHECK(rendered("iptables-nft", "overall.json", {"--nfacct"})
            .find("--nfacct-name ct_state_invalid_dropped_pkts") != std::string::npos);
  CHECK(rendered("ebpf-tc", "overall.json", {})
            .find("loadBalancerSourceRanges of 1 frontends: this plane has none") != std::string::npos);
}

TEST_CASE("render: its text loads as it is printed") {
  for (const auto& [plane, tool] : {std::pair{"iptables-nft", "iptables-nft-restore --noflush"},
                                    {"iptables-legacy", "iptables-legacy-restore --noflush"},
                                    {"nftables", "nft -f -"}}) {
    const Ran ran = svcbench({"render", plane, "--cluster", policies, "--node", "node-a"});
    REQUIRE(ran.status == 0);
    const Ran loaded = in_namespace(tool, ran.out);
    CHECK_MESSAGE(loaded.status == 0, plane << ": " << loaded.err);
  }
}

TEST_CASE("render: wrong words are one sentence and exit code 2") {
  for (const auto& [arguments, word] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"calico", "--services", "1"}, "calico"},
           {{"nftables"}, "--services"},
           {{"nftables", "--services", "0"}, "1 to 1,000,000"},
           {{"nftables", "--services", "1", "--shape", "chapter"}, "one shape"},
           {{"nftables", "--services", "1", "--part", "jumps"}, "it has rules"},
           {{"ipvs", "--services", "1", "--node-address", "x"}, "neither an IPv4 nor"},
           {{"ipvs", "--services", "1", "--cluster-cidr", "10.0.0.0"}, "not a range of addresses"},
           {{"nftables", "--services", "1", "--node", "a"}, "--cluster"},
           {{"nftables", "--services", "1", "--service-cidr", "10.0.0.0"},
            "--service-cidr: \"10.0.0.0\" is not a"},
           {{"nftables", "--services", "1", "--nodeport-addresses", "all"},
            "--nodeport-addresses: \"all\""},
           {{"nftables", "--services", "1", "--zone", "a"}, "--cluster"},
           {{"nftables", "--cluster", "/no/such/file"}, "/no/such/file"}}) {
    std::vector<std::string> all{"render"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Ran ran = svcbench(all);
    INFO(ran.err);
    CHECK(ran.status == 2);
    CHECK(ran.out.empty());
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK(ran.err.find(word) != std::string::npos);
  }
}

TEST_CASE(
    "iptables --ruleset: a saved ruleset is timed, counted and told as JSON; the host stays as it was") {
  const HostState before = HostState::now();
  const TemporaryFolder folder;
  const Ran rendered = svcbench({"render", "iptables-nft", "--services", "50"});
  const Ran saved = in_namespace("iptables-nft-restore --noflush && iptables-nft-save", rendered.out);
  REQUIRE_MESSAGE(saved.status == 0, saved.err);
  const std::string rules = folder.write("rules.txt", saved.out);
  const std::string file = folder.path("run.json");
  const Ran ran = svcbench({"iptables", "--ruleset", rules, "--rounds", "6", "--json", file});
  REQUIRE_MESSAGE(ran.status == 0, ran.err);
  check_against_schema(file, "run");
  const json result = read_json(file);
  CHECK(result["details"]["ruleset"]["rules"] == lines_with(saved.out, "-A "));
  CHECK(ran.out.find("rules of IPv4") != std::string::npos);
  // Whatever reads runs reads this one.
  CHECK(svcbench({"report", file, "-o", folder.path("page.html")}).status == 0);
  CHECK(read_file(folder.path("page.html")).find("ruleset/iptables-nft/reload") != std::string::npos);
  const Ran listed = svcbench({"explain", file});
  CHECK(listed.out.find("ruleset/iptables-nft/first") != std::string::npos);
  CHECK(svcbench({"explain", file, "ruleset/iptables-nft/reload"}).status == 0);
  CHECK(svcbench({"diff", file, file}).status == 0);
  const Ran exported = svcbench({"export", file, "--csv"});
  CHECK(exported.out.find("ruleset/iptables-nft/reload") != std::string::npos);
  const Ran at_once = svcbench({"iptables", "--ruleset", rules, "--rounds", "1", "--csv", "-"});
  CHECK(at_once.out.starts_with("id,scenario,plane"));  // and no table beside it
  CHECK(at_once.out.find("ruleset/iptables-nft/first") != std::string::npos);
  CHECK(ran.out.find("first load") != std::string::npos);
  const auto loads = cells_of(result, "ruleset");
  CHECK_FALSE(loads.empty());
  for (const json& load : loads) {
    CHECK(load["values"].size() == 6);
    CHECK(load["interval"].is_array());
  }
  CHECK(host_becomes(before));
}

TEST_CASE("render: clusters as people have them: YAML, UTF-16, several files together") {
  const std::string folder = std::string(SVCBENCH_TEST_DATA) + "/field/";
  const Ran yaml = svcbench({"render", "nftables", "--cluster", folder + "cluster.yaml"});
  CHECK_MESSAGE(yaml.status == 0, yaml.err);
  CHECK(yaml.out.find("10.7.0.1:8080") != std::string::npos);
  CHECK(yaml.out.find("10.7.0.2:8080") == std::string::npos);  // it is not ready
  std::string first;
  for (const char* services : {"services.json", "services-utf16.json"}) {
    const Ran ran = svcbench(
        {"render", "nftables", "--cluster", folder + services, "--cluster", folder + "slices.jsonl"});
    CHECK_MESSAGE(ran.status == 0, ran.err);
    CHECK(ran.err.find("field/bank's already): field/till") != std::string::npos);
    CHECK(ran.out.find("10.7.0.3:8443") != std::string::npos);
    CHECK((first.empty() || first == ran.out));
    first = ran.out;
  }
}

TEST_CASE(
    "iptables --ruleset: what a dump lacks is told beside every figure, and sets are made on request") {
  const TemporaryFolder folder;
  const std::string data = std::string(SVCBENCH_TEST_DATA) + "/field/";
  const std::string file = folder.path("run.json");
  const Ran part =
      svcbench({"iptables", "--ruleset", data + "not-whole.rules", "--rounds", "1", "--json", file});
  REQUIRE_MESSAGE(part.status == 0, part.err);
  check_against_schema(file, "run");
  const json result = read_json(file);
  CHECK(result["details"]["ruleset"]["incomplete"].size() == 2);
  CHECK(part.out.find("first load (not whole)") != std::string::npos);
  CHECK(part.out.find("reload (not whole)") != std::string::npos);
  CHECK(part.out.find("Table `nat' is incompatible") != std::string::npos);
  for (const json& load : cells_of(result, "ruleset")) {
    CHECK(load["quantity"]["name"].get<std::string>().find("not whole") != std::string::npos);
  }

  const std::vector<std::string> sets{"iptables", "--ruleset", data + "with-sets.rules", "--rounds", "1"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), sets.begin(), sets.end());
    return svcbench(more);
  };
  const Ran missing = with({});
  CHECK(missing.status == 1);
  CHECK(missing.err.find("field-doors, field-hosts;") != std::string::npos);
  if (in_namespace("ipset create try hash:net", "").status != 0) {
    MESSAGE("skipped: this kernel has no ipset");
    return;
  }
  const Ran empty = with({"--empty-ipsets", "--json", file});
  REQUIRE_MESSAGE(empty.status == 0, empty.err);
  check_against_schema(file, "run");
  CHECK(read_json(file)["details"]["ruleset"]["empty_sets"] == json{"field-doors", "field-hosts"});
  CHECK(empty.out.find("field-doors, field-hosts") != std::string::npos);
  CHECK(with({"--ipset", data + "sets.ipset", "--empty-ipsets"}).status == 0);
}

TEST_CASE("iptables --ruleset: nft's listing is loaded by nft, and counted in the kernel") {
  const TemporaryFolder folder;
  const std::string file = folder.path("run.json");
  const Ran ran = svcbench({"iptables", "--ruleset", std::string(SVCBENCH_TEST_DATA) + "/field/table.nft",
                            "--rounds", "2", "--json", file});
  REQUIRE_MESSAGE(ran.status == 0, ran.err);
  check_against_schema(file, "run");
  CHECK(read_json(file)["details"]["ruleset"]["kind"] == "nftables");
  CHECK(ran.out.find("4 rules of IPv4 and IPv6, 3 chains") != std::string::npos);
  CHECK(svcbench({"explain", file, "ruleset/nftables/reload"}).status == 0);
  CHECK(svcbench({"report", file, "-o", folder.path("page.html")}).status == 0);
}

TEST_CASE(
    "iptables --ruleset: of a refused ruleset the line, the rule and the whole reason, by each tool") {
  const std::string rules =
      "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -j ACCEPT\n-A FORWARD -j DNAT --to-destination 10.1.0.1\n"
      "-A FORWARD -j ACCEPT\nCOMMIT\n";
  const Ran ran = svcbench({"iptables", "--ruleset", "-", "--rounds", "1"}, rules);
  CHECK(ran.status == 1);
  INFO(ran.err);
  const std::string told = "line 4, \"-A FORWARD -j DNAT --to-destination 10.1.0.1\": ";
  const std::size_t first = ran.err.find(told);
  REQUIRE(first != std::string::npos);
  CHECK(ran.err.find(told, first + 1) != std::string::npos);
  CHECK(ran.err.find("Invalid argument") != std::string::npos);
}

TEST_CASE(
    "iptables --ruleset: bad files are one sentence, 2 for no ruleset, 1 for one that does not load") {
  const TemporaryFolder folder;
  const auto check = [&](const std::string& text, int status, const std::string& word) {
    const Ran ran = svcbench({"iptables", "--ruleset", "-", "--rounds", "1"}, text);
    INFO(ran.err);
    CHECK(ran.status == status);
    CHECK(ran.out.empty());
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
    CHECK(ran.err.find(word) != std::string::npos);
  };
  check("", 2, "not a ruleset");
  check("hello\n", 2, "line 1");
  check("*nat\n-A PREROUTING -j ACCEPT\n", 2, "no COMMIT");
  check("*nat\n-A PREROUTING -j NO-SUCH-CHAIN\nCOMMIT\n", 1, "did not take");
  check("*nat\n-A NO-SUCH-CHAIN -j ACCEPT\nCOMMIT\n", 1, "did not take");
  const Ran missing = svcbench({"iptables", "--ruleset", "/no/such/file"});
  CHECK(missing.status == 2);
}

}  // namespace svcbench::testing
