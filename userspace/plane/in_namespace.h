// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A plane that lives in a network namespace of its own.
#pragma once

#include <memory>

#include "plane/plane.h"
#include "sys/net_namespace.h"

namespace svcbench {

// Does everything that `plane` does, inside. Netfilter's tables belong to a namespace: without this, tables
// of different sizes would replace each other, and each reload would also pay for the removal of another
// size's table. Going in and out takes two system calls, microseconds in a reload's milliseconds.
class InNamespace final : public DataPlane {
 public:
  InNamespace(NetNamespace place, std::unique_ptr<DataPlane> plane)
      : place_(std::move(place)), plane_(std::move(plane)) {}

  // For one who stays inside over many calls, and does not want the way in and out in each (10 us and
  // more): the plane itself, to be used while what enter() gave lives.
  [[nodiscard]] Result<NetNamespace::Inside> enter() const { return place_.enter(); }
  [[nodiscard]] DataPlane& inner() { return *plane_; }

  // The plane's own destructor runs inside too.
  ~InNamespace() override {
    const auto inside = place_.enter();
    plane_.reset();
  }

  Status install(std::span<const Service> services) override {
    SVCB_TAKE(inside, place_.enter());
    return plane_->install(services);
  }
  Status stage(const Change& change) override {
    SVCB_TAKE(inside, place_.enter());
    return plane_->stage(change);
  }
  Status commit() override {
    SVCB_TAKE(inside, place_.enter());
    return plane_->commit();
  }
  [[nodiscard]] std::span<const std::string_view> ways() const override { return plane_->ways(); }
  Status choose_way(std::size_t way) override { return plane_->choose_way(way); }
  [[nodiscard]] SyncCost sync_cost() const override { return plane_->sync_cost(); }
  [[nodiscard]] std::optional<ControllersAccount> controllers_account() override {
    const auto inside = place_.enter();
    return inside ? plane_->controllers_account() : std::nullopt;
  }
  [[nodiscard]] Result<std::size_t> entries() const override {
    SVCB_TAKE(inside, place_.enter());
    return plane_->entries();
  }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    SVCB_TAKE(inside, place_.enter());
    return plane_->find(frontend);
  }
  [[nodiscard]] Result<std::optional<std::uint64_t>> kernel_bytes() const override {
    return plane_->kernel_bytes();
  }
  Status forget_flows() override {
    SVCB_TAKE(inside, place_.enter());
    return plane_->forget_flows();
  }
  [[nodiscard]] Result<std::optional<FlowTable>> flow_table() const override {
    return plane_->flow_table();
  }
  [[nodiscard]] Delivery delivery() const override { return plane_->delivery(); }
  [[nodiscard]] Service programmed(const Service& service) const override {
    return plane_->programmed(service);
  }

 private:
  NetNamespace place_;
  std::unique_ptr<DataPlane> plane_;
};

}  // namespace svcbench
