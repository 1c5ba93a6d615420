// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Wrong words, wrong files, wrong rights: one sentence, the right exit code, nothing done.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "program.h"

namespace svcbench::testing {
namespace {

// One sentence on standard error that holds `word`; nothing on standard output.
void check_refused(const Ran& ran, int status, const std::string& word) {
  INFO(ran.err);
  CHECK(ran.status == status);
  CHECK(ran.out.empty());
  CHECK(ran.err.starts_with("svcbench: "));
  CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 1);
  CHECK(ran.err.find(word) != std::string::npos);
}

TEST_CASE("wrong words") {
  check_refused(svcbench({"ebpf"}), 2, "--services");
  check_refused(svcbench({"ebpf", "--services", "0"}), 2, "1 to 1,000,000");
  check_refused(svcbench({"ebpf", "--services", "-5"}), 2, "1 to 1,000,000");
  check_refused(svcbench({"ebpf", "--services", "many"}), 2, "many");
  check_refused(svcbench({"ebpf", "--services", "5k"}), 2, "5k");
  check_refused(svcbench({"ebpf", "--services", "1000001"}), 2, "1 to 1,000,000");
  check_refused(svcbench({"ebpf", "--services", "99999999999999999999"}), 2, "1 to 1,000,000");
  check_refused(svcbench({"ebpf", "--services", "5", "--endpoints", "0"}), 2, "--endpoints");
  check_refused(svcbench({"ebpf", "--services", "5", "--endpoints", "5000"}), 2, "1 to 4,095");
  check_refused(svcbench({"ebpf", "--services", "5", "--sweep", "3,x"}), 2, "x");
  check_refused(svcbench({"ebpf", "--services", "5", "--sweep", "3,6"}), 2, "--sweep");
  check_refused(svcbench({"ebpf", "--services", "5", "--family", "ipx"}), 2, "ipx");
  check_refused(svcbench({"ebpf", "--services", "5", "--iptables", "/nowhere/iptables-restore"}), 2,
                "/nowhere");
  check_refused(svcbench({"ebpf", "--services", "5", "--colour"}), 2, "--colour");
  check_refused(svcbench({"compare", "--services", "5", "--select", "best"}), 2, "best");
  check_refused(svcbench({"compare", "--services", "5", "--select", "maglev", "--table-size", "512"}), 2,
                "no prime");
  check_refused(svcbench({"compare", "--services", "5", "--table-size", "251"}), 2, "--select maglev");
  check_refused(svcbench({"compare", "--services", "5", "--select", "affinity", "--forward", "dsr"}), 2,
                "nothing is remembered");
  check_refused(svcbench({"maps"}), 2, "--cluster");
  check_refused(svcbench({"cilium"}), 2, "There are ebpf, compare, path, verify");
}

TEST_CASE("a wrong word is told with the one that was meant") {
  check_refused(svcbench({"comapre"}), 2, "did you mean compare?");
  check_refused(svcbench({"ebpf", "--servces", "5"}), 2,
                "there is no option --servces; did you mean --services?");
  check_refused(svcbench({"ebpf", "--servces=5"}), 2, "did you mean --services?");
  check_refused(svcbench({"churn", "--plan", "ebpf-xdp"}), 2,
                "did you mean --plane?");  // and not: it is missing
  check_refused(svcbench({"ebpf", "--services", "5", "now"}), 2, "'now' is one word too many");
  check_refused(svcbench({"compare", "--services", "5", "--planes", "nftables,ebpf-xpd"}), 2,
                "did you mean ebpf-xdp?");
  check_refused(svcbench({"compare", "--services", "5", "--scenarios", "patch"}), 2, "did you mean path?");
  check_refused(svcbench({"verify", "--cases", "masqerade"}), 2, "did you mean masquerade?");
  check_refused(svcbench({"render", "nft", "--services", "1"}), 2, "did you mean nftables?");
  check_refused(svcbench({"--versoin"}), 2, "did you mean --version?");
}

TEST_CASE("a kube-proxy that is none, that no plane runs, or that hangs") {
  const TemporaryFolder folder;
  const auto script = [&](const std::string& name, const std::string& body) {
    const std::string path = folder.write(name, "#!/bin/sh\n" + body);
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  };
  const std::string proper = script("kube-proxy", "echo Kubernetes v1.30.5\n");
  const auto refused = [](const std::string& command, const std::string& option, const std::string& plane,
                          const std::string& binary, const std::string& word) {
    std::vector<std::string> words{command, option, plane};
    if (command != "verify") {
      words.insert(words.end(), {"--services", "5"});
    }
    if (!binary.empty()) {
      words.insert(words.end(), {"--kube-proxy", binary});
    }
    CAPTURE(word);
    check_refused(svcbench(words), 2, word);
  };
  const std::string plane = "kube-proxy-nftables";
  refused("compare", "--planes", plane, "", "give it with --kube-proxy PATH");
  refused("path", "--plane", "kube-proxy-iptables", "", "give it with --kube-proxy PATH");
  refused("verify", "--plane", plane, "", "give it with --kube-proxy PATH");
  refused("compare", "--planes", plane, folder.path("none"), "no such executable file");
  refused("compare", "--planes", plane, "/bin/true", "it is no kube-proxy");
  refused("path", "--plane", plane, "/bin/ls", "it is no kube-proxy");
  refused("verify", "--plane", plane, "/bin/ls", "it is no kube-proxy");
  refused("compare", "--planes", "nftables", proper, "no plane of this run is a kube-proxy of yours");

  const std::string noted = folder.path("pid");
  refused("compare", "--planes", plane, script("hangs", "echo $$ >" + noted + "\nexec sleep 600\n"),
          "said no version of Kubernetes within 10 s, and was stopped");
  CHECK_FALSE(std::filesystem::exists("/proc/" + std::to_string(std::stoi(read_file(noted)))));

  check_refused(svcbench({"compare", "--services", "5", "--kube-proxy-version", "1.99"}), 2, "1.99");
  check_refused(svcbench({"compare", "--services", "5", "--endpoints-sweep", "x"}), 2, "--endpoints-sweep");
  check_refused(svcbench({"compare", "--services", "5", "--flows-sweep", "0"}), 2, "--flows-sweep");
}

TEST_CASE("without a word: the question, an example, and every command by its question") {
  const Ran ran = svcbench({});
  CHECK(ran.status == 2);
  CHECK(ran.out.empty());
  CHECK(ran.err.starts_with("What does a Kubernetes Service cost on this machine"));
  CHECK(ran.err.find("\n\n  sudo ./svcbench ebpf --services 5000\n\n") < ran.err.find("Usage:"));
  CHECK(ran.err.find("Do packets go wrong while Services change?") != std::string::npos);
}

TEST_CASE("an output that cannot be written is told before anything is measured") {
  const TemporaryFolder folder;
  check_refused(svcbench({"ebpf", "--services", "5", "--json", folder.path("no/such/run.json")}), 2,
                "no/such");
  check_refused(svcbench({"ebpf", "--services", "5", "--json", folder.path()}), 2, "folder");
  check_refused(svcbench({"report", "run.json", "-o", folder.path("no/such.html")}), 2, "--output");
  check_refused(svcbench({"report", folder.path("no.json"), "-o", folder.path("a.html")}), 2,
                "No such file");
  CHECK(folder.names().empty());
}

// The real cluster's file with one piece of text in place of another.
std::string altered(const std::string& from, const std::string& to) {
  std::string text = read_file(SVCBENCH_TEST_DATA "/kind-dualstack.json");
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("wrong files") {
  const TemporaryFolder folder;
  const std::string whole = read_file(SVCBENCH_TEST_DATA "/kind-dualstack.json");
  const auto refused = [&](const std::string& text, const std::string& word) {
    const std::string path = folder.write("cluster.json", text);
    CAPTURE(word);
    check_refused(svcbench({"ebpf", "--cluster", path}), 2, word);
    check_refused(svcbench({"maps", "--cluster", path}), 2, word);
  };
  refused(whole.substr(0, whole.size() / 2), "cluster.json");
  refused("", "cluster.json");
  refused("{\"kind\": \"Pod\", \"apiVersion\": \"v1\"}", "kubectl get services,endpointslices -A -o json");
  refused("apiVersion: v1\nitems: []\nkind: List\n", "-o json");
  refused("Warning: something\n" + whole, "line 1, \"Warning: something\"");
  check_refused(svcbench({"maps", "--cluster", folder.path("none.json")}), 2, "none.json");
  check_refused(svcbench({"maps", "--cluster", "-", "--cluster", "-"}), 2, "standard input");
}

TEST_CASE("odd objects refuse no file: they are left out by name, in the text and in the JSON") {
  const TemporaryFolder folder;
  const auto left_out = [&](const std::string& text, const std::string& name, const std::string& reason) {
    const std::string path = folder.write("cluster.json", text);
    CAPTURE(reason);
    const Ran ran = svcbench({"maps", "--cluster", path, "--json", folder.path("maps.json")});
    INFO(ran.err);
    CHECK(ran.status == 0);
    CHECK(ran.out.find(reason) != std::string::npos);
    const nlohmann::json skipped = read_json(folder.path("maps.json"))["skipped"];
    CHECK(std::any_of(skipped.begin(), skipped.end(), [&](const nlohmann::json& one) {
      return one["name"] == name && one["count"] == 1 &&
             one["reason"].get<std::string>().find(reason) != std::string::npos;
    }));
    // The other commands say the same.
    CHECK(svcbench({"render", "nftables", "--cluster", path}).err.find(reason) != std::string::npos);
  };
  left_out(altered("\"port\": 80,", "\"port\": 70000,"), "default/echo-dualstack", "70000 is not a port");
  left_out(altered("\"10.96.164.78\",\n          \"fd", "\"10.96.164.999\",\n          \"fd"),
           "default/echo-dualstack", "10.96.164.999");
  left_out(altered("\"10.244.2.162\"", "\"pod-7\""), "EndpointSlice default/echo-dualstack-lnfnx", "pod-7");
  std::string twice = altered("\"10.96.0.1\"\n", "\"10.96.164.78\"\n");
  twice.replace(twice.find("\"port\": 443"), 11, "\"port\": 80 ");
  left_out(twice, "default/kubernetes:https",
           "10.96.164.78:80/TCP is default/echo-dualstack:http's already");
}

TEST_CASE("a cluster without an endpoint: every command that measures says why, before it starts") {
  const TemporaryFolder folder;
  const std::string path =
      folder.write("cluster.json",
                   R"({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a"},
          "spec": {"clusterIP": "10.96.7.1", "ports": [{"port": 80}]}})");
  for (const char* command : {"ebpf", "compare", "connect"}) {
    check_refused(svcbench({command, "--cluster", path}), 2, "there is no EndpointSlice");
  }
  check_refused(svcbench({"path", "--plane", "nftables", "--cluster", path}), 2,
                "there is no EndpointSlice");
  const Ran rendered = svcbench({"render", "nftables", "--cluster", path});
  CHECK(rendered.status == 0);
  CHECK(rendered.err.find("no Service has an endpoint: there is no EndpointSlice") != std::string::npos);
}

TEST_CASE("a thousand endpoints in one service: told, with the flag that allows them") {
  const TemporaryFolder folder;
  std::string endpoints = "\"endpoints\": [\n";
  for (int i = 0; i < 1000; ++i) {
    endpoints +=
        "{\"addresses\": [\"10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1) + "\"]},";
  }
  const std::string path = folder.write("cluster.json", altered("\"endpoints\": [", endpoints));
  const Ran told = svcbench({"maps", "--cluster", path});
  CHECK(told.status == 0);
  CHECK(told.out.find("more than the 512 that --max-endpoints allows") != std::string::npos);
  const Ran allowed = svcbench({"maps", "--cluster", path, "--max-endpoints", "4095", "--json", "-"});
  INFO(allowed.err);
  REQUIRE(allowed.status == 0);
  CHECK(nlohmann::json::parse(allowed.out)["frontends"][0]["backends"].size() == 1002);
}

TEST_CASE("without root: what is missing, and the remedy") {
  const TemporaryFolder folder;
  const std::string copy = folder.path("svcbench");
  std::filesystem::copy_file(SVCBENCH_BINARY, copy);
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"ebpf", "--services", "10"},
                                                    std::vector<std::string>{"maps", "--cluster", "-"}}) {
    std::vector<std::string> argv{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    check_refused(run_program(argv, read_file(SVCBENCH_TEST_DATA "/kind-dualstack.json")), 1, "sudo");
  }
  // What needs no rights works without them.
  CHECK(run_program({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "list"}).status ==
        0);
  CHECK(
      run_program({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "probe"}).status ==
      0);
}

TEST_CASE("help teaches, and asks for nothing") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, std::vector<std::string>{"ebpf", "--help"},
        std::vector<std::string>{"maps", "--help"}, std::vector<std::string>{"--version"}}) {
    const Ran ran = svcbench(arguments);
    CHECK(ran.status == 0);
    CHECK(ran.err.empty());
    CHECK(ran.out.find("svcbench") != std::string::npos);
  }
  CHECK(svcbench({"ebpf", "--help"}).out.find("sudo ./svcbench ebpf --services 5000") != std::string::npos);
}

}  // namespace
}  // namespace svcbench::testing
