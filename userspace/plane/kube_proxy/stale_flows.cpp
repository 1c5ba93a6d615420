// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/kube_proxy/stale_flows.h"

#include <algorithm>
#include <utility>

#include "sys/child_process.h"
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
  SVCB_CHECK(end_by_netlink());
  cost.commit_ns += ending.ns();
  return {};
}

Result<std::size_t> StaleFlows::end_by_netlink() {
  std::size_t ended = 0;
  for (const Service& service : std::exchange(changed_, {})) {
    const Frontend& frontend = service.frontend;
    const auto is_stale = [&](const TrackedFlow& flow) {
      const bool dials_it =
          flow.dialled.port == frontend.port &&
          (service.kind == FrontendKind::node_port || flow.dialled.address == frontend.address);
      return dials_it && std::find(service.endpoints.begin(), service.endpoints.end(), flow.replier) ==
                             service.endpoints.end();
    };
    SVCB_TAKE(flows, forget_flows(frontend.address.family, frontend.protocol, is_stale));
    ended += flows;
  }
  return ended;
}

Status StaleFlows::end(const Version& version, std::span<const Endpoint> gone, SyncParts& parts) {
  if (changed_.empty()) {
    return {};
  }
  if (!version.has(Trait::conntrack_netlink)) {
    if (const std::string tool = conntrack_tool(); !tool.empty()) {
      return end_by_tool(tool, gone, parts);
    }
  }
  SVCB_TAKE(ended, end_by_netlink());
  parts.flows_ended += ended;
  return {};
}

Status StaleFlows::end_by_tool(const std::string& tool, std::span<const Endpoint> gone, SyncParts& parts) {
  for (const Service& service : std::exchange(changed_, {})) {
    if (service.kind == FrontendKind::node_port) {
      continue;  // it looks for those when a service gets its first endpoint
    }
    for (const Endpoint& endpoint : gone) {
      SVCB_TAKE(result, run_child({tool, "-D", "--orig-dst", service.frontend.address.text(), "--dst-nat",
                                   endpoint.address.text(), "-p", "udp"}));
      parts.runs += 1;
      // 1: there was none.
      if (result.exit_status > 1) {
        return failure("{} did not delete the flows of {}: exit status {}, {}", tool, endpoint.text(),
                       result.exit_status, result.first_error_line());
      }
    }
  }
  return {};
}

std::string conntrack_tool() { return find_program("conntrack").value_or(""); }

}  // namespace svcbench::kube_proxy
