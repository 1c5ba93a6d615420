// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The frontends that a cluster's objects make, each with its endpoints, as kube-proxy would have them.
#pragma once

#include <string_view>

#include "service/cluster.h"
#include "service/cluster/objects.h"

namespace svcbench::cluster {

// `source` is what notes and errors call where the objects are from. Error: usage: there is no ClusterIP
// frontend, and it may not be so.
[[nodiscard]] Result<ClusterServices> frontends_of(Objects objects, std::string_view source,
                                                   const ClusterOptions& options);

}  // namespace svcbench::cluster
