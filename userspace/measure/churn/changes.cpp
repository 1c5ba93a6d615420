// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "measure/churn/changes.h"

namespace svcbench {

namespace {

constexpr std::size_t most_more_endpoints = 2;  // than a service had at first

}  // namespace

std::string_view to_string(ChurnStep step) {
  constexpr std::array<std::string_view, churn_steps> names{"replace", "grow",   "shrink", "empty",
                                                            "refill",  "remove", "add"};
  return names[static_cast<std::size_t>(step)];
}

ChangeSequence::ChangeSequence(std::span<const Service> services, const Workload& workload,
                               std::uint64_t seed)
    : workload_(&workload), random_(seed), present_(services.size()), emptied_(services.size()) {
  slots_.reserve(services.size());
  for (const Service& service : services) {
    slots_.push_back({service, service, true});
  }
}

std::vector<Endpoint> ChangeSequence::fresh(const Slot& slot) {
  return workload_->changed(slot.original, serial_++).endpoints;
}

ChurnStep ChangeSequence::draw(const Slot& slot) {
  if (!slot.present) {
    return ChurnStep::add;
  }
  const std::size_t drawn = draw_below(random_, 20);
  if (drawn < 4 && slot.now.endpoints.size() < slot.original.endpoints.size() + most_more_endpoints) {
    return ChurnStep::grow;
  }
  if (drawn >= 4 && drawn < 8 && slot.now.endpoints.size() > 1) {
    return ChurnStep::shrink;
  }
  if (drawn == 8 || drawn == 9) {
    return ChurnStep::remove;
  }
  return drawn == 10 ? ChurnStep::empty : ChurnStep::replace;
}

PlannedChange ChangeSequence::next() {
  const bool refills = must_refill();
  PlannedChange planned;
  planned.place = refills ? emptied_ : draw_below(random_, slots_.size());
  Slot& slot = slots_[planned.place];
  planned.step = refills ? ChurnStep::refill : draw(slot);
  planned.change.operation = Operation::change_endpoints;
  emptied_ = slots_.size();
  auto& endpoints = slot.now.endpoints;
  switch (planned.step) {
    case ChurnStep::replace:
    case ChurnStep::refill:
      endpoints = fresh(slot);
      break;
    case ChurnStep::grow:
      endpoints.push_back(fresh(slot).front());
      break;
    case ChurnStep::shrink:
      endpoints.erase(endpoints.begin() +
                      static_cast<std::ptrdiff_t>(draw_below(random_, endpoints.size())));
      break;
    case ChurnStep::empty:
      endpoints.clear();
      emptied_ = planned.place;
      break;
    case ChurnStep::remove:
      planned.change.operation = Operation::remove_service;
      slot.present = false;
      --present_;
      break;
    case ChurnStep::add:
      planned.change.operation = Operation::add_service;
      endpoints = fresh(slot);
      slot.present = true;
      ++present_;
      break;
  }
  planned.change.service = slot.now;
  planned.present = slot.present;
  return planned;
}

}  // namespace svcbench
