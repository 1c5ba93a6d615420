// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Who answers whom: frontends of every kind, from clients of every kind.
#include <algorithm>

#include "stats/chi_square.h"
#include "verify/cases.h"

namespace svcbench::verify {

namespace {

constexpr std::size_t few = 20;
constexpr std::uint16_t other_port = 443;
constexpr std::uint16_t unknown_port = 81;

Step<std::string> right_backend(Scene& scene) {
  SVCB_TAKE(first, scene.cluster_ip(3));
  SVCB_TAKE(second, scene.cluster_ip(2));
  SVCB_TAKE(same_address, scene.cluster_ip(2));
  same_address.frontend.address = first.frontend.address;
  same_address.frontend.port = other_port;
  // Nobody listens behind it: a plane that mixes the protocols up gets no answer.
  SVCB_TAKE(same_port, scene.cluster_ip(0));
  same_port.frontend = first.frontend;
  same_port.frontend.protocol = scene.protocol() == Protocol::tcp ? Protocol::udp : Protocol::tcp;
  SVCB_TAKE(unserved, scene.endpoint(false));
  same_port.endpoints = {unserved};
  SVCB_CHECK(scene.install({first, same_port, second, same_address}));
  for (std::size_t i = 0; i < few; ++i) {
    for (const Service* service : {&first, &second, &same_address}) {
      SVCB_TAKE(flow, scene.dial(*service));
      SVCB_CHECK(flow.exchange(100));
      if (flow.served().by.port != service->endpoints.front().port) {
        return failed("{} was served at another port", service->frontend.text());
      }
    }
  }
  return fmt::format("{} flows to 3 frontends", 3 * few);
}

std::string shares_text(const Scene::Counts& counts) {
  std::string text;
  for (const auto& [endpoint, count] : counts) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", count);
  }
  return text;
}

Step<std::string> spread(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(5));
  SVCB_CHECK(scene.install({service}));
  const std::vector<double> shares(service.endpoints.size(), 1.0);
  std::string first;
  for (int attempt = 0; attempt < 2; ++attempt) {
    SVCB_TAKE(counts, scene.dial_often(service, spread_flows));
    std::vector<std::size_t> sizes;
    for (const auto& [endpoint, count] : counts) {
      sizes.push_back(count);
    }
    const double p = *stats::chi_square_p(sizes, shares);
    const std::string seen =
        fmt::format("{} of {} flows, p = {:.2g}", shares_text(counts), spread_flows, p);
    if (p >= spread_alpha) {
      return seen;
    }
    if (attempt == 1) {
      return failed("the {} endpoints of {} got {}; then {}", sizes.size(), service.frontend.text(), first,
                    seen);
    }
    first = seen;
  }
  return {};
}

Step<std::string> reply_source(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  SVCB_CHECK(scene.install({service}));
  const Frontend& to = service.frontend;
  const Endpoint dialled{to.address, to.port};
  for (std::size_t i = 0; i < few; ++i) {
    // A socket that is not connected takes replies from anybody.
    if (scene.protocol() == Protocol::udp) {
      const Endpoint client = scene.pod();
      SVCB_TAKE(from, who_answers(scene.world().place_of(client.address), client, to));
      if (!from) {
        return failed("nobody answers at {}", to.text());
      }
      if (*from != dialled) {
        return failed("who dials {} is answered from {}", to.text(), from->text());
      }
    }
    SVCB_TAKE(flow, scene.dial(service));
    SVCB_CHECK(flow.exchange(100));
    if (flow.peer() != dialled) {
      return failed("who dials {} is connected to {}", to.text(), flow.peer().text());
    }
  }
  return fmt::format("{} flows", few);
}

Step<std::string> node_port(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  const Service node_port = scene.node_port_of(service);
  SVCB_CHECK(scene.install({service, node_port}));
  std::vector<Endpoint> nodes;
  for (const Address& node : scene.world().node_addresses(scene.family())) {
    const Service dialled = at_node(node_port, node);
    nodes.push_back({node, dialled.frontend.port});
    for (std::size_t i = 0; i < few; ++i) {
      SVCB_TAKE(flow, scene.dial(dialled));
      SVCB_CHECK(flow.exchange(100));
    }
  }
  return "at " + text_of(nodes);
}

Step<std::string> external(Scene& scene, FrontendKind kind) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  const Service other = scene.external_of(service, kind);
  SVCB_CHECK(scene.install({service, other}));
  for (std::size_t i = 0; i < few; ++i) {
    SVCB_TAKE(flow, scene.dial(other));
    SVCB_CHECK(flow.exchange(100));
  }
  return "at " + other.frontend.text();
}

Step<std::string> external_ip(Scene& scene) { return external(scene, FrontendKind::external_ip); }
Step<std::string> load_balancer(Scene& scene) { return external(scene, FrontendKind::load_balancer); }

Step<std::string> from_outside(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  const Service node_port = scene.node_port_of(service);
  const Service external_ip = scene.external_of(service, FrontendKind::external_ip);
  const Service load_balancer = scene.external_of(service, FrontendKind::load_balancer);
  SVCB_CHECK(scene.install({service, node_port, external_ip, load_balancer}));
  std::vector<Service> dialled{external_ip, load_balancer};
  for (const Address& node : scene.world().node_addresses(scene.family())) {
    dialled.push_back(at_node(node_port, node));
  }
  for (const Service& one : dialled) {
    for (std::size_t i = 0; i < few; ++i) {
      SVCB_TAKE(flow, scene.dial(one, scene.outsider()));
      SVCB_CHECK(flow.exchange(100));
    }
  }
  return fmt::format("at {} frontends", dialled.size());
}

Step<std::string> no_endpoints(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(0));
  Service node_port = scene.node_port_of(service);
  SVCB_CHECK(scene.install({service, node_port}));
  const Address node = scene.world().node_addresses(scene.family()).front();
  SVCB_CHECK(scene.expect_refused(service.frontend));
  SVCB_TAKE(only, scene.endpoint());
  service.endpoints = {only};
  node_port.endpoints = {only};
  SVCB_CHECK(scene.change(Operation::change_endpoints, service));
  SVCB_CHECK(scene.change(Operation::change_endpoints, node_port));
  SVCB_TAKE(flow, scene.dial(service));
  service.endpoints.clear();
  node_port.endpoints.clear();
  SVCB_CHECK(scene.change(Operation::change_endpoints, service));
  SVCB_CHECK(scene.change(Operation::change_endpoints, node_port));
  SVCB_CHECK(scene.expect_refused(service.frontend));
  SVCB_CHECK(scene.expect_refused(at_node(node_port, node).frontend));
  return std::string("ClusterIP and NodePort");
}

Step<std::string> unknown_port_case(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(2));
  for (const Endpoint& endpoint : service.endpoints) {
    // Were only the address translated, somebody would answer.
    SVCB_CHECK(scene.serve({endpoint.address, unknown_port}));
  }
  SVCB_CHECK(scene.install({service}));
  SVCB_TAKE(flow, scene.dial(service));
  Frontend unknown = service.frontend;
  unknown.port = unknown_port;
  SVCB_CHECK(scene.expect_unanswered(unknown));
  return "nobody answers at " + unknown.text();
}

Step<std::string> hairpin(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(1));
  SVCB_CHECK(scene.install({service}));
  const Endpoint& backend = service.endpoints.front();
  for (std::size_t i = 0; i < few; ++i) {
    SVCB_TAKE(flow, scene.dial_from(scene.world().backend_place(),
                                    {backend.address, scene.world().next_port()}, service.frontend));
    if (flow.served().by != backend) {
      return failed("{} dialled its own service and was served by {}", backend.text(),
                    flow.served().by.text());
    }
    SVCB_CHECK(flow.exchange(100));
  }
  return "by way of " + service.frontend.text();
}

// As a program with the host's network, or the kubelet, does.
Step<std::string> node_client(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  SVCB_CHECK(scene.install({service}));
  for (const Address& node : scene.world().node_addresses(scene.family())) {
    for (std::size_t i = 0; i < few; ++i) {
      SVCB_TAKE(flow,
                scene.dial_from(scene.world().node(), {node, scene.world().next_port()}, service.frontend));
      SVCB_CHECK(flow.exchange(100));
      SVCB_CHECK(scene.expect_endpoint_of(service, flow));
    }
  }
  return "at " + service.frontend.text();
}

Step<std::string> source_kept(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  SVCB_CHECK(scene.install({service}));
  for (std::size_t i = 0; i < few; ++i) {
    SVCB_TAKE(flow, scene.dial(service));
    if (flow.served().client.address != flow.client().address) {
      return failed("the pod {} dialled {}, and the backend saw {}", flow.client().text(),
                    service.frontend.text(), flow.served().client.text());
    }
  }
  return fmt::format("{} pods seen as themselves", few);
}

Step<std::string> masquerade(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  const Service node_port = scene.node_port_of(service);
  SVCB_CHECK(scene.install({service, node_port}));
  const auto nodes = scene.world().node_addresses(scene.family());
  for (const Address& node : nodes) {
    for (std::size_t i = 0; i < few; ++i) {
      const Service dialled = at_node(node_port, node);
      SVCB_TAKE(flow, scene.dial(dialled, scene.outsider()));
      SVCB_CHECK(flow.exchange(100));
      if (std::find(nodes.begin(), nodes.end(), flow.served().client.address) == nodes.end()) {
        return failed("{} dialled {} from outside, and the backend saw {}, no address of the node",
                      flow.client().text(), dialled.frontend.text(), flow.served().client.text());
      }
    }
  }
  return std::string("the backend saw the node");
}

Step<std::string> local_policy(Scene& scene) {
  SVCB_TAKE(service, scene.cluster_ip(3));
  Service node_port = scene.node_port_of(service);
  node_port.local_only = true;
  node_port.cluster_endpoints = node_port.endpoints;
  SVCB_CHECK(scene.install({service, node_port}));
  for (const Address& node : scene.world().node_addresses(scene.family())) {
    for (std::size_t i = 0; i < few; ++i) {
      const Service dialled = at_node(node_port, node);
      SVCB_TAKE(flow, scene.dial(dialled, scene.outsider()));
      if (flow.served().client.address != flow.client().address) {
        return failed("{} dialled {} from outside, and the backend saw {}", flow.client().text(),
                      dialled.frontend.text(), flow.served().client.text());
      }
    }
  }
  return std::string("the backend saw the client");
}

// The user's own services, as many as fit a second or two.
Step<std::string> cluster_services(Scene& scene) {
  constexpr std::size_t most_services = 50;
  constexpr std::size_t most_endpoints = 300;
  std::vector<const Service*> chosen;
  for (const Service& service : scene.cluster()) {
    // Those that have endpoints elsewhere only drop what comes.
    if (service.frontend.address.family == scene.family() &&
        service.frontend.protocol == scene.protocol() &&
        (!service.endpoints.empty() || service.cluster_endpoints.empty())) {
      chosen.push_back(&service);
    }
  }
  shuffle(chosen, scene.random());
  std::size_t dialled = 0;
  std::size_t endpoints = 0;
  const Address node = scene.world().node_addresses(scene.family()).front();
  SVCB_CHECK(scene.install({}));
  for (const Service* service : chosen) {
    endpoints += service->endpoints.size();
    if (dialled == most_services || endpoints > most_endpoints) {
      break;
    }
    ++dialled;
    const bool is_node_port = service->kind == FrontendKind::node_port;
    Service to = is_node_port ? at_node(*service, node) : *service;
    if (scene.world().has_pods_apart()) {  // no traffic policy binds what does not come from outside
      to.endpoints = scene.programmed(*service).endpoints;
    }
    if (to.endpoints.empty()) {
      SVCB_CHECK(scene.expect_refused(to.frontend));
      continue;
    }
    for (const Endpoint& endpoint : to.endpoints) {
      SVCB_CHECK(scene.serve(endpoint));
    }
    for (int i = 0; i < 3; ++i) {
      const bool inside = to.kind == FrontendKind::cluster_ip || scene.world().has_pods_apart();
      SVCB_TAKE(flow, scene.dial(to, inside ? scene.pod() : scene.outsider()));
    }
  }
  return fmt::format("{} of {} frontends", dialled, chosen.size());
}

}  // namespace

std::span<const Case> reach_cases() {
  static constexpr std::array rows{
      Case{
          "right-backend", "right backend and no other",
          "a frontend is served by its own endpoints only: beside others at the same address, another port "
          "or protocol",
          every_variant, right_backend},
      Case{"spread", "spread over the backends",
           "flows are spread evenly over the endpoints (chi-square over 1,000 flows, alpha 0.001, twice)",
           every_variant, spread},
      Case{"reply-source", "reply comes from the VIP",
           "replies come from the address and port that were dialled", every_variant, reply_source},
      Case{"node-port", "NodePort at each node address",
           "a NodePort is served to pods at each address of the node", every_variant, node_port},
      Case{"external-ip", "external IP", "an external IP is served to pods", every_variant, external_ip},
      Case{"load-balancer", "load-balancer IP", "a load balancer's IP is served to pods", every_variant,
           load_balancer},
      Case{"from-outside", "clients from outside",
           "NodePort, external IP and load balancer's IP are served to clients outside of the cluster",
           every_variant, from_outside},
      Case{"no-endpoints", "no endpoints: refused",
           "a service without endpoints refuses (ECONNREFUSED, at the second SYN at the latest), from the "
           "start and when it loses its last",
           every_variant, no_endpoints},
      Case{"unknown-port", "unknown port: unanswered",
           "at a port of a service's address that no service has, no backend answers", every_variant,
           unknown_port_case},
      Case{"hairpin", "hairpin", "a backend reaches itself by its own service", every_variant, hairpin},
      Case{"node-client", "a client on the node itself", "a program of the node's own reaches a ClusterIP",
           every_variant, node_client},
      Case{"source-kept", "a pod is seen as itself", "the backend of a ClusterIP sees a pod's own address",
           every_variant, source_kept},
      Case{"masquerade", "outsiders are masqueraded",
           "the backend of a NodePort sees the node's address for clients from outside", every_variant,
           masquerade},
      Case{"local-policy", "Local policy: source kept",
           "the backend of a NodePort with externalTrafficPolicy Local sees the client's own address",
           every_variant, local_policy},
      Case{"cluster", "the cluster's own services",
           "the services of the user's cluster are served by their own endpoints", every_variant,
           cluster_services, true},
  };
  return rows;
}

}  // namespace svcbench::verify
