// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "service/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/random/mersenne_twister.hpp>
#include <boost/random/uniform_int_distribution.hpp>
#include <cassert>
#include <numeric>
#include <utility>

#include "service/text.h"
#include "svcbench/abi.h"

namespace svcbench {
namespace {

constexpr std::uint32_t ipv4_services = 0x0A60'0001;  // 10.96.0.0/12, from 10.96.0.1
constexpr std::uint32_t ipv4_pods = 0x0A80'0001;      // 10.128.0.0/10
constexpr std::uint32_t ipv4_fresh = 0x0AC0'0001;     // 10.192.0.0/10
constexpr std::uint64_t ipv4_services_size =
    (1U << 20) - 2;  // less the network's address and the broadcast's
constexpr std::uint64_t ipv4_pods_size = (1U << 22) - 2;

constexpr std::uint64_t ipv6_services_net = 0xFD00'0010'0096'0000;  // fd00:10:96::/64
constexpr std::uint64_t ipv6_pods_net = 0xFD00'0010'0128'0000;      // fd00:10:128::/64
constexpr std::uint64_t ipv6_fresh_half = 1ULL << 63;
constexpr std::uint64_t ipv6_size = (1ULL << 32) - 1;

constexpr std::uint32_t raised_from = 1024;
constexpr std::uint32_t raised_ports = 65'536 - raised_from;

static_assert(Generator::max_services + Generator::spare_services <= ipv4_services_size);

// Number `number` of those that are not in `taken` (ascending), counting from 0.
std::uint64_t free_place(const std::vector<std::uint64_t>& taken, std::uint64_t number) {
  // Before taken[j] there are taken[j] - j free places, which never falls as j grows: bisect for the count
  // of taken places to step over.
  std::uint64_t low = 0;
  std::uint64_t high = taken.size();
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (taken[middle] - middle <= number) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return number + low;
}

// The address as the number high:low; an IPv4 address is below 2^32.
std::pair<std::uint64_t, std::uint64_t> halves(const Address& address) {
  const auto number = [&](std::size_t from, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = from; i < from + size; ++i) {
      value = (value << 8) | address.bytes[i];
    }
    return value;
  };
  if (address.family == Family::ipv4) {
    return {0, number(0, 4)};
  }
  return {number(0, 8), number(8, 8)};
}

template <typename T>
void sort_unique(std::vector<T>& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

AddressPool::AddressPool(const Address& first, std::uint64_t size, std::span<const Address> reserved,
                         std::uint64_t seed)
    : family_(first.family), high_(halves(first).first), low_(halves(first).second), usable_(size) {
  for (const Address& address : reserved) {
    const auto [high, low] = halves(address);
    if (address.family == family_ && high == high_ && low >= low_ && low - low_ < size) {
      taken_.push_back(low - low_);
    }
  }
  sort_unique(taken_);
  usable_ -= taken_.size();
  assert(usable_ > 0);

  // number -> multiplier * number + offset is a permutation modulo `usable_` when the multiplier has no
  // factor in common with it: an order without a table. Boost's distributions, because the standard's may
  // differ from library to library. The range is part of the seed, so that a service's address does not
  // show those of its pods.
  boost::random::mt19937_64 random(seed + high_ * SVCB_MIX_1 + low_ * SVCB_MIX_2);
  boost::random::uniform_int_distribution<std::uint64_t> draw(0, usable_ - 1);
  offset_ = draw(random);
  do {
    multiplier_ = draw(random);
  } while (std::gcd(multiplier_, usable_) != 1);
}

Address AddressPool::at(std::uint64_t number) const {
  // No overflow: all three are below 2^32.
  const std::uint64_t place = free_place(taken_, (multiplier_ * (number % usable_) + offset_) % usable_);
  return family_ == Family::ipv4 ? Address::from_ipv4(static_cast<std::uint32_t>(low_ + place))
                                 : Address::from_ipv6(high_, low_ + place);
}

Generator::Generator(std::uint64_t seed, std::vector<Shape> shapes, std::span<const Address> reserved)
    : shapes_(std::move(shapes)),
      ipv4_{AddressPool(Address::from_ipv4(ipv4_services), ipv4_services_size, reserved, seed),
            AddressPool(Address::from_ipv4(ipv4_pods), ipv4_pods_size, reserved, seed),
            AddressPool(Address::from_ipv4(ipv4_fresh), ipv4_pods_size, reserved, seed)},
      ipv6_{AddressPool(Address::from_ipv6(ipv6_services_net, 1), ipv6_size, reserved, seed),
            AddressPool(Address::from_ipv6(ipv6_pods_net, 1), ipv6_size, reserved, seed),
            AddressPool(Address::from_ipv6(ipv6_pods_net, ipv6_fresh_half), ipv6_size, reserved, seed)} {
  assert(!shapes_.empty());
  endpoints_before_.reserve(shapes_.size() + 1);
  endpoints_before_.push_back(0);
  for (const Shape& shape : shapes_) {
    endpoints_before_.push_back(endpoints_before_.back() + shape.endpoints);
    most_endpoints_ = std::max(most_endpoints_, shape.endpoints);
    target_ports_.push_back(shape.target_port);
  }
  sort_unique(target_ports_);
  for (const std::uint16_t port : target_ports_) {
    if (port >= raised_from) {
      taken_raised_.push_back(port - raised_from);
    }
  }
}

Endpoint Generator::endpoint(const AddressPool& pool, std::uint16_t target_port,
                             std::uint64_t number) const {
  const std::uint64_t rounds = 1 + raised_ports - taken_raised_.size();
  const std::uint64_t round = number / pool.size() % rounds;
  // A raised port is no shape's target port: target_port + round could be another shape's, on this address.
  const std::uint64_t port = round == 0 ? target_port : raised_from + free_place(taken_raised_, round - 1);
  return {pool.at(number), static_cast<std::uint16_t>(port)};
}

Service Generator::service(std::uint64_t index) const {
  const std::uint64_t turn = index / shapes_.size();
  const std::size_t place = index % shapes_.size();
  const Shape& shape = shapes_[place];
  const Pools& from = pools(shape.family);

  Service service{.name = fmt::format("bench/svc-{}", index),
                  .kind = FrontendKind::cluster_ip,
                  .frontend = {from.services.at(index), shape.port, shape.protocol},
                  .endpoints = {}};
  const std::uint64_t first = turn * endpoints_before_.back() + endpoints_before_[place];
  service.endpoints.reserve(shape.endpoints);
  for (std::uint32_t i = 0; i < shape.endpoints; ++i) {
    service.endpoints.push_back(endpoint(from.pods, shape.target_port, first + i));
  }
  return service;
}

std::vector<Endpoint> Generator::fresh_endpoints(const Shape& shape, std::uint64_t serial) const {
  assert(shape.endpoints <= most_endpoints_);
  // A service that was changed late has a raised port, which must not be taken for its target port: with
  // it, an address's first round could meet a later one.
  const bool known = std::binary_search(target_ports_.begin(), target_ports_.end(), shape.target_port);
  const std::uint16_t target_port = known ? shape.target_port : target_ports_.front();

  std::vector<Endpoint> endpoints;
  endpoints.reserve(shape.endpoints);
  for (std::uint32_t i = 0; i < shape.endpoints; ++i) {
    endpoints.push_back(endpoint(pools(shape.family).fresh, target_port, serial * most_endpoints_ + i));
  }
  return endpoints;
}

namespace {

Shape shape_of(const Service& service) {
  return {.family = service.frontend.address.family,
          .protocol = service.frontend.protocol,
          .port = service.frontend.port,
          .target_port = service.endpoints.empty() ? service.frontend.port : service.endpoints.front().port,
          .endpoints = static_cast<std::uint32_t>(service.endpoints.size())};
}

std::vector<Shape> shapes_of(const std::vector<Service>& services) {
  std::vector<Shape> shapes;
  for (const Service& service : services) {
    if (service.kind == FrontendKind::cluster_ip) {
      shapes.push_back(shape_of(service));
    }
  }
  return shapes;
}

std::vector<Address> addresses_of(const std::vector<Service>& services) {
  std::vector<Address> addresses;
  for (const Service& service : services) {
    addresses.push_back(service.frontend.address);
    for (const Endpoint& endpoint : service.endpoints) {
      addresses.push_back(endpoint.address);
    }
  }
  sort_unique(addresses);
  return addresses;
}

// `per_turn` endpoints for each turn through the `shapes`.
Status check_size(std::uint64_t count, const std::vector<Shape>& shapes) {
  if (count == 0 || count > Generator::max_services) {
    return usage_error("{} services: a run has from 1 to {}", grouped(count),
                       grouped(Generator::max_services));
  }
  std::uint64_t per_turn = 0;
  for (const Shape& shape : shapes) {
    if (shape.endpoints > SVCB_MAX_ENDPOINTS) {
      return usage_error("{} endpoints a service: at most {} fit", grouped(shape.endpoints),
                         grouped(SVCB_MAX_ENDPOINTS));
    }
    per_turn += shape.endpoints;
  }
  const std::uint64_t total = count * per_turn / shapes.size();
  if (total > SVCB_MAX_BACKENDS) {
    return usage_error(
        "{} services have {} endpoints together, more than the {} that fit; ask for fewer of either",
        grouped(count), grouped(total), grouped(SVCB_MAX_BACKENDS));
  }
  return {};
}

tl::unexpected<Error> no_cluster_ip() {
  return usage_error("the cluster has no ClusterIP frontend to work on");
}

}  // namespace

Workload Workload::grown(Generator generator, std::uint64_t count) {
  Workload workload(std::move(generator), count);
  workload.services_.reserve(count);
  for (std::uint64_t index = 0; index < count; ++index) {
    workload.services_.push_back(workload.generator_.service(index));
  }
  return workload;
}

Result<Workload> Workload::generate(std::uint64_t count, std::uint32_t endpoints,
                                    const std::vector<Family>& families, std::uint64_t seed,
                                    const std::vector<Protocol>& protocols) {
  if (families.empty()) {
    return usage_error("no address family to generate services of: choose IPv4, IPv6 or both");
  }
  if (protocols.empty()) {
    return usage_error("no protocol to generate services of: choose TCP, UDP or both");
  }
  std::vector<Shape> shapes;
  shapes.reserve(families.size() * protocols.size());
  for (const Protocol protocol : protocols) {
    for (const Family family : families) {
      shapes.push_back({.family = family,
                        .protocol = protocol,
                        .port = 80,
                        .target_port = 8080,
                        .endpoints = endpoints});
    }
  }
  SVCB_CHECK(check_size(count, shapes));
  return grown(Generator(seed, std::move(shapes)), count);
}

Result<Workload> Workload::from_cluster(ClusterServices cluster, std::uint64_t seed) {
  std::vector<Shape> shapes = shapes_of(cluster.services);
  if (shapes.empty()) {
    return no_cluster_ip();
  }
  SVCB_CHECK(check_size(shapes.size(), shapes));
  const std::vector<Address> reserved = addresses_of(cluster.services);
  if (reserved.size() > Generator::max_services) {
    return usage_error("the cluster has {} addresses, more than the {} that svcbench can tell its own from",
                       grouped(reserved.size()), grouped(Generator::max_services));
  }
  // What is added is numbered from the limit on, so that its name is not that of a cluster's own
  // bench/svc-0.
  Workload workload(Generator(seed, std::move(shapes), reserved), Generator::max_services);
  workload.services_ = std::move(cluster.services);
  std::erase_if(workload.services_,
                [](const Service& service) { return service.kind != FrontendKind::cluster_ip; });
  return workload;
}

Result<Workload> Workload::scale_cluster(const ClusterServices& cluster, std::uint64_t count,
                                         std::uint64_t seed) {
  std::vector<Shape> shapes = shapes_of(cluster.services);
  if (shapes.empty()) {
    return no_cluster_ip();
  }
  SVCB_CHECK(check_size(count, shapes));
  return grown(Generator(seed, std::move(shapes)), count);
}

std::span<const Service> Workload::first(std::size_t count) const {
  return std::span(services_).first(std::min(count, services_.size()));
}

Service Workload::added(std::uint64_t serial) const {
  return generator_.service(first_added_ + serial % added_cycle);
}

Service Workload::changed(const Service& service, std::uint64_t serial) const {
  Shape shape = shape_of(service);
  shape.endpoints = std::max(shape.endpoints, 1U);
  Service result = service;  // affinity and policy stay
  result.endpoints = generator_.fresh_endpoints(shape, serial);
  result.terminating.clear();
  result.cluster_endpoints.clear();
  if (result.local_only) {
    result.cluster_endpoints = result.endpoints;
  }
  result.weights.clear();
  result.own_endpoints.clear();
  result.counted_endpoints = 0;
  return result;
}

}  // namespace svcbench
