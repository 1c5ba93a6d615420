// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/probed.h"

#include "sys/interrupt.h"
#include "sys/route_socket.h"

namespace svcbench {

namespace {

Status probe(const PlaneRow& row) {
  SVCB_TAKE(place, namespace_with_loopback());
  SVCB_TAKE(inside, place.enter());
  return row.probe();
}

}  // namespace

Result<std::vector<ProbedPlane>> probe_planes(std::span<const PlaneRow* const> rows) {
  std::vector<ProbedPlane> probed;
  for (const PlaneRow* row : rows) {
    const Status here = probe(*row);
    SVCB_CHECK(check_interrupted());
    probed.push_back({row, here ? "" : here.error().message});
  }
  return probed;
}

}  // namespace svcbench
