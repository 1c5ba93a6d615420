// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What kube-proxy does in the connection tracker, beside the rules that it writes. A tracked UDP flow never
// meets the rules again, and nothing tells its client that the backend is gone: so once the rules of a
// changed UDP frontend are loaded, the flows that its clients have with anybody but its endpoints are ended
// (pkg/proxy/conntrack/cleanup.go).
#pragma once

#include <vector>

#include "plane/plane.h"
#include "sys/result.h"

namespace svcbench::kube_proxy {

class StaleFlows {
 public:
  void note(const Change& change);
  // Those of the changes since the last time, in the node's network namespace; a part of the commit's cost.
  Status end(SyncCost& cost);

 private:
  std::vector<Service> changed_{};  // as they are now; a removed one has no endpoints
};

}  // namespace svcbench::kube_proxy
