// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/workload.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "svcbench/abi.h"

using namespace svcbench;

namespace {

const std::vector<Family> ipv4{Family::ipv4};
const std::vector<Family> both{Family::ipv4, Family::ipv6};

Service cluster_service(std::string name, std::string_view address, std::uint16_t port, Protocol protocol,
                        const std::vector<std::pair<std::string_view, std::uint16_t>>& endpoints) {
  Service service{
      std::move(name), FrontendKind::cluster_ip, {*Address::parse(address), port, protocol}, {}};
  for (const auto& [pod, target_port] : endpoints) {
    service.endpoints.push_back({*Address::parse(pod), target_port});
  }
  return service;
}

// Three ClusterIPs of different shapes, one without endpoints, and a NodePort between them. Its addresses
// lie in the ranges that generated ones come from.
ClusterServices small_cluster() {
  ClusterServices cluster;
  cluster.services.push_back(cluster_service("default/web:http", "10.96.0.1", 80, Protocol::tcp,
                                             {{"10.128.0.1", 8080}, {"10.192.0.1", 8080}}));
  cluster.services.push_back(cluster_service("default/web:http", "0.0.0.0", 30'080, Protocol::tcp,
                                             {{"10.128.0.1", 8080}, {"10.192.0.1", 8080}}));
  cluster.services[1].kind = FrontendKind::node_port;
  cluster.services.push_back(
      cluster_service("kube-system/dns", "fd00:10:96::a", 53, Protocol::udp, {{"fd00:10:128::1", 5353}}));
  cluster.services.push_back(cluster_service("default/none", "10.96.0.7", 443, Protocol::tcp, {}));
  return cluster;
}

std::string message(const Result<Workload>& workload) {
  if (workload) {
    return "no error";
  }
  CHECK(workload.error().kind == Error::Kind::usage);
  return workload.error().message;
}

std::vector<Endpoint> all_endpoints(std::span<const Service> services) {
  std::vector<Endpoint> endpoints;
  for (const Service& service : services) {
    endpoints.insert(endpoints.end(), service.endpoints.begin(), service.endpoints.end());
  }
  return endpoints;
}

template <typename T>
bool all_different(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return std::adjacent_find(values.begin(), values.end()) == values.end();
}

std::vector<Address> frontend_addresses(std::span<const Service> services) {
  std::vector<Address> addresses;
  for (const Service& service : services) {
    addresses.push_back(service.frontend.address);
  }
  return addresses;
}

bool starts_with_any(const Address& address, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](std::string_view prefix) { return address.text().starts_with(prefix); });
}

}  // namespace

TEST_CASE("generated services have an address of their own, and endpoints that no other has") {
  const auto workload = Workload::generate(10'000, 3, both, 1);
  REQUIRE(workload);
  REQUIRE(workload->services().size() == 10'000);
  CHECK(all_different(frontend_addresses(workload->services())));
  const std::vector<Endpoint> endpoints = all_endpoints(workload->services());
  CHECK(endpoints.size() == 30'000);
  CHECK(all_different(endpoints));
}

TEST_CASE("generated services: names, ports, families in turn, ranges of addresses") {
  const auto workload = Workload::generate(1'000, 2, both, 1);
  REQUIRE(workload);
  for (std::size_t i = 0; i < 1'000; ++i) {
    const Service& service = workload->services()[i];
    CAPTURE(i);
    const Address& address = service.frontend.address;
    CHECK(service.name == "bench/svc-" + std::to_string(i));
    CHECK(service.kind == FrontendKind::cluster_ip);
    CHECK(service.frontend.port == 80);
    CHECK(service.frontend.protocol == Protocol::tcp);
    REQUIRE(service.endpoints.size() == 2);
    CHECK(service.endpoints[1].port == 8080);
    REQUIRE(address.family == (i % 2 == 0 ? Family::ipv4 : Family::ipv6));
    for (const Endpoint& endpoint : service.endpoints) {
      REQUIRE(endpoint.address.family == address.family);
    }
    if (address.family == Family::ipv4) {
      CHECK(address.bytes[0] == 10);
      CHECK((address.bytes[1] & 0xF0) == 96);
      CHECK(service.endpoints[0].address.bytes[0] == 10);
      CHECK((service.endpoints[0].address.bytes[1] & 0xC0) == 128);
    } else {
      CHECK(address.text().starts_with("fd00:10:96::"));
      CHECK(service.endpoints[0].address.text().starts_with("fd00:10:128::"));
    }
  }
}

TEST_CASE("the same seed gives the same work, another seed other addresses") {
  const auto one = Workload::generate(500, 3, both, 7);
  const auto same = Workload::generate(500, 3, both, 7);
  const auto other = Workload::generate(500, 3, both, 8);
  REQUIRE(one);
  REQUIRE(same);
  REQUIRE(other);
  CHECK(one->services() == same->services());
  CHECK(one->added(3) == same->added(3));
  CHECK(one->changed(one->services()[0], 9) == same->changed(same->services()[0], 9));
  for (std::size_t i = 0; i < 500; ++i) {
    CHECK(one->services()[i].frontend.address != other->services()[i].frontend.address);
  }
  CHECK(one->changed(one->services()[0], 9) != other->changed(one->services()[0], 9));
}

TEST_CASE("the work of a seed is pinned: it is the same on every platform and in every release") {
  const auto workload = Workload::generate(2, 1, both, 1);
  REQUIRE(workload);
  CHECK(workload->services()[0].frontend.text() == "10.106.208.91:80/TCP");
  CHECK(workload->services()[0].endpoints[0].text() == "10.157.184.148:8080");
  CHECK(workload->services()[1].frontend.text() == "[fd00:10:96::1285:a74d]:80/TCP");
  CHECK(workload->services()[1].endpoints[0].text() == "[fd00:10:128::54e8:17e9]:8080");
}

TEST_CASE("a longer workload begins with a shorter one, and first() gives prefixes") {
  const auto longer = Workload::generate(100, 3, ipv4, 1);
  const auto shorter = Workload::generate(10, 3, ipv4, 1);
  REQUIRE(longer);
  REQUIRE(shorter);
  CHECK(std::ranges::equal(longer->first(10), shorter->services()));
  CHECK(longer->first(1'000).size() == 100);
  CHECK(longer->first(0).empty());
}

TEST_CASE("a pool hands out each address of its range once, but those that are reserved") {
  const auto at = [](std::uint32_t number) { return Address::from_ipv4(0x0A00'0000 + number); };
  const std::vector<Address> reserved{at(7), at(3),  at(3),
                                      at(4), at(20), Address::from_ipv4(0x0AFF'FFFF),
                                      at(9), at(10), Address::from_ipv6(0, 0x0A00'0005)};
  // The range is 3 to 14, less 3, 4, 7, 9 and 10.
  const std::set<Address> expected{at(5), at(6), at(8), at(11), at(12), at(13), at(14)};
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const AddressPool pool(at(3), 12, reserved, seed);
    const AddressPool even(at(0), 12, {}, seed);  // most multipliers have a factor in common with 12
    REQUIRE(pool.size() == 7);
    std::set<Address> given;
    std::set<Address> given_even;
    for (std::uint64_t number = 0; number < 12; ++number) {
      given.insert(pool.at(number));
      given_even.insert(even.at(number));
    }
    CHECK(given == expected);
    CHECK(given_even.size() == 12);
    CHECK(pool.at(2) == pool.at(9));
  }
}

TEST_CASE("services of different sizes follow each other without sharing or leaving out a pod") {
  const std::vector<std::uint32_t> sizes{1, 5, 0, 2};
  std::vector<Shape> shapes;
  shapes.reserve(sizes.size());
  for (const std::uint32_t size : sizes) {
    shapes.push_back(Shape{.port = 80, .target_port = 8'080, .endpoints = size});
  }
  const Generator sized(1, shapes);
  const Generator single(1, {Shape{.port = 80, .target_port = 8'080, .endpoints = 1}});
  std::vector<Endpoint> endpoints;
  for (std::uint64_t index = 0; index < 400; ++index) {
    const std::vector<Endpoint> own = sized.service(index).endpoints;
    CHECK(own.size() == sizes[index % 4]);
    endpoints.insert(endpoints.end(), own.begin(), own.end());
  }
  REQUIRE(endpoints.size() == 800);
  for (std::uint64_t index = 0; index < 800; ++index) {
    CHECK(endpoints[index] == single.service(index).endpoints.front());
  }
}

TEST_CASE("the largest workload still has room for what is added to it") {
  const Generator generator(1, {Shape{.port = 80, .target_port = 8080, .endpoints = 0}});
  const std::uint64_t end = Generator::max_services + Generator::spare_services;
  std::vector<Address> addresses;
  addresses.reserve(end);
  for (std::uint64_t index = 0; index < end; ++index) {
    addresses.push_back(generator.service(index).frontend.address);
  }
  CHECK(all_different(addresses));
  const auto [lowest, highest] = std::minmax_element(addresses.begin(), addresses.end());
  CHECK(*lowest > *Address::parse("10.96.0.0"));
  CHECK(*highest < *Address::parse("10.111.255.255"));
}

TEST_CASE("added services are not among the services, and go on for ever") {
  const auto workload = Workload::generate(1'000, 3, both, 1);
  REQUIRE(workload);
  std::vector<Service> services = workload->services();
  for (std::uint64_t serial = 0; serial < 4'096; ++serial) {
    services.push_back(workload->added(serial));
  }
  CHECK(all_different(frontend_addresses(services)));
  CHECK(all_different(all_endpoints(services)));
  CHECK(workload->added(5) == workload->added(5 + Workload::added_cycle));
  CHECK(workload->added(~0ULL).endpoints.size() == 3);
}

TEST_CASE("a changed service has the same frontend, and endpoints that were never there") {
  const auto workload = Workload::generate(1'000, 3, both, 1);
  REQUIRE(workload);
  std::vector<Endpoint> endpoints = all_endpoints(workload->services());
  for (std::uint64_t serial = 0; serial < 1'000; ++serial) {
    const Service before = serial % 3 == 0 ? workload->added(serial) : workload->services()[serial];
    const Service after = workload->changed(before, serial);
    CHECK(after.name == before.name);
    CHECK(after.kind == before.kind);
    CHECK(after.frontend == before.frontend);
    REQUIRE(after.endpoints.size() == 3);
    CHECK(after.endpoints[0].port == 8080);
    REQUIRE(after.endpoints[0].address.family == before.frontend.address.family);
    endpoints.insert(endpoints.end(), after.endpoints.begin(), after.endpoints.end());
    if (serial % 3 == 0) {
      endpoints.insert(endpoints.end(), before.endpoints.begin(), before.endpoints.end());
    }
  }
  CHECK(all_different(endpoints));
}

TEST_CASE("a service without endpoints has one when it is changed") {
  const auto workload = Workload::generate(2, 0, ipv4, 1);
  REQUIRE(workload);
  CHECK(workload->services()[0].endpoints.empty());
  CHECK(workload->changed(workload->services()[0], 0).endpoints.size() == 1);
}

TEST_CASE("when the pods' addresses are used up, ports are raised past every target port") {
  // Services 0, 2, 4... have target port 1024, the others 1025: the first raised ports, were they free.
  const std::uint32_t many = 4'000;
  const std::uint64_t pods = (1U << 22) - 2;
  const Generator generator(1, {Shape{.port = 80, .target_port = 1'024, .endpoints = many},
                                Shape{.port = 80, .target_port = 1'025, .endpoints = many}});
  std::set<std::uint16_t> ports;
  std::vector<Endpoint> endpoints;
  for (std::uint64_t round = 0; round < 3; ++round) {
    const std::uint64_t first = round * pods / many;  // services at the same addresses as those of round 0
    for (std::uint64_t index = first; index < first + 20; ++index) {
      const Service service = generator.service(index);
      for (const Endpoint& endpoint : service.endpoints) {
        ports.insert(endpoint.port);
      }
      endpoints.insert(endpoints.end(), service.endpoints.begin(), service.endpoints.end());
    }
  }
  CHECK(ports == std::set<std::uint16_t>{1'024, 1'025, 1'026, 1'027});
  CHECK(all_different(std::move(endpoints)));
}

TEST_CASE("fresh endpoints past the end of the range have raised ports, and are still fresh") {
  const std::uint32_t many = 4'000;
  const Shape shape{.port = 80, .target_port = 8'080, .endpoints = many};
  const Generator generator(1, {shape, Shape{.port = 80, .target_port = 1'024, .endpoints = 1}});
  std::vector<Endpoint> endpoints;
  Shape current = shape;
  for (const std::uint64_t first : {0, 1'048, 2'097}) {  // serials at the same addresses as those from 0
    for (std::uint64_t serial = first; serial < first + 20; ++serial) {
      const std::vector<Endpoint> fresh = generator.fresh_endpoints(current, serial);
      REQUIRE(fresh.size() == many);
      // A caller takes the target port from the endpoints it finds, as Workload::changed() does.
      current.target_port = fresh.front().port;
      endpoints.insert(endpoints.end(), fresh.begin(), fresh.end());
    }
  }
  CHECK(endpoints.front().port == 8'080);
  CHECK(endpoints.back().port == 1'026);  // the third round; 1024 is the other shape's
  CHECK(all_different(std::move(endpoints)));
  CHECK(generator.fresh_endpoints(current, 5).front().port == 1'024);  // a known one, never a raised one
}

TEST_CASE("what cannot be generated is refused") {
  CHECK(message(Workload::generate(0, 3, ipv4, 1)) == "0 services: a run has from 1 to 1,000,000");
  CHECK(message(Workload::generate(1'000'001, 3, ipv4, 1)) ==
        "1,000,001 services: a run has from 1 to 1,000,000");
  CHECK(message(Workload::generate(1, SVCB_MAX_ENDPOINTS + 1, ipv4, 1)) ==
        "4,096 endpoints a service: at most 4,095 fit");
  CHECK(message(Workload::generate(1, SVCB_MAX_ENDPOINTS, ipv4, 1)) == "no error");
  CHECK(message(Workload::generate(100'000, 4'000, both, 1)) ==
        "100,000 services have 400,000,000 endpoints together, more than the 67,108,864 that fit; ask for "
        "fewer of "
        "either");
  CHECK(message(Workload::generate(1, 3, {}, 1)) ==
        "no address family to generate services of: choose IPv4, IPv6 or both");
}

TEST_CASE("a cluster's workload is its ClusterIP frontends, unchanged and in order") {
  const ClusterServices cluster = small_cluster();
  const auto workload = Workload::from_cluster(cluster, 1);
  REQUIRE(workload);
  CHECK(workload->services() ==
        std::vector<Service>{cluster.services[0], cluster.services[2], cluster.services[3]});
}

TEST_CASE("what changes bring into a cluster's workload is never one of the cluster's addresses") {
  // Most of the range is taken: anything but stepping over those addresses would hit one.
  ClusterServices cluster = small_cluster();
  std::set<Address> taken;
  for (std::uint32_t i = 1; i <= 900'000; ++i) {
    cluster.services.push_back({"default/x",
                                FrontendKind::cluster_ip,
                                {Address::from_ipv4(0x0A60'0100 + i), 80, Protocol::tcp},
                                {}});
  }
  for (const Service& service : cluster.services) {
    taken.insert(service.frontend.address);
  }
  const auto workload = Workload::from_cluster(std::move(cluster), 1);
  REQUIRE(workload);
  std::vector<Address> added;
  for (std::uint64_t serial = 0; serial < 4'096; ++serial) {
    added.push_back(workload->added(serial).frontend.address);
    CHECK_FALSE(taken.contains(added.back()));
    CHECK(starts_with_any(added.back(), {"10.9", "10.10", "10.11", "fd00:10:96::"}));
  }
  CHECK(all_different(added));
}

TEST_CASE("what is added to a cluster has no name of the cluster's") {
  ClusterServices cluster = small_cluster();
  cluster.services[0].name = "bench/svc-0";
  const auto workload = Workload::from_cluster(cluster, 1);
  REQUIRE(workload);
  CHECK(workload->added(0).name == "bench/svc-1000000");
}

TEST_CASE("a cluster's pods are never handed out again") {
  ClusterServices cluster;
  for (std::uint32_t i = 0; i < 250; ++i) {
    Service service{"default/x",
                    FrontendKind::cluster_ip,
                    {Address::from_ipv4(0x0A60'0100 + i), 80, Protocol::tcp},
                    {}};
    for (std::uint32_t j = 0; j < 4'000; ++j) {  // 999,000 of the 4,194,302 addresses of fresh endpoints
      service.endpoints.push_back(
          {Address::from_ipv4(0x0AC0'0001 + i * 3'996 + std::min(j, 3'995U)), 8080});
    }
    cluster.services.push_back(std::move(service));
  }
  const auto workload = Workload::from_cluster(cluster, 1);
  REQUIRE(workload);
  const Address first = *Address::parse("10.192.0.1");
  const Address last = cluster.services.back().endpoints.back().address;
  for (std::uint64_t serial = 0; serial < 10; ++serial) {
    const Service changed = workload->changed(cluster.services[0], serial);
    REQUIRE(changed.endpoints.size() == 4'000);
    CHECK(std::ranges::none_of(changed.endpoints, [&](const Endpoint& endpoint) {
      return endpoint.address >= first && endpoint.address <= last;
    }));
  }
}

TEST_CASE("a scaled cluster has its mix of families, protocols, ports and endpoints, to within one") {
  const auto workload = Workload::scale_cluster(small_cluster(), 3'001, 1);
  REQUIRE(workload);
  REQUIRE(workload->services().size() == 3'001);
  std::size_t web = 0;
  std::size_t dns = 0;
  std::size_t none = 0;
  for (const Service& service : workload->services()) {
    const Frontend& frontend = service.frontend;
    const bool is_ipv6 = frontend.address.family == Family::ipv6;
    const auto targets = [&](std::size_t count, std::uint16_t port) {
      return service.endpoints.size() == count &&
             std::ranges::all_of(service.endpoints, [&](const Endpoint& e) { return e.port == port; });
    };
    web += static_cast<std::size_t>(frontend.port == 80 && frontend.protocol == Protocol::tcp && !is_ipv6 &&
                                    targets(2, 8'080));
    dns += static_cast<std::size_t>(frontend.port == 53 && frontend.protocol == Protocol::udp && is_ipv6 &&
                                    targets(1, 5'353));
    none += static_cast<std::size_t>(frontend.port == 443 && frontend.protocol == Protocol::tcp &&
                                     !is_ipv6 && targets(0, 0));
  }
  CHECK(web == 1'001);
  CHECK(dns == 1'000);
  CHECK(none == 1'000);
  CHECK(all_different(frontend_addresses(workload->services())));
  CHECK(all_different(all_endpoints(workload->services())));
}

TEST_CASE("a cluster without ClusterIP frontends gives no work") {
  ClusterServices cluster = small_cluster();
  std::erase_if(cluster.services, [](const Service& s) { return s.kind == FrontendKind::cluster_ip; });
  CHECK(message(Workload::from_cluster(cluster, 1)) == "the cluster has no ClusterIP frontend to work on");
  CHECK(message(Workload::scale_cluster(cluster, 10, 1)) ==
        "the cluster has no ClusterIP frontend to work on");
  CHECK(message(Workload::scale_cluster(small_cluster(), 0, 1)) ==
        "0 services: a run has from 1 to 1,000,000");
}
