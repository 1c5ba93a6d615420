// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A cluster's file as kube-proxy is served it.
#include "plane/real_kube_proxy/served_cluster.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace svcbench;
using namespace svcbench::kubernetes;
using nlohmann::json;

namespace {

Objects served(const std::vector<json>& file) {
  return served_cluster(file, "node-1", std::vector{*Address::parse("192.0.2.1")});
}

json service(const std::string& name, json spec, const json& labels = json::object()) {
  return {{"kind", "Service"},
          {"apiVersion", "v1"},
          {"metadata", {{"name", name}, {"labels", labels}}},
          {"spec", std::move(spec)}};
}

}  // namespace

TEST_CASE("served cluster: what an API server adds to a Service") {
  const Objects objects = served(
      {service("a",
               {{"clusterIP", "10.96.0.1"}, {"sessionAffinity", "ClientIP"}, {"ports", {{{"port", 80}}}}}),
       service(
           "b",
           {{"clusterIPs", {"fd00::1", "10.96.0.2"}}, {"type", "NodePort"}, {"ports", json::array()}})});
  const json& a = objects.at({Resource::services, "default/a"});
  CHECK(a["metadata"]["uid"].is_string());
  CHECK(a["spec"]["clusterIPs"] == json{"10.96.0.1"});
  CHECK(a["spec"]["type"] == "ClusterIP");
  CHECK(a["spec"]["ports"][0]["protocol"] == "TCP");
  CHECK(a["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 10'800);
  CHECK(a["spec"]["internalTrafficPolicy"] == "Cluster");
  CHECK_FALSE(a["spec"].contains("externalTrafficPolicy"));
  const json& b = objects.at({Resource::services, "default/b"});
  CHECK(b["spec"]["clusterIP"] == "fd00::1");
  CHECK(b["spec"]["ipFamilies"] == json{"IPv6", "IPv4"});
  CHECK(b["spec"]["externalTrafficPolicy"] == "Cluster");
}

TEST_CASE("served cluster: what is another proxy's, of another API or without a name is not served") {
  const json spec{{"clusterIP", "10.96.0.1"}};
  json knative = service("k", spec);
  knative["apiVersion"] = "serving.knative.dev/v1";
  const Objects objects =
      served({service("a", spec, {{"service.kubernetes.io/service-proxy-name", "other"}}),
              service("b", spec, {{"service.kubernetes.io/headless", ""}}), knative,
              json{{"kind", "Service"}}, json{{"kind", "Service"}, {"metadata", 7}}, json(5)});
  CHECK(objects.size() == 1);  // the node
  CHECK(objects.contains({Resource::nodes, "node-1"}));
}

TEST_CASE("served cluster: of an object that stands twice the newer one, and the file's node's zone") {
  json newer = service("a", {{"clusterIP", "10.96.0.2"}});
  newer["metadata"]["resourceVersion"] = "12";
  json older = service("a", {{"clusterIP", "10.96.0.1"}});
  older["metadata"]["resourceVersion"] = "9";
  const json node{
      {"kind", "Node"},
      {"metadata", {{"name", "node-1"}, {"labels", {{"topology.kubernetes.io/zone", "zone-a"}}}}}};
  const Objects objects = served({newer, older, node});
  CHECK(objects.at({Resource::services, "default/a"})["spec"]["clusterIP"] == "10.96.0.2");
  CHECK(objects.at({Resource::nodes, "node-1"})["metadata"]["labels"]["topology.kubernetes.io/zone"] ==
        "zone-a");
}

TEST_CASE("served cluster: slices of v1beta1, and those that stand for Endpoints") {
  const json slice{
      {"kind", "EndpointSlice"},
      {"apiVersion", "discovery.k8s.io/v1beta1"},
      {"metadata", {{"name", "a-1"}, {"labels", {{"kubernetes.io/service-name", "a"}}}}},
      {"ports", {{{"port", 8080}}}},
      {"endpoints", {{{"addresses", {"10.0.0.1"}}, {"topology", {{"kubernetes.io/hostname", "node-1"}}}}}}};
  const auto endpoints = [](const std::string& name) {
    return json{{"kind", "Endpoints"},
                {"metadata", {{"name", name}}},
                {"subsets",
                 {{{"addresses", {{{"ip", "10.0.0.2"}}}},
                   {"notReadyAddresses", {{{"ip", "10.0.0.3"}}}},
                   {"ports", {{{"port", 8080}}}}}}}};
  };
  const Objects objects = served({endpoints("a"), endpoints("b"), slice});
  const json& own = objects.at({Resource::endpoint_slices, "default/a-1"});
  CHECK(own["apiVersion"] == "discovery.k8s.io/v1");
  CHECK(own["endpoints"][0]["nodeName"] == "node-1");
  CHECK(own["ports"][0]["name"] == "");
  CHECK(own["addressType"] == "IPv4");
  std::size_t mirrored = 0;
  for (const auto& [key, object] : objects) {
    if (key.resource == Resource::endpoint_slices && key.name != "default/a-1") {
      ++mirrored;
      CHECK(object["metadata"]["labels"]["kubernetes.io/service-name"] == "b");
      REQUIRE(object["endpoints"].size() == 2);
      CHECK(object["endpoints"][0]["conditions"]["ready"] == true);
      CHECK(object["endpoints"][1]["addresses"] == json{"10.0.0.3"});
      CHECK(object["endpoints"][1]["conditions"]["ready"] == false);
    }
  }
  CHECK(mirrored == 1);
}
