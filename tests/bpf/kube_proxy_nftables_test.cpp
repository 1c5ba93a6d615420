// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// kube-proxy's nftables plane against nft and the kernel, in namespaces of its own. Needs root.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "plane/kube_proxy/nftables.h"
#include "plane_checks.h"
#include "private_place.h"
#include "service/cluster.h"
#include "sys/child_process.h"
#include "sys/fd.h"
#include "sys/memfd.h"

namespace svcbench {
namespace {

using Services = std::vector<Service>;
using test::must;

// Both families and protocols, `endpoints` of each service but every ninth, and two ports on each
// ClusterIP.
Service service_number(std::uint32_t i, std::uint32_t endpoints) {
  const bool six = i % 5 == 4;
  Service one;
  one.name = fmt::format("test/service-{}:port-{}", i / 2, i % 2);
  one.frontend.address =
      six ? Address::from_ipv6(0xfd00'0096'0000'0000, i / 2 + 1) : Address::from_ipv4(0x0A600001U + i / 2);
  one.frontend.port = static_cast<std::uint16_t>(80 + i % 2);
  one.frontend.protocol = i % 3 == 0 ? Protocol::udp : Protocol::tcp;
  for (std::uint32_t e = 0; e < (i % 9 == 8 ? 0 : endpoints); ++e) {
    one.endpoints.push_back({six ? Address::from_ipv6(0xfd00'0180'0000'0000, 100 * i + e)
                                 : Address::from_ipv4(0x0AB40000U + 100 * i + e),
                             static_cast<std::uint16_t>(8000 + e)});
  }
  return one;
}

Service node_port_of(const Service& service, std::uint16_t port) {
  Service node = service;
  node.kind = FrontendKind::node_port;
  node.frontend.port = port;
  node.frontend.address.bytes = {};
  return node;
}

Services numbered(std::uint32_t count, std::uint32_t endpoints) {
  Services services;
  for (std::uint32_t i = 0; i < count; ++i) {
    services.push_back(service_number(i, endpoints));
  }
  return services;
}

std::unique_ptr<DataPlane> new_plane() { return must(make_nftables({})); }

void install(DataPlane& plane, const Services& services) { must(plane.install(services)); }

void check_holds(const DataPlane& plane, const Services& services) {
  const Services found = test::check_holds(plane, services);
  for (std::size_t i = 0; i < found.size(); ++i) {
    CHECK(found[i].name == services[i].name);
  }
}

void change(DataPlane& plane, Operation operation, const Service& service) {
  test::change(plane, operation, service);
  const SyncCost cost = plane.sync_cost();
  CHECK(cost.generate_ns > 0);
  CHECK(cost.commit_ns > 0);
  CHECK(cost.tools == 1);
  CHECK(cost.input_bytes > 0);
}

std::string nft(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv{"nft"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto result = run_child(argv);
  REQUIRE_MESSAGE(result, result.error().message);
  CHECK_MESSAGE(result->exit_status == 0, result->err);
  return result->out;
}

void nft_input(const std::string& text) {
  const auto input = memfd_of("rules", text);
  ChildOptions options;
  options.stdin_fd = input->get();
  const auto result = run_child({"nft", "-f", "-"}, options);
  REQUIRE(result);
  REQUIRE_MESSAGE(result->exit_status == 0, result->err);
}

// The ruleset as a set of blocks (chains, sets), each block's elements in order: the order of chains in a
// table, and of elements in a map, is that of their arrival or of a hash.
std::multiset<std::string> normalised_ruleset() {
  std::multiset<std::string> blocks;
  std::istringstream lines(nft({"list", "ruleset"}));
  std::string block;
  std::multiset<std::string> elements;
  for (std::string line; std::getline(lines, line);) {
    const bool is_element =
        line.find(" : goto ") != std::string::npos && line.find("numgen") == std::string::npos;
    const bool is_address =
        line.starts_with("\t\t\t     ") || line.find("elements = {") != std::string::npos;
    if (is_element || is_address) {
      std::string part = line.substr(line.find_first_not_of("\t "));
      part = part.starts_with("elements = { ") ? part.substr(13) : part;
      std::istringstream parts(part);
      for (std::string one; std::getline(parts, one, ',');) {
        while (!one.empty() && (one.back() == ' ' || one.back() == '}')) {
          one.pop_back();
        }
        const auto begin = one.find_first_not_of(' ');
        if (begin != std::string::npos) {
          elements.insert(one.substr(begin));
        }
      }
    } else if (line == "\t}" || line == "}" || line.empty()) {
      for (const auto& element : elements) {
        block += element + "\n";
      }
      blocks.insert(std::exchange(block, {}));
      elements.clear();
    } else {
      block += line + "\n";
    }
  }
  return blocks;
}

// ---- real sockets, all on the namespace's loopback ----

sockaddr_in socket_address(const Address& address, std::uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  std::memcpy(&result.sin_addr, address.bytes.data(), sizeof result.sin_addr);
  return result;
}

Fd listener(const Endpoint& endpoint) {
  Fd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
  const auto address = socket_address(endpoint.address, endpoint.port);
  REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(fd.get(), 64) == 0);
  return fd;
}

// 0, or the errno of connect().
int dial(const Frontend& frontend) {
  const Fd fd(socket(AF_INET, SOCK_STREAM, 0));
  const timeval patience{2, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto address = socket_address(frontend.address, frontend.port);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

int accepted(const Fd& server) {
  int count = 0;
  while (Fd(accept(server.get(), nullptr, nullptr)).valid()) {
    ++count;
  }
  return count;
}

// The whole net of the address's old class is local then.
void add_address_to_loopback(const char* label, const Address& address) {
  const Fd fd(socket(AF_INET, SOCK_DGRAM, 0));
  ifreq request{};
  std::strncpy(request.ifr_name, label, sizeof request.ifr_name - 1);
  const auto value = socket_address(address, 0);
  std::memcpy(&request.ifr_addr, &value, sizeof value);
  REQUIRE(ioctl(fd.get(), SIOCSIFADDR, &request) == 0);
}

// `body` in namespaces of its own, where there is nft.
void with_nft(const std::function<void()>& body) {
  if (!test::may_program_the_kernel()) {
    return;
  }
  if (!find_program("nft")) {
    MESSAGE("skipped: nft is not installed");
    return;
  }
  test::in_private_namespaces(body);
}

}  // namespace

TEST_CASE("nftables plane: the probe says yes here, and leaves nothing") {
  with_nft([] {
    const auto probed = probe_nftables();
    CHECK_MESSAGE(probed, probed.error().message);
    CHECK(nft({"list", "ruleset"}).empty());
  });
}

TEST_CASE("nftables plane: 200 services of 3 endpoints, as the kernel has them") {
  with_nft([] {
    auto services = numbered(200, 3);
    services.push_back(node_port_of(services[1], 30001));
    services.push_back(node_port_of(services[4], 30004));  // IPv6
    services.push_back(node_port_of(services[8], 30008));  // no endpoints
    {
      const auto plane = new_plane();
      install(*plane, services);
      const SyncCost cost = plane->sync_cost();
      CHECK(cost.generate_ns > 0);
      CHECK(cost.commit_ns > 0);
      CHECK(cost.user_us + cost.system_us > 0);
      CHECK(cost.tools == 1);
      CHECK(cost.input_bytes > 200 * 1000);
      check_holds(*plane, services);
      CHECK(plane->ways().size() == 1);
      CHECK(!plane->find({Address::from_ipv4(0x0A60FFFF), 80, Protocol::tcp})->has_value());
      CHECK(!plane->find({services[1].frontend.address, services[1].frontend.port, Protocol::udp})
                 ->has_value());
    }
    CHECK(nft({"list", "ruleset"}).empty());
  });
}

TEST_CASE("nftables plane: only the families that have services are programmed") {
  with_nft([] {
    const auto plane = new_plane();
    install(*plane, {});
    CHECK(nft({"list", "tables"}).empty());
    CHECK(*plane->entries() == 0);
    install(*plane, {service_number(0, 2)});
    CHECK(nft({"list", "tables"}) == "table ip kube-proxy\n");
    change(*plane, Operation::add_service, service_number(4, 2));
    CHECK(nft({"list", "tables"}) == "table ip kube-proxy\ntable ip6 kube-proxy\n");
    check_holds(*plane, {service_number(0, 2), service_number(4, 2)});
    install(*plane, {service_number(4, 1)});
    CHECK(nft({"list", "tables"}) == "table ip6 kube-proxy\n");
    check_holds(*plane, {service_number(4, 1)});
    nft({"add", "table", "ip", "another"});
    install(*plane, {});
    CHECK(nft({"list", "tables"}) == "table ip another\n");
  });
}

TEST_CASE("nftables plane: after changes the kernel holds what a fresh install holds") {
  with_nft([] {
    auto services = numbered(40, 3);
    services.push_back(node_port_of(services[1], 30001));
    const auto plane = new_plane();
    install(*plane, services);

    const auto set_endpoints = [&](std::size_t i, const Service& from) {
      services[i].endpoints = from.endpoints;
      change(*plane, Operation::change_endpoints, services[i]);
    };
    set_endpoints(0, service_number(50, 4));  // all others
    services[2].endpoints.pop_back();         // one less
    set_endpoints(2, services[2]);
    set_endpoints(3, service_number(8, 3));   // none
    set_endpoints(8, service_number(60, 1));  // some where there were none
    set_endpoints(4, service_number(54, 2));  // IPv6
    // A NodePort's endpoints are its service's.
    services[1].endpoints = services.back().endpoints = service_number(51, 5).endpoints;
    change(*plane, Operation::change_endpoints, services[1]);
    check_holds(*plane, services);

    services.push_back(service_number(70, 3));
    change(*plane, Operation::add_service, services.back());
    services.push_back(node_port_of(services[6], 30006));
    change(*plane, Operation::add_service, services.back());
    for (const std::size_t gone : {40U, 20U, 12U, 7U, 6U}) {  // a NodePort, its ClusterIP stays; ClusterIPs
      const Service removed = services[gone];
      services.erase(services.begin() + static_cast<std::ptrdiff_t>(gone));
      change(*plane, Operation::remove_service, removed);
      CHECK(!plane->find(removed.frontend)->has_value());
    }
    // An endpoint that goes and comes back: its chain, emptied, is filled again, and is still the same one.
    const auto before = services[10];
    const std::string chain = kube_proxy::nft_endpoint_chain(
        {.name = before.name, .protocol = before.frontend.protocol}, before.endpoints[0]);
    const auto handle = [&] {
      const std::string listed = nft({"-a", "list", "chain", "ip", "kube-proxy", chain});
      const auto name = listed.find(chain + " {");
      return listed.substr(name, listed.find('\n', name) - name);
    };
    const std::string first_handle = handle();
    set_endpoints(10, service_number(80, 3));
    set_endpoints(10, before);
    CHECK(handle() == first_handle);
    check_holds(*plane, services);

    // What the last change emptied goes with the next one, in each family: these leave nothing behind.
    set_endpoints(0, services[0]);
    set_endpoints(4, services[4]);
    const auto changed = normalised_ruleset();
    install(*plane, services);
    CHECK(changed == normalised_ruleset());
    CHECK(changed.size() > 3 * services.size());
  });
}

TEST_CASE("nftables plane: a change's transaction is as large at 20 services as at 400") {
  with_nft([] {
    std::vector<std::size_t> bytes;
    for (const std::uint32_t count : {20U, 400U}) {
      const auto plane = new_plane();
      install(*plane, numbered(count, 3));
      auto service = service_number(11, 3);
      service.endpoints[0].port = 9000;
      change(*plane, Operation::change_endpoints, service);
      bytes.push_back(plane->sync_cost().input_bytes);
    }
    CHECK(bytes[0] == bytes[1]);
    CHECK(bytes[0] < 4000);
  });
}

TEST_CASE("nftables plane: a chain that does not translate as it should is noticed") {
  with_nft([] {
    const auto plane = new_plane();
    const auto service = service_number(1, 2);
    install(*plane, {service, service_number(0, 2)});
    check_holds(*plane, {service, service_number(0, 2)});
    const auto port = kube_proxy::ServicePort{.name = service.name, .protocol = service.frontend.protocol};
    const auto chain = kube_proxy::nft_endpoint_chain(port, service.endpoints[1]);
    const auto rewrite = [&](std::string_view to) {
      nft_input(
          fmt::format("flush chain ip kube-proxy {0}\n"
                      "add rule ip kube-proxy {0} ip saddr {1} jump mark-for-masquerade\n"
                      "add rule ip kube-proxy {0} meta l4proto tcp dnat to {2}\n",
                      chain, service.endpoints[1].address.text(), to));
      return plane->find(service.frontend);
    };
    CHECK(rewrite(service.endpoints[1].text())->value() == service);
    const auto other_port = rewrite(fmt::format("{}:9999", service.endpoints[1].address.text()));
    REQUIRE(other_port);
    CHECK((*other_port)->endpoints != service.endpoints);
    const auto other_address = rewrite("10.9.9.9:8001");
    REQUIRE(!other_address);
    CHECK(other_address.error().message.find(chain) != std::string::npos);

    nft({"flush", "chain", "ip", "kube-proxy", chain});
    CHECK(!plane->find(service.frontend));
  });
}

TEST_CASE("nftables plane: connections are translated, balanced and refused") {
  with_nft([] {
    const Address node = *Address::parse("192.0.2.1");
    add_address_to_loopback("lo:1", node);
    add_address_to_loopback("lo:2", *Address::parse("10.96.0.1"));
    Service web = service_number(1, 0);
    web.endpoints = {{*Address::parse("127.0.0.2"), 8080}, {*Address::parse("127.0.0.3"), 8081}};
    const Service web_node = node_port_of(web, 30080);
    Service none = service_number(5, 0);
    const Service none_node = node_port_of(none, 30081);
    const auto plane = new_plane();
    install(*plane, {web, web_node, none, none_node});

    const Fd first = listener(web.endpoints[0]);
    const Fd second = listener(web.endpoints[1]);
    for (const Frontend& frontend : {web.frontend, Frontend{node, 30080, Protocol::tcp}}) {
      CAPTURE(frontend.text());
      constexpr int dials = 40;  // all to one of two: once in 5e11 runs
      for (int i = 0; i < dials; ++i) {
        CHECK(dial(frontend) == 0);
      }
      const int to_first = accepted(first);
      const int to_second = accepted(second);
      CHECK(to_first + to_second == dials);
      CHECK(to_first > 0);
      CHECK(to_second > 0);
    }
    // Without the rules these would be met by somebody; the last is a port that the ClusterIP does not
    // have.
    for (const Frontend& frontend : {none.frontend, Frontend{node, 30081, Protocol::tcp},
                                     Frontend{web.frontend.address, 9, Protocol::tcp}}) {
      CAPTURE(frontend.text());
      const Fd unreachable = listener({frontend.address, frontend.port});
      CHECK(dial(frontend) == ECONNREFUSED);
      CHECK(accepted(unreachable) == 0);
    }
    const Frontend open{node, 9, Protocol::tcp};
    const Fd reachable = listener({node, 9});
    CHECK(dial(open) == 0);

    web.endpoints.pop_back();
    change(*plane, Operation::change_endpoints, web);
    for (int i = 0; i < 10; ++i) {
      CHECK(dial(web.frontend) == 0);
      CHECK(dial({node, 30080, Protocol::tcp}) == 0);
    }
    CHECK(accepted(first) == 20);
    CHECK(accepted(second) == 0);
    change(*plane, Operation::remove_service, web_node);
    CHECK(dial({node, 30080, Protocol::tcp}) == ECONNREFUSED);  // nobody listens
    CHECK(dial(web.frontend) == 0);
  });
}

TEST_CASE("nftables plane: chains and elements that do not agree are counted") {
  with_nft([] {
    const auto plane = new_plane();
    install(*plane, {service_number(0, 2), service_number(1, 2)});
    CHECK(*plane->entries() == 2);
    nft({"add", "chain", "ip", "kube-proxy", "endpoint-AAAAAAAA-a/b/tcp/__1.2.3.4/80"});
    const auto entries = plane->entries();
    REQUIRE(!entries);
    CHECK(entries.error().message.find("4 endpoint chains") != std::string::npos);
    CHECK(entries.error().message.find("2, 5, 0 and 0") != std::string::npos);
    nft({"delete", "chain", "ip", "kube-proxy", "endpoint-AAAAAAAA-a/b/tcp/__1.2.3.4/80"});

    // A chain that went out of use is no error, but it is one that it has a rule.
    const auto gone = service_number(1, 2);
    const auto chain =
        kube_proxy::nft_service_chain({.name = gone.name, .protocol = gone.frontend.protocol});
    change(*plane, Operation::remove_service, gone);
    CHECK(*plane->entries() == 1);
    nft({"add", "rule", "ip", "kube-proxy", chain, "drop"});
    CHECK(!plane->entries());
    nft({"flush", "chain", "ip", "kube-proxy", chain});
    CHECK(*plane->entries() == 1);
    nft({"delete", "element", "ip", "kube-proxy", "service-ips", "{ 10.96.0.1 . udp . 80 }"});
    CHECK(!plane->entries());
  });
}

TEST_CASE("nftables plane: what cannot be is refused, and the kernel stays as it was") {
  with_nft([] {
    const auto plane = new_plane();
    const auto services = numbered(3, 2);
    install(*plane, services);
    const auto refused = [&](Operation operation, const Service& service) {
      const auto staged = plane->stage({operation, service});
      CHECK(!staged);
      CHECK(plane->commit());  // nothing is staged
      check_holds(*plane, services);
    };
    refused(Operation::add_service, services[0]);
    refused(Operation::remove_service, service_number(5, 2));
    refused(Operation::change_endpoints, service_number(5, 2));
    auto mixed = services[0];
    mixed.endpoints[0].address = Address::from_ipv6(1, 1);
    refused(Operation::change_endpoints, mixed);
    auto hostile = service_number(5, 2);
    hostile.name = "a/b\nflush ruleset\n";
    refused(Operation::add_service, hostile);

    CHECK(!plane->install(std::vector{services[0], services[0]}));
    auto torn = node_port_of(services[0], 30000);
    torn.endpoints.pop_back();
    CHECK(!plane->install(std::vector{services[0], torn}));
    check_holds(*plane, services);

    // One that the kernel refuses: the table is gone.
    nft({"delete", "table", "ip", "kube-proxy"});
    REQUIRE(plane->stage({Operation::remove_service, services[0]}));
    const auto committed = plane->commit();
    REQUIRE(!committed);
    CHECK(committed.error().message.find("No such file") != std::string::npos);
    CHECK(committed.error().message.find('\n') == std::string::npos);
  });
}

TEST_CASE("nftables plane: names as long as Kubernetes allows") {
  with_nft([] {
    auto service = service_number(0, 2);
    service.name =
        fmt::format("{}/{}:{}", std::string(63, 'n'), std::string(63, 's'), std::string(63, 'p'));
    auto cut = service_number(4, 2);
    cut.name = "ns/" + std::string(253, 's');
    cut.endpoints[0].address = *Address::parse("fd00:1111:2222:3333:4444:5555:6666:7777");
    auto none = service;
    none.frontend.protocol = Protocol::tcp;
    none.endpoints.clear();
    const auto plane = new_plane();
    install(*plane, {service, cut, none});
    CHECK(*plane->entries() == 3);
    for (const auto& one : {service, cut, none}) {
      const auto found = plane->find(one.frontend);
      REQUIRE_MESSAGE(found, found.error().message);
      CHECK(**found == plane->programmed(one));
    }
    CHECK((*plane->find(service.frontend))->name == service.name);
  });
}

TEST_CASE("nftables plane: a real cluster's services, of both families, with NodePorts") {
  with_nft([] {
    const auto cluster = read_cluster(SVCBENCH_TEST_DATA "/kind-dualstack.json");
    REQUIRE_MESSAGE(cluster, cluster.error().message);
    REQUIRE(cluster->services.size() > 5);
    const auto plane = new_plane();
    install(*plane, cluster->services);
    check_holds(*plane, cluster->services);
  });
}

TEST_CASE("nftables plane: policies, affinity, external addresses, on each node") {
  with_nft([] {
    for (const std::string node : {"node-a", "node-c", ""}) {
      CAPTURE(node);
      auto cluster = read_cluster(SVCBENCH_TEST_DATA "/policies.json", {.node = node});
      REQUIRE_MESSAGE(cluster, cluster.error().message);
      Services& services = cluster->services;
      const auto plane = new_plane();
      install(*plane, services);
      check_holds(*plane, services);
      const auto edit = [&](const std::string& name, const auto& change_of) {
        for (Service& service : services) {
          if (service.name == name) {
            change_of(service);
            change(*plane, Operation::change_endpoints, service);
          }
        }
        check_holds(*plane, services);
      };
      edit("shop/web:http", [](Service& service) { service.affinity_seconds = 0; });
      edit("shop/web:dns", [](Service& service) {  // another timeout, and one endpoint less
        service.affinity_seconds = 30;
        service.endpoints.pop_back();
      });
      edit("shop/edge:http", [](Service& service) {
        if (service.local_only) {
          service.endpoints = {service.cluster_endpoints.back()};
        }
      });
      edit("shop/edge:quic", [](Service& service) {  // none on this node any more
        if (service.local_only) {
          service.endpoints.clear();
        }
      });
      const auto toggle = [&](const char* address) {
        const auto place = std::find_if(services.begin(), services.end(), [&](const Service& service) {
          return service.frontend.address.text() == address;
        });
        REQUIRE(place != services.end());
        const Service service = *place;
        services.erase(place);
        change(*plane, Operation::remove_service, service);
        check_holds(*plane, services);
        services.push_back(service);
        change(*plane, Operation::add_service, service);
        check_holds(*plane, services);
      };
      for (const char* address :
           {"192.0.2.11", "203.0.113.11", "192.0.2.13", "192.0.2.14", "2001:db8::10"}) {
        toggle(address);
      }
      // What the last change of each family emptied goes with these.
      edit("shop/plain", [](Service&) {});
      edit("shop/edge:http", [](Service&) {});
      const auto changed = normalised_ruleset();
      install(*plane, services);
      CHECK(changed == normalised_ruleset());
    }
  });
}

}  // namespace svcbench
