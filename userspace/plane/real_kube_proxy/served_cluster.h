// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A cluster's file as an API server would serve it: its own objects, which svcbench's reading of them
// (service/cluster.h) has no part in. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "plane/real_kube_proxy/kubernetes_objects.h"
#include "service/service.h"

namespace svcbench::kubernetes {

// Of `file`, objects as they stand there (cluster_objects()): Services, EndpointSlices and ServiceCIDRs,
// with what the API server adds to an object that leaves it out; EndpointSlices for Endpoints objects whose
// Service has none, as the cluster's controllers mirror them; and the Node `node`, with `addresses` and the
// zone that the file's Node of that name has. Of an object that stands twice the newer one. Objects without
// a name, of other kinds, and those that kube-proxy's label selectors pass over, are left out.
[[nodiscard]] Objects served_cluster(std::span<const nlohmann::json> file, std::string_view node,
                                     std::span<const Address> addresses);

}  // namespace svcbench::kubernetes
