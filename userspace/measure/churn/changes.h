// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Which changes are made, in a seeded order: services and endpoints that come, change and go.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "service/service.h"
#include "service/workload.h"
#include "stats/random.h"

namespace svcbench {

// What happens to a service.
enum class ChurnStep : std::uint8_t {
  replace,  // all its endpoints go, as many others come
  grow,     // one endpoint comes
  shrink,   // one goes
  empty,    // all go, and none comes
  refill,   // the next change after that: as many come as the service had
  remove,   // the service goes
  add,      // and comes back with other endpoints
};

inline constexpr std::size_t churn_steps = 7;

[[nodiscard]] std::string_view to_string(ChurnStep step);

struct PlannedChange {
  ChurnStep step = ChurnStep::replace;
  std::size_t place = 0;  // in the services that change
  Change change{};
  bool present = true;  // the service, afterwards
};

// Of 20 changes of services that are there about 9 replace, 4 grow, 4 shrink, 2 remove and 1 empties. A
// service that a change brings back or fills is not another one: its frontend is the same.
class ChangeSequence {
 public:
  // `workload` makes the endpoints that come, each of them once, and must outlive this.
  ChangeSequence(std::span<const Service> services, const Workload& workload, std::uint64_t seed);

  [[nodiscard]] PlannedChange next();

  // Whether the last change emptied a service, which the next one fills.
  [[nodiscard]] bool must_refill() const { return emptied_ < slots_.size(); }
  // How many of them are there, after the changes so far.
  [[nodiscard]] std::size_t present() const { return present_; }

 private:
  struct Slot {
    Service original;
    Service now;
    bool present = true;
  };
  [[nodiscard]] ChurnStep draw(const Slot& slot);
  [[nodiscard]] std::vector<Endpoint> fresh(const Slot& slot);

  std::vector<Slot> slots_;
  const Workload* workload_;
  Random random_;
  std::uint64_t serial_ = 0;
  std::size_t present_;
  std::size_t emptied_;  // the slot to be refilled next; none: slots_.size()
};

}  // namespace svcbench
