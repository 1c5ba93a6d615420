// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What a real kube-proxy is served: objects, the store of them, and the API over loopback.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "plane/real_kube_proxy/api_server.h"
#include "plane/real_kube_proxy/kubernetes_objects.h"
#include "plane/real_kube_proxy/object_store.h"
#include "sys/fd.h"

using namespace svcbench;
using namespace svcbench::kubernetes;
using nlohmann::json;

namespace {

Address address(const char* text) { return *Address::parse(text); }

Service service(const std::string& name, const char* vip, std::uint16_t port,
                std::vector<Endpoint> endpoints, FrontendKind kind = FrontendKind::cluster_ip) {
  Service out;
  out.name = name;
  out.kind = kind;
  out.frontend = {address(vip), port, Protocol::tcp};
  out.endpoints = std::move(endpoints);
  return out;
}

Endpoint pod(int last, std::uint16_t port = 8080) {
  return {address(("10.0.0." + std::to_string(last)).c_str()), port};
}

const json& only(const Objects& objects, Resource resource) {
  const auto found = std::find_if(objects.begin(), objects.end(),
                                  [&](const auto& one) { return one.first.resource == resource; });
  REQUIRE(found != objects.end());
  return found->second;
}

Objects objects_of_one(const std::vector<Service>& frontends) {
  auto made = objects_of(frontends, "here");
  REQUIRE(made);
  return *made;
}

// A client of loopback that says a request and reads what comes.
class Client {
 public:
  Client(std::uint16_t port, const std::string& target, const std::string& method = "GET",
         const std::string& body = "") {
    socket_ = Fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(connect(socket_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to)) == 0);
    const timeval patience{20, 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const std::string request =
        method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
        (body.empty() ? "" : "Content-Length: " + std::to_string(body.size()) + "\r\n") + "\r\n" + body;
    REQUIRE(send(socket_.get(), request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  }

  // Until `text` has come, or the connection ended; all that came so far.
  std::string read_until(const std::string& text) {
    while (seen_.find(text) == std::string::npos) {
      char buffer[4096];
      const ssize_t count = recv(socket_.get(), buffer, sizeof(buffer), 0);
      if (count <= 0) {
        break;
      }
      seen_.append(buffer, static_cast<std::size_t>(count));
    }
    return seen_;
  }
  std::string all() { return read_until("no such text in any answer"); }

  void hang_up() { socket_.reset(); }

 private:
  Fd socket_;
  std::string seen_{};
};

json body_of(const std::string& answer) {
  return json::parse(answer.substr(answer.find("\r\n\r\n") + 4), nullptr, false);
}

}  // namespace

TEST_CASE("kubernetes: a Service has its frontends' addresses, ports and policies") {
  std::vector<Service> frontends{
      service("shop/web:http", "10.96.0.1", 80, {pod(1), pod(2)}),
      service("shop/web:http", "0.0.0.0", 30080, {pod(1), pod(2)}, FrontendKind::node_port),
      service("shop/web:https", "10.96.0.1", 443, {pod(1, 8443)}),
      service("shop/web:http", "192.0.2.7", 80, {pod(1), pod(2)}, FrontendKind::load_balancer)};
  frontends[3].source_ranges = {"203.0.113.0/24"};
  const Objects objects = objects_of_one(frontends);
  const json& made = only(objects, Resource::services);
  CHECK(made["metadata"]["namespace"] == "shop");
  CHECK(made["metadata"]["name"] == "web");
  CHECK(made["spec"]["clusterIP"] == "10.96.0.1");
  CHECK(made["spec"]["clusterIPs"] == json({"10.96.0.1"}));
  CHECK(made["spec"]["type"] == "LoadBalancer");
  CHECK(made["spec"]["loadBalancerSourceRanges"] == json({"203.0.113.0/24"}));
  CHECK(made["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.7");
  REQUIRE(made["spec"]["ports"].size() == 2);
  CHECK(made["spec"]["ports"][0]["nodePort"] == 30080);
  CHECK(made["spec"]["ports"][0]["port"] == 80);
  CHECK(made["spec"]["ports"][1]["name"] == "https");
  CHECK(made["spec"]["sessionAffinity"] == "None");
  // One slice a port and number: 8080 and 8443.
  CHECK(objects.size() == 3);
}

TEST_CASE("kubernetes: slices tell ready from terminating endpoints, and whose node they are on") {
  Service local = service("a/b", "10.96.0.1", 80, {pod(1)});
  local.local_only = true;
  local.cluster_endpoints = {pod(1), pod(2)};
  local.terminating = {pod(3)};
  local.affinity_seconds = 60;
  const Objects objects = objects_of_one({local});
  const json& slice = only(objects, Resource::endpoint_slices);
  CHECK(slice["metadata"]["labels"]["kubernetes.io/service-name"] == "b");
  CHECK(slice["addressType"] == "IPv4");
  REQUIRE(slice["endpoints"].size() == 3);
  CHECK(slice["endpoints"][0]["nodeName"] == "here");
  CHECK(slice["endpoints"][1]["nodeName"] != "here");
  CHECK(slice["endpoints"][2]["conditions"]["ready"] == false);
  CHECK(slice["endpoints"][2]["conditions"]["serving"] == true);
  const json& made = only(objects, Resource::services);
  CHECK(made["spec"]["internalTrafficPolicy"] == "Local");
  CHECK(made["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"] == 60);
}

TEST_CASE("kubernetes: what no Service can be is refused by name") {
  const auto no_cluster_ip =
      objects_of(std::vector{service("a/b", "0.0.0.0", 30000, {}, FrontendKind::node_port)}, "here");
  REQUIRE_FALSE(no_cluster_ip);
  CHECK(no_cluster_ip.error().message.find("a/b has no ClusterIP") != std::string::npos);
  const auto no_namespace = objects_of(std::vector{service("b", "10.96.0.1", 80, {})}, "here");
  REQUIRE_FALSE(no_namespace);
  const auto two_ports = objects_of(
      std::vector{service("a/b", "10.96.0.1", 80, {}), service("a/b", "10.96.0.2", 81, {})}, "here");
  REQUIRE_FALSE(two_ports);
}

TEST_CASE("store: versions rise, the same again is no event, and who comes too late is told") {
  ObjectStore store(2);
  const Objects first = objects_of_one({service("a/b", "10.96.0.1", 80, {pod(1)})});
  CHECK(store.put(first) == 2);
  CHECK(store.put(first) == 0);
  const std::uint64_t before = store.version();
  CHECK(store.put(objects_of_one({service("a/b", "10.96.0.1", 80, {pod(2)})})) == 1);
  const auto events = store.events_after(Resource::endpoint_slices, before, std::chrono::milliseconds(0));
  REQUIRE(events);
  REQUIRE(events->size() == 1);
  const json event = json::parse(events->front().line);
  CHECK(event["type"] == "MODIFIED");
  CHECK(event["object"]["endpoints"][0]["addresses"][0] == "10.0.0.2");
  CHECK(event["object"]["metadata"]["resourceVersion"] == std::to_string(store.version()));
  CHECK(store.events_after(Resource::services, before, std::chrono::milliseconds(0))->empty());
  CHECK(store.remove({{Resource::services, "a/b"}, {Resource::services, "a/none"}}) == 1);
  CHECK_FALSE(store.events_after(Resource::services, 1, std::chrono::milliseconds(0)));
  CHECK_FALSE(store.events_after(Resource::services, store.version() + 1, std::chrono::milliseconds(0)));
}

TEST_CASE("API: lists, watches from a version, and refuses what it does not serve") {
  ObjectStore store;
  store.put(objects_of_one({service("a/b", "10.96.0.1", 80, {pod(1)})}));
  store.put({{{Resource::nodes, "here"}, node_object("here", {})}});
  auto server = ApiServer::start(store);
  REQUIRE(server);
  const std::uint16_t port = (*server)->port();

  const json list = body_of(Client(port, "/api/v1/services?limit=500&resourceVersion=0").all());
  CHECK(list["kind"] == "ServiceList");
  REQUIRE(list["items"].size() == 1);
  const std::string version = list["metadata"]["resourceVersion"];
  CHECK(body_of(Client(port, "/apis/discovery.k8s.io/v1/endpointslices").all())["items"].size() == 1);
  CHECK(body_of(Client(port, "/apis/discovery.k8s.io/v1beta1/endpointslices").all())["items"].size() == 1);
  CHECK(body_of(Client(port, "/apis/networking.k8s.io/v1/servicecidrs").all())["items"].empty());
  CHECK(body_of(Client(port, "/api/v1/nodes/here").all())["metadata"]["name"] == "here");
  CHECK(Client(port, "/api/v1/nodes/there").all().find("404 Not Found") != std::string::npos);
  CHECK(Client(port, "/api/v1/pods").all().find("404 Not Found") != std::string::npos);
  CHECK((*server)->not_served() == std::vector<std::string>{"GET /api/v1/pods"});
  const std::string posted =
      Client(port, "/api/v1/namespaces/default/events", "POST", "{\"kind\":\"Event\"}").all();
  CHECK(posted.find("201 Created") != std::string::npos);
  CHECK(body_of(posted)["kind"] == "Event");

  Client watch(port, "/api/v1/services?watch=true&resourceVersion=" + version);
  watch.read_until("\r\n\r\n");
  store.put(objects_of_one({service("a/c", "10.96.0.2", 80, {})}));
  CHECK(watch.read_until("10.96.0.2").find("\"type\":\"ADDED\"") != std::string::npos);
  store.remove({{Resource::services, "a/b"}});
  CHECK(watch.read_until("DELETED").find("10.96.0.1") != std::string::npos);

  // From nothing: what is there comes first.
  Client fresh(port, "/api/v1/services?watch=1&resourceVersion=0");
  CHECK(fresh.read_until("10.96.0.2").find("ADDED") != std::string::npos);
  // A list that is asked for as a watch, and a version that nobody gave.
  CHECK(Client(port, "/api/v1/services?watch=true&sendInitialEvents=true").all().find("422") !=
        std::string::npos);
  CHECK(Client(port, "/api/v1/services?watch=true&resourceVersion=old").all().find("422") !=
        std::string::npos);
  const std::string gone = Client(port, "/api/v1/services?watch=true&resourceVersion=999999").all();
  CHECK(gone.find("\"code\":410") != std::string::npos);
  // A watch's time is over: it ends by itself.
  const std::string ended =
      Client(port, "/api/v1/nodes?watch=true&timeoutSeconds=1&resourceVersion=" + version).all();
  CHECK(ended.find("\r\n0\r\n") != std::string::npos);
}

TEST_CASE("API: clients that hang up, or that do not read, hold nobody up") {
  ObjectStore store;
  store.put(objects_of_one({service("a/b", "10.96.0.1", 80, {pod(1)})}));
  auto server = ApiServer::start(store);
  REQUIRE(server);
  const std::uint16_t port = (*server)->port();
  const std::string from = "&resourceVersion=" + std::to_string(store.version());
  Client lazy(port, "/apis/discovery.k8s.io/v1/endpointslices?watch=true" + from);
  for (int i = 0; i < 10; ++i) {
    Client(port, "/apis/discovery.k8s.io/v1/endpointslices?watch=true" + from).hang_up();
  }
  Client watch(port, "/apis/discovery.k8s.io/v1/endpointslices?watch=true" + from);
  watch.read_until("\r\n\r\n");
  // More than a socket holds: 1,000 events of some 600 bytes.
  for (int i = 0; i < 1000; ++i) {
    store.put(objects_of_one(
        {service("a/b", "10.96.0.1", 80, {pod(1 + i % 200, static_cast<std::uint16_t>(8080))})}));
  }
  store.put(objects_of_one({service("a/last", "10.96.0.9", 80, {pod(250)})}));
  const std::string seen = watch.read_until("10.0.0.250");
  CHECK(std::count(seen.begin(), seen.end(), '\n') > 1000);  // each event was a line
  CHECK(seen.find("\"type\":\"ERROR\"") == std::string::npos);
  server->reset();  // with the lazy one still there
}
