// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/scenario/packets.h"

#include <fmt/format.h>

#include <algorithm>

#include "service/text.h"
#include "sys/interrupt.h"

namespace svcbench {

namespace {

// Flows are opened and answered before packets of theirs are timed: another volley.
double volleys(FlowKind flow) { return flow == FlowKind::fresh ? 1 : 2; }

}  // namespace

std::string Packets::name() const {
  return fmt::format("{} services, {}, {}, {} {}", grouped(services), plane, to_string(kind.flow),
                     to_string(kind.position), to_string(kind.protocol));
}

Result<Arrivals> Packets::send(std::string_view scenario, std::uint32_t packets,
                               std::uint32_t batch) const {
  auto arrivals = rig->measure(*targets, kind, packets, batch);
  if (!arrivals) {
    SVCB_CHECK(check_interrupted());
    return failure("{}, {}: {}", scenario, name(), arrivals.error().message);
  }
  return arrivals;
}

Status each_packets(const Setting& setting, std::span<const PathKind> kinds,
                    const std::function<Status(Packets)>& body) {
  const Installations& planes = *setting.planes;
  const auto through = [&](PathRig& rig, std::string_view plane, std::size_t services,
                           std::span<const PathKind> some) -> Status {
    const PathTargets& targets = planes.targets(services);
    for (const PathKind& kind : some) {
      // A backend that got its packet wrapped replies by itself: that is no packet of the node's.
      const bool passes = kind.flow != FlowKind::reply || rig.delivery() != Delivery::wrapped;
      if (passes && targets.of(kind.position, kind.protocol, rig.delivery())) {
        SVCB_CHECK(body({&rig, &targets, std::string(plane), services, kind}));
      }
    }
    return {};
  };
  for (const PlaneAtSize* one : planes.there()) {
    if (one->rig && one->row->off_wire.empty()) {
      SVCB_CHECK(through(*one->rig, one->row->name, one->services, kinds));
    }
  }
  for (const auto& [name, rig] : planes.instruments()) {
    SVCB_CHECK(through(*rig, name, setting.selection.sweep.back(),
                       kinds.first(std::min<std::size_t>(2, kinds.size()))));
  }
  return {};
}

Result<double> PacketCosts::of(const Packets& packets, std::uint32_t count, Clock& clock) {
  auto found = seconds_.find(packets.rig);
  if (found == seconds_.end()) {
    const std::int64_t begin = clock.now_ns();
    SVCB_TAKE(arrivals, packets.send("path", count));
    const double took = seconds_between(begin, clock.now_ns()) / volleys(packets.kind.flow);
    found = seconds_.emplace(packets.rig, took).first;
  }
  return found->second * volleys(packets.kind.flow);
}

}  // namespace svcbench
