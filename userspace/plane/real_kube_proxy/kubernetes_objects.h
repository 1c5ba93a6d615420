// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Services as Kubernetes' API has them: the objects that a real kube-proxy lists and watches. Pure.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "service/service.h"
#include "sys/result.h"

namespace svcbench::kubernetes {

enum class Resource : std::uint8_t { services, endpoint_slices, nodes, service_cidrs };

// Which object: "default/web" or, of those that are in no namespace, "node-1".
struct ObjectKey {
  Resource resource = Resource::services;
  std::string name{};

  auto operator<=>(const ObjectKey&) const = default;
};

// Without metadata.resourceVersion, which is the server's to give.
using Objects = std::map<ObjectKey, nlohmann::json>;

// "namespace/service" of a frontend's name.
[[nodiscard]] std::string_view owner_of(const Service& service);

// The Service and the EndpointSlices that `frontends` are of: all of those that have one owner, at least
// one of which is a ClusterIP. A slice for each family, port and number that endpoints listen at. `node`:
// whose pods a Local traffic policy keeps; others are of a node that has no name here. Error: what of it no
// Service can have.
[[nodiscard]] Result<Objects> objects_of(std::span<const Service> frontends, std::string_view node);

// objects_of() of each owner among `services`.
[[nodiscard]] Result<Objects> objects_of_all(std::span<const Service> services, std::string_view node);

// `addresses`: the node's own; none: it has a loopback one.
[[nodiscard]] nlohmann::json node_object(std::string_view name, std::span<const Address> addresses);
// `range`: "10.96.0.0/12".
[[nodiscard]] nlohmann::json service_cidr_object(std::string_view name, std::string_view range);

}  // namespace svcbench::kubernetes
