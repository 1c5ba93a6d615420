// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "plane/null_plane.h"

namespace svcbench {

Status NullPlane::install(std::span<const Service> services) {
  services_.clear();
  for (const Service& service : services) {
    services_.emplace(service.frontend, service);
  }
  return {};
}

Status NullPlane::stage(const Change& change) {
  staged_ = change;
  return {};
}

Status NullPlane::commit() {
  if (staged_.operation == Operation::remove_service) {
    services_.erase(staged_.service.frontend);
  } else {
    services_.insert_or_assign(staged_.service.frontend, staged_.service);
  }
  return {};
}

Result<std::optional<Service>> NullPlane::find(const Frontend& frontend) const {
  const auto found = services_.find(frontend);
  return found == services_.end() ? std::optional<Service>{} : std::optional(found->second);
}

Status probe_null() { return {}; }
Result<std::unique_ptr<DataPlane>> make_null(const PlaneConfiguration& /*configuration*/) {
  return std::make_unique<NullPlane>();
}

}  // namespace svcbench
