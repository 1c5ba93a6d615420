// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Update: one service changes, is added, is removed, where N exist.
#pragma once

#include <deque>
#include <functional>

#include "measure/scenario/scenario.h"
#include "measure/update.h"
#include "plane/in_namespace.h"

namespace svcbench {

// A plane with N services in place.
struct ChangingPlane {
  std::string name{};
  DataPlane* plane = nullptr;          // null: left out
  const InNamespace* place = nullptr;  // where `plane` is; null: anywhere
  std::span<const Service> services{};
  std::size_t rules = 0;  // in a table that is loaded whole; else 0
  std::uint64_t seed = 1;
  std::string left_out{};                     // why
  std::optional<double> predicted_seconds{};  // of one change, where it is left out
};

class UpdateScenario final : public Scenario {
 public:
  using Planes = std::function<std::vector<ChangingPlane>(Setting&)>;
  // At most so many changes in a visit, and so many visits.
  UpdateScenario(Planes planes, std::size_t most_changes, std::size_t most_visits = SIZE_MAX)
      : planes_(std::move(planes)), most_changes_(most_changes), most_visits_(most_visits) {}

  Status prepare(Setting& setting, std::vector<Step>& steps) override;
  Status check() override;
  void tell(Findings& findings) override;

 private:
  struct Way {
    const ChangingPlane* plane = nullptr;
    UpdateSubject* subject = nullptr;  // one for all ways of a plane: what one changes, the next finds
    std::size_t way = 0;
    std::size_t changes = 1;  // of a visit
    UpdateCell change{}, add{}, remove{};
  };
  Status prepare(const ChangingPlane& plane, std::vector<Step>& steps);
  Status add_step(Way& way, std::vector<Step>& steps);
  Status visit(Way& way, std::size_t repeat);

  Planes planes_;
  std::size_t most_changes_;
  std::size_t most_visits_;
  Setting* setting_ = nullptr;
  // Steps point at them.
  std::deque<ChangingPlane> changing_{};
  std::deque<UpdateSubject> subjects_{};
  std::deque<Way> ways_{};
};

}  // namespace svcbench
