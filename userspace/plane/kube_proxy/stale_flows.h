// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What kube-proxy does in the connection tracker, beside the rules that it writes. A tracked UDP flow never
// meets the rules again, and nothing tells its client that the backend is gone: so once the rules of a
// changed UDP frontend are loaded, the flows that its clients have with anybody but its endpoints are ended
// (pkg/proxy/conntrack/cleanup.go).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plane/kube_proxy/versions.h"
#include "plane/plane.h"
#include "plane/whole_sync.h"
#include "sys/result.h"

namespace svcbench::kube_proxy {

class StaleFlows {
 public:
  void note(const Change& change);
  // Those of the changes since the last time, in the node's network namespace; a part of the commit's cost.
  Status end(SyncCost& cost);

  // A part of a whole sync, as this version does it: one look at all UDP flows and deletions by netlink,
  // or, before 1.32, a `conntrack -D` for each endpoint that is gone. Where that program is not installed,
  // the former in its place.
  Status end(const Version& version, std::span<const Endpoint> gone, SyncParts& parts);

 private:
  Status end_by_tool(const std::string& tool, std::span<const Endpoint> gone, SyncParts& parts);
  Result<std::size_t> end_by_netlink();

  std::vector<Service> changed_{};  // as they are now; a removed one has no endpoints
};

// The program that versions before 1.32 run; empty: it is not installed.
[[nodiscard]] std::string conntrack_tool();

}  // namespace svcbench::kube_proxy
