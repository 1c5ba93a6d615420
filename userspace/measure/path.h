// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The path scenario: what a packet takes from wire to wire through a node that N services are installed on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>

#include "measure/path_results.h"
#include "measure/wire/wire.h"
#include "plane/registry.h"
#include "service/workload.h"

namespace svcbench {

// Targets for one set of services, as the wire knows them: for planes that translate the services'
// frontends or wrap what is sent to them, and for plain forwarding the addresses of their backends.
class PathTargets {
 public:
  // Services and addresses without one that a random or missing position is drawn from.
  static constexpr std::size_t drawn = 256;
  // Entries that one set takes in the wire's maps, for sizing them.
  static WireCapacity needs(std::span<const Service> services);

  // Of the services of `family`; the seed draws the random ones. Missing targets are addresses that none of
  // `workload`'s services has, nor any that changes bring in soon.
  static Result<PathTargets> add(Wire& wire, std::span<const Service> services, const Workload& workload,
                                 Family family, std::uint64_t seed);

  // None: no service of that protocol has endpoints.
  [[nodiscard]] std::optional<TargetRange> of(Position position, Protocol protocol,
                                              Delivery delivery) const;

  // The last service's target, for other instruments than the wire; null where of() has none.
  [[nodiscard]] const Target* last(Protocol protocol, Delivery delivery) const;

 private:
  struct Key {
    Position position;
    Protocol protocol;
    Delivery delivery;
    auto operator<=>(const Key&) const = default;
  };
  std::map<Key, TargetRange> ranges_;
  std::map<std::pair<Protocol, Delivery>, Target> last_;
};

// A testbed with one plane in its node, programmed with services once; or one of the instrument's own.
class PathRig {
 public:
  using Make = std::function<Result<std::unique_ptr<DataPlane>>(const PlaneConfiguration&)>;
  static Result<std::unique_ptr<PathRig>> with_plane(Wire& wire, const Make& make,
                                                     PlaneConfiguration configuration,
                                                     std::span<const Service> services);
  static Result<std::unique_ptr<PathRig>> with_redirect(Wire& wire, Wire::Hook hook,
                                                        std::uint64_t delay_ns);
  // The sink at the node's ingress: one veth and the stamps, and nothing else.
  static Result<std::unique_ptr<PathRig>> with_sink(Wire& wire);

  // One volley of `packets`, every one checked. A volley that overran the node's ingress queue is no
  // plane's doing: it is thrown away whole, counted in overruns(), and another one is sent; so is one that
  // a stop of the process cut off. A new flow's
  // packets each begin one that the node has never seen; an established flow's belong to `flows_open` that
  // were opened and answered just before. FlowKind::reply: those packets are answered, and `latency` is the
  // answers', from the backend's end to the client's; each came from the address that the client had
  // dialled.
  Result<Arrivals> measure(const PathTargets& targets, const PathKind& kind, std::uint32_t packets,
                           std::uint32_t batch = 1);

  [[nodiscard]] std::size_t overruns() const { return overruns_; }
  [[nodiscard]] Delivery delivery() const { return delivery_; }
  [[nodiscard]] DataPlane* plane() const { return plane_.get(); }
  [[nodiscard]] const Testbed& testbed() const { return testbed_; }

 private:
  PathRig(Wire& wire, Testbed testbed) : wire_(&wire), testbed_(std::move(testbed)) {}
  struct Sent {
    Arrivals arrivals;
    NetCounters dropped;  // by the node meanwhile
    // Whether all that is missing was dropped before the plane saw it: a busy machine may leave the
    // softirq's work to a thread, and the generator runs ahead of the queue.
    [[nodiscard]] bool overran() const;
  };
  Result<Sent> send(Volley volley);
  // None: it overran.
  Result<std::optional<Arrivals>> attempt(const TargetRange& targets, FlowKind flow, std::uint32_t packets,
                                          std::uint32_t batch);

  Wire* wire_;
  Testbed testbed_;
  std::unique_ptr<DataPlane> plane_;
  Delivery delivery_ = Delivery::direct;
  std::uint64_t delay_ns_ = 0;
  std::uint32_t next_flow_ = 0;
  std::size_t overruns_ = 0;
};

}  // namespace svcbench
