// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The services that a run works on: generated from a seed, or a cluster's, or as many as wanted in a
// cluster's shape; and the services and endpoints that changes bring in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "service/cluster.h"
#include "service/service.h"
#include "sys/result.h"

namespace svcbench {

// What a service looks like, apart from whose addresses it has.
struct Shape {
  Family family = Family::ipv4;
  Protocol protocol = Protocol::tcp;
  std::uint16_t port = 0;         // of the frontend
  std::uint16_t target_port = 0;  // of the endpoints
  std::uint32_t endpoints = 0;

  bool operator==(const Shape&) const = default;
};

// A range of addresses, handed out in a seeded order, each number another address.
class AddressPool {
 public:
  // The range is `size` addresses from `first` on, which may not carry out of an IPv6 address's low half;
  // `size` is at most 2^32. Addresses in `reserved` are never handed out.
  AddressPool(const Address& first, std::uint64_t size, std::span<const Address> reserved,
              std::uint64_t seed);

  [[nodiscard]] std::uint64_t size() const { return usable_; }

  // Different for different `number` below size(); above it, it wraps.
  [[nodiscard]] Address at(std::uint64_t number) const;

 private:
  Family family_;
  std::uint64_t high_;
  std::uint64_t low_;
  std::uint64_t usable_;
  std::uint64_t multiplier_ = 1;
  std::uint64_t offset_ = 0;
  std::vector<std::uint64_t> taken_;  // places in the range that are reserved, ascending
};

// Makes services from a seed; the same seed and shapes make the same ones on every machine.
//
// Service addresses come from 10.96.0.0/12 (kubeadm's default) and fd00:10:96::/64; endpoints of services
// from 10.128.0.0/10 and the lower half of fd00:10:128::/64; fresh endpoints from 10.192.0.0/10 and the
// upper half. Once all 2^22 - 2 addresses of an IPv4 pod range are in use, they are used again with other
// ports, from 1024 up, that are no shape's target port. No endpoint is handed out twice, because services
// that share one are a cost of their own: after DNAT their flows may clash, and the kernel must search for
// a free source port.
class Generator {
 public:
  // What fits into 10.96.0.0/12, with room for services that are added to so many.
  static constexpr std::uint64_t max_services = 1'000'000;
  // How many more than max_services have an IPv4 address of their own.
  static constexpr std::uint64_t spare_services = 32'768;

  // `shapes` must not be empty. `reserved`: addresses that are in use already and never handed out, at most
  // max_services of them.
  Generator(std::uint64_t seed, std::vector<Shape> shapes, std::span<const Address> reserved = {});

  // Service `index` has shape index % shapes.size(), and an address and endpoints that no other has.
  // `index` is below max_services + spare_services.
  [[nodiscard]] Service service(std::uint64_t index) const;

  // shape.endpoints endpoints that neither service() nor another `serial` ever gives. They wrap after
  // 2^22 * 60,000 / (largest shape's endpoints) serials. `shape` must not have more endpoints than the
  // largest of this generator's.
  [[nodiscard]] std::vector<Endpoint> fresh_endpoints(const Shape& shape, std::uint64_t serial) const;

 private:
  struct Pools {
    AddressPool services;
    AddressPool pods;
    AddressPool fresh;
  };

  [[nodiscard]] const Pools& pools(Family family) const { return family == Family::ipv4 ? ipv4_ : ipv6_; }
  [[nodiscard]] Endpoint endpoint(const AddressPool& pool, std::uint16_t target_port,
                                  std::uint64_t number) const;

  std::vector<Shape> shapes_;
  std::vector<std::uint64_t> endpoints_before_;  // of the shapes before this one; last: of all
  std::uint32_t most_endpoints_ = 1;
  std::vector<std::uint16_t> target_ports_;  // ascending, each once
  std::vector<std::uint64_t> taken_raised_;  // those from 1024 up, less 1024: not to be raised to
  Pools ipv4_;
  Pools ipv6_;
};

// The services of a run. All are ClusterIPs: nothing in a testbed can be a cluster's node addresses.
class Workload {
 public:
  // How many services added() can give before it starts again.
  static constexpr std::uint64_t added_cycle = Generator::spare_services;

  // `count` services, port 80 to `endpoints` pods' port 8080, their families taken from `families` in turn,
  // and after each round of those the next of `protocols`. Error: usage, for a count of 0 or above
  // Generator::max_services, for more than SVCB_MAX_ENDPOINTS endpoints, for more than SVCB_MAX_BACKENDS
  // endpoints in all, and for no family.
  [[nodiscard]] static Result<Workload> generate(std::uint64_t count, std::uint32_t endpoints,
                                                 const std::vector<Family>& families, std::uint64_t seed,
                                                 const std::vector<Protocol>& protocols = {Protocol::tcp});

  // The cluster's ClusterIP frontends themselves, in their order; the seed is for what changes bring in.
  // Error: usage, for no such frontend or for more than 1,000,000 addresses.
  [[nodiscard]] static Result<Workload> from_cluster(ClusterServices cluster, std::uint64_t seed);

  // `count` services in the shapes of the cluster's ClusterIP frontends, taken in turn: every prefix has
  // the cluster's proportions to within one service. Each has an address of its own, where a cluster's
  // services share one among their ports. Errors: those of generate() and from_cluster().
  [[nodiscard]] static Result<Workload> scale_cluster(const ClusterServices& cluster, std::uint64_t count,
                                                      std::uint64_t seed);

  [[nodiscard]] const std::vector<Service>& services() const { return services_; }

  // The first `count` services, or all when there are fewer: a step of a sweep. Valid as long as this.
  [[nodiscard]] std::span<const Service> first(std::size_t count) const;

  // A service that is not among services(), another for every serial modulo added_cycle.
  [[nodiscard]] Service added(std::uint64_t serial) const;

  // The same frontend with other endpoints: as many as before, at least one, never those of services() or
  // added() or of another serial. `service` is one of services() or added(), or such a one changed.
  [[nodiscard]] Service changed(const Service& service, std::uint64_t serial) const;

 private:
  Workload(Generator generator, std::uint64_t first_added)
      : generator_(std::move(generator)), first_added_(first_added) {}
  static Workload grown(Generator generator, std::uint64_t count);

  std::vector<Service> services_;
  Generator generator_;
  std::uint64_t first_added_;  // index in the generator of the first service that is not in services_
};

}  // namespace svcbench
