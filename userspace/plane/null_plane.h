// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// No data plane at all: packets are sent to a backend's own address, and the kernel forwards them. The
// floor under every path, always shown, never subtracted.
#pragma once

#include <memory>
#include <unordered_map>

#include "plane/configuration.h"
#include "plane/plane.h"

namespace svcbench {

// Programs nothing; remembers the services, so that it answers like the others.
class NullPlane final : public DataPlane {
 public:
  Status install(std::span<const Service> services) override;
  Status stage(const Change& change) override;
  Status commit() override;
  [[nodiscard]] Result<std::size_t> entries() const override { return services_.size(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;
  [[nodiscard]] Delivery delivery() const override { return Delivery::direct; }

 private:
  std::unordered_map<Frontend, Service> services_;
  Change staged_{};
};

// For the registry.
Status probe_null();
Result<std::unique_ptr<DataPlane>> make_null(const PlaneConfiguration& configuration);

}  // namespace svcbench
