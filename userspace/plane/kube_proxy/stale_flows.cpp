// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/stale_flows.h"

#include <algorithm>
#include <utility>

#include "sys/conntrack.h"
#include "sys/stopwatch.h"

namespace svcbench::kube_proxy {

void StaleFlows::note(const Change& change) {
  if (change.service.frontend.protocol != Protocol::udp) {
    return;
  }
  changed_.push_back(change.service);
  if (change.operation == Operation::remove_service) {
    changed_.back().endpoints.clear();
  }
}

Status StaleFlows::end(SyncCost& cost) {
  const Stopwatch ending;
  for (const Service& service : std::exchange(changed_, {})) {
    const Frontend& frontend = service.frontend;
    const auto is_stale = [&](const TrackedFlow& flow) {
      const bool dials_it =
          flow.dialled.port == frontend.port &&
          (service.kind == FrontendKind::node_port || flow.dialled.address == frontend.address);
      return dials_it && std::find(service.endpoints.begin(), service.endpoints.end(), flow.replier) ==
                             service.endpoints.end();
    };
    SVCB_CHECK(forget_flows(frontend.address.family, frontend.protocol, is_stale));
  }
  cost.commit_ns += ending.ns();
  return {};
}

}  // namespace svcbench::kube_proxy
