// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Clusters in the forms, and with the oddities, that people have them with.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cluster_lines.h"
#include "service/cluster.h"
#include "service/input_file.h"
#include "service/input_text.h"
#include "service/kubernetes_address.h"

using namespace svcbench;

namespace {

using Lines = std::vector<std::string>;

const std::string folder = SVCBENCH_TEST_DATA "/field/";

std::string file(const std::string& name) { return read_whole(folder + name, name).value(); }

Lines skipped(const ClusterServices& cluster) {
  Lines result;
  for (const Skipped& one : cluster.skipped) {
    result.push_back(one.name + ": " + one.reason);
  }
  return result;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

const Lines of_all_files{"ClusterIP field/shop:http 10.96.7.1:80/TCP -> 10.7.0.1:8080 10.7.0.2:8080",
                         "ClusterIP field/till 10.96.7.2:443/TCP ->",
                         "ExternalIP field/till 192.0.2.8:443/TCP ->",
                         "ClusterIP field/bank 10.96.7.3:443/TCP -> 10.7.0.3:8443",
                         "ExternalIP field/bank 192.0.2.7:443/TCP -> 10.7.0.3:8443"};

}  // namespace

TEST_CASE("a raw list and JSON lines, from two files; what is odd in them is left out by name") {
  const auto cluster = read_cluster(std::vector{folder + "services.json", folder + "slices.jsonl"});
  REQUIRE(cluster);
  CHECK(lines(cluster) == of_all_files);
  CHECK(
      skipped(*cluster) ==
      Lines{"field/odd: spec.clusterIP: \"10.96.7.300\" is neither an IPv4 nor an IPv6 address",
            "EndpointSlice field/shop-1: endpoints[2].addresses[0]: \"pod\" is neither an IPv4 nor an IPv6 "
            "address",
            "EndpointSlice field/names: addressType FQDN: names, which no cluster IP leads to",
            "EndpointSlice field/loose: no label kubernetes.io/service-name: it is no Service's",
            "field/till: ExternalIP 192.0.2.7:443/TCP is field/bank's already"});
  CHECK(std::any_of(cluster->notes.begin(), cluster->notes.end(),
                    [](const std::string& note) { return has(note, "1 Pod"); }));
  CHECK(std::any_of(cluster->notes.begin(), cluster->notes.end(), [](const std::string& note) {
    return has(note, "of 1 Services are read from Endpoints");
  }));
  CHECK(cluster->why_no_endpoint.empty());
  CHECK(names_of_files({"-", "a"}) == "standard input, a");
  CHECK(lines(read_cluster(std::vector<std::string>{"-", "-"})) ==
        Lines{"--cluster -: standard input can be read once"});
}

TEST_CASE("one file with several documents, in UTF-16, with a byte order mark, in an array") {
  const std::string services = file("services.json");
  const std::string slices = file("slices.jsonl");
  CHECK(lines(parse_cluster(services + slices, "f")) == of_all_files);
  CHECK(lines(parse_cluster(slices + "---\n" + services, "f")) == of_all_files);
  CHECK(lines(parse_cluster("\xef\xbb\xbf" + services + slices, "f")) == of_all_files);
  CHECK(lines(read_cluster(std::vector{folder + "services-utf16.json", folder + "slices.jsonl"})) ==
        of_all_files);
  std::string array = "[" + services;
  for (const char c : slices.substr(0, slices.size() - 1)) {
    array += c == '\n' ? ",\n" : std::string(1, c);
  }
  array.insert(1 + services.size(), ",");
  CHECK(lines(parse_cluster(array + "]", "f")) == of_all_files);
}

TEST_CASE("YAML is read as JSON is, with its documents") {
  const Lines expected{"ClusterIP field/shop:http 10.96.7.1:80/TCP -> 10.7.0.1:8080",
                       "ClusterIP field/till 10.96.7.2:443/TCP ->"};
  CHECK(lines(read_cluster(folder + "cluster.yaml")) == expected);
  const auto error = [](const std::string& text) {
    const auto cluster = parse_cluster(text, "f");
    CHECK_FALSE(cluster);
    return cluster ? "" : cluster.error().message;
  };
  CHECK(error("kind: List\nitems: [\n").starts_with("f: not YAML in line 3: "));
  CHECK(error("kind: &a List\nitems: *a\n").starts_with("f: an alias (*name) in line 2"));
  CHECK(error("kind: List\n? [a]\n: b\n").starts_with("f: a key in line 2 is no text"));
  CHECK(error("apiVersion: v1\nitems: []\nkind: List\n").starts_with("f: no Service in it"));
  // What is quoted is text, what is not is what it looks like.
  const std::string head = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  clusterIP: ";
  CHECK(lines(parse_cluster(head + "10.96.7.1\n  ports: [{port: 80}]\n", "f")) ==
        Lines{"ClusterIP default/a 10.96.7.1:80/TCP ->"});
  CHECK(has(error(head + "10.96.7.1\n  ports: [{port: \"80\"}]\n"),
            "expected a port number, found a string"));
  CHECK(has(error(head + "10.96\n  ports: [{port: 80}]\n"), "expected a string, found a number"));
  CHECK(has(error(head + "~\n  ports: [{port: 80}]\n"), "no cluster IP"));
}

TEST_CASE("what stands beside the objects is quoted") {
  const auto error = [](const std::string& text) { return lines(parse_cluster(text, "f")).front(); };
  const std::string list = file("services.json");
  CHECK(
      error("W0101 warning\n" + list).starts_with("f: not JSON in line 1, \"W0101 warning\": if kubectl"));
  CHECK(error(list + "Error from server\n")
            .starts_with("f: not JSON in line 6, \"Error from server\": if kubectl"));
  CHECK(
      has(error("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"message\":\"Forbidden\"}"), "\"Forbidden\""));
}

TEST_CASE("a list that is a part of one, and objects that stand twice") {
  const std::string part =
      R"({"kind":"List","apiVersion":"v1","metadata":{"continue":"x","remainingItemCount":1200},"items":[)"
      R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"9"},)"
      R"("spec":{"clusterIP":"10.96.7.1","ports":[{"port":80}]}},)"
      R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"10"},)"
      R"("spec":{"clusterIP":"10.96.7.2","ports":[{"port":80}]}}]})";
  const auto cluster = parse_cluster(part, "f");
  CHECK(lines(cluster) == Lines{"ClusterIP default/a 10.96.7.2:80/TCP ->"});
  REQUIRE(cluster);
  CHECK(skipped(*cluster) ==
        Lines{"default/a: stands twice in what was read: the newer one, by resourceVersion, is taken"});
  CHECK(cluster->notes.front() ==
        "the cluster is not whole: a list in it is a part of one, and 1,200 objects were to follow");
}

TEST_CASE("a cluster without an endpoint says why") {
  const auto why = [](const std::string& text) { return parse_cluster(text, "f").value().why_no_endpoint; };
  const std::string service =
      R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.96.7.1",)"
      R"("ports":[{"port":80}]}})";
  const auto slice = [](const std::string& label, const std::string& ports, const std::string& conditions) {
    return R"({"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","addressType":"IPv4","metadata":)"
           R"({"name":"a-1","labels":{"kubernetes.io/service-name":")" +
           label + R"("}},"ports":[)" + ports +
           R"(],"endpoints":[{"addresses":["10.7.0.1"],"conditions":)" + conditions + "}]}";
  };
  CHECK(why(service).starts_with("there is no EndpointSlice of theirs in f; "));
  CHECK(why(service + slice("a", "{}", "{}")) ==
        "EndpointSlice default/a-1: a port without a number, which no Service's port means");
  CHECK(why(service + slice("a", R"({"port":1,"name":"x"})", "{}")) ==
        "EndpointSlice default/a-1: none of its ports (x/TCP) is its Service's by name and protocol");
  CHECK(why(service + slice("b", R"({"port":1})", "{}")) ==
        "EndpointSlice default/a-1: its Service is not in the file");
  CHECK(why(service + slice("a", R"({"port":1})", R"({"ready":false})")) ==
        "of those in the 1 EndpointSlices none is ready");
  CHECK(why(service + slice("a", R"({"port":1})", "{}")).empty());
}

TEST_CASE("a slice of v1beta1 has the node in its topology") {
  const auto cluster = parse_cluster(
      R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"a"},"spec":{"clusterIP":"10.96.7.1",)"
      R"("internalTrafficPolicy":"Local","ports":[{"port":80}]}})"
      R"({"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1beta1","addressType":"IPv4","metadata":)"
      R"({"name":"a-1","labels":{"kubernetes.io/service-name":"a"}},"ports":[{"port":8080}],"endpoints":[)"
      R"({"addresses":["10.7.0.1"],"topology":{"kubernetes.io/hostname":"n1"}},)"
      R"({"addresses":["10.7.0.2"],"topology":{"kubernetes.io/hostname":"n2"}}]})",
      "f", {.node = "n2"});
  CHECK(lines(cluster) == Lines{"ClusterIP default/a 10.96.7.1:80/TCP -> 10.7.0.2:8080"});
}

TEST_CASE("items of a raw list get their kind from it, wherever it says its own") {
  const std::string items =
      R"("items":[{"metadata":{"name":"a","namespace":"x"},"spec":{"clusterIP":"10.96.7.1","ports":[{"port":80}]}}])";
  const std::string about = R"("kind":"ServiceList","apiVersion":"v1")";
  const Lines expected{"ClusterIP x/a 10.96.7.1:80/TCP ->"};
  CHECK(lines(parse_cluster("{" + about + "," + items + "}", "f")) == expected);
  CHECK(lines(parse_cluster("{" + items + "," + about + "}", "f")) == expected);
}

TEST_CASE("addresses as API servers have let them pass") {
  const auto text = [](std::string_view given) {
    const auto address = kubernetes_address(given);
    return address ? address->text() : address.error().message;
  };
  CHECK(text("10.96.011.012") == "10.96.11.12");
  CHECK(text("000.001.010.100") == "0.1.10.100");
  CHECK(text(" 10.0.0.1\t") == "10.0.0.1");
  CHECK(text("::ffff:10.9.0.1") == "10.9.0.1");
  CHECK(text("::ffff:a09:1") == "10.9.0.1");
  CHECK(text("fd00::1") == "fd00::1");
  for (const char* wrong : {"10.96.0.0256", "10..0.1", "010", "10.0.0.1.", "1e1.0.0.1", ""}) {
    CHECK(has(text(wrong), "neither an IPv4 nor an IPv6 address"));
  }
}

TEST_CASE("text however it was kept") {
  using namespace std::string_literals;
  const auto utf8 = [](std::string bytes) {
    const auto text = utf8_text(std::move(bytes), "f", "do");
    return text ? *text : text.error().message;
  };
  CHECK(utf8("\xff\xfe{\0\xe4\0"s) == "{\xc3\xa4");
  CHECK(utf8("\xfe\xff\0{\xd8\x3d\xde\x00"s) == "{\xf0\x9f\x98\x80");
  CHECK(utf8("{\0\"\0a\0"s) == "{\"a");
  CHECK(utf8("\0{\0\"\0a"s) == "{\"a");
  CHECK(utf8("\xff\xfe{"s) == "f: UTF-16, and it breaks off or is not whole; do");
  CHECK(utf8("\xff\xfe{\0\x3d\xd8"s) == "f: UTF-16, and it breaks off or is not whole; do");
  CHECK(utf8("\xff\xfe\0\0{\0\0\0"s) == "f: UTF-32, not text; do");
  CHECK(utf8("PK\x03\x04 x"s) == "f: a ZIP archive, not text; do");
  CHECK(utf8("plain") == "plain");
  CHECK(utf8("").empty());
  CHECK(with_unix_lines("a\r\nb\rc\n") == "a\nb\nc\n");
  CHECK(line_of("a\nb\nc", 2) == 2);
}
