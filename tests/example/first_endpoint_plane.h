// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// The data plane that CONTRIBUTING.md shows: nftables' DNAT to the first endpoint of each service, by one
// map a family. Small, right for what it does, and no Kubernetes Service.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "plane/configuration.h"
#include "plane/plane.h"
#include "plane/registry.h"

namespace svcbench::example {

class FirstEndpointPlane final : public DataPlane {
 public:
  FirstEndpointPlane() = default;
  FirstEndpointPlane(const FirstEndpointPlane&) = delete;
  FirstEndpointPlane& operator=(const FirstEndpointPlane&) = delete;
  ~FirstEndpointPlane() override;

  Status install(std::span<const Service> services) override;
  Status stage(const Change& change) override;
  Status commit() override;
  [[nodiscard]] SyncCost sync_cost() const override { return cost_; }
  [[nodiscard]] Result<std::size_t> entries() const override;
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override;
  [[nodiscard]] Service programmed(const Service& service) const override;

 private:
  Status load(const std::string& text);

  std::string staged_;
  SyncCost cost_;
};

Status probe_first_endpoint();
Result<std::unique_ptr<DataPlane>> make_first_endpoint(const PlaneConfiguration& configuration);

// As it would stand in planes(), userspace/plane/registry.cpp.
[[nodiscard]] const PlaneRow& first_endpoint_row();

}  // namespace svcbench::example
