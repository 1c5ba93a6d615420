// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/cluster.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cluster_lines.h"

using namespace svcbench;
using nlohmann::json;

namespace {

const std::string kind_file = SVCBENCH_TEST_DATA "/kind-dualstack.json";
const std::string remedy = "write it with `kubectl get services,endpointslices -A -o json`";

// A Service default/web with port 80, "http", at 10.96.0.10.
json service() {
  return json::parse(R"({
    "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"type": "ClusterIP", "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"],
             "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "web-port"}]}})");
}

// Its slice: two ready pods, port 8080.
json slice() {
  return json::parse(R"({
    "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
    "metadata": {"name": "web-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "web"}},
    "endpoints": [{"addresses": ["10.244.0.1"], "conditions": {"ready": true}},
                  {"addresses": ["10.244.0.2"], "conditions": {"ready": true}}],
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]})");
}

std::string list(const std::vector<json>& items) {
  return json{{"apiVersion", "v1"}, {"kind", "List"}, {"items", items}}.dump();
}

// `value` at `path` (a JSON pointer) of `item`.
json with(json item, const std::string& path, json value) {
  item[json::json_pointer(path)] = std::move(value);
  return item;
}

json without(json item, const std::string& parent, const std::string& key) {
  item[json::json_pointer(parent)].erase(key);
  return item;
}

// The same service under another name and address.
json other_service(const std::string& name, const std::string& address) {
  json item = with(service(), "/metadata/name", name);
  item = with(item, "/spec/clusterIP", address);
  return with(item, "/spec/clusterIPs", {address});
}

std::vector<std::string> lines(const std::vector<json>& items) {
  return lines(parse_cluster(list(items), "f"));
}

std::string error(std::string_view text, const ClusterOptions& options = {}) {
  const auto cluster = parse_cluster(text, "f", options);
  if (cluster) {
    return "no error";
  }
  CHECK(cluster.error().kind == Error::Kind::usage);
  return cluster.error().message;
}

std::string error(const std::vector<json>& items) { return error(list(items)); }

using Lines = std::vector<std::string>;

// What is left out of a cluster, with the reason: "default/web: no ports"; or the error.
Lines left_out(const std::vector<json>& items, ClusterOptions options = {}) {
  options.may_be_empty = true;
  const auto cluster = parse_cluster(list(items), "f", options);
  if (!cluster) {
    return {cluster.error().message};
  }
  Lines result;
  for (const Skipped& one : cluster->skipped) {
    result.push_back(one.name + ": " + one.reason);
  }
  return result;
}

// The first of those.
std::string first_left_out(const std::vector<json>& items) {
  const Lines all = left_out(items);
  return all.empty() ? "nothing" : all.front();
}

}  // namespace

TEST_CASE("the kind cluster's frontends and backends are what Cilium's own agent makes of them") {
  const std::string web = " -> 10.244.2.162:80 10.244.1.231:80";
  const std::string web6 = " -> [fd00:10:244:2::143d]:80 [fd00:10:244:1::4021]:80";
  const std::string tftp = " -> 10.244.2.162:69 10.244.1.231:69";
  const std::string tftp6 = " -> [fd00:10:244:2::143d]:69 [fd00:10:244:1::4021]:69";
  const auto cluster = read_cluster(kind_file);
  CHECK(lines(cluster) == Lines{"ClusterIP default/echo-dualstack:http 10.96.164.78:80/TCP" + web,
                                "ClusterIP default/echo-dualstack:http [fd00:10:96::5a5c]:80/TCP" + web6,
                                "NodePort default/echo-dualstack:http 0.0.0.0:32150/TCP" + web,
                                "NodePort default/echo-dualstack:http [::]:32150/TCP" + web6,
                                "ClusterIP default/echo-dualstack:tftp 10.96.164.78:69/UDP" + tftp,
                                "ClusterIP default/echo-dualstack:tftp [fd00:10:96::5a5c]:69/UDP" + tftp6,
                                "NodePort default/echo-dualstack:tftp 0.0.0.0:30784/UDP" + tftp,
                                "NodePort default/echo-dualstack:tftp [::]:30784/UDP" + tftp6,
                                "ClusterIP default/kubernetes:https 10.96.0.1:443/TCP -> 172.18.0.7:6443"});
  REQUIRE(cluster);
  CHECK(cluster->skipped.empty());
}

TEST_CASE("a slice's port number is the target port, found by the port's name and protocol") {
  CHECK(lines({service(), slice()}) ==
        Lines{"ClusterIP default/web:http 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080"});
  // The slice may stand before its service.
  CHECK(lines({slice(), service()}) == lines({service(), slice()}));

  const Lines no_endpoints{"ClusterIP default/web:http 10.96.0.10:80/TCP ->"};
  CHECK(lines({service(), with(slice(), "/ports/0/name", "metrics")}) == no_endpoints);
  CHECK(lines({service(), with(slice(), "/ports/0/name", nullptr)}) == no_endpoints);
  CHECK(lines({service(), with(slice(), "/ports/0/protocol", "UDP")}) == no_endpoints);
  CHECK(lines({service(), with(slice(), "/ports/0/port", nullptr)}) == no_endpoints);
  CHECK(lines({service(), with(slice(), "/ports", nullptr)}) == no_endpoints);
  CHECK(lines({service()}) == no_endpoints);
}

TEST_CASE("a port without a name matches a slice's port without one, null, absent or empty") {
  const Lines expected{"ClusterIP default/web 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080"};
  const json unnamed = without(service(), "/spec/ports/0", "name");
  CHECK(lines({unnamed, without(slice(), "/ports/0", "name")}) == expected);
  CHECK(lines({unnamed, with(slice(), "/ports/0/name", nullptr)}) == expected);
  CHECK(lines({unnamed, with(slice(), "/ports/0/name", "")}) == expected);
}

TEST_CASE("the protocol is TCP where none is given") {
  CHECK(lines({without(service(), "/spec/ports/0", "protocol"),
               without(slice(), "/ports/0", "protocol")}) == lines({service(), slice()}));
}

TEST_CASE("an endpoint counts when it is ready, and when its readiness is not known") {
  const Lines both{"ClusterIP default/web:http 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080"};
  const Lines second{"ClusterIP default/web:http 10.96.0.10:80/TCP -> 10.244.0.2:8080"};
  CHECK(lines({service(), with(slice(), "/endpoints/0/conditions/ready", false)}) == second);
  CHECK(lines({service(), with(slice(), "/endpoints/0/conditions/ready", nullptr)}) == both);
  CHECK(lines({service(), with(slice(), "/endpoints/0/conditions", json::object())}) == both);
  CHECK(lines({service(), without(slice(), "/endpoints/0", "conditions")}) == both);
}

TEST_CASE("endpoints of two slices stand one after another, each once, with each slice's port") {
  const json other = with(slice(), "/metadata/name", "web-2");
  const json moved = with(with(other, "/endpoints/0/addresses/0", "10.244.0.3"), "/ports/0/port", 9090);
  CHECK(
      lines({service(), slice(), moved}) ==
      Lines{
          "ClusterIP default/web:http 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080 10.244.0.3:9090 "
          "10.244.0.2:9090"});
  const json repeated = with(other, "/endpoints/0/addresses/0", "10.244.0.3");
  CHECK(lines({service(), slice(), repeated}) == Lines{"ClusterIP default/web:http 10.96.0.10:80/TCP -> "
                                                       "10.244.0.1:8080 10.244.0.2:8080 10.244.0.3:8080"});
}

TEST_CASE("of an endpoint's addresses the first counts") {
  CHECK(lines({service(), with(slice(), "/endpoints/0/addresses", {"10.244.0.7", "10.244.0.8"})}) ==
        Lines{"ClusterIP default/web:http 10.96.0.10:80/TCP -> 10.244.0.7:8080 10.244.0.2:8080"});
}

TEST_CASE(
    "slices of another namespace, service, kind of address or without a service are not a service's") {
  const Lines no_endpoints{"ClusterIP default/web:http 10.96.0.10:80/TCP ->"};
  CHECK(lines({service(), with(slice(), "/metadata/namespace", "other")}) == no_endpoints);
  CHECK(lines({service(), with(slice(), "/metadata/labels/kubernetes.io~1service-name", "other")}) ==
        no_endpoints);
  CHECK(lines({service(), without(slice(), "/metadata", "labels")}) == no_endpoints);
  const json names = with(with(slice(), "/addressType", "FQDN"), "/endpoints/0/addresses/0", "example.com");
  CHECK(lines({service(), names}) == no_endpoints);
  CHECK(lines({service(), with(slice(), "/apiVersion", "example.com/v1")}) == no_endpoints);
  CHECK(lines({service(), with(slice(), "/apiVersion", "discovery.k8s.io/v1beta1")}) != no_endpoints);
}

TEST_CASE("IPv6 alone, from clusterIP where clusterIPs is missing") {
  json only6 = with(service(), "/spec/clusterIP", "FD00:10:96::1");
  only6 = without(only6, "/spec", "clusterIPs");
  json slice6 = with(slice(), "/addressType", "IPv6");
  slice6 = with(slice6, "/endpoints/0/addresses/0", "fd00:10:244::1");
  slice6 = with(slice6, "/endpoints/1/addresses/0", "fd00:10:244::2");
  CHECK(lines({only6, slice6, slice()}) == Lines{"ClusterIP default/web:http [fd00:10:96::1]:80/TCP -> "
                                                 "[fd00:10:244::1]:8080 [fd00:10:244::2]:8080"});
}

TEST_CASE("a NodePort of 0 is none; one of a load balancer counts") {
  CHECK(lines({with(service(), "/spec/ports/0/nodePort", 0), slice()}) == lines({service(), slice()}));
  json balanced = with(service(), "/spec/type", "LoadBalancer");
  balanced = with(balanced, "/spec/ports/0/nodePort", 30080);
  CHECK(lines({balanced, slice()}) ==
        Lines{"ClusterIP default/web:http 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080",
              "NodePort default/web:http 0.0.0.0:30080/TCP -> 10.244.0.1:8080 10.244.0.2:8080"});
}

namespace {

// One line a frontend, with all that a policy or a condition decides:
// "NodePort 0.0.0.0:30080/TCP -> 10.244.0.1:8080; terminating; local, of 10.244.0.1:8080; affinity 10800".
Lines details(const Result<ClusterServices>& cluster) {
  if (!cluster) {
    return {cluster.error().message};
  }
  const auto words = [](const std::vector<Endpoint>& endpoints) {
    std::string text;
    for (const Endpoint& endpoint : endpoints) {
      text += " " + endpoint.text();
    }
    return text;
  };
  Lines result;
  for (const Service& service : cluster->services) {
    std::string line = fmt::format("{} {} ->{}", to_string(service.kind), service.frontend.text(),
                                   words(service.endpoints));
    if (!service.terminating.empty()) {
      line += "; terminating" + words(service.terminating);
    }
    if (service.local_only) {
      line += "; local, of" + words(service.cluster_endpoints);
    }
    if (service.affinity_seconds != 0) {
      line += fmt::format("; affinity {}", service.affinity_seconds);
    }
    if (!service.weights.empty()) {
      line += fmt::format("; weights {}", fmt::join(service.weights, " "));
    }
    result.push_back(line);
  }
  return result;
}

Lines details(const std::vector<json>& items, const std::string& node = {}) {
  return details(parse_cluster(list(items), "f", {.node = node}));
}

// The slice with its pods on node-a and node-b.
json placed_slice() {
  return with(with(slice(), "/endpoints/0/nodeName", "node-a"), "/endpoints/1/nodeName", "node-b");
}

// Endpoint `i` of `item` is on its way out.
json leaving(json item, int i, bool serving) {
  item["endpoints"][i]["conditions"] = {{"ready", false}, {"serving", serving}, {"terminating", true}};
  return item;
}

// A load balancer's service with a NodePort, an external IP and two ingress addresses.
json exposed() {
  json item = with(service(), "/spec/type", "LoadBalancer");
  item = with(item, "/spec/ports/0/nodePort", 30080);
  item = with(item, "/spec/externalIPs", {"192.0.2.1"});
  return with(item, "/status/loadBalancer/ingress",
              json::parse(R"([{"ip": "203.0.113.9"}, {"ip": "203.0.113.8"}])"));
}

}  // namespace

TEST_CASE("external IPs and the load balancer's addresses are frontends with the service's port") {
  const std::string both = " -> 10.244.0.1:8080 10.244.0.2:8080";
  const Lines expected{"ClusterIP 10.96.0.10:80/TCP" + both, "NodePort 0.0.0.0:30080/TCP" + both,
                       "ExternalIP 192.0.2.1:80/TCP" + both, "LoadBalancer 203.0.113.9:80/TCP" + both,
                       "LoadBalancer 203.0.113.8:80/TCP" + both};
  CHECK(details({exposed(), slice()}) == expected);
  // An address that is both is one frontend.
  CHECK(details({with(exposed(), "/status/loadBalancer/ingress/1/ip", "192.0.2.1"), slice()}) ==
        Lines(expected.begin(), expected.end() - 1));

  json odd = with(exposed(), "/status/loadBalancer/ingress/0", {{"hostname", "lb.example"}});
  odd = with(odd, "/status/loadBalancer/ingress/1/ipMode", "Proxy");
  odd = with(odd, "/spec/externalIPs/0", "2001:db8::1");
  odd = with(odd, "/spec/loadBalancerSourceRanges", {"198.51.100.0/24", "all"});
  const auto cluster = parse_cluster(list({odd, slice()}), "f");
  CHECK(details(cluster) == Lines(expected.begin(), expected.begin() + 2));
  REQUIRE(cluster);
  CHECK(cluster->skipped ==
        std::vector<Skipped>{
            {"default/web", "ExternalIP of a family that it has no cluster IP of"},
            {"default/web", "load balancer without an address: it has a host name"},
            {"default/web", "load balancer with ipMode Proxy: packets come by way of it"},
            {"default/web",
             "loadBalancerSourceRanges: \"all\" is not a range of addresses such as 10.244.0.0/16"}});
  CHECK(first_left_out({with(exposed(), "/spec/externalIPs/0", "x"), slice()}) ==
        "default/web: spec.externalIPs[0]: \"x\" is neither an IPv4 nor an IPv6 address");
}

TEST_CASE("session affinity: none, the default timeout, one of its own") {
  const std::string both = "ClusterIP 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080";
  json sticky = with(service(), "/spec/sessionAffinity", "ClientIP");
  CHECK(details({with(service(), "/spec/sessionAffinity", "None"), slice()}) == Lines{both});
  CHECK(details({sticky, slice()}) == Lines{both + "; affinity 10800"});
  const std::string seconds = "/spec/sessionAffinityConfig/clientIP/timeoutSeconds";
  CHECK(details({with(sticky, seconds, 90), slice()}) == Lines{both + "; affinity 90"});
  CHECK(first_left_out({with(sticky, seconds, 0), slice()}) ==
        "default/web: spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not a whole number "
        "from 1 to 86,400");
  CHECK(first_left_out({with(service(), "/spec/sessionAffinity", "Cookie"), slice()}) ==
        "default/web: spec.sessionAffinity: \"Cookie\" is not None or ClientIP");
}

TEST_CASE("a Local policy keeps this node's endpoints, and knows the cluster's") {
  const std::string both = " 10.244.0.1:8080 10.244.0.2:8080";
  const std::string local = " -> 10.244.0.2:8080; local, of" + both;
  json outside = with(exposed(), "/spec/externalTrafficPolicy", "Local");
  CHECK(details({outside, placed_slice()}, "node-b") ==
        Lines{"ClusterIP 10.96.0.10:80/TCP ->" + both, "NodePort 0.0.0.0:30080/TCP" + local,
              "ExternalIP 192.0.2.1:80/TCP" + local, "LoadBalancer 203.0.113.9:80/TCP" + local,
              "LoadBalancer 203.0.113.8:80/TCP" + local});
  const json inside = with(service(), "/spec/internalTrafficPolicy", "Local");
  CHECK(details({inside, placed_slice()}, "node-b") == Lines{"ClusterIP 10.96.0.10:80/TCP" + local});
  CHECK(details({inside, placed_slice()}, "node-c") ==
        Lines{"ClusterIP 10.96.0.10:80/TCP ->; local, of" + both});
  CHECK(first_left_out({with(service(), "/spec/internalTrafficPolicy", "Zone"), slice()}) ==
        "default/web: spec.internalTrafficPolicy: \"Zone\" is not Cluster or Local");

  SUBCASE("without a node it is taken as Cluster, and that is said") {
    const auto cluster = parse_cluster(list({outside, placed_slice()}), "f");
    REQUIRE(cluster);
    CHECK(details(cluster) == details({exposed(), placed_slice()}));
    CHECK(cluster->notes ==
          Lines{"4 frontends with a Local traffic policy are taken as Cluster: --node NAME "
                "says which node this is"});
  }
  SUBCASE("a node that no endpoint is on is noted") {
    const auto notes = [&](const std::string& node) {
      return parse_cluster(list({inside, placed_slice()}), "f", {.node = node})->notes;
    };
    CHECK(notes("node-c") == Lines{"no endpoint of f is on a node called node-c"});
    CHECK(notes("node-a").empty());
  }
}

TEST_CASE("terminating endpoints keep their flows, and get new ones only where there are no others") {
  const std::string service_line = "ClusterIP 10.96.0.10:80/TCP ->";
  const json both = leaving(leaving(slice(), 0, true), 1, true);
  CHECK(details({service(), leaving(slice(), 0, true)}) ==
        Lines{service_line + " 10.244.0.2:8080; terminating 10.244.0.1:8080"});
  CHECK(details({service(), both}) == Lines{service_line + " 10.244.0.1:8080 10.244.0.2:8080"});
  CHECK(details({service(), leaving(leaving(slice(), 0, true), 1, false)}) ==
        Lines{service_line + " 10.244.0.1:8080; terminating 10.244.0.2:8080"});
  // Neither ready nor terminating: it has not come up yet.
  CHECK(details({service(), with(slice(), "/endpoints/0/conditions/ready", false)}) ==
        Lines{service_line + " 10.244.0.2:8080"});
  // Of this node's only: the last one of the node serves though others elsewhere are ready.
  const json inside = with(service(), "/spec/internalTrafficPolicy", "Local");
  CHECK(details({inside, leaving(placed_slice(), 0, true)}, "node-a") ==
        Lines{service_line + " 10.244.0.1:8080; local, of 10.244.0.2:8080"});
}

TEST_CASE("a slice's annotation is the weight of its endpoints") {
  const std::string annotation = "/metadata/annotations/svcbench~1weight";
  const std::string both = "ClusterIP 10.96.0.10:80/TCP -> 10.244.0.1:8080 10.244.0.2:8080";
  CHECK(details({service(), with(slice(), annotation, "3")}) == Lines{both + "; weights 3 3"});
  const json other = with(slice(), "/metadata/name", "web-2");
  const json plain = with(other, "/endpoints", json::parse(R"([{"addresses": ["10.244.0.3"]}])"));
  CHECK(details({service(), with(slice(), annotation, "3"), plain}) ==
        Lines{both + " 10.244.0.3:8080; weights 3 3 1"});
  for (const std::string wrong : {"0", "65536", "-1", "1.5", "x"}) {
    CHECK(first_left_out({service(), with(slice(), annotation, wrong)}) ==
          "EndpointSlice default/web-1: metadata.annotations.svcbench/weight: \"" + wrong +
              "\" is not a weight (1 to 65535)");
  }
}

TEST_CASE("services that have no frontend are skipped, and named with the reason") {
  json headless = other_service("headless", "None");
  json external = with(with(service(), "/metadata/name", "alias"), "/spec", {{"type", "ExternalName"}});
  json pending = with(with(service(), "/metadata/name", "pending"), "/spec", {{"ports", json::array()}});
  json portless = with(other_service("portless", "10.96.0.11"), "/spec/ports", nullptr);
  json half = other_service("half", "10.96.0.12");
  half["spec"]["ports"].push_back({{"name", "sip"}, {"port", 5060}, {"protocol", "SCTP"}});
  const auto cluster = parse_cluster(list({headless, external, pending, portless, half}), "f");
  REQUIRE(cluster);
  CHECK(lines(cluster) == Lines{"ClusterIP default/half:http 10.96.0.12:80/TCP ->"});
  CHECK(cluster->skipped ==
        std::vector<Skipped>{{"default/headless", "headless: clusterIP is None"},
                             {"default/alias", "ExternalName: a DNS alias without a cluster IP"},
                             {"default/pending", "no cluster IP"},
                             {"default/portless", "no ports"},
                             {"default/half:sip", "SCTP: only TCP and UDP are measured"}});
}

TEST_CASE("other kinds of item are ignored, also another API's kind of the same name") {
  const json pod{{"apiVersion", "v1"}, {"kind", "Pod"}, {"spec", 7}};
  const json knative{{"apiVersion", "serving.knative.dev/v1"}, {"kind", "Service"}, {"spec", 7}};
  CHECK(lines({pod, service(), knative, slice()}) == lines({service(), slice()}));
}

TEST_CASE("a file without a ClusterIP frontend is refused, with how many were skipped") {
  CHECK(error({other_service("headless", "None"), other_service("headless-too", "None")}) ==
        "f: no ClusterIP frontend in it; 2 skipped, the first default/headless (headless: clusterIP is "
        "None)");
  CHECK(error(std::vector<json>{}) == "f: no Service in it, and 0 skipped; " + remedy);
}

TEST_CASE("text that is no JSON is refused by what it is") {
  CHECK(error("") == "f: empty; " + remedy);
  CHECK(error(" \r\n\t") == "f: empty; " + remedy);
  CHECK(error("NAMESPACE  NAME\n") ==
        "f: kubectl's table, which does not have all that is needed; " + remedy);
  CHECK(error("hello\n") == "f: neither JSON nor YAML in line 1, \"hello\"; " + remedy);
  CHECK(error("<html>\n") == "f: HTML or XML (line 1: \"<html>\"); " + remedy);
  CHECK(error("\x1f\x8b\x08 and so on") == "f: gzip, not text; " + remedy);
  CHECK(error("{\n  \"kind\": \"List\",\n  items: []}") == "f: not JSON at byte 23, in line 3; " + remedy);
  CHECK(error(list({service()}) + std::string(1, '\0')).starts_with("f: not JSON at byte "));
  CHECK(error(std::string_view("{}\0{}", 5)) == "f: not JSON at byte 3, in line 1; " + remedy);
  CHECK(error("{\"kind\": \"\xff\"}") == "f: not JSON at byte 11, in line 1; " + remedy);
  CHECK(error("{\"kind\": 1e999}") == "f: a number in it is out of range; " + remedy);
}

TEST_CASE("truncated JSON is refused wherever it breaks off, with the byte") {
  const std::string whole = list({service(), slice()});
  for (std::size_t size = 1; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK(error(std::string_view(whole).substr(0, size)) ==
          fmt::format("f: the JSON breaks off at byte {}, its last; {}", size, remedy));
    if (size == 999) {
      break;  // from here on the number has a comma
    }
  }
}

TEST_CASE("JSON of another kind has nothing in it, and that is said") {
  CHECK(error("{}") ==
        "f: no ClusterIP frontend in it; 1 skipped, the first object 1 (kind: expected a string, found "
        "nothing)");
  CHECK(error(R"({"kind": "Pod", "apiVersion": "v1"})") ==
        "f: no Service in it (but 1 Pod), and 0 skipped; " + remedy);
  CHECK(error("{\"kind\": \"\\u001b[2J\"}") ==
        "f: no Service in it (but 1 \\x1b[2J), and 0 skipped; " + remedy);
  CHECK(error("[]") == "f: no Service in it, and 0 skipped; " + remedy);
  CHECK(error("[7]") ==
        "f: no ClusterIP frontend in it; 1 skipped, the first object 1 (it: expected an object, found a "
        "number)");
  CHECK(error("null") == "f: neither JSON nor YAML in line 1, \"null\"; " + remedy);
  const std::string refusal = R"({"kind": "Status", "apiVersion": "v1", "message": "Unauthorized"})";
  CHECK(error(refusal).find("said in place of objects: \"Unauthorized\"") != std::string::npos);
}

TEST_CASE("nesting without end is no crash") {
  CHECK(error(std::string(2'000'000, '[')) ==
        "f: the JSON breaks off at byte 2,000,000, its last; " + remedy);
  CHECK(error(std::string(1'000'000, '[') + std::string(1'000'000, ']')) ==
        "f: no Service in it, and 0 skipped; " + remedy);
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  CHECK(error("{\"kind\": \"Service\", \"spec\": " + deep + "}") != "no error");
}

TEST_CASE("a wrong type anywhere is a sentence that says where and what was expected") {
  const auto of_text = [](const std::string& text) {
    const auto cluster = parse_cluster(text, "f", {.may_be_empty = true});
    REQUIRE(cluster);
    REQUIRE(cluster->skipped.size() == 1);
    return cluster->skipped.front().name + ": " + cluster->skipped.front().reason;
  };
  CHECK(of_text(R"({"kind": 3})") == "object 1: kind: expected a string, found a number");
  const std::string no_items = "List, object 1: items: expected an array, found ";
  CHECK(of_text(R"({"kind": "List", "apiVersion": "v1"})") == no_items + "nothing");
  CHECK(of_text(R"({"kind": "List", "apiVersion": "v1", "items": null})") == no_items + "nothing");
  CHECK(of_text(R"({"kind": "List", "apiVersion": "v1", "items": [true]})") ==
        "object 1: it: expected an object, found a boolean");
  CHECK(of_text(R"({"kind": "List", "items": [{"kind": []}]})") ==
        "object 1: kind: expected a string, found an array");

  const auto service_error = [](const std::string& path, json value) {
    return first_left_out({with(service(), path, std::move(value)), slice()});
  };
  CHECK(service_error("/apiVersion", 1) == "object 1: apiVersion: expected a string, found a number");
  CHECK(service_error("/metadata", "x") ==
        "Service, object 1: metadata: expected an object, found a string");
  CHECK(service_error("/spec", 1) == "default/web: spec: expected an object, found a number");
  CHECK(service_error("/spec", json::array()) == "default/web: spec: expected an object, found an array");
  CHECK(service_error("/spec/type", 1) == "default/web: spec.type: expected a string, found a number");
  CHECK(service_error("/spec/clusterIPs", "x") ==
        "default/web: spec.clusterIPs: expected an array, found a string");
  CHECK(service_error("/spec/clusterIPs/0", 1) ==
        "default/web: spec.clusterIPs[0]: expected a string, found a number");
  CHECK(service_error("/spec/ports", "x") == "default/web: spec.ports: expected an array, found a string");
  CHECK(service_error("/spec/ports/0", 80) ==
        "default/web: spec.ports[0]: expected an object, found a number");
  CHECK(service_error("/spec/ports/0/name", 80) ==
        "default/web: spec.ports[0].name: expected a string, found a number");
  CHECK(service_error("/spec/ports/0/protocol", 6) ==
        "default/web: spec.ports[0].protocol: expected a string, found a number");
  CHECK(first_left_out({with(without(service(), "/spec", "clusterIPs"), "/spec/clusterIP", 1)}) ==
        "default/web: spec.clusterIP: expected a string, found a number");

  const auto slice_error = [](const std::string& path, json value) {
    return first_left_out({service(), with(slice(), path, std::move(value))});
  };
  CHECK(slice_error("/metadata/labels", 1) ==
        "EndpointSlice default/web-1: metadata.labels: expected an object, found a number");
  CHECK(slice_error("/metadata/labels/kubernetes.io~1service-name", 1) ==
        "EndpointSlice default/web-1: metadata.labels.kubernetes.io/service-name: expected a string, "
        "found a "
        "number");
  CHECK(slice_error("/endpoints/1/conditions", true) ==
        "EndpointSlice default/web-1: endpoints[1].conditions: expected an object, found a boolean");
  CHECK(slice_error("/addressType", 4) ==
        "EndpointSlice default/web-1: addressType: expected a string, found a number");
  CHECK(slice_error("/endpoints", json::object()) ==
        "EndpointSlice default/web-1: endpoints: expected an array, found an object");
  CHECK(slice_error("/endpoints/1", "x") ==
        "EndpointSlice default/web-1: endpoints[1]: expected an object, found a string");
  CHECK(slice_error("/endpoints/1/conditions", "x") ==
        "EndpointSlice default/web-1: endpoints[1].conditions: expected an object, found a string");
  CHECK(slice_error("/endpoints/1/conditions/ready", "true") ==
        "EndpointSlice default/web-1: endpoints[1].conditions.ready: expected a boolean, found a string");
  CHECK(slice_error("/endpoints/1/addresses", "x") ==
        "EndpointSlice default/web-1: endpoints[1].addresses: expected an array, found a string");
  CHECK(slice_error("/endpoints/1/addresses", json::array()) ==
        "EndpointSlice default/web-1: endpoints[1]: an endpoint without an address");
  CHECK(slice_error("/ports", "x") ==
        "EndpointSlice default/web-1: ports: expected an array, found a string");
}

TEST_CASE("values outside of what Kubernetes defines") {
  CHECK(first_left_out({with(service(), "/spec/ports/0/protocol", "tcp\n")}) ==
        "default/web: spec.ports[0].protocol: \"tcp\\x0a\" is not TCP, UDP or SCTP");
  CHECK(first_left_out({service(), with(slice(), "/addressType", "IP")}) ==
        "EndpointSlice default/web-1: addressType: \"IP\" is not IPv4, IPv6 or FQDN");
}

TEST_CASE("what is no port is refused: of a service, of a node, of a slice") {
  const std::vector<std::pair<json, std::string>> wrong{
      {70'000, ": 70000 is not a port (1 to 65535)"},
      {65'536, ": 65536 is not a port (1 to 65535)"},
      {-1, ": -1 is not a port (1 to 65535)"},
      {80.5, ": 80.5 is not a port (1 to 65535)"},
      {4'294'967'376, ": 4294967376 is not a port (1 to 65535)"},
      {18'446'744'073'709'551'615U, ": 18446744073709551615 is not a port (1 to 65535)"},
      {"80", ": expected a port number, found a string"},
      {json::array(), ": expected a port number, found an array"},
  };
  for (const auto& [value, message] : wrong) {
    const std::string complaint = message;  // clang 14 captures no structured binding
    CAPTURE(complaint);
    CHECK(first_left_out({with(service(), "/spec/ports/0/port", value)}) ==
          "default/web: spec.ports[0].port" + complaint);
    CHECK(first_left_out({with(service(), "/spec/ports/0/nodePort", value)}) ==
          "default/web:http: spec.ports[0].nodePort" + complaint);
    CHECK(first_left_out({service(), with(slice(), "/ports/0/port", value)}) ==
          "EndpointSlice default/web-1: ports[0].port" + complaint);
  }
  CHECK(first_left_out({with(service(), "/spec/ports/0/port", 0)}) ==
        "default/web: spec.ports[0].port: 0 is not a port (1 to 65535)");
  CHECK(first_left_out({without(service(), "/spec/ports/0", "port")}) ==
        "default/web: spec.ports[0].port: expected a port number, found nothing");
  CHECK(first_left_out({service(), with(slice(), "/ports/0/port", 0)}) ==
        "EndpointSlice default/web-1: ports[0].port: 0 is not a port (1 to 65535)");
  CHECK(error({with(service(), "/spec/ports/0/port", 65'535)}) == "no error");
}

TEST_CASE("what is no address is refused: of a service, of an endpoint") {
  CHECK(first_left_out({other_service("web", "10.96.0.300")}) ==
        "default/web: spec.clusterIPs[0]: \"10.96.0.300\" is neither an IPv4 nor an IPv6 address");
  CHECK(first_left_out({other_service("web", "0.0.0.0")}) ==
        "default/web: spec.clusterIPs[0]: 0.0.0.0 is the address of nothing");
  CHECK(first_left_out({service(), with(slice(), "/endpoints/0/addresses/0", "pod-1")}) ==
        "EndpointSlice default/web-1: endpoints[0].addresses[0]: \"pod-1\" is neither an IPv4 nor an IPv6 "
        "address");
  CHECK(first_left_out({service(), with(slice(), "/endpoints/0/addresses/0", "")}) ==
        "EndpointSlice default/web-1: endpoints[0].addresses[0]: is empty");
  CHECK(first_left_out({service(), with(slice(), "/endpoints/0/addresses/0", "fd00::1")}) ==
        "EndpointSlice default/web-1: endpoints[0].addresses[0]: fd00::1 stands in a slice of IPv4 "
        "addresses");
}

TEST_CASE("of two services with one frontend the older one keeps it, and the other's is left out by name") {
  const json copy = other_service("copy", "10.96.0.10");
  CHECK(left_out({service(), copy}) ==
        Lines{"default/web:http: ClusterIP 10.96.0.10:80/TCP is default/copy:http's already"});
  CHECK(left_out({with(service(), "/metadata/creationTimestamp", "2026-01-01T00:00:00Z"),
                  with(copy, "/metadata/creationTimestamp", "2026-01-02T00:00:00Z")}) ==
        Lines{"default/copy:http: ClusterIP 10.96.0.10:80/TCP is default/web:http's already"});
  // The rest of the Service stays.
  const json both_nodes = with(other_service("copy", "10.96.0.11"), "/spec/ports/0/nodePort", 30080);
  const auto cluster =
      parse_cluster(list({both_nodes, with(service(), "/spec/ports/0/nodePort", 30080)}), "f");
  REQUIRE(cluster);
  CHECK(lines(cluster) == Lines{"ClusterIP default/copy:http 10.96.0.11:80/TCP ->",
                                "NodePort default/copy:http 0.0.0.0:30080/TCP ->",
                                "ClusterIP default/web:http 10.96.0.10:80/TCP ->"});
  CHECK(cluster->skipped ==
        std::vector<Skipped>{
            {"default/web:http", "NodePort 0.0.0.0:30080/TCP is default/copy:http's already"}});
  CHECK(left_out({service(), with(other_service("udp", "10.96.0.10"), "/spec/ports/0/protocol", "UDP")}) ==
        Lines{});
}

TEST_CASE("more endpoints than a service may have: it is left out, with the flag that raises the limit") {
  json large = with(slice(), "/endpoints", json::array());
  for (int i = 0; i < 1'000; ++i) {
    large["endpoints"].push_back({{"addresses", {fmt::format("10.244.{}.{}", i / 250, i % 250)}}});
  }
  const auto told = [](const std::string& most) {
    return "default/web:http: 1,000 endpoints, more than the " + most +
           " that --max-endpoints allows; raise it, up to 4,095";
  };
  CHECK(left_out({service(), large}) == Lines{told("512")});
  CHECK(left_out({service(), large}, {.max_endpoints = 1'000}) == Lines{});
  CHECK(left_out({service(), large}, {.max_endpoints = 999}) == Lines{told("999")});
  CHECK(lines({service(), large, other_service("copy", "10.96.0.11")}) ==
        Lines{"ClusterIP default/copy:http 10.96.0.11:80/TCP ->"});
}

TEST_CASE("missing and hostile names are refused, and never printed raw") {
  CHECK(first_left_out({without(service(), "/metadata", "name")}) ==
        "Service, object 1: metadata.name: expected a string, found nothing");
  CHECK(first_left_out({without(service(), "", "metadata")}) ==
        "Service, object 1: metadata.name: expected a string, found nothing");
  // A manifest's namespace is the default one.
  CHECK(lines({without(service(), "/metadata", "namespace"), without(slice(), "/metadata", "namespace")}) ==
        lines({service(), slice()}));
  const std::string rule = " is not a Kubernetes name (at most 253 of a-z, 0-9, - and .)";
  CHECK(first_left_out({other_service("web\x1b[2J\n", "10.96.0.1")}) ==
        "Service, object 1: metadata.name: \"web\\x1b[2J\\x0a\"" + rule);
  CHECK(first_left_out({with(service(), "/metadata/namespace", "a b")}) ==
        "Service, object 1: metadata.namespace: \"a b\"" + rule);
  CHECK(first_left_out({with(service(), "/spec/ports/0/name", "; flush ruleset")}) ==
        "default/web: spec.ports[0].name: \"; flush ruleset\"" + rule);
  CHECK(first_left_out({other_service(std::string(254, 'a'), "10.96.0.1")}) ==
        "Service, object 1: metadata.name: \"" + std::string(80, 'a') + "...\"" + rule);
  CHECK(error({other_service(std::string(253, 'a'), "10.96.0.1")}) == "no error");
}

TEST_CASE("every member turned into every other type leaves it out and never refuses the file") {
  const json whole = json::parse(list({with(with(exposed(), "/spec/sessionAffinity", "ClientIP"),
                                            "/spec/sessionAffinityConfig/clientIP/timeoutSeconds", 60),
                                       placed_slice()}));
  std::size_t told = 0;
  const json flat = whole.flatten();  // keys: the paths of all leaves
  for (const auto& [path, unused] : flat.items()) {
    for (json::json_pointer at(path); !at.empty(); at.pop_back()) {
      for (const json& value :
           {json(), json(true), json(-1), json(1.5), json("x"), json::array(), json::object()}) {
        json changed = whole;
        changed[at] = value;
        const auto cluster = parse_cluster(changed.dump(), "f", {.may_be_empty = true});
        REQUIRE(cluster);
        told += cluster->skipped.size();
      }
    }
  }
  CHECK(told > 500);
}

TEST_CASE("a file that cannot be read is refused with the reason") {
  const auto missing = read_cluster("/nonexistent/services.json");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == Error::Kind::usage);
  CHECK(missing.error().message == "cannot read /nonexistent/services.json: No such file or directory");
  const auto directory = read_cluster("/");
  REQUIRE_FALSE(directory);
  CHECK(directory.error().message == "cannot read /: Is a directory");
}

TEST_CASE("- is standard input") {
  const int saved = dup(STDIN_FILENO);
  REQUIRE(std::freopen(kind_file.c_str(), "r", stdin) != nullptr);
  const auto cluster = read_cluster("-");
  std::clearerr(stdin);
  dup2(saved, STDIN_FILENO);
  close(saved);
  CHECK(lines(cluster) == lines(read_cluster(kind_file)));

  REQUIRE(lines(cluster).size() == 9);
}
