// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/path.h"

#include <algorithm>
#include <array>
#include <vector>

#include "plane/in_namespace.h"
#include "stats/random.h"
#include "sys/conntrack.h"
#include "sys/net_counters.h"
#include "sys/pinned.h"

namespace svcbench {

namespace {

constexpr std::array protocols{Protocol::tcp, Protocol::udp};

// Established flows of a volley, unless it has more targets than that.
constexpr std::uint32_t flows_open = 64;

// A volley that overran the ingress queue is sent again, so often.
constexpr int most_tries = 5;
constexpr const char* ingress_drops = "vn rx_dropped";

// In the order in which they were installed.
std::vector<const Service*> reachable(std::span<const Service> services, Family family, Protocol protocol) {
  std::vector<const Service*> chosen;
  for (const Service& service : services) {
    if (service.frontend.address.family == family && service.frontend.protocol == protocol &&
        service.kind == FrontendKind::cluster_ip && !service.endpoints.empty()) {
      chosen.push_back(&service);
    }
  }
  return chosen;
}

Target translated(const Service& service) { return {service.frontend, service.endpoints}; }

Target wrapped(const Service& service) { return {service.frontend, service.endpoints, true}; }

Target direct(const Service& service) {
  const Endpoint& backend = service.endpoints.front();
  return {{backend.address, backend.port, service.frontend.protocol}, {backend}};
}

constexpr std::array deliveries{Delivery::direct, Delivery::translated, Delivery::wrapped};

Target target_of(const Service& service, Delivery delivery) {
  switch (delivery) {
    case Delivery::direct:
      return direct(service);
    case Delivery::translated:
      return translated(service);
    case Delivery::wrapped:
      break;
  }
  return wrapped(service);
}

// Nothing translates it: it arrives as it was sent.
Target missing(const Frontend& nobody, Protocol protocol) {
  return {{nobody.address, nobody.port, protocol}, {{nobody.address, nobody.port}}};
}

// Frontends of `family` that no service has: those that changes would add last.
std::vector<Frontend> unused_frontends(const Workload& workload, Family family) {
  std::vector<Frontend> frontends;
  for (std::uint64_t serial = Workload::added_cycle;
       serial-- > 0 && frontends.size() < PathTargets::drawn;) {
    const Service service = workload.added(serial);
    if (service.frontend.address.family == family) {
      frontends.push_back(service.frontend);
    }
  }
  return frontends;
}

Result<Testbed> new_testbed(Wire& wire) { return Testbed::create(wire.programs()); }

}  // namespace

std::string_view to_string(FlowKind flow) {
  switch (flow) {
    case FlowKind::fresh:
      return "new flow";
    case FlowKind::established:
      return "established flow";
    case FlowKind::reply:
      break;
  }
  return "reply";
}

std::string_view to_string(Position position) {
  switch (position) {
    case Position::first:
      return "first";
    case Position::last:
      return "last";
    case Position::random:
      return "random";
    case Position::missing:
      break;
  }
  return "missing";
}

WireCapacity PathTargets::needs(std::span<const Service> services) {
  std::size_t most = 1;
  for (const Service& service : services) {
    most = std::max(most, service.endpoints.size());
  }
  // first, last and the random ones, in every delivery; and the missing ones.
  const std::size_t sets = protocols.size() * (deliveries.size() * (2 + drawn) + drawn);
  const std::size_t backends = protocols.size() * ((2 + drawn) * (2 * most + 1) + drawn);
  return {static_cast<std::uint32_t>(sets), static_cast<std::uint32_t>(backends)};
}

Result<PathTargets> PathTargets::add(Wire& wire, std::span<const Service> services,
                                     const Workload& workload, Family family, std::uint64_t seed) {
  PathTargets targets;
  Random random(seed);
  const std::vector<Frontend> nobody = unused_frontends(workload, family);
  for (const Protocol protocol : protocols) {
    const auto chosen = reachable(services, family, protocol);
    if (chosen.empty()) {
      continue;
    }
    std::vector<const Service*> drawn_services(drawn);
    std::generate(drawn_services.begin(), drawn_services.end(),
                  [&] { return chosen[draw_below(random, chosen.size())]; });
    const auto add = [&](Position position, Delivery delivery, std::span<const Target> list) -> Status {
      SVCB_TAKE(range, wire.add_targets(list));
      targets.ranges_.emplace(Key{position, protocol, delivery}, range);
      return {};
    };
    for (const Delivery delivery : deliveries) {
      targets.last_.emplace(std::pair(protocol, delivery), target_of(*chosen.back(), delivery));
      std::vector<Target> several;
      for (const Service* service : drawn_services) {
        several.push_back(target_of(*service, delivery));
      }
      SVCB_CHECK(add(Position::first, delivery, std::array{target_of(*chosen.front(), delivery)}));
      SVCB_CHECK(add(Position::last, delivery, std::array{target_of(*chosen.back(), delivery)}));
      SVCB_CHECK(add(Position::random, delivery, several));
    }
    std::vector<Target> several;
    for (const Frontend& frontend : nobody) {
      several.push_back(missing(frontend, protocol));
    }
    if (!several.empty()) {
      SVCB_CHECK(add(Position::missing, Delivery::direct, several));
      for (const Delivery delivery : {Delivery::translated, Delivery::wrapped}) {
        targets.ranges_.emplace(Key{Position::missing, protocol, delivery},
                                targets.ranges_.at({Position::missing, protocol, Delivery::direct}));
      }
    }
  }
  return targets;
}

std::optional<TargetRange> PathTargets::of(Position position, Protocol protocol, Delivery delivery) const {
  const auto found = ranges_.find({position, protocol, delivery});
  return found == ranges_.end() ? std::nullopt : std::optional(found->second);
}

const Target* PathTargets::last(Protocol protocol, Delivery delivery) const {
  const auto found = last_.find({protocol, delivery});
  return found == last_.end() ? nullptr : &found->second;
}

Result<std::unique_ptr<PathRig>> PathRig::with_plane(Wire& wire, const Make& make,
                                                     PlaneConfiguration configuration,
                                                     std::span<const Service> services) {
  SVCB_TAKE(testbed, new_testbed(wire));
  std::unique_ptr<PathRig> rig(new PathRig(wire, std::move(testbed)));
  SVCB_TAKE(place, rig->testbed_.node().duplicate());
  configuration.ingress = rig->testbed_.ingress();
  configuration.egress = rig->testbed_.egress();
  configuration.node_addresses = Testbed::node_addresses();
  SVCB_TAKE(inside, place.enter());
  SVCB_TAKE(plane, make(configuration));
  rig->plane_ = std::make_unique<InNamespace>(std::move(place), std::move(plane));
  rig->delivery_ = rig->plane_->delivery();
  SVCB_CHECK(rig->plane_->install(services));
  return rig;
}

Result<std::unique_ptr<PathRig>> PathRig::with_redirect(Wire& wire, Wire::Hook hook,
                                                        std::uint64_t delay_ns) {
  SVCB_TAKE(testbed, new_testbed(wire));
  std::unique_ptr<PathRig> rig(new PathRig(wire, std::move(testbed)));
  SVCB_CHECK(wire.attach_redirect(rig->testbed_, hook));
  rig->delay_ns_ = delay_ns;
  return rig;
}

Result<std::unique_ptr<PathRig>> PathRig::with_sink(Wire& wire) {
  SVCB_TAKE(testbed, new_testbed(wire));
  std::unique_ptr<PathRig> rig(new PathRig(wire, std::move(testbed)));
  SVCB_CHECK(wire.sink_at_node(rig->testbed_));
  return rig;
}

Result<PathRig::Sent> PathRig::send(Volley volley) {
  volley.delay_ns = delay_ns_;
  SVCB_TAKE(inside, testbed_.node().enter());
  const NetCounters before = loss_counters();
  SVCB_TAKE(pinned, Pinned::to_last_cpu());
  SVCB_TAKE(arrivals, wire_->send(testbed_, volley));
  return Sent{std::move(arrivals), moved(before, loss_counters())};
}

bool PathRig::Sent::overran() const {
  const svcb_wire_counts& counts = arrivals.counts;
  const auto ingress = dropped.find(ingress_drops);
  return ingress != dropped.end() && counts.right + ingress->second == counts.sent;
}

namespace {

Status require_all_answered(const Arrivals& arrivals) {
  const svcb_wire_counts& counts = arrivals.counts;
  return counts.replies_as_vip == counts.sent
             ? Status()
             : failure(
                   "of {} packets {} got their answer, {} of these from the address that the client had "
                   "dialled: no figure is given",
                   counts.sent, counts.replies, counts.replies_as_vip);
}

}  // namespace

Result<std::optional<Arrivals>> PathRig::attempt(const TargetRange& targets, FlowKind flow,
                                                 std::uint32_t packets, std::uint32_t batch) {
  {
    SVCB_TAKE(inside, testbed_.node().enter());
    SVCB_CHECK(flush_conntrack());
  }
  if (plane_) {
    SVCB_CHECK(plane_->forget_flows());
  }
  const auto judged = [this](Sent sent) -> Result<std::optional<Arrivals>> {
    if (sent.arrivals.cut_off) {
      return std::optional<Arrivals>{};
    }
    const Status right = require_all_right(sent.arrivals, sent.dropped);
    if (right) {
      return std::optional(std::move(sent.arrivals));
    }
    if (sent.overran()) {
      ++overruns_;
      return std::optional<Arrivals>{};
    }
    return tl::unexpected(right.error());
  };
  Volley volley{
      .targets = targets, .first_flow = next_flow_, .flows = packets, .packets = packets, .batch = batch};
  if (flow == FlowKind::fresh) {
    next_flow_ += packets;
    SVCB_TAKE(sent, send(volley));
    return judged(std::move(sent));
  }
  volley.flows = std::max(flows_open, targets.count);
  next_flow_ += volley.flows;
  Volley opening = volley;
  opening.packets = volley.flows;
  opening.batch = 1;
  opening.answered = true;
  SVCB_TAKE(answered, send(opening));
  SVCB_TAKE(opened, judged(std::move(answered)));
  if (!opened) {
    return std::optional<Arrivals>{};
  }
  if (opened->counts.replies != opened->counts.sent) {
    return failure("of {} flows that were opened {} got their answer: established flows cannot be measured",
                   opened->counts.sent, opened->counts.replies);
  }
  volley.open = false;
  volley.answered = flow == FlowKind::reply;
  SVCB_TAKE(sent, send(volley));
  SVCB_TAKE(arrivals, judged(std::move(sent)));
  if (arrivals && flow == FlowKind::reply) {
    SVCB_CHECK(require_all_answered(*arrivals));
    arrivals->latency = arrivals->replies;
  }
  return arrivals;
}

Result<Arrivals> PathRig::measure(const PathTargets& targets, const PathKind& kind, std::uint32_t packets,
                                  std::uint32_t batch) {
  const auto range = targets.of(kind.position, kind.protocol, delivery_);
  if (!range) {
    return failure("no {} service to send packets to", to_string(kind.protocol));
  }
  for (int tries = 0; tries < most_tries; ++tries) {
    SVCB_TAKE(arrivals, attempt(*range, kind.flow, packets, batch));
    if (arrivals) {
      return std::move(*arrivals);
    }
  }
  return failure(
      "{} volleys in a row were lost to a full ingress queue, or to stops of svcbench: the machine is busy",
      most_tries);
}

}  // namespace svcbench
