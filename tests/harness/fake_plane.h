// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A plane without a kernel and a clock that only it moves: costs that are known beforehand.
#pragma once

#include <functional>
#include <unordered_map>

#include "measure/clock.h"
#include "plane/plane.h"

namespace svcbench::test {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_ns() override { return now_; }
  void pass(double ns) { now_ += static_cast<std::int64_t>(ns); }

 private:
  std::int64_t now_ = 1'000'000;
};

class FakePlane final : public DataPlane {
 public:
  // What a commit costs, in ns, with `services` installed.
  using Cost = std::function<double(std::size_t services)>;

  FakePlane(FakeClock& clock, Cost cost) : clock_(&clock), cost_(std::move(cost)) {}

  Status install(std::span<const Service> services) override {
    services_.clear();
    for (const Service& service : services) {
      services_[service.frontend] = service;
    }
    return {};
  }
  Status stage(const Change& change) override {
    staged_ = change;
    return {};
  }
  Status commit() override {
    clock_->pass(cost_(services_.size()));
    if (forgets_changes) {
      return {};
    }
    if (staged_.operation == Operation::remove_service) {
      services_.erase(staged_.service.frontend);
    } else {
      services_[staged_.service.frontend] = staged_.service;
    }
    return {};
  }
  [[nodiscard]] Result<std::size_t> entries() const override { return services_.size(); }
  [[nodiscard]] Result<std::optional<Service>> find(const Frontend& frontend) const override {
    const auto found = services_.find(frontend);
    return found == services_.end() ? std::optional<Service>{} : std::optional(found->second);
  }

  bool forgets_changes = false;  // a plane that says yes and does nothing

 private:
  FakeClock* clock_;
  Cost cost_;
  Change staged_{};
  std::unordered_map<Frontend, Service> services_{};
};

}  // namespace svcbench::test
