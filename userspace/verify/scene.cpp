// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "verify/scene.h"

#include <algorithm>

#include "sys/conntrack.h"

namespace svcbench::verify {

namespace {

constexpr std::uint16_t frontend_port = 80;
constexpr std::uint16_t server_port = 8080;

bool holds(const std::vector<Endpoint>& endpoints, const Endpoint& one) {
  return std::find(endpoints.begin(), endpoints.end(), one) != endpoints.end();
}

// What a plane says to what it was told.
Step<void> judge(const Status& answer, std::string_view what) {
  if (answer) {
    return {};
  }
  switch (answer.error().kind) {
    case Error::Kind::usage:
      return tl::unexpected(Ended{Outcome::not_offered, answer.error().message});
    case Error::Kind::interrupted:
      return tl::unexpected(Ended{answer.error()});
    case Error::Kind::failure:
      break;
  }
  return failed("the plane could not {}: {}", what, answer.error().message);
}

}  // namespace

Service at_node(const Service& node_port, const Address& node) {
  Service dialled = node_port;
  dialled.frontend.address = node;
  return dialled;
}

std::string text_of(std::span<const Endpoint> endpoints) {
  std::string text;
  for (const Endpoint& endpoint : endpoints) {
    text += (text.empty() ? "" : ", ") + endpoint.text();
  }
  return text;
}

Scene::Scene(World& world, DataPlane& plane, std::span<const Service> cluster, Variant variant,
             std::uint64_t seed, Sittings& sittings)
    : world_(world),
      plane_(plane),
      cluster_(cluster),
      variant_(variant),
      seed_(seed),
      random_(seed),
      sittings_(sittings) {}

Scene::~Scene() { world_.backends().close_all(); }

Step<Endpoint> Scene::endpoint(bool served) {
  const Endpoint made{world_.new_endpoint_address(family()), server_port};
  SVCB_CHECK(world_.own(made.address));
  if (served) {
    SVCB_CHECK(serve(made));
  }
  return made;
}

Step<void> Scene::serve(const Endpoint& endpoint) {
  SVCB_CHECK(world_.own(endpoint.address));
  SVCB_CHECK(world_.backends().serve(endpoint, protocol()));
  return {};
}

Step<Service> Scene::cluster_ip(std::size_t endpoints) {
  Service service;
  service.frontend = {world_.new_cluster_ip(family()), frontend_port, protocol()};
  service.name = fmt::format("verify/s{}:p", world_.next_service());
  for (std::size_t i = 0; i < endpoints; ++i) {
    SVCB_TAKE(made, endpoint());
    service.endpoints.push_back(made);
  }
  return service;
}

Service Scene::node_port_of(const Service& service) {
  Service other = service;
  other.kind = FrontendKind::node_port;
  Address any;
  any.family = family();
  other.frontend.address = any;
  const auto is_taken = [&](std::uint16_t port) {
    return std::any_of(cluster_.begin(), cluster_.end(), [&](const Service& one) {
      return one.kind == FrontendKind::node_port && one.frontend.port == port;
    });
  };
  do {
    other.frontend.port = world_.new_node_port();
  } while (is_taken(other.frontend.port));
  return other;
}

Service Scene::external_of(const Service& service, FrontendKind kind) {
  Service other = service;
  other.kind = kind;
  other.frontend.address = world_.new_external_ip(family());
  return other;
}

Step<void> Scene::install(std::vector<Service> services) {
  for (int i = 0; i < 2; ++i) {
    SVCB_TAKE(bystander, cluster_ip(2));
    services.push_back(std::move(bystander));
  }
  services.insert(services.end(), cluster_.begin(), cluster_.end());
  for (const Service& service : services) {
    SVCB_CHECK(world_.tell_backends(service));
  }
  SVCB_CHECK(judge(plane_.install(services), "install the services"));
  return judge(plane_.forget_flows(), "forget earlier flows");
}

Step<void> Scene::change(Operation operation, const Service& service) {
  SVCB_CHECK(world_.tell_backends(service));
  const Change change{operation, service};  // a plane that has nothing to compute keeps no copy
  SVCB_CHECK(judge(plane_.stage(change), svcbench::to_string(operation)));
  return judge(plane_.commit(), svcbench::to_string(operation));
}

Step<void> Scene::forget_flows() {
  SVCB_CHECK(judge(plane_.forget_flows(), "forget its flows"));
  SVCB_TAKE(inside, world_.node().enter());
  SVCB_CHECK(flush_conntrack());
  return {};
}

Step<std::optional<std::size_t>> Scene::room_for_flows() const {
  SVCB_TAKE(table, plane_.flow_table());
  if (table) {
    return std::optional(table->capacity);
  }
  SVCB_TAKE(inside, world_.node().enter());
  SVCB_TAKE(tracked, conntrack_entries());
  SVCB_TAKE(limit, conntrack_limit());
  return tracked == 0 ? std::nullopt : std::optional(limit);
}

Step<Flow> Scene::dial_from(const NetNamespace& place, const Endpoint& client, const Frontend& to) {
  const std::uint64_t before = world_.backends().arrivals();
  SVCB_TAKE(dialled, svcbench::verify::dial(place, client, to, patience_ns));
  if (dialled.flow) {
    return std::move(*dialled.flow);
  }
  std::string more;
  if (dialled.reach == Reach::silent) {
    if (const auto last = world_.backends().last_arrival();
        last && world_.backends().arrivals() != before) {
      more = fmt::format(" (it reached {})", last->by.text());
    }
    SVCB_TAKE(closer, look_closer(place, {client.address, world_.next_port()}, to));
    more += closer;
  }
  return failed("{}{}", dialled.evidence, more);
}

Step<Flow> Scene::dial(const Service& service, const Endpoint& client) {
  SVCB_TAKE(flow, dial_from(world_.place_of(client.address), client, service.frontend));
  SVCB_CHECK(expect_endpoint_of(service, flow));
  return flow;
}

Step<void> Scene::expect_endpoint_of(const Service& service, const Flow& flow) const {
  return holds(service.endpoints, flow.served().by)
             ? Step<void>()
             : failed("{} dialled {} and was served by {}, which is none of its endpoints",
                      flow.client().text(), service.frontend.text(), flow.served().by.text());
}

Step<Dialled> Scene::probe(const Frontend& to, const Endpoint& client, std::int64_t patience) {
  SVCB_TAKE(dialled, svcbench::verify::dial(world_.place_of(client.address), client, to, patience));
  return dialled;
}

Step<Scene::Counts> Scene::dial_often(const Service& service, std::size_t times) {
  Counts counts;
  for (const Endpoint& endpoint : service.endpoints) {
    counts[endpoint] = 0;
  }
  for (std::size_t i = 0; i < times; ++i) {
    SVCB_TAKE(flow, dial(service));
    ++counts[flow.served().by];
  }
  return counts;
}

Step<void> Scene::expect_refused(const Frontend& to) {
  SVCB_TAKE(dialled, probe(to, pod(), refusal_ns));
  if (dialled.flow) {
    return failed("{} is answered, by {}", to.text(), dialled.flow->served().by.text());
  }
  return dialled.reach == Reach::refused ? Step<void>()
                                         : failed("{}, where it should be refused", dialled.evidence);
}

Step<void> Scene::expect_unanswered(const Frontend& to) {
  SVCB_TAKE(dialled, probe(to, pod()));
  if (dialled.flow) {
    return failed("{} is answered, by {}", to.text(), dialled.flow->served().by.text());
  }
  return {};
}

}  // namespace svcbench::verify
