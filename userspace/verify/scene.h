// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What one behaviour case works with: a plane between clients and servers, in one family and protocol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plane/plane.h"
#include "service/service.h"
#include "stats/random.h"
#include "verify/flow.h"
#include "verify/outcome.h"
#include "verify/world.h"

namespace svcbench::verify {

struct Variant {
  Family family;
  Protocol protocol;

  [[nodiscard]] std::string text() const {
    return fmt::format("{} {}", svcbench::to_string(protocol), svcbench::to_string(family));
  }
  bool operator==(const Variant&) const = default;
};

// What three cases look at together, for time must pass in each (life_cases.cpp).
struct Sitting {
  Step<std::string> one_way_udp;
  Step<std::string> half_close;
  Step<std::string> blind_reset;
};
using Sittings = std::map<Family, Sitting>;

class Scene {
 public:
  // `plane` does what it does in the world's node. `cluster`: services of the user's, always installed too.
  // `sittings`: those that this plane and world have had.
  Scene(World& world, DataPlane& plane, std::span<const Service> cluster, Variant variant,
        std::uint64_t seed, Sittings& sittings);
  Scene(const Scene&) = delete;
  Scene& operator=(const Scene&) = delete;
  // The servers end; the plane keeps its services until the next scene's install().
  ~Scene();

  [[nodiscard]] Family family() const { return variant_.family; }
  [[nodiscard]] Protocol protocol() const { return variant_.protocol; }
  [[nodiscard]] World& world() { return world_; }
  [[nodiscard]] std::span<const Service> cluster() const { return cluster_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] Sittings& sittings() { return sittings_; }
  // The same by another protocol: its servers end with whichever scene ends first.
  [[nodiscard]] Scene with(Protocol protocol) {
    return {world_, plane_, cluster_, {family(), protocol}, seed_, sittings_};
  }

  // ---- what is there ----

  // A ClusterIP, port 80, with so many endpoints of its own. A server listens at each.
  Step<Service> cluster_ip(std::size_t endpoints);
  // Other frontends of a ClusterIP's port: the same endpoints.
  [[nodiscard]] Service node_port_of(const Service& service);  // at a port that no NodePort has
  [[nodiscard]] Service external_of(const Service& service, FrontendKind kind);
  // An endpoint nobody else has; `served`: with a server.
  Step<Endpoint> endpoint(bool served = true);
  Step<void> serve(const Endpoint& endpoint);

  // ---- what the plane is told. An Error of the kind "usage" is its word that it does not offer this. ----

  // These services, the user's, and two that nobody asks for; whatever was there before is gone.
  Step<void> install(std::vector<Service> services);
  Step<void> change(Operation operation, const Service& service);

  // Nothing is remembered of any flow from now on, as if it had been evicted.
  Step<void> forget_flows();
  // How many entries for flows there is room for, in the plane's own table or the node's connection
  // tracker; none: nothing is remembered.
  Step<std::optional<std::size_t>> room_for_flows() const;

  // What of it the plane has, as a pod's program finds it.
  [[nodiscard]] Service programmed(const Service& service) const { return plane_.programmed(service); }

  // ---- what clients do ----

  [[nodiscard]] Endpoint pod() { return world_.client(Who::pod, family()); }
  [[nodiscard]] Endpoint pod(std::size_t number) { return world_.client(Who::pod, family(), number); }
  [[nodiscard]] Endpoint outsider() { return world_.client(Who::outsider, family()); }

  // A flow that is answered by one of the service's endpoints, or the end of the case.
  Step<Flow> dial(const Service& service, const Endpoint& client);
  Step<Flow> dial(const Service& service) { return dial(service, pod()); }
  Step<Flow> dial_from(const NetNamespace& place, const Endpoint& client, const Frontend& to);
  Step<void> expect_endpoint_of(const Service& service, const Flow& flow) const;
  // Whatever becomes of it.
  Step<Dialled> probe(const Frontend& to, const Endpoint& client, std::int64_t patience = silence_ns);
  // So many flows, and how many of them each endpoint served.
  using Counts = std::map<Endpoint, std::size_t>;
  Step<Counts> dial_often(const Service& service, std::size_t times);
  // The case ends unless the frontend refuses, TCP at the second SYN at the latest.
  Step<void> expect_refused(const Frontend& to);
  // The case ends if anybody answers.
  Step<void> expect_unanswered(const Frontend& to);

 private:
  World& world_;
  DataPlane& plane_;
  std::span<const Service> cluster_;
  Variant variant_;
  std::uint64_t seed_;
  Random random_;
  Sittings& sittings_;
};

// The NodePort as a client dials it.
[[nodiscard]] Service at_node(const Service& node_port, const Address& node);

// "a:1, b:2", for evidence.
[[nodiscard]] std::string text_of(std::span<const Endpoint> endpoints);

}  // namespace svcbench::verify
